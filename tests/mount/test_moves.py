"""A rename while its file is written: what follows is stored under the new name."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.client import S3Client
from s3amfs.engine.interruptible import asking
from s3amfs.engine.limits import ByteBudget
from s3amfs.errors import Interrupted
from s3amfs.mount import errors, file_operations, name_operations, operations_shared
from s3amfs.mount.context import Service
from s3amfs.mount.moves import Moves
from s3amfs.mount.namespace import Tree
from s3amfs.mount.operations import Operations
from s3amfs.mount.options import MountOptions
from s3amfs.mount.reader_pool import Readers
from s3amfs.objects.writer import WriterMemory
from tests.mount.conftest import Stored
from tests.support.clients import client, state

__all__ = ["client", "state"]


def test_what_is_below_a_name_moves_with_it() -> None:
    moves = Moves()
    with moves.moving("a/d", "b"):
        assert [key for key in ("a", "a/d", "a/d/x", "a/dx", "b", "b/x", "bx") if moves.has(key)] == [
            "a/d",
            "a/d/x",
            "b",
            "b/x",
        ]
    assert not moves.has("a/d")


def test_who_waits_goes_on_when_it_has_ended_or_when_nobody_waits_for_that() -> None:
    moves, looked = Moves(), threading.Event()

    def key() -> str:
        looked.set()
        return "a"

    with ThreadPoolExecutor(1) as pool:
        with moves.moving("a", "b"):
            waiting = pool.submit(moves.wait, key)
            assert looked.wait(30)
            assert not waiting.done()
            with asking(lambda: True), pytest.raises(Interrupted):
                moves.wait(key)
        waiting.result(30)


@pytest.fixture
def operations(
    client: S3Client, bucket: str, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operations]:
    """Without the kernel: every request is of this process."""
    for module in (file_operations, name_operations, operations_shared):
        monkeypatch.setattr(module, "caller", lambda: (os.getuid(), os.getgid(), os.getpid()))
    monkeypatch.setattr(errors, "is_gone", lambda: False)
    monkeypatch.setattr(name_operations, "is_unlinking", lambda thread: False)
    options = MountOptions()
    tree = Tree(client, client, S3Location(bucket, ""), options)
    service = Service(client, client, bucket, options, WriterMemory(ByteBudget(2**25)), Readers(2**25))
    made = Operations(tree, service, str(tmp_path), lambda: None)
    yield made
    tree.close()


def opened(act: Callable[..., Any], path: str, flags: int, *mode: int) -> Any:
    info = SimpleNamespace(flags=flags, fh=0, direct_io=False, keep_cache=False)
    act(path, *mode, info)
    return info


def created(operations: Operations, path: str, data: bytes = b"") -> Any:
    info = opened(operations.create, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if data:
        operations.write(None, data, 0, info)
    return info


def closed(operations: Operations, info: Any) -> None:
    operations.flush(None, info)
    operations.release(None, info)


@pytest.mark.parametrize("ended", [False, True])
def test_a_close_during_a_rename_is_stored_under_the_new_name(
    operations: Operations, stored: Stored, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """It comes when the object was copied, or when the old one is gone, too."""
    file, closing = created(operations, "/a", b"1"), []
    store = operations.tree.store
    name = "move" if ended else "remove"
    real, waits = getattr(store, name), threading.Event()
    wait = operations.moves.wait

    def waiting(key: Callable[[], str]) -> None:
        waits.set()
        wait(key)

    def late(*given: Any) -> Any:
        found = real(*given) if ended else None
        operations.write(None, b"2", 1, file)
        closing.append(pool.submit(closed, operations, file))
        assert waits.wait(30)
        return found if ended else real(*given)

    monkeypatch.setattr(store, name, late)
    monkeypatch.setattr(operations.moves, "wait", waiting)
    with ThreadPoolExecutor(1) as pool:
        operations.rename("/a", "/b")
        done: Future[None] = closing[0]
        done.result(30)
    assert {key: stored.get(key) for key in stored.listed()} == {"b": b"12"}


def test_the_first_write_during_a_rename_is_stored_under_the_new_name(
    operations: Operations, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = created(operations, "/a")
    move = operations.tree.store.move

    def late(*given: Any) -> Any:
        operations.write(None, b"first", 0, file)
        return move(*given)

    monkeypatch.setattr(operations.tree.store, "move", late)
    operations.rename("/a", "/b")
    closed(operations, file)
    assert {key: stored.get(key) for key in stored.listed()} == {"b": b"first"}


def test_what_is_being_released_is_moved_with_all_that_was_written(
    operations: Operations, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what was written through a memory map after the close."""
    file = created(operations, "/a", b"1")
    operations.flush(None, file)
    operations.write(None, b"2", 1, file)
    drop = operations.files.drop

    def late(number: int) -> Any:
        last = drop(number)
        operations.rename("/a", "/b")
        return last

    monkeypatch.setattr(operations.files, "drop", late)
    operations.release(None, file)
    assert {key: stored.get(key) for key in stored.listed()} == {"b": b"12"}


def test_a_name_whose_removal_waits_is_free(operations: Operations, stored: Stored) -> None:
    """Of a file that is open; libfuse hides it first. For a file (mv -n), and in a folder that counts as empty."""
    operations.mkdir("/d", 0o755)
    operations.mkdir("/e", 0o755)
    for path in ("/a", "/b", "/d/x", "/e/x"):
        closed(operations, created(operations, path, path.encode()))
    for number, path in enumerate(("/b", "/e/x"), 1):
        opened(operations.open, path, os.O_RDONLY)
        operations.rename(path, f"{path.rpartition('/')[0]}/.fuse_hidden00000001{number:08x}")
    operations.rename("/a", "/b", True)
    operations.rename("/d", "/e")
    assert (stored.get("b"), stored.get("e/x")) == (b"/a", b"/d/x")
    assert [key for key in stored.listed() if not key.endswith("/")] == ["b", "e/x"]


def test_an_open_during_a_publication_gets_the_file_that_is_written(
    operations: Operations, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that nobody had published was another one, empty, whose close failed."""
    file = created(operations, "/a", b"new")
    for name in ("join", "hold"):
        act = getattr(operations.files, name)

        def late(*given: Any, act: Callable[..., Any] = act, **more: Any) -> Any:
            operations.fsync(None, 0, file)
            return act(*given, **more)

        monkeypatch.setattr(operations.files, name, late)
    reader = opened(operations.open, "/a", os.O_RDONLY)
    assert b"".join(operations.read(None, 10, 0, reader)) == b"new"
    operations.truncate("/a", 2)
    closed(operations, reader)
    closed(operations, file)
    assert stored.get("a") == b"ne"
