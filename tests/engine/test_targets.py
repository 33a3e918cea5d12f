"""S3 as the target of parts: the request of each part, and what the answer to it proves. Nothing is sent."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any, cast

import pytest

from s3amfs.core.checksums import Crc, encode
from s3amfs.core.claims import Compared
from s3amfs.core.expected import NOTHING
from s3amfs.core.failures import Kind
from s3amfs.core.holes import Digests
from s3amfs.core.locations import S3Location
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import SendPart
from s3amfs.engine.part_buffer import PartBuffer
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.sources import MemorySource
from s3amfs.engine.targets import MultipartTarget, PutTarget, send
from s3amfs.engine.upload_body import PartChecks
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api

DATA = b"0123456789"
MD5 = hashlib.md5(DATA).hexdigest()
PART = Part(1, 0, len(DATA))
BY_TRAILER = PartChecks()
UPLOAD = s3api.MultipartUpload("bucket", "k", "id")
COPIED = "<CopyPartResult><ETag>&quot;{etag}&quot;</ETag>{checksum}</CopyPartResult>"


class FakeSession:
    """Signs nothing."""

    def prepare(self, request: Any) -> Any:
        return request


class FakeForms:
    def __init__(self, checks: PartChecks) -> None:
        self._checks = checks
        self.copied: list[int] = []

    def checks(self, number: int, *, local: bool) -> PartChecks:
        return self._checks

    def copies(self, number: int) -> str | None:
        self.copied.append(number)
        return self._checks.crc


def multipart(checks: PartChecks = BY_TRAILER, upload: s3api.MultipartUpload = UPLOAD) -> MultipartTarget:
    return MultipartTarget(cast(Any, FakeSession()), upload, FakeForms(checks))


def put(checks: PartChecks) -> PutTarget:
    options = s3api.ObjectOptions()
    return PutTarget(cast(Any, FakeSession()), S3Location("bucket", "k"), options, FakeForms(checks), NOTHING)


def sent(target: MultipartTarget | PutTarget) -> SendPart:
    memory = MemorySource()
    memory.put(1, PartBuffer(DATA))
    work = send(target, memory, PART)
    assert isinstance(work, SendPart)
    while work.body.read(4):
        continue
    return work


def headers_of(work: SendPart) -> dict[str, str]:
    return {name.lower(): value for name, value in cast(Any, work.request).headers}


@pytest.mark.parametrize("make", [multipart, put])
def test_a_digest_goes_before_the_bytes_where_it_is_wanted(make: Any) -> None:
    plain = PartChecks(trailer=None)
    with_digest = PartChecks(trailer=None, digest=True)
    assert "content-md5" not in headers_of(sent(make(plain)))
    assert headers_of(sent(make(with_digest)))["content-md5"] == base64.b64encode(hashlib.md5(DATA).digest()).decode()


def test_a_whole_object_carries_its_condition_and_keeps_the_answer() -> None:
    target = put(PartChecks(trailer=None, compare_etag=True))
    work = sent(target)
    assert headers_of(work)["if-none-match"] == "*"
    assert (target.stored, target.damaged) == (None, "")
    work.body.finish(Reply(200, {"etag": f'"{MD5}"'}))
    assert target.stored is not None and target.stored.etag == MD5
    assert target.is_content_of(MD5, {})
    assert not target.is_content_of("0" * 32, {})


def test_an_object_that_is_stored_damaged_is_known_by_its_etag() -> None:
    target = put(PartChecks(trailer=None, compare_etag=True, etag_known=True))
    work = sent(target)
    with pytest.raises(PartProblem):
        work.body.finish(Reply(200, {"etag": f'"{"0" * 32}"'}))
    assert (target.stored, target.damaged) == (None, "0" * 32)


def copied(reply: Reply, digests: Digests | None = None, upload: s3api.MultipartUpload = UPLOAD) -> Any:
    work = multipart(upload=upload).copy(PART, s3api.CopySource("bucket", "from"), digests=digests)
    assert isinstance(work, SendPart)
    assert work.body.read(10) == b""
    return work.body.finish(reply)


def answer(etag: str, crc: int | None = None) -> Reply:
    text = "" if crc is None else f"<ChecksumCRC64NVME>{encode('crc64nvme', crc)}</ChecksumCRC64NVME>"
    return Reply(200, {}, COPIED.format(etag=etag, checksum=text).encode())


def test_a_copied_part_is_what_the_answer_says() -> None:
    result = copied(answer("abc", 5))
    assert (result.number, result.length, result.etag, result.crc) == (1, len(DATA), "abc", 5)
    assert copied(answer("abc")).crc is None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(200, {}, b"<Error><Code>InternalError</Code></Error>"), Kind.SERVER),
        (Reply(200, {"etag": '"abc"'}), Kind.UNSUPPORTED),
    ],
)
def test_an_answer_200_that_is_none_is_a_failure(reply: Reply, kind: Kind) -> None:
    with pytest.raises(PartProblem) as caught:
        copied(reply)
    assert caught.value.failure.kind is kind


def test_a_copied_part_whose_checksums_are_known_is_proven_or_refused() -> None:
    running = Crc("crc64nvme")
    running.update(DATA)
    known, declares = Digests(running.value, MD5), s3api.MultipartUpload("bucket", "k", "id", "crc64nvme")
    assert copied(answer("abc", running.value), known).compared is Compared.CHECKSUM
    assert copied(answer(MD5), known).compared is Compared.ETAG
    for reply, upload in ((answer(MD5), declares), (answer("abc"), UPLOAD), (answer(MD5, running.value ^ 1), UPLOAD)):
        with pytest.raises(PartProblem) as caught:
            copied(reply, known, upload)
        assert caught.value.failure.kind is Kind.UNSUPPORTED


def test_a_copy_is_announced_and_reads_its_own_range() -> None:
    forms = FakeForms(PartChecks())
    target = MultipartTarget(cast(Any, FakeSession()), UPLOAD, forms)
    ranges = [
        headers_of(cast(SendPart, target.copy(Part(2, 10, 5), s3api.CopySource("bucket", "from"), offset=at)))
        for at in (None, 3)
    ]
    assert [found["x-amz-copy-source-range"] for found in ranges] == ["bytes=10-14", "bytes=3-7"]
    assert forms.copied == [2, 2]


@pytest.mark.parametrize(("name", "crc"), [("crc64nvme", None), ("crc32", zlib.crc32(DATA)), (None, None)])
def test_the_answer_to_a_copy_is_read_for_the_crc_of_the_upload(name: str | None, crc: int | None) -> None:
    checks = PartChecks(trailer=None, compare_etag=False, crc=name)
    work = cast(SendPart, multipart(checks).copy(PART, s3api.CopySource("bucket", "from")))
    checksum = f"<ChecksumCRC32>{encode('crc32', zlib.crc32(DATA))}</ChecksumCRC32>"
    answer = Reply(200, {}, COPIED.format(etag=MD5, checksum=checksum).encode())
    assert work.body.finish(answer).crc == crc
