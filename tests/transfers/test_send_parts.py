"""The loop for parts: what is sent when, and after which failure it is begun again. Nothing is sent here.

Uploads, copies, appends and patches before servers that answer oddly: test_five_writers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from s3amfs.core.events import TransferResult
from s3amfs.core.expected import NOTHING
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import S3Location
from s3amfs.core.manifest import PartRecord, SourceIdentity
from s3amfs.core.parts import Part, Plan
from s3amfs.engine.attempt import PartResult
from s3amfs.errors import TransferError, Unsupported
from s3amfs.transfers import send_parts
from s3amfs.transfers.checksum_choice import Suspect
from s3amfs.transfers.job import stream_job
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.send_parts import Content, Installed, Movement, SendParts
from s3amfs.transfers.speed import Speed
from s3amfs.wire.s3.model import MultipartUpload, StoredInfo
from tests.support.scripted import reply, scripted
from tests.support.scripted_transfers import End, Server, Upload, server

__all__ = ["server"]

REFUSED = Failure(Kind.UNSUPPORTED, "not implemented", 501, "NotImplemented")
PARTS = [Part(1, 0, 10), Part(2, 10, 10), Part(3, 20, 5)]


def movement(name: str, **more: Any) -> Movement:
    return Movement(cast(Any, name), Speed(bucket="box"), **more)


SENT, COPIED = movement("sent"), movement("copied", repeatable=True)


def parts_of(on_part: Callable[[PartResult], None] | None = None, **more: Any) -> SendParts:
    client, _ = scripted(lambda asked: reply(404))
    job = stream_job(client, S3Location("box", "k"), UploadOptions())
    checks: list[Any] = more.pop("checks", [])
    content = Content(
        "upload", SourceIdentity("-"), "upload to s3://box/k", SENT, algorithm="crc32c", check=checks.append
    )
    return SendParts(job, content, on_part, **more)


class Made:
    """Parts that are made each time they are asked for, as those of large plans are."""

    def __iter__(self) -> Iterator[Part]:
        yield from PARTS


SHARED = MultipartUpload("box", "k", "shared")


def sent(server: Server) -> list[tuple[str, list[int]]]:
    """(upload, numbers of parts) of each transfer."""
    return [(transfer.upload.upload_id, transfer.numbers) for transfer in server.transfers]


# -- all parts are known ----------------------------------------------------------------------------------------------


def test_all_parts_are_sent_the_source_is_checked_and_the_object_completed(server: Server) -> None:
    checks: list[Any] = []
    known: list[tuple[int, list[int]]] = []
    parts = parts_of(lambda result: known.append((result.number, sorted(parts.records))), checks=checks)
    assert (parts.find(), parts.begun, parts.part_size, parts.is_open) == (None, None, 0, False)
    assert parts.begin(10).upload.upload_id == "u1"
    assert parts.part_size == 10
    installed = parts.install(PARTS, 25)
    assert sent(server) == [("u1", [1, 2, 3])]
    assert server.transfers[0].is_last and server.transfers[0].movement is SENT
    assert known == [(1, [1]), (2, [1, 2]), (3, [1, 2, 3])], "a part is on record before it is reported"
    assert checks == [("crc32c", "whole")]
    assert server.steps == ["begin 10", "settle", "check copies of [1, 2, 3]", "complete 25 None"]
    result = installed.result(parts._job.report, 25, 3)
    assert isinstance(result, TransferResult)
    assert (result.etag, result.version_id, result.checksum, result.proof, result.size, result.parts) == (
        *("etag", "v", "crc32c:whole", "every part"),
        *(25, 3),
    )


def test_what_is_there_is_not_sent_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.found = True
    parts = parts_of()
    assert parts.find() is parts.begun is not None

    def take_up(upload: Upload, begun: object, plan: Plan, hashes: object, url: str, report: object) -> None:
        assert (begun, url, hashes) == (parts.begun, "s3://box/k", None)
        upload.keep(PartRecord(2, 10, "e", None, ""))

    monkeypatch.setattr(send_parts, "take_up", take_up)
    parts.take_up(Plan(25, 10), None)
    assert parts.part_size == 10
    parts.install(PARTS, 25)
    assert sent(server) == [("id", [1, 3])]


@pytest.mark.parametrize("suspect", ["trailers", "copied_checksums"])
def test_a_refusal_that_the_declared_checksum_may_explain_begins_again_without(
    server: Server, suspect: Suspect
) -> None:
    server.ends = [End(REFUSED, suspect, arrived=(1,))]
    parts = parts_of()
    parts.begin(10)
    parts.install(Made(), 25)
    assert sent(server) == [("u1", [1, 2, 3]), ("u2", [1, 2, 3])]
    assert [transfer.suspect for transfer in server.transfers] == [None, suspect]
    assert server.steps[2:5] == ["abort", "begin 10, undeclared", "settle"]
    assert parts.begun is not None and parts.begun.upload.upload_id == "u2"


def test_a_byte_shows_the_form_and_its_part_is_still_to_be_sent(server: Server) -> None:
    server.ends = [End(REFUSED, "trailers")]
    known: list[int] = []
    parts = parts_of(lambda result: known.append(result.number))
    parts.begin(10)
    parts.try_out(PARTS[0])
    assert sent(server) == [("u1", [1]), ("u2", [1])]
    assert [transfer.lengths for transfer in server.transfers] == [[1], [1]]
    assert (known, dict(parts.records)) == ([], {})
    parts.install(PARTS, 25)
    assert sent(server)[2:] == [("u2", [1, 2, 3])] and server.transfers[2].suspect == "trailers"
    assert known == [1, 2, 3]


def test_a_second_failure_that_nothing_explains_is_the_end(server: Server) -> None:
    server.ends = [End(REFUSED, "trailers"), End(REFUSED)]
    parts = parts_of()
    with pytest.raises(TransferError, match="it failed"):
        parts.install(PARTS, 25)
    assert server.steps[-1] == "raise, kept: False"
    assert len(server.transfers) == 2
    parts.install(PARTS, 25)
    assert server.transfers[2].suspect == "trailers", "what was suspected stays so"


def test_what_ended_without_a_failure_of_its_own_is_raised(server: Server) -> None:
    server.ends = [End(None, "trailers")]
    with pytest.raises(TransferError):
        parts_of().install(PARTS, 25)
    assert len(server.transfers) == 1


def test_parts_of_an_earlier_run_are_not_given_up_for_another_form(server: Server) -> None:
    server.found, server.ends = True, [End(REFUSED, "trailers")]
    parts = parts_of()
    parts.find()
    parts.continue_with(10)
    assert (parts.part_size, server.steps) == (10, ["continue with 10"])
    parts.keep(PartRecord(1, 10, "e", None, ""))
    with pytest.raises(TransferError):
        parts.install(PARTS, 25)
    assert server.steps[-1] == "raise, kept: True"
    assert sent(server) == [("id", [2, 3])]


def test_an_upload_that_others_share_is_neither_begun_again_nor_written_down(server: Server) -> None:
    server.ends = [End(REFUSED, "trailers")]
    parts = parts_of(shared=SHARED)
    with pytest.raises(TransferError):
        parts.move_all(PARTS)
    assert server.journals == [None]
    assert (sent(server), server.steps) == ([("shared", [1, 2, 3])], ["raise, kept: False"])
    parts_of(manifest=False), parts_of()
    assert server.journals == [None, None, "journal"]


def test_copied_parts_with_false_checksums_are_sent_once_more_undeclared(server: Server) -> None:
    server.false = [True]
    parts = parts_of()
    parts.begin(10)
    parts.move_all(PARTS, COPIED)
    assert sent(server) == [("u1", [1, 2, 3]), ("u2", [1, 2, 3])]
    assert [(transfer.movement, transfer.suspect) for transfer in server.transfers] == [
        (COPIED, None),
        (COPIED, "copied_checksums"),
    ]
    assert server.steps[1:] == ["settle", "abort", "begin 10, undeclared", "settle", "check copies of [1, 2, 3]"]
    assert not parts.is_open
    server.false = [True]
    with pytest.raises(Unsupported, match=r"upload to s3://box/k: .* false checksums"):
        parts_of(shared=SHARED).move_all(PARTS)


def test_parts_that_are_there_are_moved_again_with_other_bytes(server: Server) -> None:
    parts = parts_of()
    parts.begin(10)
    parts.move_all(PARTS)
    server.ends = [End(REFUSED, "trailers")]
    parts.move_again(PARTS[:1], COPIED)
    assert sent(server)[1:] == [("u1", [1]), ("u2", [1])]
    assert all(transfer.is_last and transfer.movement is COPIED for transfer in server.transfers[1:])


def test_a_feed_adds_parts_while_others_move(server: Server) -> None:
    def feed(add: Any) -> None:
        assert not server.transfers[0].is_last
        add(PARTS[2:], last=True)

    parts = parts_of()
    parts.move_all(PARTS[:2], feed=feed)
    assert sent(server) == [("u1", [1, 2, 3])]


# -- streams ----------------------------------------------------------------------------------------------------------


class Stream:
    """A stream whose parts are added one by one."""

    def __init__(self, **more: Any) -> None:
        self.left: dict[int, Part] = {}
        self.parts = parts_of(lambda result: self.left.pop(result.number, None) and None, **more)
        self.troubles = 0

    def open(self) -> None:
        self.parts.open(lambda: self.left.values(), self.trouble)

    def trouble(self) -> None:
        self.troubles += 1

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.left[number] = PARTS[number - 1]
            self.parts.add(PARTS[number - 1])


def test_a_stream_is_sent_part_by_part_and_its_end_is_waited_for(server: Server) -> None:
    stream = Stream()
    parts = stream.parts
    parts.finish()
    assert (parts.needs_care, parts.look(), server.transfers) == (False, False, [])
    parts.care()
    parts.begin(10)
    stream.open()
    assert parts.is_open
    server.transfers[0].calls.on_trouble()
    assert stream.troubles == 1
    stream.add(1, 2)
    assert server.steps == ["begin 10", "settle", *["events", "look"] * 2]
    assert (parts.look(), server.steps[-1], server.transfers[0].is_last) == (False, "events", False)
    parts.finish()
    assert server.transfers[0].is_last
    assert sent(server) == [("u1", [1, 2])]
    assert stream.left == {}
    assert parts.needs_care and parts.look()


def test_a_stream_of_which_nothing_is_stored_is_begun_again_with_what_was_added(server: Server) -> None:
    server.ends = [End(REFUSED, "trailers", at_once=True)]
    stream = Stream()
    stream.open()
    stream.add(1)
    assert sent(server) == [("u1", [1]), ("u2", [1])]
    assert stream.parts.is_open
    assert not server.transfers[1].over, "more comes"
    stream.add(2)
    stream.parts.finish()
    assert sent(server)[1] == ("u2", [1, 2])


def test_the_last_part_of_a_stream_is_waited_for_after_it_was_begun_again(server: Server) -> None:
    server.ends = [End(REFUSED, "trailers")]
    stream = Stream()
    stream.open()
    stream.add(1)
    stream.parts.finish()
    assert sent(server) == [("u1", [1]), ("u2", [1])]
    assert stream.left == {}


def test_a_stream_of_which_a_part_is_stored_is_not_begun_again(server: Server) -> None:
    """Its bytes are no more."""
    server.ends = [End(REFUSED, "trailers", arrived=(1,))]
    stream = Stream()
    stream.open()
    stream.add(1, 2)
    with pytest.raises(TransferError):
        stream.parts.finish()
    assert sent(server) == [("u1", [1, 2])]


def test_what_was_copied_in_front_of_a_stream_is_copied_again(server: Server) -> None:
    server.ends = [None, End(REFUSED, "trailers", at_once=True)]
    stream = Stream()
    stream.parts.begin(10)
    stream.parts.move_all(PARTS[:2], COPIED)
    assert server.transfers[0].is_last
    stream.open()
    stream.add(3)
    assert sent(server) == [("u1", [1, 2]), ("u1", [3]), ("u2", [1, 2]), ("u2", [3])]
    assert [transfer.movement for transfer in server.transfers] == [COPIED, SENT, COPIED, SENT]
    assert server.transfers[2].is_last and server.transfers[2].over
    assert sorted(stream.parts.records) == [1, 2]


def test_what_can_not_be_moved_twice_is_not_given_up(server: Server) -> None:
    server.ends = [None, End(REFUSED, "trailers", at_once=True)]
    stream = Stream()
    stream.parts.move_all(PARTS[:2], movement("once"))
    stream.open()
    with pytest.raises(TransferError):
        stream.add(3)


# -- ends -------------------------------------------------------------------------------------------------------------


def test_what_is_in_flight_is_cut_before_an_end_and_once(server: Server) -> None:
    stream = Stream()
    stream.parts.leave()
    stream.parts.abandon()
    assert server.steps == ["leave", "leave"]
    stream.parts.begin(10)
    stream.open()
    server.steps.clear()
    stream.parts.leave()
    stream.parts.stop()
    assert server.steps == ["stop", "leave"]
    stream.open()
    server.steps.clear()
    stream.parts.abort()
    assert (server.steps, stream.parts.begun) == (["stop", "abort all"], None)
    stream.open()
    assert server.steps[2:] == ["begin 10", "settle"]
    server.steps.clear()
    stream.parts.abandon()
    assert server.steps == ["stop soon", "leave"]


def test_the_expected_state_goes_with_the_completion(server: Server) -> None:
    parts = parts_of()
    assert parts.complete(25, NOTHING) == Installed(StoredInfo("etag", version_id="v"), "crc32c:whole", "every part")
    assert server.steps == [f"complete 25 {NOTHING}"]
