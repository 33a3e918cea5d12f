"""The main job over TLS of a private CA, on every S3 server here: SeaweedFS always, MinIO where it is installed.

What only one of the two can do is in it too: SeaweedFS relays a copy between two customer keys, MinIO makes it itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import Cli
from tests.support.files import digest, make_file
from tests.support.minio import MinioServer, find_minio
from tests.support.tls import Certificates

PART = 5 * 1024 * 1024
KEYS = ["a b+c", "ü/ñ 100%41", "a#b?c=d&e", ("k" * 127 + "/") * 7 + "k" * 128]


@pytest.fixture(scope="module", params=["seaweed", *(["minio"] if find_minio() else [])])
def service(
    request: pytest.FixtureRequest, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment for one server."""
    if request.param == "minio":
        with MinioServer(tmp_path_factory.mktemp("minio"), certs) as minio:
            yield minio.environment()
    else:
        s3: SeaweedServer = request.getfixturevalue("s3")
        yield {**s3.environment(), "AWS_ENDPOINT_URL": s3.https_url, "AWS_CA_BUNDLE": str(certs.ca)}


@pytest.fixture
def client(service: dict[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=service["AWS_ENDPOINT_URL"],
        aws_access_key_id=service["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=service["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        verify=service["AWS_CA_BUNDLE"],
        config=Config(s3={"addressing_style": "path"}),
    )


@pytest.fixture
def place(client: Any, request: pytest.FixtureRequest) -> str:
    name = f"main.job.{abs(hash(request.node.name)) % 10**9}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3am(service: dict[str, str], tmp_path: Path) -> Cli:
    return Cli(tmp_path / "home", service, forks=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_file(tmp_path / "f", 2 * PART + 17, 5)


def begun_with_two_parts(client: Any, bucket: str, key: str, source: Path) -> None:
    """What an earlier run of anybody has left."""
    upload = client.create_multipart_upload(
        Bucket=bucket, Key=key, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
    )
    content = source.read_bytes()
    for number in (1, 2):
        client.upload_part(
            Bucket=bucket,
            Key=key,
            UploadId=upload["UploadId"],
            PartNumber=number,
            Body=content[(number - 1) * PART : number * PART],
            ChecksumAlgorithm="CRC64NVME",
        )


def test_there_and_back(s3am: Cli, place: str, source: Path, tmp_path: Path) -> None:
    url = f"s3://{place}/k"
    s3am.ok("upload", "--part-size", "5M", source, url)
    assert s3am("upload", source, url).rc == 3
    s3am.ok("upload", url, f"s3://{place}/whole")
    copied = s3am.ok("upload", "--part-size", "5M", url, f"s3://{place}/parts")
    assert "relayed" not in copied.stderr
    for key in ("k", "whole", "parts"):
        proved = s3am.ok("verify", "--against", source, f"s3://{place}/{key}").stdout
        assert "downloaded" not in proved
    s3am.ok("download", f"s3://{place}/parts", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(source)
    assert s3am("upload", source, "s3://no-such-bucket-here/k").rc == 17
    assert s3am("download", url + "none", tmp_path / "none").rc == 17


@pytest.mark.parametrize("key", KEYS)
def test_keys(s3am: Cli, client: Any, place: str, source: Path, tmp_path: Path, key: str) -> None:
    """Through every command: pending and cancel, too, have to name the key as it is."""
    url = f"s3://{place}/{key}"
    begun_with_two_parts(client, place, key, source)
    listed = [json.loads(line) for line in s3am.ok("pending", "--json", url).stdout.splitlines()]
    assert [(found["url"], found["parts"]) for found in listed] == [(url, 2)]
    s3am.ok("cancel", url)
    assert s3am.ok("pending", url).stdout == ""
    s3am.ok("upload", "--part-size", "5M", source, url)
    s3am.ok("upload", url, f"s3://{place}/copy")
    s3am.ok("download", url, tmp_path / "back")
    assert digest(tmp_path / "back") == digest(source)
    s3am.ok("verify", "--against", source, url)
    assert client.head_object(Bucket=place, Key=key)["ContentLength"] == source.stat().st_size


def test_unfinished_uploads_of_others_are_taken_up(s3am: Cli, client: Any, place: str, source: Path) -> None:
    url = f"s3://{place}/k"
    begun_with_two_parts(client, place, "k", source)
    assert s3am("upload", source, url).rc == 4
    done = s3am.ok("upload", "--json", "--resume", source, url).json_lines()[-1]
    assert (done["parts_resumed"], done["parts_sent"]) == (2, 1)
    s3am.ok("verify", "--against", source, url)
    assert s3am.ok("pending", url).stdout == ""


def test_customer_keys(s3am: Cli, client: Any, place: str, source: Path, tmp_path: Path) -> None:
    """A copy from one key to another is made by the server where it can; boto3 reads it with the new one."""
    for name in ("old", "new"):
        s3am.ok("generate-sse-key", tmp_path / name)
    one, two = (f"s3://{place}/{key}" for key in ("one", "two"))
    s3am.ok("upload", "--part-size", "5M", "--sse-key-file", tmp_path / "old", source, one)
    words = ("--src-sse-key-file", tmp_path / "old", "--sse-key-file", tmp_path / "new", "--part-size", "5M")
    s3am.ok("upload", *words, one, two)
    new = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": (tmp_path / "new").read_bytes()}
    assert client.get_object(Bucket=place, Key="two", **new)["Body"].read() == source.read_bytes()
    s3am.ok("verify", "--against", source, "--sse-key-file", tmp_path / "new", two)
    s3am.ok("download", "--sse-key-file", tmp_path / "new", two, tmp_path / "back")
    assert digest(tmp_path / "back") == digest(source)
    for words in ((), ("--sse-key-file", tmp_path / "old")):
        assert s3am("download", *words, two, tmp_path / "none").rc == 10
        assert s3am("verify", *words, two).rc == 10
