"""Complete: what the server put together is compared with what was sent, whatever it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.checksums import Crc, multipart_etag
from s3amfs.core.claims import NOT_CHECKED, Compared
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.manifest import PartRecord
from s3amfs.engine.connect import S3Client
from s3amfs.engine.upload_body import PartChecks
from s3amfs.errors import ChecksumMismatch, S3AMError
from s3amfs.transfers.checksum_choice import Checking
from s3amfs.transfers.complete import Parts, is_made_of
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from s3amfs.wire.s3.api import MultipartUpload, ObjectInfo
from tests.support.clients import PART, Events
from tests.support.faults import Recorded, Rule, answer, delay, lose_answer
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART)
COMPLETED = (
    '<?xml version="1.0"?><CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>"{etag}"</ETag>'
    "<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>"
)


def test_the_crc_of_the_whole_is_compared(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, events: Events
) -> None:
    """The server says that all is well, and that it has other bytes."""
    body = COMPLETED.format(etag="0" * 32 + "-3", crc="AAAAAAAAAAA=")
    proxy.rules.append(Rule("Complete", answer(200, body.encode(), {"content-type": "application/xml"})))
    with pytest.raises(ChecksumMismatch, match="other bytes than were sent"):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS, on_event=events)


def test_the_right_crc_is_proof(through: S3Client, bucket: str, file: Path, boto: Any) -> None:
    result = upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert result.proof == "crc64nvme of the whole object, checked by the server"
    assert object_digest(boto, bucket, "k") == digest(file)


def test_an_answer_that_was_lost_is_made_up_for_by_a_look(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any
) -> None:
    proxy.rules.append(Rule("Complete", lose_answer(), times=1))
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert object_digest(boto, bucket, "k") == digest(file)
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_an_object_of_somebody_else_is_not_taken_for_ours(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any
) -> None:
    """The upload is gone, and an object of the same size stands under the name."""
    others = bytes(file.stat().st_size)

    def aborts(request: Recorded) -> bool:
        if request.kind == "Complete":
            boto.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=request.upload_id)
            boto.put_object(Bucket=bucket, Key="k", Body=others)
        return request.kind == "Complete"

    proxy.rules.append(Rule(aborts, delay(0.0), times=1))
    with pytest.raises(S3AMError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, replace(OPTIONS, exists="overwrite"))
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == others


DATA = (b"a" * 10, b"b" * 20)
BY_ETAG = Checking(None, PartChecks(None, compare_etag=True, etag_known=True, crc="crc64nvme"))
BY_TRAILER = Checking("crc64nvme", PartChecks())


def crc_of(data: bytes) -> Crc:
    crc = Crc("crc64nvme")
    crc.update(data)
    return crc


def parts(checks: Checking, algorithm: str | None, how: tuple[Compared, Compared]) -> Parts:
    records = [
        PartRecord(number, len(data), f"{number:032x}", crc_of(data).value, "", compared.value)
        for number, (data, compared) in enumerate(zip(DATA, how, strict=True), 1)
    ]
    return Parts(MultipartUpload("b", "k", "id", algorithm), records, checks)


def test_what_was_compared_is_what_is_claimed() -> None:
    nothing, etag, checksum = Compared.NOTHING, Compared.ETAG, Compared.CHECKSUM
    assert parts(BY_ETAG, None, (etag, etag)).proof == "MD5 of every part, compared with its ETag"
    assert parts(BY_ETAG, None, (nothing, etag)).proof == "MD5 of 1 of 2 parts, compared with their ETags"
    assert parts(BY_ETAG, None, (nothing, nothing)).proof == NOT_CHECKED
    found = parts(BY_TRAILER, "crc64nvme", (checksum, checksum))
    assert found.proof == "crc64nvme of every part, checked by the server"


def test_the_whole_is_declared_where_the_upload_declares_it() -> None:
    whole = crc_of(b"".join(DATA)).base64
    assert parts(BY_TRAILER, "crc64nvme", (Compared.CHECKSUM, Compared.CHECKSUM)).declared == ("crc64nvme", whole)
    assert parts(BY_TRAILER, None, (Compared.CHECKSUM, Compared.CHECKSUM)).declared is None
    assert parts(BY_ETAG, "crc64nvme", (Compared.CHECKSUM, Compared.CHECKSUM)).declared == ("crc64nvme", whole)


def test_an_object_is_ours_by_etag_or_checksum_only() -> None:
    found = parts(BY_TRAILER, "crc64nvme", (Compared.CHECKSUM, Compared.CHECKSUM))
    etag = multipart_etag([bytes.fromhex(record.etag) for record in found.records])
    whole = crc_of(b"".join(DATA)).base64
    assert is_made_of(ObjectInfo(30, etag), found)
    assert is_made_of(ObjectInfo(30, "x", checksums={"crc64nvme": whole}), found)
    assert not is_made_of(ObjectInfo(31, etag), found)
    assert not is_made_of(ObjectInfo(30, "x"), found)
    assert not is_made_of(ObjectInfo(30, "x", checksums={"crc64nvme": whole}, checksum_type="COMPOSITE"), found)


def test_an_answer_without_an_etag_is_made_up_for_by_a_look(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Ceph's gateway 16 answers so."""
    body = b"<CompleteMultipartUploadResult><Key>k</Key><ETag></ETag></CompleteMultipartUploadResult>"
    proxy.rules.append(Rule("Complete", answer(200, body, deliver=True)))
    file = make_file(tmp_path / "f", 2 * PART, 1)
    done = upload(LocalPath(str(file)), S3Location(bucket, "k"), through, UploadOptions(part_size=PART))
    assert done.etag.strip('"') == boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == file.read_bytes()
