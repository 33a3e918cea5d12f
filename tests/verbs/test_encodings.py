"""Content-Encoding is a property of an object: its bytes move as they are stored, and the property goes along."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import Cli
from tests.support.files import content

MIB = 1024 * 1024


def test_a_compressed_object_moves_as_it_is_stored(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = gzip.compress(content(12 * MIB, 1), 1)
    boto.put_object(Bucket=bucket, Key="k", Body=data, ContentEncoding="gzip", ContentType="text/plain")
    cli.ok("download", "--part-size", "5M", f"s3://{bucket}/k", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    cli.ok("upload", "--part-size", "5M", f"s3://{bucket}/k", f"s3://{bucket}/copy")
    found = boto.get_object(Bucket=bucket, Key="copy")
    assert found["Body"].read() == data
    assert found["ContentEncoding"] == "gzip"


def test_the_framing_of_an_upload_is_no_encoding_of_its_copy(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content(1000, 1))
    cli.ok("upload", tmp_path / "f", f"s3://{bucket}/k")
    cli.ok("upload", f"s3://{bucket}/k", f"s3://{bucket}/copy")
    cli.ok("upload", f"s3://{bucket}/copy", f"s3://{bucket}/again")
    assert boto.head_object(Bucket=bucket, Key="again").get("ContentEncoding") in (None, "aws-chunked")
    cli.ok("download", f"s3://{bucket}/again", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content(1000, 1)


def test_a_compressed_object_is_relayed_as_it_is_stored(cli: Cli, s3: SeaweedServer, boto: Any, bucket: str) -> None:
    """In ranges, and as one stream where the whole's digest is asked for."""
    data = gzip.compress(content(6 * MIB, 1), 1)
    boto.put_object(Bucket=bucket, Key="k", Body=data, ContentEncoding="gzip")
    elsewhere = ("upload", "--src-endpoint-url", s3.endpoint_url)
    digest = hashlib.sha256(data).hexdigest()
    cli.ok(*elsewhere, f"s3://{bucket}/k", f"s3://{bucket}/ranges")
    cli.ok(*elsewhere, "--expect-sha256", digest, f"s3://{bucket}/k", f"s3://{bucket}/stream")
    for key in ("ranges", "stream"):
        assert boto.get_object(Bucket=bucket, Key=key)["Body"].read() == data
