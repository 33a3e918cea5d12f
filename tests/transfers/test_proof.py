"""Wrong bytes are found either way, weak servers are served correctly, lost and lying answers do no harm."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.events import TransferResult
from s3amfs.core.locations import LocalPath, S3Location, Stdin
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ChecksumMismatch, ObjectExists, TransferError
from s3amfs.transfers.options import DownloadOptions, UploadOptions
from s3amfs.verbs.download import download
from s3amfs.verbs.upload import upload
from tests.support import faults
from tests.support.clients import PART, Events
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy, Recorded

OPTIONS = UploadOptions(part_size=PART)
DOWN = DownloadOptions(part_size=PART)
KINDS = ["parts", "one put", "stream", "short stream"]
Headers = list[tuple[str, str]]
pytestmark = pytest.mark.usefixtures("state")


def send(kind: str, file: Path, client: S3Client, target: S3Location, events: Events) -> TransferResult:
    """Uploads `file`, which it makes short where the kind is; every way an object can be stored."""
    if kind in ("one put", "short stream"):
        make_file(file, PART - 5, 1)
    if "stream" in kind:
        return upload(Stdin(), target, client, OPTIONS, stdin=io.BytesIO(file.read_bytes()), on_event=events)
    return upload(LocalPath(str(file)), target, client, OPTIONS, on_event=events)


def has_body(request: Recorded) -> bool:
    return request.kind in ("UploadPart", "Put")


def has_trailer(request: Recorded) -> bool:
    return "x-amz-trailer" in request.headers


def without_checksums(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if "checksum" not in name.lower()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_of_an_upload_is_sent_right_again(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events, kind: str
) -> None:
    rule = Rule(has_body, faults.flip("request", 4711), nth=1)
    proxy.rules.append(rule)
    result = send(kind, file, through, S3Location(bucket, "k"), events)
    assert rule.fired == 1
    assert result.retries == 1
    assert object_digest(boto, bucket, "k") == digest(file)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_without_trailers_too(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events, kind: str
) -> None:
    """What the server has then differs: the ETag tells."""
    through.session.capabilities(bucket).trailers = False
    rule = Rule(has_body, faults.flip("request", 4711), nth=1)
    proxy.rules.append(rule)
    result = send(kind, file, through, S3Location(bucket, "k"), events)
    assert rule.fired == 1
    assert "MD5" in result.proof
    assert object_digest(boto, bucket, "k") == digest(file)


def test_a_flipped_bit_of_a_download_is_found(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, tmp_path: Path, events: Events
) -> None:
    boto.upload_file(str(file), bucket, "k")
    proxy.rules.append(Rule("GetRange", faults.flip("response", 100_000), nth=2))
    result = download(S3Location(bucket, "k"), LocalPath(str(tmp_path / "out")), through, DOWN, on_event=events)
    assert "fetching everything again" in " ".join(events.warnings)
    assert digest(tmp_path / "out") == digest(file)
    assert "checked" in result.proof or "stores" in result.proof or "MD5" in result.proof


def test_a_wire_that_always_damages_publishes_nothing(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, tmp_path: Path
) -> None:
    boto.upload_file(str(file), bucket, "k")
    proxy.rules.append(Rule(("GetRange", "Get"), faults.flip("response")))
    with pytest.raises(ChecksumMismatch):
        download(S3Location(bucket, "k"), LocalPath(str(tmp_path / "out")), through, DOWN)
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_trailers_is_noticed_once(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events, kind: str
) -> None:
    """Once per endpoint: the second transfer does not even try, nor warn."""
    proxy.rules.append(Rule(has_trailer, faults.error(501, "NotImplemented")))
    for key in ("k", "k2"):
        result = send(kind, file, through, S3Location(bucket, key), events)
        assert object_digest(boto, bucket, key) == digest(file)
        assert "MD5" in result.proof or result.proof == "crc64nvme of the whole object, checked by the server"
    assert len([warning for warning in events.warnings if "trailers" in warning]) == 1
    refused = [request for request in proxy.of() if has_trailer(request)]
    assert {request.key for request in refused} == {"k"}
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_tells_no_checksums(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, tmp_path: Path, events: Events, kind: str
) -> None:
    proxy.rules.append(Rule("*", faults.edit_response(without_checksums)))
    send(kind, file, through, S3Location(bucket, "k"), events)
    assert object_digest(boto, bucket, "k") == digest(file)
    back = download(S3Location(bucket, "k"), LocalPath(str(tmp_path / "out")), through, DOWN)
    assert "ETag" in back.proof
    assert digest(tmp_path / "out") == digest(file)


def test_a_lost_answer_of_complete(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, state: Path
) -> None:
    """The upload is gone and the object there: that is success, also where the object must not have existed."""
    rule = Rule("Complete", faults.lose_answer(), nth=1)
    proxy.rules.append(rule)
    result = upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert rule.fired == 1
    assert result.etag == boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
    assert object_digest(boto, bucket, "k") == digest(file)
    assert [path for path in state.glob("*") if path.name != "lines.json"] == []


def test_an_upload_that_vanished_is_no_success(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path
) -> None:
    """NoSuchUpload at Complete with another object under the key: that is not ours."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"another")
    proxy.rules.append(Rule("Complete", faults.error(404, "NoSuchUpload")))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, replace(OPTIONS, exists="overwrite"))
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"another"


def test_200_with_an_error_inside_is_no_success(
    through: S3Client, hasty: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path
) -> None:
    rule = Rule("Complete", faults.ok_with_error("InternalError"), nth=1)
    proxy.rules.append(rule)
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, OPTIONS)
    assert rule.fired == 1
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []
    result = upload(LocalPath(str(file)), S3Location(bucket, "k"), through, replace(OPTIONS, unfinished="resume"))
    assert (result.parts_resumed, result.parts_sent) == (3, 0)
    assert object_digest(boto, bucket, "k") == digest(file)


def test_who_comes_first_wins(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path) -> None:
    """An object that appears while parts move is not replaced."""

    def appears(request: Recorded) -> bool:
        if request.kind == "Create":
            boto.put_object(Bucket=bucket, Key="k", Body=b"first")
        return False

    proxy.rules.append(Rule(appears, faults.refuse()))
    with pytest.raises(ObjectExists):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"


@pytest.mark.parametrize("kind", ["parts", "one put"])
def test_an_expected_digest_that_differs_publishes_nothing(
    client: S3Client, boto: Any, bucket: str, file: Path, kind: str
) -> None:
    if kind == "one put":
        make_file(file, PART - 5, 1)
    wrong = replace(OPTIONS, expect=(("sha256", "0" * 64),))
    with pytest.raises(ChecksumMismatch):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), client, wrong)
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []
    right = replace(OPTIONS, expect=(("sha256", digest(file)),), unfinished="restart")
    upload(LocalPath(str(file)), S3Location(bucket, "k"), client, right)
    assert object_digest(boto, bucket, "k") == digest(file)


def test_one_put_that_is_always_damaged_is_an_error_and_deletes_nothing(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events
) -> None:
    through.session.capabilities(bucket).trailers = False
    proxy.rules.append(Rule(has_body, faults.flip("request")))
    with pytest.raises(ChecksumMismatch):
        send("one put", file, through, S3Location(bucket, "k"), events)
    assert proxy.count("Delete") == 0
