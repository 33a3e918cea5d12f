"""Command lines of S3AM 2, as its README, its help and scripts around it write them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer

PART = 5 * 1024 * 1024
KEY = "-0123456789012345678901234567890"
OTHER = "skdjfh9q4rusidfjs9fjsdr9vkfdh833"


def test_transfers(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "ftp").mkdir()
    source = make_file(tmp_path / "ftp" / "reads.gz", 2 * PART + 1, 1)
    slots = ("--download-slots", "400", "--upload-slots", "0")
    with FtpServer(tmp_path / "ftp", user=None) as ftp:
        url = ftp.url("/reads.gz")
        cli.ok("upload", "--verbose", *slots, url, f"s3://{bucket}/", "--part-size", "5MB", "--resume")
        cli.ok("upload", "--exists", "skip", "--force", url, f"s3://{bucket}/")
        assert cli("upload", "--debug", url, f"s3://{bucket}/").rc == 3
    copied = f"s3://{bucket}/copies/"
    cli.ok("upload", "--requester-pays", f"s3://{bucket}/reads.gz", copied)
    assert object_digest(boto, bucket, "copies/reads.gz") == digest(source)
    words = ("--part-size", "1", "--download-slots", "8", "--checksum-slots", "8", copied + "reads.gz")
    cli.ok("download", "--file-exists", "overwrite", "--download-exists", "resume", *words, f"{tmp_path}/")
    assert digest(tmp_path / "reads.gz") == digest(source)
    cli.ok("cancel", f"s3://{bucket}/reads.gz")
    cli.ok("cancel", "--prefix", f"s3://{bucket}/")


def test_checksums(cli: Cli, boto: Any, bucket: str) -> None:
    """Any of hashlib's, and a part size that S3AM 2's verify took."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"hello")
    assert cli.ok("verify", "--part-size", "1M", f"s3://{bucket}/k").stdout == hashlib.md5(b"hello").hexdigest() + "\n"
    for name in sorted({"sha1", "sha512", "sha512_256", "sm3"} & hashlib.algorithms_available):
        said = cli.ok("verify", "--checksum", name, f"s3://{bucket}/k").stdout
        assert said == hashlib.new(name, b"hello").hexdigest() + "\n"
    assert cli("verify", "--checksum", "shake_128", f"s3://{bucket}/k").rc == 9


def test_keys(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    source = make_file(tmp_path / "f", 1000, 1)
    (tmp_path / "key").write_text(KEY)
    url = f"s3://{bucket}/k"
    cli.ok("upload", source, url, "--sse-key=" + KEY)
    got = boto.get_object(Bucket=bucket, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)
    assert got["Body"].read() == source.read_bytes()
    encoded = base64.b64encode(KEY.encode()).decode()
    cli.ok("upload", "--src-sse-key-file", tmp_path / "key", "--sse-key", OTHER, url, f"s3://{bucket}/k2")
    cli.ok("upload", "--src-sse-key=" + OTHER, "--sse-key-base64", encoded, f"s3://{bucket}/k2", f"s3://{bucket}/k3")
    cli.ok("download", "--sse-key-base64", encoded, f"s3://{bucket}/k3", tmp_path / "out")
    assert digest(tmp_path / "out") == digest(source)
    cli.ok("upload", "--sse-key-file", tmp_path / "key", "--sse-key-is-master", source, f"s3://{bucket}/m")
    master = ("--src-sse-key-base64", encoded, "--src-sse-key-is-master")
    cli.ok("upload", *master, f"s3://{bucket}/m", f"s3://{bucket}/plain")
    assert object_digest(boto, bucket, "plain") == digest(source)
    md5 = cli.ok("verify", "--sse-key-base64", encoded, "--sse-key-is-master", f"s3://{bucket}/m").stdout
    assert md5 == hashlib.md5(source.read_bytes()).hexdigest() + "\n"
