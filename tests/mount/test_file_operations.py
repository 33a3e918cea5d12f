"""When a close is the commit, by its callers: no mount, no server."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.errors import Interrupted
from s3amfs.mount import file_operations, processes
from s3amfs.mount.answered import Answered
from s3amfs.mount.file_operations import FileOperations

OPENER, CHILD = 10, 20


class File:
    key = "k"

    def __init__(self) -> None:
        self.changed, self.is_delayed, self.given_up = True, False, False
        self.is_published = False
        """By a rename, since it was looked at."""
        self.writers = {OPENER}
        self.events: list[str] = []

    def written_by(self, process: int) -> bool:
        return process in self.writers

    def give_up(self) -> None:
        self.events.append("given up")

    def delay(self) -> bool:
        if self.is_published:
            return False
        self.events.append("delayed")
        return True


class Operations(FileOperations):
    """With a file that OPENER has opened and written to; `caller` closes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file: Any = File()
        self.handle = SimpleNamespace(file=self.file, writes=True, opener=OPENER)
        self.caller, self.killed, self.elsewhere, self.handles, self.waits = OPENER, False, False, 1, False
        self.broken: BaseException | None = None
        self._last_writers = {}
        self.noted: list[tuple[str, str]] = []
        table: Any = SimpleNamespace(
            handle=lambda number: self.handle, writing_handles=lambda file: self.handles, hold_again=lambda file: 7
        )
        queue: Any = SimpleNamespace(takes=lambda file: self.waits, put=lambda file, hold: None)
        self.files, self.write_back = table, queue
        table.path_of = lambda file: "/k"
        answered = SimpleNamespace(note=lambda path, etag: self.noted.append((path, etag)))
        self.tree: Any = SimpleNamespace(answered=answered)
        monkeypatch.setattr(file_operations, "caller", lambda: (0, 0, self.caller))
        monkeypatch.setattr(file_operations, "process_of", lambda thread: thread)
        monkeypatch.setattr(file_operations, "was_killed", lambda thread: self.killed)

    def _is_written_elsewhere(self, file: Any) -> bool:
        return self.elsewhere

    def _publish(self, file: Any) -> None:
        if self.broken is not None:
            raise self.broken
        file.events.append("published")

    def closed(self) -> list[str]:
        assert self.flush(None, SimpleNamespace(fh=1)) == 0
        return list(self.file.events)


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Operations:
    return Operations(monkeypatch)


def test_the_close_of_its_writer_is_the_commit(operations: Operations) -> None:
    operations.elsewhere = True
    assert operations.closed() == ["published"]


def test_of_inherited_descriptors_the_last_close_is_the_commit(operations: Operations) -> None:
    operations.caller, operations.elsewhere = CHILD, True
    operations.file.writers = {CHILD}
    assert operations.closed() == []
    operations.elsewhere = False
    assert operations.closed() == ["published"]


def test_another_opening_does_not_hold_up_the_commit(operations: Operations) -> None:
    operations.caller, operations.elsewhere, operations.handles = CHILD, True, 2
    assert operations.closed() == ["published"]


def test_a_killed_writer_publishes_nothing(operations: Operations) -> None:
    operations.killed = True
    assert operations.closed() == ["given up"]
    assert operations.noted == [("/k", "")], "the kernel has the size of what is published nowhere"


def test_a_killed_heir_leaves_it_to_the_others(operations: Operations) -> None:
    operations.killed, operations.caller, operations.elsewhere = True, CHILD, True
    assert operations.closed() == []
    operations.elsewhere = False
    assert operations.closed() == ["given up"]


def test_a_writer_that_cannot_be_looked_at_publishes_nothing_and_learns_it(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor is left: whether it was killed is not known."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(file_operations, "was_killed", processes.was_killed)
    monkeypatch.setattr(processes.os, "open", full)
    with pytest.raises(OSError, match="too many open files"):
        operations.closed()
    assert operations.file.events == ["given up"]


def test_nothing_is_done_for_readers_and_what_is_clean_or_waits(operations: Operations) -> None:
    operations.handle.writes = False
    assert operations.closed() == []
    operations.handle.writes, operations.file.is_delayed = True, True
    assert operations.closed() == []
    operations.file.is_delayed, operations.file.changed = False, False
    assert operations.closed() == []


def test_an_interrupted_close_gives_up(operations: Operations) -> None:
    operations.broken = Interrupted("killed")
    with pytest.raises(OSError):
        operations.closed()
    assert operations.file.events == ["given up"]


def test_a_small_file_may_wait_unless_somebody_else_writes_to_it(operations: Operations) -> None:
    operations.waits = True
    assert operations.closed() == ["delayed"]
    operations.handles = 2
    assert operations.closed() == ["delayed", "published"]


def test_the_close_of_a_writer_whose_file_was_given_up_fails(operations: Operations) -> None:
    operations.file.changed, operations.file.given_up = False, True
    with pytest.raises(OSError, match="killed"):
        operations.closed()
    operations.caller = CHILD
    assert operations.closed() == []


def test_what_a_rename_has_published_meanwhile_does_not_wait(operations: Operations) -> None:
    operations.waits = operations.file.is_published = True
    assert operations.closed() == ["published"]


class Version:
    """Ten bytes of the version that is `shown`."""

    size, unlinked, shown = 10, False, "1"

    def read(self, offset: int, size: int) -> list[bytes]:
        return [bytes(10)[offset : offset + size]]


class Table:
    """Has that file alone, at `/k`."""

    def __getitem__(self, number: int) -> Version:
        return Version()

    def path_of(self, file: Version) -> str:
        return "/k"


@pytest.mark.parametrize("kernel_has", ["1", "2", ""])
@pytest.mark.parametrize("direct", [False, True])
def test_past_the_end_of_a_version_that_the_kernel_takes_for_longer_is_no_short_read(
    kernel_has: str, direct: bool
) -> None:
    answered, handle = Answered(60.0), SimpleNamespace(fh=1)
    answered.note("/k", kernel_has)
    operations = object.__new__(FileOperations)
    operations.tree, operations._direct = cast(Any, SimpleNamespace(answered=answered)), {1} if direct else set()
    operations.files = cast(Any, Table())
    if kernel_has != "1" and not direct:
        with pytest.raises(OSError, match="longer") as caught:
            operations.read("/k", 8, 10, handle)
        assert caught.value.errno == errno.ESTALE
    else:
        assert operations.read("/k", 8, 10, handle) == [b""]
    assert operations.read("/k", 8, 4, handle) == [bytes(6)], "where it ends"
    assert answered.is_news("/k", "2"), "the kernel may have changed its size"
