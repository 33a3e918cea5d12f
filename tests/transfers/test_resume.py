"""Interrupted, then resumed: from the manifest, from the server alone, or refused; no part is sent twice."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.checksums import Crc, crc, encode
from s3amfs.core.events import TransferResult
from s3amfs.core.locations import LocalPath, Location, S3Location, Stdin, parse_source
from s3amfs.core.manifest import Header, Manifest, PartRecord, SourceIdentity
from s3amfs.core.parts import Part, Plan
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.connect import S3Client
from s3amfs.engine.part_buffer import PartBuffer
from s3amfs.engine.upload_body import PartChecks
from s3amfs.errors import (
    EncryptionKeyError,
    IncompatiblePartSize,
    PartialDownloadExists,
    SeveralUnfinishedUploads,
    SourceChanged,
    TransferError,
    UnfinishedUploadExists,
)
from s3amfs.transfers.checksum_choice import Checking
from s3amfs.transfers.multipart import Begun, Multipart
from s3amfs.transfers.options import DownloadOptions, ObjectOptions, UploadOptions
from s3amfs.transfers.report import Report, ignore
from s3amfs.transfers.resume import (
    part_size_of,
    part_there,
    part_with,
    record_of,
    recover,
    stream_part_size,
    take_up,
)
from s3amfs.verbs.download import download
from s3amfs.verbs.upload import upload
from s3amfs.wire.s3.model import MultipartUpload, PartInfo
from tests.support import faults
from tests.support.clients import PART, Events
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

ONE_SLOT = UploadOptions(part_size=PART, upload_slots=1, download_slots=1)
RESUME = replace(ONE_SLOT, unfinished="resume")
pytestmark = pytest.mark.usefixtures("state")


class Job:
    """Uploads and downloads that break at the third part."""

    def __init__(self, hasty: S3Client, client: S3Client, through: S3Client, proxy: FaultProxy, bucket: str) -> None:
        self.hasty, self.client, self.through, self.proxy = hasty, client, through, proxy
        self.target = S3Location(bucket, "k")

    def interrupt(self, source: Location, options: UploadOptions = ONE_SLOT, **more: Any) -> None:
        """Two parts get there, the third does not."""
        rule = Rule(("UploadPart", "CopyPart"), faults.internal_error(), nth=3)
        self.proxy.rules.append(rule)
        with pytest.raises(TransferError):
            upload(source, self.target, self.hasty, options, **more)
        assert rule.fired == 1
        self.proxy.rules.clear()

    def resume(self, source: Location, options: UploadOptions = RESUME, **more: Any) -> TransferResult:
        return upload(source, self.target, self.through, options, **more)

    def interrupt_download(self, out: LocalPath) -> None:
        self.proxy.rules.append(Rule("GetRange", faults.internal_error(), nth=3))
        with pytest.raises(TransferError):
            download(self.target, out, self.hasty, DownloadOptions(part_size=PART, download_slots=1))
        self.proxy.rules.clear()


@pytest.fixture
def job(hasty: S3Client, client: S3Client, through: S3Client, proxy: FaultProxy, bucket: str) -> Job:
    return Job(hasty, client, through, proxy, bucket)


def check(job: Job, boto: Any, file: Path, result: TransferResult) -> None:
    """The object is whole, two parts were there, the third was sent, nothing twice, nothing left."""
    assert object_digest(boto, job.target.bucket, job.target.key) == digest(file)
    assert (result.parts, result.parts_resumed, result.parts_sent) == (3, 2, 1)
    assert job.proxy.parts_sent_again() == []
    assert boto.list_multipart_uploads(Bucket=job.target.bucket).get("Uploads", []) == []


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
@pytest.mark.parametrize("kind", ["file", "http", "stdin"])
def test_upload(job: Job, boto: Any, file: Path, state: Path, kind: str, wiped: bool) -> None:
    with HttpServer() as web:
        url = web.add("/f", file, etag='"one"')
        source = {"file": LocalPath(str(file)), "http": parse_source(url), "stdin": Stdin()}[kind]
        more = {"stdin": io.BytesIO(file.read_bytes())} if kind == "stdin" else {}
        job.interrupt(source, **more)
        if wiped:
            shutil.rmtree(state)
        if kind == "stdin":
            more = {"stdin": io.BytesIO(file.read_bytes())}
        check(job, boto, file, job.resume(source, **more))
    assert [path for path in state.glob("*") if path.name != "lines.json"] == []


def test_copy(job: Job, boto: Any, file: Path) -> None:
    boto.upload_file(str(file), job.target.bucket, "source")
    source = S3Location(job.target.bucket, "source")
    job.interrupt(source)
    check(job, boto, file, job.resume(source))


def test_without_a_manifest_nothing_says_with_which_key_it_was_begun(job: Job, file: Path, state: Path) -> None:
    one, other = (ObjectOptions(customer_key=CustomerKey(letter * 32)) for letter in (b"a", b"b"))
    source = LocalPath(str(file))
    job.interrupt(source, replace(ONE_SLOT, object=one))
    shutil.rmtree(state)
    with pytest.raises(EncryptionKeyError, match="use --force"):
        job.resume(source, replace(RESUME, object=other))
    job.resume(source, replace(RESUME, unfinished="restart", object=other))


def test_without_a_word_it_is_refused(job: Job, file: Path) -> None:
    job.interrupt(LocalPath(str(file)))
    with pytest.raises(UnfinishedUploadExists):
        job.resume(LocalPath(str(file)), ONE_SLOT)


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
def test_a_source_that_changed(job: Job, boto: Any, file: Path, state: Path, wiped: bool) -> None:
    job.interrupt(LocalPath(str(file)))
    make_file(file, 5 * PART // 2, 2)
    if wiped:
        shutil.rmtree(state)
    with pytest.raises(SourceChanged, match="--force"):
        job.resume(LocalPath(str(file)))
    result = job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="restart"))
    assert (result.parts_resumed, result.parts_sent) == (0, 3)
    assert object_digest(boto, job.target.bucket, "k") == digest(file)


def test_an_http_source_that_changed(job: Job, file: Path) -> None:
    with HttpServer() as web:
        url = web.add("/f", file, etag='"one"')
        job.interrupt(parse_source(url))
        web.pages["/f"].etag = '"two"'
        with pytest.raises(SourceChanged):
            job.resume(parse_source(url))


def test_a_program_that_continues_supersedes_what_is_of_another_source(job: Job, boto: Any, file: Path) -> None:
    job.interrupt(LocalPath(str(file)))
    make_file(file, 5 * PART // 2, 2)
    result = job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="continue"))
    assert result.parts_sent == 3
    assert object_digest(boto, job.target.bucket, "k") == digest(file)
    assert boto.list_multipart_uploads(Bucket=job.target.bucket).get("Uploads", []) == []


OTHERS = ObjectOptions(metadata={"a": "other"})


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
def test_other_options_are_said_not_to_hold_and_say_nothing_about_the_server(
    job: Job, boto: Any, file: Path, state: Path, wiped: bool, events: Events
) -> None:
    job.interrupt(LocalPath(str(file)), replace(ONE_SLOT, object=ObjectOptions(metadata={"b": "1"})))
    if wiped:
        shutil.rmtree(state)
    job.resume(LocalPath(str(file)), replace(RESUME, object=OTHERS), on_event=events)
    assert boto.head_object(Bucket=job.target.bucket, Key="k")["Metadata"] == {"b": "1"}
    assert events.warnings == ["the unfinished upload keeps the metadata and storage options that it was begun with"]
    assert job.through.session.capabilities(job.target.bucket).keeps == {}


def test_a_program_that_continues_stores_the_options_of_this_run(job: Job, boto: Any, file: Path) -> None:
    job.interrupt(LocalPath(str(file)))
    job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="continue", object=OTHERS))
    assert boto.head_object(Bucket=job.target.bucket, Key="k")["Metadata"] == {"a": "other"}
    assert boto.list_multipart_uploads(Bucket=job.target.bucket).get("Uploads", []) == []


def test_several(job: Job, boto: Any, file: Path) -> None:
    for _ in range(2):
        boto.create_multipart_upload(Bucket=job.target.bucket, Key="k")
    boto.create_multipart_upload(Bucket=job.target.bucket, Key="k2")
    for options in (ONE_SLOT, RESUME):
        with pytest.raises(SeveralUnfinishedUploads):
            job.resume(LocalPath(str(file)), options)
    job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="restart"))
    left = boto.list_multipart_uploads(Bucket=job.target.bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["k2"]


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
def test_another_part_size(job: Job, boto: Any, file: Path, state: Path, wiped: bool) -> None:
    job.interrupt(LocalPath(str(file)))
    if wiped:
        shutil.rmtree(state)
    with pytest.raises(IncompatiblePartSize):
        job.resume(LocalPath(str(file)), replace(RESUME, part_size=2 * PART))
    check(job, boto, file, job.resume(LocalPath(str(file)), replace(RESUME, part_size=None)))


def test_an_upload_of_somebody_else(job: Job, boto: Any, file: Path) -> None:
    """Parts that boto3 has sent are proven by their ETags."""
    begun = boto.create_multipart_upload(Bucket=job.target.bucket, Key="k")
    boto.upload_part(
        Bucket=job.target.bucket, Key="k", UploadId=begun["UploadId"], PartNumber=1, Body=file.read_bytes()[:PART]
    )
    result = job.resume(LocalPath(str(file)))
    assert (result.parts_resumed, result.parts_sent) == (1, 2)
    assert object_digest(boto, job.target.bucket, "k") == digest(file)


def test_an_answer_that_was_lost_is_not_sent_again(job: Job, boto: Any, file: Path) -> None:
    """The server has part 2, nobody was told: its checksum or ETag proves it at the resumption."""
    job.proxy.rules.append(Rule("UploadPart", faults.error(500, "InternalError", deliver=True), nth=2))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), job.target, job.hasty, ONE_SLOT)
    job.proxy.rules.clear()
    result = job.resume(LocalPath(str(file)))
    assert (result.parts_resumed, result.parts_sent) == (2, 1)
    assert job.proxy.parts_sent_again(told=False) == []
    assert object_digest(boto, job.target.bucket, "k") == digest(file)


@pytest.mark.parametrize("damaged", [False, True], ids=["as left", "a byte on disk differs"])
def test_download(job: Job, boto: Any, file: Path, tmp_path: Path, damaged: bool) -> None:
    boto.upload_file(str(file), job.target.bucket, "k")
    out = LocalPath(str(tmp_path / "out"))
    job.interrupt_download(out)
    assert sorted(path.name for path in tmp_path.glob("*out*")) == [".out.partial", ".out.progress"]
    if damaged:
        with (tmp_path / ".out.partial").open("r+b") as partial:
            partial.seek(PART + 7)
            byte = partial.read(1)[0]
            partial.seek(PART + 7)
            partial.write(bytes([byte ^ 1]))
    with pytest.raises(PartialDownloadExists):
        download(job.target, out, job.client, DownloadOptions())
    result = download(job.target, out, job.client, DownloadOptions(download_exists="resume"))
    assert (result.parts, result.parts_resumed) == (3, 1 if damaged else 2)
    assert digest(out.path) == digest(file)
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out"]


def test_download_of_an_object_that_changed(job: Job, boto: Any, file: Path, tmp_path: Path, events: Events) -> None:
    boto.upload_file(str(file), job.target.bucket, "k")
    out = LocalPath(str(tmp_path / "out"))
    job.interrupt_download(out)
    make_file(file, 5 * PART // 2, 2)
    boto.upload_file(str(file), job.target.bucket, "k")
    result = download(job.target, out, job.client, DownloadOptions(download_exists="resume"), on_event=events)
    assert result.parts_resumed == 0
    assert "from scratch" in events.warnings[0]
    assert digest(out.path) == digest(file)


def test_download_with_another_part_size(job: Job, boto: Any, file: Path, tmp_path: Path) -> None:
    boto.upload_file(str(file), job.target.bucket, "k")
    out = LocalPath(str(tmp_path / "out"))
    job.interrupt_download(out)
    with pytest.raises(IncompatiblePartSize):
        download(job.target, out, job.client, DownloadOptions(download_exists="resume", part_size=2 * PART))
    discarded = download(job.target, out, job.client, DownloadOptions(download_exists="discard"))
    assert discarded.parts_resumed == 0
    assert digest(out.path) == digest(file)


PLAN = Plan(25, 10)
CHECKS = Checking("crc64nvme", PartChecks())


def begun(parts: dict[int, PartInfo], records: dict[int, PartRecord] | None, *, proven: bool = True) -> Begun:
    """An upload that is continued: `parts` at the server, `records` in the manifest (None: there is no manifest)."""
    header = Header("upload", SourceIdentity("/f", 25), "s3://b/k", "e", 25, 10, "crc64nvme")
    manifest = None if records is None else Manifest(header, parts=records)
    upload = MultipartUpload("b", "k", "id", "crc64nvme", "FULL_OBJECT")
    return Begun(upload, CHECKS, parts, manifest, lambda: True, proven)


def hashed(parts: Iterable[Part], name: str) -> dict[int, tuple[int, str]]:
    """The source: its part N has the CRC N and the MD5 'md5-N'."""
    return {part.number: (part.number, f"md5-{part.number}") for part in parts}


def test_a_record_counts_only_with_the_etag_that_the_server_shows() -> None:
    records = {1: PartRecord(1, 10, "a", 91, ""), 2: PartRecord(2, 10, "b", 92, ""), 3: PartRecord(3, 5, "c", 93, "")}
    at_server = {1: PartInfo(1, 10, "a"), 2: PartInfo(2, 10, "other"), 3: PartInfo(3, 4, "c")}
    assert recover(begun(at_server, records), PLAN, None, "s3://b/k") == {1: records[1]}


def test_what_is_doubtful_is_compared_with_the_source() -> None:
    records = {1: PartRecord(1, 10, "a", 91, "")}
    at_server = {1: PartInfo(1, 10, "other"), 2: PartInfo(2, 10, "md5-2"), 3: PartInfo(3, 5, "md5-9")}
    kept = recover(begun(at_server, records), PLAN, hashed, "s3://b/k")
    assert {number: (record.etag, record.crc) for number, record in kept.items()} == {2: ("md5-2", 2)}


def test_records_of_a_source_that_nothing_identifies_are_compared_by_checksum() -> None:
    records = {1: PartRecord(1, 10, "a", 1, ""), 2: PartRecord(2, 10, "b", 92, "")}
    at_server = {1: PartInfo(1, 10, "a"), 2: PartInfo(2, 10, "b")}
    assert set(recover(begun(at_server, records, proven=False), PLAN, hashed, "s3://b/k")) == {1}
    assert recover(begun(at_server, records, proven=False), PLAN, None, "s3://b/k") == {}


@pytest.mark.parametrize(("stored", "same"), [(2, True), (3, False)])
def test_a_checksum_that_the_server_stores_decides(stored: int, same: bool) -> None:
    part = PartInfo(2, 10, "any", {"crc64nvme": encode("crc64nvme", stored)})
    assert (2 in recover(begun({2: part}, {}), PLAN, hashed, "s3://b/k")) is same


def test_parts_of_another_source_and_no_manifest_are_refused() -> None:
    with pytest.raises(SourceChanged, match="--force"):
        recover(begun({2: PartInfo(2, 10, "md5-9")}, None), PLAN, hashed, "s3://b/k")


def test_a_part_of_which_nothing_is_known_is_sent_again() -> None:
    """It is listed several times, with different ETags."""
    unknown = {2: PartInfo(2, 10, "")}
    assert recover(begun(unknown, None), PLAN, hashed, "s3://b/k") == {}
    assert recover(begun(unknown, {2: PartRecord(2, 10, "", 92, "")}), PLAN, hashed, "s3://b/k") == {}
    assert part_size_of(begun({1: PartInfo(1, 0, "")}, None), 25) is None


def buffer(data: bytes) -> PartBuffer:
    found = PartBuffer()
    found.append(memoryview(data))
    return found


def test_bytes_of_a_stream_are_compared_with_the_part_that_is_there() -> None:
    data = b"0123456789"
    whole = Crc("crc64nvme")
    whole.update(data)
    record = PartRecord(1, 10, "a", whole.value, "")
    there = begun({}, {1: record})
    kept = part_with(there, PartInfo(1, 10, "a"), buffer(data))
    assert kept is not None
    assert (kept.number, kept.length, kept.etag, kept.crc) == (1, 10, "a", whole.value)
    assert part_with(there, PartInfo(1, 10, "a"), buffer(b"other 9876")) is None
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    by_md5 = part_with(there, PartInfo(1, 10, md5), buffer(data))
    assert by_md5 is not None
    assert (by_md5.etag, by_md5.crc) == (md5, whole.value)
    assert part_with(there, PartInfo(1, 10, "b"), buffer(data)) is None


def test_the_part_size_is_the_manifests_or_what_the_parts_show() -> None:
    assert part_size_of(begun({}, {}), 25) == 10
    assert part_size_of(begun({}, None), 25) is None
    even = {1: PartInfo(1, PART, "a"), 2: PartInfo(2, PART, "b")}
    assert part_size_of(begun(even, None), 3 * PART) == PART
    with pytest.raises(IncompatiblePartSize):
        part_size_of(begun({**even, 2: PartInfo(2, PART + 1, "b")}, None), 3 * PART)


def test_the_byte_that_asked_what_etags_are_is_no_part_of_the_source() -> None:
    """A run that was killed may have left it as the part after the last."""
    even = {1: PartInfo(1, PART, "a"), 2: PartInfo(2, PART, "b")}
    assert part_size_of(begun({**even, 3: PartInfo(3, 1, "c")}, None), 4 * PART) == PART
    assert part_size_of(begun({1: PartInfo(1, 1, "a")}, None), 4 * PART) is None
    with pytest.raises(IncompatiblePartSize):
        part_size_of(begun({**even, 3: PartInfo(3, 2, "c")}, None), 4 * PART)


@pytest.mark.parametrize(
    ("first_part", "size"), [(PART + 1, PART + 1), (PART, PART), (PART - 1, 7 * PART), (None, 7 * PART)]
)
def test_a_stream_goes_on_in_parts_of_the_size_that_it_was_begun_with(first_part: int | None, size: int) -> None:
    """A first part that is smaller than S3 takes was also the last."""
    there = {1: PartInfo(1, first_part, "a")} if first_part is not None else {2: PartInfo(2, 2 * PART, "b")}
    assert stream_part_size(begun(there, None), 7 * PART, None) == size
    assert stream_part_size(begun(there, None), 7 * PART, size) == size
    assert stream_part_size(begun(there, {}), 7 * PART, None) == 10, "the manifest knows it"
    with pytest.raises(IncompatiblePartSize):
        stream_part_size(begun(there, None), 7 * PART, size + PART)


def test_a_part_of_a_stream_is_there_if_its_length_and_bytes_are() -> None:
    data = b"0123456789"
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    there = begun({2: PartInfo(2, 10, md5)}, None)
    kept = part_there(there, 2, buffer(data))
    assert kept is not None and (kept.number, kept.length, kept.etag) == (2, 10, md5)
    assert part_there(there, 1, buffer(data)) is None
    assert part_there(there, 2, buffer(data[:9])) is None
    assert part_there(there, 2, buffer(data[::-1])) is None
    assert part_there(begun({2: PartInfo(2, 9, md5)}, None), 2, buffer(data)) is None


def test_a_stored_checksum_decides_about_bytes_of_a_stream_before_the_etag() -> None:
    data = b"0123456789"
    right, wrong = encode("crc64nvme", crc("crc64nvme", data)), encode("crc64nvme", 1)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    kept = part_with(begun({}, None), PartInfo(1, 10, "any", {"crc64nvme": right}), buffer(data))
    assert kept is not None and (kept.checksum, kept.compared) == (right, "checksum")
    assert part_with(begun({}, None), PartInfo(1, 10, md5, {"crc64nvme": wrong}), buffer(data)) is None
    by_etag = record_of(PartInfo(1, 10, md5, {"crc64nvme": "no base64"}), "crc64nvme", 5, md5)
    assert by_etag is not None and by_etag.compared == "etag"
    assert record_of(PartInfo(1, 10, "another"), "crc64nvme", 5, md5) is None


@pytest.mark.parametrize(
    ("part", "is_md5", "refused"),
    [
        (PartInfo(2, 10, "md5-9"), True, True),
        (PartInfo(2, 10, "md5-9"), False, False),
        (PartInfo(2, 10, ""), True, False),
        (PartInfo(2, 10, "any", {"crc64nvme": encode("crc64nvme", 9)}), False, True),
        (PartInfo(2, 10, "any", {"crc32c": encode("crc32c", 9)}), False, False),
    ],
)
def test_parts_are_refused_only_where_something_proves_that_they_are_others(
    part: PartInfo, is_md5: bool, refused: bool
) -> None:
    there = replace(begun({2: part}, None), etag_is_md5=lambda: is_md5)
    if refused:
        with pytest.raises(SourceChanged, match="s3://b/k holds other bytes"):
            recover(there, PLAN, hashed, "s3://b/k")
    else:
        assert recover(there, PLAN, hashed, "s3://b/k") == {}
    assert recover(replace(begun({2: part}, {}), etag_is_md5=lambda: is_md5), PLAN, hashed, "s3://b/k") == {}


@pytest.mark.parametrize(("crc_of_record", "length", "kept"), [(2, 10, True), (3, 10, False), (2, 9, False)])
def test_a_record_is_compared_with_the_source_where_that_may_have_changed(
    crc_of_record: int, length: int, kept: bool
) -> None:
    record = PartRecord(2, length, "e", crc_of_record, "")
    found = recover(begun({2: PartInfo(2, 10, "e")}, {2: record}, proven=False), PLAN, hashed, "s3://b/k")
    assert found == ({2: record} if kept else {})


def test_what_is_taken_up_is_continued_and_counted() -> None:
    records = {1: PartRecord(1, 10, "a", 1, ""), 3: PartRecord(3, 5, "c", 3, "")}
    there = begun({1: PartInfo(1, 10, "a"), 3: PartInfo(3, 5, "c")}, records)
    upload = SimpleNamespace(continue_with=lambda *given: calls.append(given))
    calls: list[Any] = []
    report = Report("upload", "", "", ignore)
    take_up(cast(Multipart, upload), there, PLAN, None, "s3://b/k", report)
    assert calls == [(there, 10, records)]
    assert (report.parts_resumed, report.bytes_resumed) == (2, 15)
