"""`ObjectWriter`: whatever the writes, the object is what was written; nothing is visible before `close`.

Parts are kept in the process; test_written_objects.py has a server.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, cast

import pytest

from s3amfs.core.checksums import crc
from s3amfs.core.events import TransferStarted
from s3amfs.core.expected import NOTHING, WHATEVER
from s3amfs.core.locations import S3Location
from s3amfs.core.manifest import PartRecord, SourceIdentity
from s3amfs.core.parts import Part, choose_part_size
from s3amfs.engine.connect import S3Client
from s3amfs.engine.limits import ByteBudget
from s3amfs.engine.sources import LocalSource
from s3amfs.errors import IncompatiblePartSize, Interrupted, TransferError, UsageError
from s3amfs.objects import writer as writer_module
from s3amfs.objects.writer import ObjectWriter, WriterMemory
from s3amfs.transfers.job import stream_job
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import ignore
from s3amfs.wire.s3.model import ObjectOptions, PartInfo
from tests.support.clients import PART, Events
from tests.support.files import content
from tests.support.kept_parts import KeepingServer, KeptParts, begun, keeping
from tests.support.scripted import reply, scripted

__all__ = ["keeping"]

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")
KEPT = replace(OPTIONS, unfinished="continue")


def kept_writer(options: UploadOptions = KEPT, client: S3Client | None = None, **choices: Any) -> ObjectWriter:
    client = client or scripted(lambda asked: reply(404))[0]
    job = stream_job(client, S3Location("box", "k"), options, on_event=choices.pop("on_event", ignore))
    return ObjectWriter(job, **choices)


def test_parts_leave_as_they_are_full_and_the_object_is_complete_at_close(
    keeping: KeepingServer, events: Events
) -> None:
    data, writer = content(2 * PART + 9, 1), kept_writer(on_event=events)
    assert (writer.parts_sent, writer.upload_id) == (0, None)
    assert writer.write(memoryview(data)[: PART - 1]) == PART - 1
    assert keeping.uploads == []
    assert writer.write(data[PART - 1 : 2 * PART + 1]) == PART + 2
    upload = keeping.upload
    assert upload.parts == [Part(1, 0, PART), Part(2, PART, PART)]
    assert (writer.filling, writer.position, writer.parts_sent, writer.upload_id) == (2 * PART, 2 * PART + 1, 2, "id")
    writer.write(data[2 * PART + 1 :])
    result = writer.finish()
    assert b"".join(upload.stored[number] for number in (1, 2, 3)) == data
    assert upload.steps == ["find", f"begin {PART}", "open", "finish", f"complete {len(data)}"]
    assert upload.expected == WHATEVER
    assert (result.size, result.parts, result.etag, result.proof) == (len(data), 3, "of parts", "every part")
    (started,) = [event for event in events if isinstance(event, TransferStarted)]
    assert (started.part_size, started.size) == (PART, None)
    assert writer.closed
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"more")
    with pytest.raises(ValueError, match="closed"):
        writer.close()


def test_less_than_a_part_is_one_request(keeping: KeepingServer) -> None:
    for data in (b"", b"abc", content(PART - 1, 1)):
        writer = kept_writer()
        writer.write(data)
        result = writer.finish()
        assert (keeping.objects.pop(), keeping.uploads) == (data, [])
        assert (result.size, result.parts, result.etag) == (len(data), 1, "of one")


def test_a_full_part_without_a_rest_needs_no_other(keeping: KeepingServer) -> None:
    writer = kept_writer()
    writer.write(bytes(PART))
    assert len(keeping.upload.parts) == 1, "it leaves at once"
    assert writer.close().etag == "of parts"
    assert [part.number for part in keeping.upload.parts] == [1]


@pytest.mark.parametrize("held", [False, True], ids=["by nothing", "by a manifest"])
@pytest.mark.parametrize("unfinished", ["refuse", "continue"])
def test_a_short_stream_looks_for_what_was_left_where_that_may_be(
    keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch, unfinished: Any, held: bool
) -> None:
    monkeypatch.setattr(writer_module, "has_manifest", lambda *_: held)
    writer = kept_writer(replace(KEPT, unfinished=unfinished))
    writer.write(b"abc")
    writer.close()
    assert keeping.objects == [b"abc"]
    looks = held or unfinished == "refuse"
    assert [upload.steps for upload in keeping.uploads] == ([["find", "leave"]] if looks else [])


def test_what_was_left_is_continued_in_its_own_part_size(keeping: KeepingServer) -> None:
    data = content(3 * PART, 1)
    size = PART + 4096
    sums = crc("crc64nvme", data[:size])
    record = PartRecord(1, size, "a", sums, "")
    keeping.left = begun({1: PartInfo(1, size, "a"), 2: PartInfo(2, size, "other")}, size, record)
    writer = kept_writer(replace(KEPT, part_size=None))
    writer.begin()
    writer.write(data)
    writer.close()
    upload = keeping.upload
    assert upload.steps[:2] == ["find", f"continue with {size}"]
    assert upload.kept == [record]
    assert upload.parts == [Part(2, size, size), Part(3, 2 * size, 3 * PART - 2 * size)]
    assert (writer._job.report.parts_resumed, writer._job.report.bytes_resumed) == (1, size)


def test_an_upload_that_was_left_ends_even_a_stream_without_a_byte(keeping: KeepingServer) -> None:
    keeping.left = begun({})
    writer = kept_writer(replace(KEPT, unfinished="refuse"))
    writer.close()
    assert keeping.upload.parts == [Part(1, 0, 0)]
    assert keeping.objects == []


def test_a_look_is_made_once_and_before_the_stream_is_read(keeping: KeepingServer) -> None:
    sizes: list[int] = []

    class Stream:
        def read(self, size: int) -> bytes:
            assert keeping.upload.steps == ["find"]
            sizes.append(size)
            return b"" if len(sizes) == 3 else b"ab"

    writer = kept_writer()
    writer.copy_from(Stream())
    assert (writer.position, sizes) == (4, [256 * 1024] * 3)
    writer.begin()
    assert keeping.upload.steps == ["find"]


def test_a_full_outbox_waits_for_parts_to_arrive(keeping: KeepingServer) -> None:
    keeping.takes = False
    writer = kept_writer(memory=WriterMemory(ByteBudget(2 * PART)))
    for written, arrived, cared in ((1, 0, 0), (1, 0, 0), (1, 2, 1), (2, 4, 2)):
        writer.write(bytes(written * PART))
        upload = keeping.upload
        assert len(upload.parts) - len(upload.late) == arrived
        assert upload.steps.count("care") == cared
        assert [part.number for part in upload.unsent()] == upload.late
    assert kept_writer()._outbox._budget.limit == 32 << 20


@pytest.mark.parametrize(
    ("trouble", "later"), [(TransferError("lost"), TransferError), (KeyboardInterrupt(), Interrupted)]
)
def test_an_error_is_final_and_leaves_what_was_sent(
    keeping: KeepingServer, trouble: Any, later: type[Exception]
) -> None:
    keeping.takes, keeping.trouble = False, trouble
    writer = kept_writer(memory=WriterMemory(ByteBudget(PART)))
    writer.write(bytes(PART))
    with pytest.raises(type(trouble)):
        writer.write(bytes(PART))
    assert keeping.upload.steps[-3:] == ["care", "stop", "leave"]
    assert isinstance(writer.error, later)
    assert writer._outbox.unsent() == []
    with pytest.raises(later):
        writer.write(b"more")
    with pytest.raises(later):
        writer.close()


def test_an_error_of_the_look_is_final(keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise TransferError("no")

    monkeypatch.setattr(KeptParts, "find", fails)
    writer = kept_writer()
    with pytest.raises(TransferError):
        writer.write(bytes(PART))
    with pytest.raises(TransferError):
        writer.close()


@pytest.mark.parametrize(("keep", "end"), [(True, "leave"), (False, "abort")])
def test_an_abort_stops_what_is_in_flight_first(keeping: KeepingServer, keep: bool, end: str) -> None:
    keeping.takes = False
    writer = kept_writer()
    writer.abort(keep=keep)
    assert writer.closed
    writer = kept_writer()
    writer.write(bytes(PART))
    writer.abort(keep=keep)
    assert keeping.upload.steps[-2:] == ["stop", end]
    assert writer.closed and writer._outbox.unsent() == []
    writer.abort(keep=keep)
    assert keeping.upload.steps.count(end) == 1


def test_an_abort_keeps_nothing_unless_that_is_asked_for(keeping: KeepingServer) -> None:
    writer = kept_writer()
    writer.write(bytes(PART))
    writer.abort()
    assert keeping.upload.steps[-1] == "abort"


def test_a_finalizer_waits_for_nothing(keeping: KeepingServer) -> None:
    writer = kept_writer()
    writer.abandon()
    assert writer.closed
    writer = kept_writer()
    writer.write(bytes(PART))
    writer.abandon()
    assert keeping.upload.steps[-1] == "abandon"
    assert "stop" not in keeping.upload.steps
    assert writer.closed


def test_the_rest_is_sent_once(keeping: KeepingServer) -> None:
    writer = kept_writer()
    writer.send_rest()
    assert keeping.uploads == []
    writer.write(b"abc")
    writer.send_rest()
    writer.send_rest()
    assert keeping.upload.parts == [Part(1, 0, 3)]
    writer.close()
    assert [part.number for part in keeping.upload.parts] == [1]


class Bytes:
    """A source of other bytes."""

    def reader(self, part: Part) -> Any:
        return io.BytesIO(b"x" * part.length)


@pytest.mark.parametrize(
    ("again", "source", "moved"), [(True, True, ["again 1"]), (True, False, []), (False, True, [])]
)
def test_parts_that_changed_are_sent_again_before_the_object_is_complete(
    keeping: KeepingServer, again: bool, source: bool, moved: list[str]
) -> None:
    writer = kept_writer()
    writer.write(bytes(2 * PART))
    part = Part(1, 0, PART)
    writer.close([part] if again else [], cast(LocalSource, Bytes()) if source else None)
    assert keeping.upload.steps[3:] == ["finish", *moved, f"complete {2 * PART}"]
    assert keeping.upload.stored[1] == (b"x" if moved else b"\0") * PART


def test_the_part_that_is_filled_can_be_changed_and_cut_to_its_ends(keeping: KeepingServer) -> None:
    writer = kept_writer()
    writer.write(bytes(PART) + b"abcdef")
    assert writer.filling == PART
    writer.overwrite(b"A", PART)
    writer.overwrite(b"EF", PART + 4)
    for data, at in ((b"x", PART - 1), (b"xy", PART + 5), (b"x", PART + 6)):
        with pytest.raises(ValueError, match="not being filled"):
            writer.overwrite(data, at)
    writer.cut(PART + 6)
    for position in (PART - 1, PART + 7):
        with pytest.raises(ValueError, match="not being filled"):
            writer.cut(position)
    writer.cut(PART + 5)
    assert writer.position == PART + 5
    writer.write(b"g")
    writer.close()
    assert keeping.upload.stored[2] == b"AbcdEg"
    writer = kept_writer()
    writer.write(b"abc")
    writer.cut(0)
    assert (writer.position, writer.filling) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "size", "unequal", "first_part", "chosen"),
    [
        (None, None, None, 6 * PART, 6 * PART),
        (2 * PART, None, None, 6 * PART, 2 * PART),
        (None, 50_000 * PART, None, 6 * PART, 6 * PART),
        (None, 50_000 * PART, False, 6 * PART, choose_part_size(50_000 * PART)),
        (2 * PART, 3 * PART, False, 6 * PART, 2 * PART),
    ],
)
def test_the_size_of_the_parts(
    keeping: KeepingServer, wanted: int | None, size: int | None, unequal: bool | None, first_part: int, chosen: int
) -> None:
    """The user's, else the caller's, unless the server wants all alike and the size is known."""
    client, _ = scripted(lambda asked: reply(404))
    client.session.capabilities("box").unequal_parts = unequal
    identity = SourceIdentity("-", size=size) if size is not None else None
    options = replace(KEPT, part_size=wanted)
    writer = kept_writer(options, client, identity=identity, first_part=first_part)
    assert writer._layout.first == chosen
    assert writer._layout.length(None) == chosen


def test_a_size_that_s3_does_not_take_is_refused_at_once(keeping: KeepingServer) -> None:
    with pytest.raises(UsageError):
        kept_writer(replace(KEPT, part_size=PART - 1))
    with pytest.raises(IncompatiblePartSize):
        kept_writer(replace(KEPT, part_size=PART), identity=SourceIdentity("-", size=10_000 * PART + 1))


def test_a_server_of_equal_parts_is_warned_of_where_the_length_is_unknown(
    keeping: KeepingServer, events: Events
) -> None:
    client, _ = scripted(lambda asked: reply(404))
    client.session.capabilities("box").unequal_parts = False
    writer = kept_writer(replace(KEPT, part_size=None), client, first_part=PART, on_event=events)
    writer.write(bytes(2 * PART))
    assert len(events.warnings) == 1
    assert "parts of one size" in events.warnings[0]


def test_full_parts_are_those_with_bytes_of_the_range(keeping: KeepingServer) -> None:
    writer = kept_writer()
    writer.write(content(2 * PART + 5, 4))

    def numbers(start: int, end: int) -> list[int]:
        return [part.number for part in writer.full_parts(start, end)]

    assert numbers(0, 1) == [1]
    assert numbers(PART - 1, PART) == [1]
    assert numbers(PART - 1, PART + 1) == [1, 2]
    assert numbers(PART, PART + 1) == [2]
    assert numbers(2 * PART, 2 * PART + 5) == []


def test_parts_are_sent_with_the_slots_and_the_limit_of_the_user(keeping: KeepingServer) -> None:
    writer = kept_writer(replace(KEPT, upload_slots=3, bwlimit=77))
    writer.begin()
    content = keeping.upload.content
    assert (content.verb, content.describe, content.identity.url) == ("upload", "upload to s3://box/k", "-")
    speed = content.movement.speed
    assert (speed.slots, speed.bwlimit, speed.bucket) == (3, 77, "box")


def test_options_hold_until_an_upload_was_begun_and_what_is_expected_until_the_end(keeping: KeepingServer) -> None:
    early, late = (replace(KEPT, object=ObjectOptions(content_type=f"text/{kind}")) for kind in ("early", "late"))
    writer = kept_writer()
    assert writer.set_options(early)
    writer.write(bytes(PART))
    assert not writer.set_options(replace(late, exists="refuse"))
    writer.close()
    assert keeping.upload.job.options.object.content_type == "text/early"
    assert writer._job.options.object.content_type == "text/early"
    assert keeping.upload.expected == NOTHING
