"""What an open file does with writes, failures and times: no mount, no server."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.posix_metadata import time_text
from s3amfs.engine.limits import ByteBudget
from s3amfs.mount.context import Service
from s3amfs.mount.open_file import MOST_COPIED, NEAR_NANOSECONDS, OpenFile
from s3amfs.mount.options import MountOptions
from s3amfs.mount.reader_pool import Readers
from s3amfs.mount.states import Clean, GivenUp, Spooled, Streaming, Unlinked
from s3amfs.objects.writer import WriterMemory
from s3amfs.transfers.options import ObjectInfo
from tests.support.scripted import reply, scripted

THEN = 10**18
BASE = ObjectInfo(10, "etag", last_modified=THEN / 10**9, metadata={"mtime": time_text(THEN), "mode": "33188"})


class Stream:
    """Takes what is written, or raises what the test says."""

    def __init__(self) -> None:
        self.size, self.keeps = 0, None
        self.is_whole, self.is_broken, self.is_better_spooled = True, False, False
        self.error: BaseException | None = None
        self.events: list[str] = []
        self.spool: Any = SimpleNamespace(close=lambda: self.events.append("spool closed"), name="the spool")

    def write(self, data: bytes, offset: int) -> None:
        if self.error is not None:
            raise self.error
        self.size = max(self.size, offset + len(data))

    def resize(self, size: int) -> bool:
        return size > self.size

    def read(self, offset: int, size: int) -> bytes:
        return b"streamed"[offset : offset + size]

    def abort(self, *, keep: bool) -> None:
        self.events.append(f"aborted, keep={keep}")


class File(OpenFile):
    """Its streams and spools are in memory."""

    def _new_stream(self, base: ObjectInfo | None) -> Any:
        return Stream()

    def _new_spooled(self, base: ObjectInfo | None, spool: Any = None) -> Any:
        return SimpleNamespace(
            resize=lambda size: None,
            read=lambda offset, size: b"spooled"[offset : offset + size],
            close=lambda: None,
            forget_record=lambda: None,
            keep_record=lambda metadata: None,
            spool=spool or SimpleNamespace(name="the spool"),
        )

    @property
    def stream(self) -> Stream:
        assert isinstance(self.state, Streaming)
        return cast(Stream, self.state.stream)


def opened(base: ObjectInfo | None = BASE, metadata: dict[str, str] | None = None) -> File:
    client, _ = scripted(lambda asked: reply())
    service = Service(client, client, "box", MountOptions(), WriterMemory(ByteBudget(2**20)), Readers(2**20))
    if metadata is None:
        metadata = dict(base.metadata) if base is not None else {}
    return File(service, "k", base, metadata)


def test_its_state_is_that_of_its_base() -> None:
    file = opened()
    assert isinstance(file.state, Clean)
    assert (file.size, file.changed, file.changed_at) == (10, False, THEN)
    new = opened(None)
    assert isinstance(new.state, Streaming)
    assert (new.size, new.changed) == (0, True)
    assert new.changed_at > THEN


def test_a_write_is_remembered_by_its_process_and_time() -> None:
    file = opened(None)
    before = file.changed_at
    assert file.write(b"abc", 4, process=7) == 3
    assert file.size == 7
    assert file.written_by(7)
    assert not file.written_by(8)
    assert file.changed_at >= before
    assert file.metadata["mtime"] == time_text(file.changed_at)
    assert file.attributes["st_size"] == 7


def test_a_failed_write_is_raised_once_more_by_the_commit() -> None:
    file = opened(None)
    file.stream.error = OSError(errno.ENOSPC, "full")
    with pytest.raises(OSError, match="full"):
        file.write(b"abc", 0, 7)
    assert file.failed
    assert file.written_by(7)
    with pytest.raises(OSError, match="full"):
        file.publish()


@pytest.mark.parametrize("number", [errno.EFBIG, errno.EINTR])
def test_a_write_that_changed_nothing_does_not_spoil_the_commit(number: int) -> None:
    file = opened(None)
    file.stream.error = OSError(number, "nothing was written")
    with pytest.raises(OSError, match="nothing"):
        file.write(b"abc", 0, 7)
    file.stream.is_better_spooled = True
    file._to_spool = lambda event: SimpleNamespace(kept=None, publish=lambda *_: None)  # type: ignore[method-assign,assignment,return-value]
    published: list[object] = []
    file._published_as = published.append  # type: ignore[method-assign,assignment]
    assert file.publish()
    assert published == [None]


def test_a_failed_commit_is_known() -> None:
    file = opened(None)

    def fail() -> Any:
        raise OSError(errno.EIO, "refused")

    file._store = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="refused"):
        file.publish()
    assert file.failed
    assert isinstance(file.state, Streaming)


def test_nothing_is_published_of_what_is_clean_or_of_a_killed_writer() -> None:
    file = opened()
    assert not file.publish()
    file.give_up()
    assert isinstance(file.state, Clean), "nothing was written"
    new = opened(None)
    stream = new.stream
    new.give_up()
    assert isinstance(new.state, GivenUp)
    assert stream.events == ["aborted, keep=True", "spool closed"]
    for act in (new.publish, lambda: new.write(b"x", 0, 1), lambda: new.resize(3), new.truncate_to_nothing):
        with pytest.raises(OSError, match="was killed") as caught:
            act()
        assert caught.value.errno == errno.EIO


def test_sizes() -> None:
    file = opened()
    file.resize(10)
    assert isinstance(file.state, Clean), "it has that size"
    file.resize(4)
    assert isinstance(file.state, Spooled)
    assert file.size == 4
    file.resize(0)
    assert isinstance(file.state, Streaming)
    assert (file.size, file.state.base) == (0, BASE)
    file.resize(3)
    assert isinstance(file.state, Streaming), "a stream grows by itself"
    file.stream.size = 3
    file.resize(2)
    assert isinstance(file.state, Spooled), "and does not shrink"


def test_a_stream_whose_beginning_is_gone_does_not_shrink() -> None:
    file = opened(None)
    file.write(b"abc", 0, 1)
    file.stream.is_whole = False
    with pytest.raises(OSError, match="was sent and not copied") as caught:
        file.resize(1)
    assert caught.value.errno == errno.EFBIG
    assert file.size == 3


def test_an_empty_object_that_is_written_from_its_beginning_is_a_stream() -> None:
    empty = ObjectInfo(0, "etag")
    file = opened(empty)
    file.write(b"abc", 0, 1)
    assert isinstance(file.state, Streaming)
    assert file.state.base is empty


def test_reads_of_what_is_not_in_s3() -> None:
    file = opened(None)
    assert file.read(2, 4) == [b"ream"]
    file.unlink()
    assert isinstance(file.state, Unlinked)
    assert not file.state.lost
    assert file.read(2, 4) == [b"oole"]
    part = opened(None)
    part.stream.is_whole = False
    stream = part.stream
    part.unlink()
    assert stream.events == ["aborted, keep=False"]
    with pytest.raises(OSError, match="sent is gone"):
        part.read(0, 1)


def test_other_metadata_goes_with_the_content_where_there_is_some() -> None:
    assert not opened().change_metadata({"mode": "1"})
    new = opened(None)
    assert new.change_metadata({"mode": "1"})
    assert new.metadata["mode"] == "1"


@pytest.mark.parametrize(
    ("moved", "was_set", "size", "late"),
    [
        (NEAR_NANOSECONDS - 1, False, 10, False),
        (-NEAR_NANOSECONDS + 1, False, 10, False),
        (NEAR_NANOSECONDS, False, 10, True),
        (-NEAR_NANOSECONDS, False, 10, True),
        (NEAR_NANOSECONDS, False, MOST_COPIED, True),
        (NEAR_NANOSECONDS, False, MOST_COPIED + 1, False),
        (1, True, MOST_COPIED + 1, True),
        (0, False, 10, False),
    ],
)
def test_times_that_came_late(moved: int, was_set: bool, size: int, late: bool) -> None:
    """An object is copied for the time of its last write only if that is worth it; for one that was set, always."""
    file = opened()
    file.size = size
    time = time_text(THEN + moved)
    if was_set:
        file.change_metadata({"mtime": time})
    else:
        file.metadata["mtime"] = time
    assert file.take_late_metadata() == ({"mtime": time} if late else {})
    assert file.metadata["mtime"] == (time if late else time_text(THEN))


def test_a_write_after_a_time_was_set_counts_for_itself() -> None:
    file = opened(None)
    file.change_metadata({"mtime": "5.000000000"})
    file.write(b"a", 0, 1)
    assert not file._mtime_was_set
    assert file.take_late_metadata() == {}, "nothing of it is stored"
    other = opened()
    other.change_metadata({"mode": "33024"})
    assert other.take_late_metadata() == {"mode": "33024"}


@pytest.mark.parametrize("whole", [True, False])
def test_what_could_not_be_published_is_kept_in_a_file(whole: bool, caplog: pytest.LogCaptureFixture) -> None:
    file = opened(None)
    file.stream.is_whole = whole
    stream = file.stream
    caplog.set_level("ERROR", "s3amfs.mount")
    file.close()
    (said,) = [record.getMessage() for record in caplog.records]
    assert ("what was written is in the spool" in said) is whole
    assert ("unfinished upload" in said) is not whole
    assert stream.events[0] == "aborted, keep=True"


def test_only_what_is_not_published_and_has_a_name_can_wait() -> None:
    assert not opened().delay()
    file = opened(None)
    assert file.delay()
    assert not file.delay()
    file = opened(None)
    file.unlink()
    assert not file.delay()
