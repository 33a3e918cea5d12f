"""What other S3 servers lack or say elsewhere, as MinIO was seen to do, played by the proxy before SeaweedFS."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.faults import Recorded, Rule, answer, error, xml_error
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024


def test_copied_parts_without_checksums(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    """MinIO refuses UploadPartCopy into an upload that declares an algorithm: it is begun again without one."""
    make_file(tmp_path / "f", 3 * PART, 1)
    boto.upload_file(str(tmp_path / "f"), bucket, "k")
    refused = Rule(
        lambda r: r.kind == "CopyPart" and proxy.count("Create") == 1, error(400, "InvalidArgument"), times=9
    )
    proxy.rules.append(refused)
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    done = cli.ok("upload", "--part-size", "5M", f"s3://{bucket}/k", f"s3://{bucket}/copy", env=through)
    assert done.stderr == ""
    assert "length only" not in done.stdout
    first, second = proxy.of("Create")
    assert "x-amz-checksum-algorithm" in first.headers
    assert "x-amz-checksum-algorithm" not in second.headers
    assert proxy.count("Get") == proxy.count("GetRange") == proxy.count("UploadPart") == 0
    assert object_digest(boto, bucket, "copy") == digest(tmp_path / "f")
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_the_algorithm_of_an_upload_is_told_by_its_parts_alone(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    """MinIO says it in ListParts only, and refuses parts without that checksum; no manifest knows it here."""
    make_file(tmp_path / "f", 3 * PART, 1)
    upload = boto.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC64NVME")["UploadId"]
    first = (tmp_path / "f").read_bytes()[:PART]
    boto.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=first, ChecksumAlgorithm="CRC64NVME")
    listed = f"""<?xml version="1.0"?><ListPartsResult><UploadId>{upload}</UploadId><IsTruncated>false</IsTruncated>
        <Part><PartNumber>1</PartNumber><ETag>"{hashlib.md5(first).hexdigest()}"</ETag><Size>{PART}</Size></Part>
        <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType></ListPartsResult>"""
    proxy.rules.append(Rule("ListParts", answer(200, listed.encode()), times=9))
    cli.ok("upload", "--resume", tmp_path / "f", f"s3://{bucket}/k", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert {part.headers.get("x-amz-trailer") for part in proxy.of("UploadPart")} == {"x-amz-checksum-crc64nvme"}
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")


def test_the_reason_of_a_head_is_in_headers(cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    """MinIO answers HEAD of an object under a customer key with 400 and says why in headers."""
    headers = {
        "x-minio-error-code": "InvalidRequest",
        "x-minio-error-desc": '"The object was stored using a form of Server Side Encryption."',
    }
    proxy.rules.append(Rule("Head", answer(400, b"", headers), times=9))
    result = cli("download", f"s3://{bucket}/k", tmp_path / "out", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert result.rc == 10
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


def test_an_upload_that_ends_while_it_is_listed(cli: Cli, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    boto.create_multipart_upload(Bucket=bucket, Key="k")
    proxy.rules.append(Rule("ListParts", error(404, "NoSuchUpload"), times=9))
    assert cli.ok("pending", f"s3://{bucket}", env={"AWS_ENDPOINT_URL": proxy.endpoint_url}).stdout == ""


def test_keys_that_xml_cannot_hold_are_asked_for_escaped(cli: Cli, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    boto.create_multipart_upload(Bucket=bucket, Key="k")
    broken = b"<ListMultipartUploadsResult><Upload><Key>\x01</Key></Upload></ListMultipartUploadsResult>"
    proxy.rules.append(Rule("ListUploads", answer(200, broken), times=1))
    assert "/k" in cli.ok("pending", f"s3://{bucket}", env={"AWS_ENDPOINT_URL": proxy.endpoint_url}).stdout
    assert ["encoding-type" in listing.query for listing in proxy.of("ListUploads")] == [False, True]


def bare(request: Recorded) -> bool:
    return request.kind in ("Put", "UploadPart") and "content-md5" not in request.headers


def with_trailer(request: Recorded) -> bool:
    return request.kind in ("Put", "UploadPart") and "x-amz-trailer" in request.headers


@pytest.mark.parametrize("size", [1000, 2 * PART])
def test_a_relay_to_a_bucket_that_wants_content_md5(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy, size: int
) -> None:
    """Object Lock on a server without trailers: the MD5 goes before the bytes, so that these have to be here first."""
    required = "Content-MD5 HTTP header is required for Put Part requests with Object Lock parameters"
    proxy.rules += [
        Rule(with_trailer, error(501, "NotImplemented")),
        Rule(bare, answer(400, xml_error("InvalidRequest", required), {"Content-Type": "application/xml"})),
    ]
    file = make_file(tmp_path / "f", size, 1)
    with HttpServer() as web:
        url = web.add("/f", file, etag='"e"')
        done = cli("upload", "--part-size", "5M", url, f"s3://{bucket}/k", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert done.rc == 0, done.stderr
    if size > PART:  # a smaller one is held for another reason
        assert "read as one stream" in done.stderr
    assert object_digest(boto, bucket, "k") == digest(file)
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_what_an_earlier_run_has_sent_to_such_a_bucket_stays(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    required = "Content-MD5 HTTP header is required for Put Part requests with Object Lock parameters"
    proxy.rules += [
        Rule(with_trailer, error(501, "NotImplemented")),
        Rule(bare, answer(400, xml_error("InvalidRequest", required), {"Content-Type": "application/xml"})),
    ]
    file = make_file(tmp_path / "f", 2 * PART, 1)
    upload = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    boto.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=file.read_bytes()[:PART])
    with HttpServer() as web:
        url = web.add("/f", file, etag='"e"')
        words = ("upload", "--resume", "--part-size", "5M", url, f"s3://{bucket}/k")
        cli.ok(*words, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert {part.query["partNumber"] for part in proxy.of("UploadPart")} == {"2"}
    assert (proxy.count("Abort"), proxy.count("Create")) == (0, 0)
    assert object_digest(boto, bucket, "k") == digest(file)


def test_encryption_that_the_server_answers_with_500(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    """SeaweedFS without keys: known after a few requests, not after 300 s of retries."""
    make_file(tmp_path / "f", 1000, 1)
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    done = cli("upload", "--sse", "AES256", tmp_path / "f", f"s3://{bucket}/k", env=through)
    assert done.rc == 1
    assert "it has no such encryption; nothing was stored" in done.stderr, done.stderr
    assert (proxy.count("Put"), proxy.count("Create")) == (3, 2)
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "x-amz-trailer"),
        ("AWS_RESPONSE_CHECKSUM_VALIDATION", "x-amz-checksum-mode"),
    ],
)
def test_checksums_only_where_they_are_required(
    cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy, name: str, left_out: str
) -> None:
    """Settings of the AWS SDKs; anything but their two values is refused before a request."""
    file, out = make_file(tmp_path / "f", 2 * PART, 1), tmp_path / "out"

    def sent(value: str) -> set[str]:
        proxy.clear()
        env = {"AWS_ENDPOINT_URL": proxy.endpoint_url, name: value}
        cli.ok("upload", "--part-size", "5M", "--exists", "overwrite", file, f"s3://{bucket}/k", env=env)
        cli.ok("download", "--file-exists", "overwrite", f"s3://{bucket}/k", out, env=env)
        assert digest(out) == digest(file)
        return {header for request in proxy.requests for header in request.headers}

    assert left_out in sent("when_supported")
    assert left_out not in sent("WHEN_REQUIRED")
    proxy.clear()
    refused = cli("upload", file, f"s3://{bucket}/k2", env={"AWS_ENDPOINT_URL": proxy.endpoint_url, name: "never"})
    assert (refused.rc, len(proxy.requests)) == (2, 0), refused.stderr


@pytest.mark.parametrize("size", [1000, 2 * PART])
def test_a_copy_that_a_policy_forbids_is_relayed(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy, size: int
) -> None:
    """403 to the copy alone: what may be read and stored goes through this machine; where it may not, that is said."""
    boto.upload_file(str(make_file(tmp_path / "f", size, 1)), bucket, "a")
    proxy.rules.append(Rule(("Copy", "CopyPart"), error(403, "AccessDenied")))
    words = ("upload", "--part-size", "5M", f"s3://{bucket}/a")
    done = cli.ok(*words, f"s3://{bucket}/b", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert "relayed through this machine" in done.stderr
    assert object_digest(boto, bucket, "b") == digest(tmp_path / "f")
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    proxy.rules.append(Rule(("Get", "GetRange"), error(403, "AccessDenied")))
    refused = cli(*words, f"s3://{bucket}/c", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert refused.rc == 14, refused.stderr
    keys = [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["a", "b"]
    for upload in boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        boto.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
