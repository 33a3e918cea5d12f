"""Complete: what the server put together is compared with what was sent, whatever it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.checksums import Crc, multipart_etag
from s3amfs.core.claims import NOT_CHECKED, Compared
from s3amfs.core.expected import NOTHING, WHATEVER
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.manifest import PartRecord
from s3amfs.engine.connect import S3Client
from s3amfs.engine.upload_body import PartChecks
from s3amfs.errors import ChecksumMismatch, ObjectExists, S3AMError, TransferError, UploadGone
from s3amfs.transfers.checksum_choice import Checking
from s3amfs.transfers.complete import Parts, complete, is_made_of
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import Report
from s3amfs.verbs.upload import upload
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import MultipartUpload, ObjectInfo
from tests.support.clients import PART, Events
from tests.support.faults import Recorded, Rule, answer, delay, lose_answer
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted

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


# -- by a script ----------------------------------------------------------------------------------------------------

CHECKED = (Compared.CHECKSUM, Compared.CHECKSUM)
WHOLE = crc_of(b"".join(DATA)).base64
MADE = multipart_etag([bytes.fromhex(f"{number:032x}") for number in (1, 2)])
OURS = parts(BY_TRAILER, "crc64nvme", CHECKED)


def completed(etag: str = "e-2", crc: str = "", kind: str = "") -> Reply:
    checksum = f"<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>" if crc else ""
    kind = f"<ChecksumType>{kind}</ChecksumType>" if kind else ""
    return reply(
        body=f"<CompleteMultipartUploadResult><ETag>{etag}</ETag>{checksum}{kind}</CompleteMultipartUploadResult>"
    )


class Site:
    """One Complete: how it is answered, what stands under the name then, and whether the upload is still there."""

    def __init__(self, answer: Reply, there: Reply | None = None, alive: bool = False, **options: Any) -> None:
        self.answers = {
            "POST": answer,
            "HEAD": there if there is not None else refusal(404),
            "GET": reply(body="<ListPartsResult/>") if alive else refusal(404, "NoSuchUpload"),
        }
        self.client, self.engine = scripted(
            lambda asked: self.answers[asked.method] if asked.path.endswith("/k") else reply()
        )
        self.events = Events()
        given = UploadOptions(**{"expected": WHATEVER, **options})
        self.job = Job(self.client, S3Location("b", "k"), given, Report("upload", "-", "s3://b/k", self.events))

    def complete(self, sent: Parts = OURS) -> tuple[str, str, str]:
        """(ETag, whole, proof)."""
        stored, whole, proof = complete(self.job, sent)
        return stored.etag, whole, proof

    def asked(self, method: str) -> list[Asked]:
        return [asked for asked in self.engine.asked if asked.method == method]


def found(etag: str, size: int = 30, **headers: str) -> Reply:
    return reply(etag=f'"{etag}"', content_length=str(size), **headers)


def lengths(*sizes: int) -> Parts:
    return replace(OURS, records=[PartRecord(n, size, f"{n:032x}", n, "") for n, size in enumerate(sizes, 1)])


@pytest.mark.parametrize(
    ("sizes", "equal"),
    [
        ((), True),
        ((5,), True),
        ((5, 5), True),
        ((5, 4), True),
        ((5, 6), False),
        ((5, 5, 1), True),
        ((5, 4, 1), False),
        ((4, 5, 1), False),
        ((5, 5, 6), False),
        ((5, 5, 5), True),
    ],
)
def test_parts_are_equal_if_only_the_last_is_smaller(sizes: tuple[int, ...], equal: bool) -> None:
    assert lengths(*sizes).are_equal is equal


def test_that_unequal_parts_are_taken_is_remembered() -> None:
    for sizes, known in (((5, 5, 1), None), ((5, 6), True)):
        site = Site(completed())
        site.complete(lengths(*sizes))
        assert site.job.can.unequal_parts is known


@pytest.mark.parametrize(("sizes", "message"), [((5, 6), "may want all parts equal"), ((5, 5), "InvalidPart")])
def test_a_server_that_may_want_equal_parts(sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(TransferError, match=message) as raised:
        Site(refusal(400, "InvalidPart")).complete(lengths(*sizes))
    assert ("--part-size" in str(raised.value)) is (sizes == (5, 6))
    with pytest.raises(S3AMError) as raised_other:
        Site(refusal(400, "InvalidRequest")).complete(lengths(5, 6))
    assert "--part-size" not in str(raised_other.value)


@pytest.mark.parametrize(
    ("answer", "proof"),
    [
        (completed(crc=WHOLE), "crc64nvme of the whole object, checked by the server"),
        (completed(crc=WHOLE, kind="FULL_OBJECT"), "crc64nvme of the whole object, checked by the server"),
        (completed(crc=WHOLE, kind="COMPOSITE"), "crc64nvme of every part, checked by the server"),
        (completed(crc="AAAAAAAAAAA=", kind="COMPOSITE"), "crc64nvme of every part, checked by the server"),
        (completed(crc="AAAAAAAAAAA=-2"), "crc64nvme of every part, checked by the server"),
        (completed(), "crc64nvme of every part, checked by the server"),
    ],
)
def test_only_a_checksum_of_the_whole_is_compared_with_that_of_the_whole(answer: Reply, proof: str) -> None:
    assert Site(answer).complete() == ("e-2", f"crc64nvme:{WHOLE}", proof)


@pytest.mark.parametrize("kind", ["", "FULL_OBJECT"])
def test_another_checksum_of_the_whole_is_damage(kind: str) -> None:
    with pytest.raises(ChecksumMismatch, match="its crc64nvme differs"):
        Site(completed(crc="AAAAAAAAAAA=", kind=kind)).complete()


def test_a_whole_that_is_not_known_is_not_compared() -> None:
    unknown = replace(OURS, records=[replace(record, crc=None) for record in OURS.records])
    site = Site(completed(crc="AAAAAAAAAAA="))
    assert site.complete(unknown) == ("e-2", "", "crc64nvme of every part, checked by the server")
    assert "x-amz-checksum-crc64nvme" not in site.asked("POST")[0].headers


def test_each_part_is_named_with_the_checksum_that_was_declared() -> None:
    summed = replace(OURS, records=[replace(record, checksum=WHOLE) for record in OURS.records])
    undeclared = replace(summed, upload=replace(summed.upload, checksum_algorithm=None))
    for sent, count in ((summed, 2), (OURS, 0), (undeclared, 0)):
        site = Site(completed())
        site.complete(sent)
        (asked,) = site.asked("POST")
        assert asked.body.decode().count("<ChecksumCRC64NVME>") == count
        assert asked.headers["x-amz-mp-object-size"] == "30"
        assert asked.headers.get("x-amz-checksum-crc64nvme") == (None if sent is undeclared else WHOLE)


@pytest.mark.parametrize(
    ("there", "etag"),
    [
        (found(MADE), MADE),
        (found("theirs", 31), MADE),
        (refusal(404), MADE),
        (refusal(403, "AccessDenied"), MADE),
        (found("ours", x_amz_checksum_crc64nvme=WHOLE), "ours"),
    ],
)
def test_an_answer_without_an_etag(there: Reply, etag: str) -> None:
    assert Site(completed(etag=""), there).complete()[0] == etag


GONE, LOST = refusal(404, "NoSuchUpload"), refusal(412, "PreconditionFailed")


@pytest.mark.parametrize(
    ("answer", "there", "alive", "error"),
    [
        (GONE, found(MADE), False, None),
        (GONE, found("theirs"), False, UploadGone),
        (GONE, refusal(404), False, UploadGone),
        (LOST, found(MADE), False, None),
        (LOST, found(MADE), True, ObjectExists),
        (LOST, found("theirs"), False, ObjectExists),
        (refusal(400, "InvalidRequest"), found(MADE), False, S3AMError),
    ],
    ids=["ours", "theirs", "nothing", "ours, in spite of 412", "an equal one", "theirs, 412", "another refusal"],
)
def test_an_object_is_ours_only_if_our_upload_is_gone(
    answer: Reply, there: Reply, alive: bool, error: type[Exception] | None
) -> None:
    site = Site(answer, there, alive, expected=NOTHING)
    site.job.can.conditions["complete", "nothing"] = True
    if error is None:
        assert site.complete()[0] == MADE
        return
    with pytest.raises(error):
        site.complete()


def test_a_checksum_of_the_whole_makes_an_object_ours_if_it_was_declared() -> None:
    by_crc = ObjectInfo(30, "x", checksums={"crc64nvme": WHOLE})
    assert is_made_of(replace(by_crc, checksum_type="FULL_OBJECT"), OURS)
    assert not is_made_of(replace(by_crc, checksums={"crc64nvme": "AAAAAAAAAAA="}), OURS)
    assert not is_made_of(by_crc, parts(BY_TRAILER, None, CHECKED))
    no_md5s = replace(OURS, records=[replace(record, etag="odd") for record in OURS.records])
    assert not is_made_of(ObjectInfo(30, ""), no_md5s)
    assert is_made_of(by_crc, no_md5s)
