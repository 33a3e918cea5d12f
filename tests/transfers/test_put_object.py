"""Objects in one request: what arrived damaged is replaced, and only that; nobody else's object is touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.capabilities import DOUBT
from s3amfs.core.checksums import crc, encode
from s3amfs.core.claims import NOT_CHECKED
from s3amfs.core.expected import NOTHING, WHATEVER, Expected, this_etag
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.attempt import PartResult, SendPart
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ChecksumMismatch, ObjectExists, S3AMError, TargetChanged, TransferError
from s3amfs.objects.writer import ObjectWriter
from s3amfs.transfers import put_object
from s3amfs.transfers.encryption import TRIES
from s3amfs.transfers.job import Job, stream_job
from s3amfs.transfers.options import ObjectInfo, ObjectOptions, UploadOptions
from s3amfs.transfers.put_object import DAMAGED_TRIES, MOST_AT_ONCE
from s3amfs.verbs.upload import upload
from s3amfs.wire.s3.api import StoredInfo
from tests.support.clients import Events
from tests.support.faults import Recorded, Rule, flip, lose_answer
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy
from tests.support.scripted import reply, scripted

pytestmark = pytest.mark.usefixtures("state")
KEEP = UploadOptions()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return make_file(tmp_path / "small", 100_000, 7)


def without_trailers(client: S3Client, bucket: str) -> S3Client:
    client.session.capabilities(bucket).trailers = False
    return client


def content(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


def test_what_arrived_damaged_is_replaced_on_the_condition_that_it_is_still_there(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    proxy.rules.append(Rule("Put", flip("request"), times=1))
    upload(LocalPath(str(small)), S3Location(bucket, "k"), without_trailers(through, bucket), KEEP)
    assert object_digest(boto, bucket, "k") == digest(small)
    first, *_, last = proxy.of("Put")
    assert first.headers["if-none-match"] == "*"
    assert len(last.headers["if-match"].strip('"')) == 32, "the ETag of the damaged object"


def test_an_object_that_somebody_else_stored_after_the_damaged_one_stays(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    def after_the_first(request: Recorded) -> bool:
        if request.kind == "Put" and proxy.count("Put", status=200) == 1:
            boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
        return request.kind == "Put" and proxy.count("Put") == 1

    proxy.rules.append(Rule(after_the_first, flip("request")))
    with pytest.raises(S3AMError):
        upload(LocalPath(str(small)), S3Location(bucket, "k"), without_trailers(through, bucket), KEEP)
    assert content(boto, bucket) == b"by somebody else"


def test_a_wire_that_always_damages_is_an_error_that_deletes_nothing(
    through: S3Client, proxy: FaultProxy, bucket: str, small: Path
) -> None:
    proxy.rules.append(Rule("Put", flip("request")))
    with pytest.raises(ChecksumMismatch, match="--exists overwrite"):
        upload(LocalPath(str(small)), S3Location(bucket, "k"), without_trailers(through, bucket), KEEP)
    assert proxy.count("Delete") == 0


def test_an_answer_that_was_lost_is_made_up_for_by_a_look(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    proxy.rules.append(Rule("Put", lose_answer(), times=1))
    result = upload(LocalPath(str(small)), S3Location(bucket, "k"), through, KEEP)
    assert result.size == 100_000
    assert object_digest(boto, bucket, "k") == digest(small)


def test_another_object_is_not_taken_for_ours(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    """The first Put never arrived; when it is tried again, another writer of the same size has been faster."""
    others = bytes(100_000)

    def loses(request: Recorded) -> bool:
        if request.kind == "Put":
            boto.put_object(Bucket=bucket, Key="k", Body=others)
        return request.kind == "Put"

    proxy.rules.append(Rule(loses, lose_answer(), times=1))
    with pytest.raises(S3AMError):
        upload(LocalPath(str(small)), S3Location(bucket, "k"), through, KEEP)
    assert content(boto, bucket) == others


# -- after an attempt has failed: what stands there now, and what the next attempt expects. Without a server ---------

LENGTH = 5
CRC = crc("crc64nvme", b"hello")
LOST = Failure(Kind.CONDITION, "If-None-Match", 412, "PreconditionFailed")
DAMAGED = Failure(Kind.FATAL, "the ETag differs", 200, DOUBT)


@dataclass
class Put:
    """An attempt, as far as what follows it asks. matches: the ETag that its bytes have; '' where nobody knows."""

    damaged: str = ""
    sent_twice: bool = False
    crc_name: str = "crc64nvme"
    crc: int | None = CRC
    matches: str = ""
    stored: StoredInfo | None = None

    @property
    def unproven(self) -> StoredInfo | None:
        return StoredInfo(self.damaged) if self.damaged else None

    def is_content_of(self, etag: str, checksums: Mapping[str, str]) -> bool:
        return etag == self.matches

    def can_be_compared(self, checksums: Mapping[str, str]) -> bool:
        return self.crc_name in checksums


@dataclass
class Ended:
    failure: Failure | None = None
    retries: int = 0


Attempt = tuple[Put, Ended, list[PartResult], S3AMError | None]
FAILED = TransferError("it failed")


def failed(put: Put, failure: Failure | None, retries: int = 0) -> Attempt:
    return put, Ended(failure, retries), [], FAILED


def succeeded(etag: str = "new") -> Attempt:
    return Put(stored=StoredInfo(etag)), Ended(), [PartResult(1, LENGTH, crc=CRC)], None


Runs = Callable[..., tuple[Any, list[Expected], Job]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, events: Events) -> Runs:
    """`runs(attempts, found=ObjectInfo or None, content=CRC)` gives what is stored (or the error), what each attempt
    expected, and the job. found: or a list of what one look after the other finds. obeys: conditions."""

    def run(
        *attempts: Attempt,
        found: Any = None,
        content: int | None = None,
        expects: Expected = NOTHING,
        obeys: bool = True,
    ) -> Any:
        left, expected = list(attempts), list[Expected]()

        def attempt(put: Any) -> Attempt:
            expected.append(put._commit.condition)
            return left.pop(0)

        def find(*_: object, **__: object) -> Any:
            return (found.pop(0) if len(found) > 1 else found[0]) if isinstance(found, list) else found

        monkeypatch.setattr(put_object._Put, "_attempt", attempt)
        monkeypatch.setattr(put_object, "content_crc", lambda *_: content)
        client, _ = scripted(lambda asked: reply(404))
        monkeypatch.setattr(type(client), "find", find)
        options = UploadOptions(expected=expects)
        job = stream_job(client, S3Location("box", "k"), options, on_event=events)
        for kind in ("nothing", "etag"):
            job.can.conditions["put", kind] = obeys  # type: ignore[index]
        nobody: Any = None
        try:
            return put_object.put_single(job, LENGTH, nobody), expected, job
        except S3AMError as error:
            return error, expected, job

    return run


def there(etag: str, size: int = LENGTH, **checksums: str) -> ObjectInfo:
    return ObjectInfo(size, etag, checksums=checksums, checksum_type="FULL_OBJECT", version_id="v")


def test_the_first_attempt_that_succeeds_is_it(runs: Runs) -> None:
    (stored, checksum, proof), expected, _ = runs(succeeded())
    assert (stored.etag, expected) == ("new", [NOTHING])
    assert checksum == f"crc64nvme:{encode('crc64nvme', CRC)}"
    assert proof


@pytest.mark.parametrize("first", [Put(matches="e"), Put(sent_twice=True, matches="e")], ids=["retried", "sent twice"])
def test_an_answer_that_was_lost_is_found_by_its_etag(runs: Runs, first: Put) -> None:
    result, expected, _ = runs(failed(first, LOST, retries=not first.sent_twice), found=there("e"))
    stored, checksum, proof = result
    assert (stored.etag, stored.version_id, checksum) == ("e", "v", "")
    assert proof == "checksum of the object, as the server stores it"
    assert expected == [NOTHING]


def test_an_answer_that_was_lost_is_found_by_its_content(runs: Runs) -> None:
    (stored, checksum, proof), *_ = runs(failed(Put(), LOST, retries=1), found=there("e"), content=CRC)
    assert (stored.etag, checksum) == ("e", f"crc64nvme:{encode('crc64nvme', CRC)}")
    assert proof == "crc64nvme of the whole object, read back"


@pytest.mark.parametrize(
    ("put", "retries", "found", "content"),
    [
        (Put(matches="e"), 0, there("e"), CRC),
        (Put(matches="e"), 1, None, CRC),
        (Put(matches="e"), 1, there("e", LENGTH + 1), CRC),
        (Put(matches="e"), 1, there("f"), CRC + 1),
        (Put(crc=None), 1, there("f"), None),
        (Put(), 1, there("f", crc64nvme="AAAAAAAAAAA="), CRC),
    ],
    ids=["never sent", "gone", "another size", "another content", "unknown content", "another checksum"],
)
def test_another_object_than_ours_is_an_error(
    runs: Runs, put: Put, retries: int, found: ObjectInfo | None, content: int
) -> None:
    error, expected, _ = runs(failed(put, LOST, retries), found=found, content=content)
    assert isinstance(error, ObjectExists)
    assert expected == [NOTHING]


def test_each_attempt_may_be_the_one_that_arrived(runs: Runs) -> None:
    """The first was damaged, but replaced; the answer to the second was lost."""
    attempts = (failed(Put(damaged="d"), DAMAGED), failed(Put(matches="e"), LOST, retries=1))
    (stored, *_), expected, _ = runs(*attempts, found=there("e"), content=CRC + 1)
    assert (stored.etag, expected) == ("e", [NOTHING, this_etag("d")])


def test_damaged_bytes_are_replaced_on_the_condition_that_they_are_there(runs: Runs) -> None:
    (stored, *_), expected, job = runs(failed(Put(damaged="d"), DAMAGED), succeeded(), content=CRC + 1)
    assert (stored.etag, expected) == ("new", [NOTHING, this_etag("d")])
    assert job.can.etag_md5 is not False


def test_damage_that_does_not_end_is_an_error(runs: Runs) -> None:
    attempts = [failed(Put(damaged=f"d{number}"), DAMAGED) for number in range(DAMAGED_TRIES)]
    error, expected, _ = runs(*attempts, succeeded(), content=CRC + 1)
    assert isinstance(error, ChecksumMismatch)
    assert len(expected) == DAMAGED_TRIES == 5
    assert expected[1:] == [this_etag(f"d{number}") for number in range(DAMAGED_TRIES - 1)]


def test_an_etag_that_is_no_md5_is_settled_by_reading_back(runs: Runs, events: Events) -> None:
    (stored, checksum, proof), _, job = runs(failed(Put(damaged="d"), DAMAGED), content=CRC)
    assert (stored.etag, proof) == ("d", "crc64nvme of the whole object, read back")
    assert checksum == f"crc64nvme:{encode('crc64nvme', CRC)}"
    assert job.can.etag_md5 is False
    assert events.warnings == []


def test_an_etag_that_is_no_md5_of_what_can_not_be_read_is_a_warning(runs: Runs, events: Events) -> None:
    (stored, _, proof), _, job = runs(failed(Put(damaged="d"), DAMAGED), content=None)
    assert (stored.etag, proof) == ("d", NOT_CHECKED)
    assert job.can.etag_md5 is not False
    assert len(events.warnings) == 1 and "not checked" in events.warnings[0]


def test_a_failure_after_damage_says_that_there_is_damage(runs: Runs) -> None:
    error, *_ = runs(failed(Put(damaged="d"), Failure(Kind.FATAL, "no", 400, "InvalidRequest")))
    assert isinstance(error, ChecksumMismatch)
    assert "--exists overwrite" in str(error)


@pytest.mark.parametrize("failure", [None, Failure(Kind.FATAL, "no", 400, "InvalidRequest"), DAMAGED])
def test_what_is_no_damage_and_no_condition_is_the_error_itself(runs: Runs, failure: Failure | None) -> None:
    error, expected, _ = runs(failed(Put(), failure))
    assert error is FAILED
    assert len(expected) == 1


def test_a_condition_that_the_server_does_not_take_is_left_out_of_the_next_attempt(runs: Runs) -> None:
    (stored, *_), expected, _ = runs(failed(Put(), Failure(Kind.FATAL, "no", 501, "NotImplemented")), succeeded())
    assert stored.etag == "new"
    assert expected == [NOTHING, WHATEVER]
    error, expected, _ = runs(failed(Put(), Failure(Kind.FATAL, "no", 501, "NotImplemented")), expects=WHATEVER)
    assert (error, expected) == (FAILED, [WHATEVER])


def test_what_was_replaced_meanwhile_is_not_replaced_again(runs: Runs) -> None:
    """What an earlier attempt has damaged is replaced only while it is there; else somebody else was faster."""
    gone = Failure(Kind.CONDITION, "If-Match", 412, "PreconditionFailed")
    error, expected, _ = runs(
        failed(Put(), gone, retries=1), found=there("by another"), content=CRC + 1, expects=this_etag("e")
    )
    assert isinstance(error, TargetChanged)
    assert expected == [this_etag("e")]


@pytest.mark.parametrize(
    ("sse", "settled", "ends"), [("aws:kms", False, True), ("aws:kms", True, False), (None, False, False)]
)
def test_trouble_that_may_come_of_the_encryption_ends_an_attempt_once(
    monkeypatch: pytest.MonkeyPatch, events: Events, sse: str | None, settled: bool, ends: bool
) -> None:
    """After a few 500s: then it is looked into."""
    monkeypatch.setattr(put_object, "is_settled", lambda *_: settled)
    options = UploadOptions(object=ObjectOptions(sse=sse))
    job = stream_job(scripted(lambda asked: reply())[0], S3Location("box", "k"), options, on_event=events)
    nobody: Any = None
    put = put_object._Put(job, LENGTH, nobody, ())
    trouble, other = Failure(Kind.SERVER, "no", 500, "InternalError"), Failure(Kind.NETWORK, "no")
    kinds = []
    for number in range(TRIES + 2):
        assert put._judge(1, other).kind is Kind.NETWORK, "no word of the server"
        kinds.append(put._judge(1, trouble).kind)
        assert (put._suspected is not None) is (ends and number >= TRIES - 1)
    assert kinds == [Kind.FATAL if ends and number == TRIES - 1 else Kind.SERVER for number in range(TRIES + 2)]


def test_a_look_that_finds_another_object_than_the_damaged_one_is_made_again(runs: Runs) -> None:
    """Of a server that ignores conditions: the looks before the second attempt find another object first."""
    looks = [None, there("another"), there("another"), there("d"), there("new")]
    (stored, *_), expected, _ = runs(
        failed(Put(damaged="d"), DAMAGED), succeeded(), found=looks, content=CRC + 1, obeys=False
    )
    assert stored.etag == "new"
    assert len(expected) == 2
    assert len(looks) == 1, "before each attempt and after the last"
    error, expected, _ = runs(succeeded(), found=there("another"), obeys=False)
    assert isinstance(error, ObjectExists)
    assert expected == [], "nothing was sent"


# -- where nobody counts: one request first, without a transfer ------------------------------------------------------


def uncounted(events: Events, *, counts: bool = False, **options: Any) -> Job:
    client, _ = scripted(lambda asked: reply(404))
    given = UploadOptions(expected=NOTHING, **options)
    job = stream_job(client, S3Location("box", "k"), given, on_event=events, counts=counts)
    job.can.conditions["put", "nothing"] = True
    return job


@pytest.mark.parametrize(
    ("length", "counts", "options", "at_once"),
    [
        (0, False, {}, True),
        (MOST_AT_ONCE, False, {}, True),
        (MOST_AT_ONCE + 1, False, {}, False),
        (5, True, {}, False),
        (5, False, {"bwlimit": 1000}, False),
    ],
    ids=["empty", "small", "larger", "counted", "limited"],
)
def test_what_is_small_is_tried_at_once_where_nobody_counts(
    monkeypatch: pytest.MonkeyPatch, events: Events, length: int, counts: bool, options: Any, at_once: bool
) -> None:
    tried: list[object] = []
    monkeypatch.setattr(put_object._Put, "_try_at_once", lambda put: tried.append(put))
    monkeypatch.setattr(put_object._Put, "_attempt", lambda put: succeeded())
    nobody: Any = None
    put_object.put_single(uncounted(events, counts=counts, **options), length, nobody)
    assert len(tried) == at_once


@pytest.mark.parametrize(
    ("failure", "reads", "then"),
    [(DAMAGED, 1, [this_etag("d")]), (Failure(Kind.CORRUPT, "other bytes"), 0, [NOTHING, this_etag("d")])],
    ids=["in doubt", "damaged"],
)
def test_what_was_sent_at_once_is_read_back_only_where_its_etag_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch, events: Events, failure: Failure, reads: int, then: list[Expected]
) -> None:
    read, expected, left = [], list[Expected](), [failed(Put(crc=None), LOST), succeeded()][-len(then) :]

    def attempt(put: Any) -> Attempt:
        expected.append(put._commit.condition)
        return left.pop(0)

    def content_crc(*_: object) -> int:
        read.append(1)
        return CRC + 1

    job = uncounted(events)
    monkeypatch.setattr(put_object, "content_crc", content_crc)
    monkeypatch.setattr(put_object, "send_once", lambda *_: failure)
    monkeypatch.setattr(put_object._Put, "_attempt", attempt)
    monkeypatch.setattr(put_object._Put, "_may_begin", lambda _: True)
    job.client.session.refresh_credentials()
    monkeypatch.setattr(put_object._Put, "_target", lambda _: Put(damaged="d", crc_name="crc32c", crc=None))
    monkeypatch.setattr(type(job.client), "find", lambda *_, **__: there("d"))
    stored, *_ = put_object.put_single(job, LENGTH, lambda _: lambda *_: SendPart.__new__(SendPart))
    assert (stored.etag, len(read), expected) == ("new", reads, then)


def put_uncounted(client: S3Client, bucket: str, data: bytes, events: Any, checksum: Any = None) -> Any:
    """As the mount stores a new small file."""
    options = UploadOptions(expected=NOTHING, checksum=checksum)
    writer = ObjectWriter(stream_job(client, S3Location(bucket, "k"), options, on_event=events, counts=False))
    writer.write(data)
    return writer.close()


def test_one_request_stores_what_nobody_counts(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    monkeypatch.setattr(put_object._Put, "_attempt", pytest.fail)
    through.session.capabilities(bucket).conditions["put", "nothing"] = True
    stored = put_uncounted(through, bucket, b"hello", events)
    assert (content(boto, bucket), proxy.count("Put")) == (b"hello", 1)
    assert boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"') == stored.etag


@pytest.mark.parametrize("length", [0, MOST_AT_ONCE + 1])
def test_what_is_empty_or_large(
    through: S3Client, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, events: Events, length: int
) -> None:
    if length:
        monkeypatch.setattr(put_object._Put, "_try_at_once", pytest.fail)
    put_uncounted(through, bucket, bytes(length), events)
    assert len(content(boto, bucket)) == length


def test_an_answer_that_was_lost_at_once_is_made_up_for(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, events: Events
) -> None:
    through.session.capabilities(bucket).conditions["put", "nothing"] = True
    proxy.rules.append(Rule("Put", lose_answer(), times=1))
    assert put_uncounted(through, bucket, b"hello", events).etag
    assert content(boto, bucket) == b"hello"


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_an_answer_that_was_lost_on_a_kept_connection_is_made_up_for(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, events: Events, data: bytes
) -> None:
    """libcurl sends the request again by itself."""
    client = without_trailers(through, bucket)
    client.session.capabilities(bucket).conditions["put", "nothing"] = True
    put_uncounted(client, bucket, data, events)
    boto.delete_object(Bucket=bucket, Key="k")
    proxy.rules.append(Rule("Put", lose_answer(), times=1))
    assert put_uncounted(client, bucket, data, events).etag
    assert content(boto, bucket) == data


def test_what_arrived_damaged_at_once_is_replaced(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, events: Events
) -> None:
    proxy.rules.append(Rule("Put", flip("request"), times=1))
    put_uncounted(without_trailers(through, bucket), bucket, b"hello" * 1000, events)
    assert content(boto, bucket) == b"hello" * 1000
    first, *_, last = proxy.of("Put")
    assert first.headers["if-none-match"] == "*"
    assert len(last.headers["if-match"].strip('"')) == 32, "the ETag of the damaged object"


def test_what_stands_there_stays_and_is_the_error(through: S3Client, boto: Any, bucket: str, events: Events) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
    through.session.capabilities(bucket).conditions["put", "nothing"] = True
    with pytest.raises(ObjectExists):
        put_uncounted(through, bucket, b"hello", events)
    assert content(boto, bucket) == b"by somebody else"


def test_a_server_that_turns_requests_away_gets_them_in_turn(
    through: S3Client, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    """Requests at once would take the place of those that wait, which would be given up."""
    line = through.engine.lines.line(through.endpoint(bucket), "up")
    through.session.capabilities(bucket).conditions["put", "nothing"] = True
    put_uncounted(through, bucket, b"hello", events)
    monkeypatch.setattr(put_object, "send_once", lambda *given: pytest.fail("it took no turn"))
    line.failed(Failure(Kind.THROTTLE, "slow down", 503), time.monotonic())
    boto.delete_object(Bucket=bucket, Key="k")
    put_uncounted(through, bucket, b"in turn", events)
    assert content(boto, bucket) == b"in turn"


def test_somebody_elses_equal_object_is_not_taken_for_ours(
    through: S3Client, boto: Any, bucket: str, events: Events
) -> None:
    """The server has refused the first request by name: what stands there was stored by another one."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"hello")
    through.session.capabilities(bucket).conditions["put", "nothing"] = True
    with pytest.raises(ObjectExists):
        put_uncounted(through, bucket, b"hello", events)
