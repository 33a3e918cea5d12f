"""`--write-back`: what was closed is in S3 soon, after fsync, rename and umount; after a kill it is pending."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Any

import pytest

from s3amfs.engine.interruptible import asking
from s3amfs.errors import Interrupted
from s3amfs.mount.write_back import WriteBack
from tests.mount.conftest import Stored
from tests.support.cli import Cli
from tests.support.faults import Rule, error
from tests.support.mounts import Mount, run
from tests.support.proxy import FaultProxy

LONG = 1000
"""Seconds: nothing is published by itself within a test."""


# -- the queue -------------------------------------------------------------------------------------------------------


class File:
    def __init__(self, key: str, size: int = 1) -> None:
        self.key, self.size, self.is_delayed, self.is_whole, self.failed = key, size, True, True, False


class Queued:
    """Where files of a queue go."""

    def __init__(self, seconds: float) -> None:
        self.published: list[str] = []
        self.released: list[int] = []
        self.broken: set[str] = set()
        self.killed = ""
        self.all = threading.Semaphore(0)
        self.queue = WriteBack(seconds, self.publish, self.release)

    def publish(self, file: Any) -> None:
        if file.key == self.killed:
            raise Interrupted("killed")
        if file.key in self.broken:
            raise OSError(5, f"no {file.key}")
        file.is_delayed = False
        self.published.append(file.key)

    def release(self, number: int) -> None:
        self.released.append(number)
        self.all.release()

    def put(self, *files: Any) -> None:
        for number, file in enumerate(files):
            self.queue.put(file, lambda _, number=number: number)


def test_files_are_published_by_themselves_once() -> None:
    ends = Queued(0.01)
    files: list[Any] = [File(key) for key in "abc"]
    ends.put(*files)
    ends.put(files[0])
    for _ in files:
        assert ends.all.acquire(timeout=30)
    assert sorted(ends.published) == ["a", "b", "c"]
    assert sorted(ends.released) == [0, 1, 2]
    ends.queue.settle_all()
    assert (ends.queue.count, len(ends.published)) == (0, 3)


def test_settle_publishes_what_is_asked_for_and_no_more() -> None:
    ends = Queued(LONG)
    files: list[Any] = [File(key) for key in "abc"]
    ends.put(*files)
    ends.queue.settle([files[1]])
    assert (ends.published, ends.released, ends.queue.count) == (["b"], [1], 2)
    ends.queue.settle([files[1]])
    ends.queue.settle_all()
    assert sorted(ends.published) == ["a", "b", "c"]


def test_what_was_cancelled_is_not_published() -> None:
    ends = Queued(LONG)
    file: Any = File("a")
    ends.put(file)
    assert ends.queue.cancel(file) == 0
    assert ends.queue.cancel(file) is None
    ends.queue.settle_all()
    assert (ends.published, ends.released) == ([], [])


def test_what_is_written_again_is_only_released() -> None:
    ends = Queued(LONG)
    file: Any = File("a")
    ends.put(file)
    file.is_delayed = False
    ends.queue.settle_all()
    assert (ends.published, ends.released) == ([], [0])


def test_what_a_killed_process_has_waited_for_waits_on() -> None:
    ends = Queued(LONG)
    file: Any = File("a")
    ends.put(file)
    ends.killed = "a"
    with pytest.raises(Interrupted):
        ends.queue.settle([file])
    assert (ends.queue.count, ends.released) == (1, [])
    ends.killed = ""
    ends.queue.settle_all()
    assert (ends.published, ends.released, ends.queue.count) == (["a"], [0], 0)


def test_who_waits_for_several_can_be_killed() -> None:
    ends = Queued(LONG)
    files: list[Any] = [File(key) for key in "ab"]
    ends.put(*files)
    begun, goes_on = threading.Event(), threading.Event()
    publish = ends.publish

    def slow(file: Any) -> None:
        begun.set()
        assert goes_on.wait(30)
        publish(file)

    ends.queue._publish = slow
    with asking(begun.is_set), pytest.raises(Interrupted):
        ends.queue.settle(files)
    goes_on.set()
    ends.queue.settle_all()
    assert sorted(ends.published) == ["a", "b"]


@pytest.mark.parametrize("other", ["d/b", "d/a: b"])
def test_of_several_failures_each_is_raised_by_what_asks_for_its_name(other: str) -> None:
    ends = Queued(LONG)
    ends.broken = {"d/a", other}
    files: list[Any] = [File(key) for key in ("d/a", other)]
    ends.put(*files)
    with pytest.raises(OSError, match="no d/a"):
        ends.queue.settle(files)
    for number in range(2):
        assert ends.all.acquire(timeout=30), number
    with pytest.raises(OSError, match=f"1 files were not published .*: {other}: .*no {other}"):
        ends.queue.settle_all()


def test_a_failure_is_raised_to_who_waits_or_by_the_next_umount() -> None:
    ends = Queued(LONG)
    ends.broken = {"a", "b"}
    files: list[Any] = [File(key) for key in "abc"]
    ends.put(*files)
    with pytest.raises(OSError, match="no a"):
        ends.queue.settle([files[0]])
    with pytest.raises(OSError, match="1 files were not published after their close: b"):
        ends.queue.settle_all()
    assert sorted(ends.released) == [0, 1, 2]
    assert ends.published == ["c"]
    ends.queue.settle_all()


def test_a_failure_for_which_nobody_waited_is_raised_once_by_what_confirms() -> None:
    ends = Queued(0.01)
    ends.broken = {"d/a", "d/b"}
    files: list[Any] = [File(key) for key in ("d/a", "d/b")]
    ends.put(*files)
    for _ in files:
        assert ends.all.acquire(timeout=30)
    ends.queue.confirm("d/ab")
    with pytest.raises(OSError, match="no d/a"):
        ends.queue.confirm("d/a")
    ends.queue.confirm("d/a")
    with pytest.raises(OSError, match="no d/b"):
        ends.queue.confirm("d")
    with pytest.raises(OSError, match="2 files"):
        ends.queue.settle_all()


def test_what_the_last_holder_can_not_publish_is_raised_too() -> None:
    """Written again while it was published: the release publishes it."""
    ends = Queued(LONG)

    def release(number: int) -> None:
        raise OSError(5, "no room")

    ends.queue = WriteBack(LONG, ends.publish, release)
    file: Any = File("a")
    ends.put(file)
    with pytest.raises(OSError, match="no room"):
        ends.queue.settle_all()
    ends.queue.settle_all()
    assert ends.queue.count == 0


def test_a_failure_does_not_outlive_its_file() -> None:
    ends = Queued(0.01)
    ends.broken = {"a"}
    file: Any = File("a")
    ends.put(file)
    assert ends.all.acquire(timeout=30)
    ends.queue.forget("a")
    ends.queue.confirm("a")


def test_only_small_files_wait_and_only_if_asked_to() -> None:
    small: Any = File("a")
    large: Any = File("b", 2**30)
    assert not Queued(0).queue.takes(small)
    assert Queued(1).queue.takes(small)
    assert not Queued(1).queue.takes(large)
    small.failed = True
    assert not Queued(1).queue.takes(small)


# -- through the kernel ----------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(new_mount: Callable[..., Mount], proxy: FaultProxy) -> Mount:
    return new_mount("--write-back", LONG, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})


def test_a_file_that_waits_is_as_any_other(waiting: Mount, stored: Stored) -> None:
    file = waiting / "d" / "f"
    file.parent.mkdir()
    file.write_bytes(b"one")
    file.chmod(0o751)
    os.utime(file, (7, 7))
    assert stored.listed() == ["d/"]
    assert (file.read_bytes(), os.listdir(file.parent)) == (b"one", ["f"])
    found = file.stat()
    assert (found.st_size, found.st_mode & 0o777, found.st_mtime) == (3, 0o751, 7)
    with file.open("ab") as more:  # who writes to it again has it published first
        assert stored.get("d/f") == b"one"
        more.write(b" two")
    assert file.read_bytes() == b"one two"
    assert stored.get("d/f") == b"one"
    file.write_bytes(b"three")
    file.unlink()
    assert not file.exists()
    assert stored.listed() == ["d/"]
    file.parent.rmdir()


def test_fsync_rename_and_umount_confirm(waiting: Mount, stored: Stored) -> None:
    for name in ("a", "b", "c", "d"):
        (waiting / name).write_bytes(name.encode())
    assert stored.listed() == []
    descriptor = os.open(waiting / "a", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    assert stored.listed() == ["a"]
    (waiting / "b").rename(waiting / "c")
    assert stored.listed() == ["a", "c"]
    assert stored.get("c") == b"b"
    assert sorted(os.listdir(waiting.directory)) == ["a", "c", "d"]
    assert waiting.umount().rc == 0
    assert stored.listed() == ["a", "c", "d"]


def test_fusermount_publishes_too(waiting: Mount, stored: Stored) -> None:
    (waiting / "a").write_bytes(b"a")
    descriptor = os.pidfd_open(waiting.daemon)
    run("fusermount3", "-u", waiting.directory)
    assert select.select([descriptor], [], [], 60)[0]
    os.close(descriptor)
    assert stored.get("a") == b"a"


def test_after_a_kill_all_is_pending(waiting: Mount, stored: Stored, proxy: FaultProxy, cli: Cli, bucket: str) -> None:
    there = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    (waiting / "lost").write_bytes(b"not quite")
    waiting.kill()
    listed = cli.ok("pending", f"s3://{bucket}", env=there).stdout
    assert "lost" in listed
    name = next(word for word in listed.split() if "s3am-unpublished-" in word).rstrip(":")
    cli.ok("upload", "--resume", name, f"s3://{bucket}/lost", env=there)
    assert stored.get("lost") == b"not quite"


def test_what_can_not_be_published_is_said_and_kept(
    waiting: Mount, stored: Stored, proxy: FaultProxy, cli: Cli, bucket: str
) -> None:
    proxy.rules.append(Rule("Put", error(403, "AccessDenied"), times=None))
    (waiting / "f").write_bytes(b"kept")
    failed = waiting.umount()
    assert failed.rc == 1
    assert "could not be stored" in failed.stderr
    assert "f was closed, and could not be published" in waiting.log.read_text()
    proxy.rules.clear()
    assert waiting.umount().rc == 0
    assert stored.listed() == []
    assert "s3am-unpublished-f" in cli.ok("pending", f"s3://{bucket}", env=waiting.env).stdout
