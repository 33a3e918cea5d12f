"""How a file is published and released, and what is at a path. No mount, no server."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.errors import NotFound
from s3amfs.mount import operations_shared
from s3amfs.mount.operations_shared import Shared
from s3amfs.mount.options import MountOptions
from s3amfs.transfers.options import ObjectInfo

BASE = ObjectInfo(size=1, etag="1")


class File:
    key = "k"

    def __init__(self, *, publishes: bool | BaseException = True, late: Any = None) -> None:
        self.publishes, self.late = publishes, late or {}
        self.lock = threading.RLock()
        self.published, self.changed_at, self.changed, self.failed, self.closed = BASE, 5, True, False, False

    def publish(self) -> bool:
        if isinstance(self.publishes, BaseException):
            raise self.publishes
        return self.publishes

    def take_late_metadata(self) -> dict[str, str]:
        return dict(self.late)

    def close(self) -> None:
        self.closed = True


class Changes:
    count = 2

    def __init__(self, waiting: Any) -> None:
        self.waiting, self.done = waiting, []

    def take(self, key: str) -> Any:
        self.done.append("take")
        return self.waiting

    def put_back(self, key: str, waiting: Any) -> None:
        self.done.append("put back")

    def put(self, key: str, base: Any, late: Any) -> None:
        self.done.append(f"put {late}")


def key(path: str) -> str:
    if path == "/none":
        raise NotFound("none")
    if path == "/wrong":
        raise OSError(84, "not UTF-8")
    return path[1:]


def shared(file: Any = None, waiting: Any = None) -> tuple[Any, Changes]:
    changes = Changes(waiting)
    changing, remember = (lambda key: nullcontext()), (lambda *_: None)
    tree: Any = SimpleNamespace(changes=changes, key=key, remember=remember, changing=changing, bucket="b", root="p/")
    made: Any = Shared(tree, SimpleNamespace(options=MountOptions()), "/mnt/", lambda: None)  # type: ignore[arg-type]
    made.files = SimpleNamespace(
        hidden=lambda path: "hidden" if path == "/.h" else None,
        at=lambda key: file,
        path_of=lambda file: "/k",
        states=lambda: {"Clean": 1},
        drop=lambda number: file,
        forget=lambda file: None,
    )
    return made, changes


def test_what_is_open_at_a_path() -> None:
    made, _ = shared("file")
    assert made._open_at("/a") == "file"
    assert made._open_at("/.h") == "hidden"
    assert made._open_at(None) is None
    assert made._open_at("/none") is None
    with pytest.raises(OSError, match="UTF-8"):
        made._open_at("/wrong")


def test_what_waits_for_an_object_goes_with_its_new_content_or_waits_on() -> None:
    for file, done in (
        (File(), ["take"]),
        (File(publishes=False), ["take", "put back"]),
        (File(late={"mtime": "1"}), ["take", "put {'mtime': '1'}"]),
    ):
        made, changes = shared(waiting="w")
        made._publish(file)
        assert changes.done == done
    made, changes = shared(waiting="w")
    with pytest.raises(OSError, match="broken"):
        made._publish(File(publishes=OSError(5, "broken")))
    assert changes.done == ["take", "put back"]


def test_what_was_published_is_known_before_anybody_else_gets_the_file() -> None:
    """Else a rename, a removal or a chmod that waited for it would be of the version before."""
    file = File()
    made, _ = shared()
    free: list[bool] = []

    def remember(*_: object) -> None:
        other = threading.Thread(target=lambda: free.append(file.lock.acquire(blocking=False)))
        other.start()
        other.join()

    made.tree.remember = remember
    made._publish(file)
    assert free == [False]


def test_the_last_holder_publishes_what_nobody_has_unless_that_has_failed() -> None:
    file = File()
    made, changes = shared(file)
    made._release(1)
    assert (changes.done, file.closed) == (["take"], True)
    file = File()
    file.failed = True
    made, changes = shared(file)
    made._release(1)
    assert (changes.done, file.closed) == ([], True)
    file = File(publishes=OSError(5, "broken"))
    made, _ = shared(file)
    with pytest.raises(OSError, match="broken"):
        made._release(1)
    assert file.closed


def test_status() -> None:
    made, _ = shared()
    found = json.loads(made._status())
    assert (found["url"], found["open"], found["waiting"]) == ("s3://b/p/", {"Clean": 1}, 2)


def test_only_another_owner_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = shared()
    made.options = MountOptions(uid=1, gid=2)
    monkeypatch.setattr(operations_shared, "caller", lambda: (1, 3, 9))
    assert made._owner() == {"gid": "3"}
