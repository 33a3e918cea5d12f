"""Names: what waits is published or dropped first, and what S3 has not is refused. No mount, no server."""

from __future__ import annotations

import errno
import stat
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.errors import ObjectExists
from s3amfs.mount.answered import Answered
from s3amfs.mount.moves import Moves
from s3amfs.mount.name_operations import NameOperations
from s3amfs.mount.open_directory import DirectoryNames


class Operations(NameOperations):
    """Writes down what it does. file: what is open at every path. waits: it was closed and is not published yet."""

    def __init__(self, file: Any = None, *, waits: bool = False, stored: bool = True) -> None:
        self.file, self.done = file, []
        entry = SimpleNamespace(info=object(), directory=False, key="k")
        note = self.done.append
        tree: Any = SimpleNamespace(
            key=lambda path: path[1:],
            entry=lambda path: entry,
            find=lambda path: entry if stored else None,
            remove=lambda path, entry: note(f"remove {path}"),
            keep_parent=lambda path: note("keep parent"),
            forget=lambda path: None,
            move=self.move,
            answered=Answered(1.0),
            changes=SimpleNamespace(keep=lambda key: note("keep"), settle=lambda key: note("settle a removal")),
        )
        files: Any = SimpleNamespace(
            unhide=lambda path: path == "/hidden",
            forget_pages=lambda *paths: None,
            take_away=lambda key: note(f"take away {key}"),
            is_hiding=lambda old, new, key: False,
            moved=lambda old, new: None,
            below=lambda key: [file] if file is not None else [],
            closing_at=lambda path: None,
            unpublished_in=lambda path: ["x"] if path == "/d" else [],
        )
        queue: Any = SimpleNamespace(
            cancel=lambda file: 7 if waits else None,
            count=1 if waits else 0,
            settle=lambda files: note(f"settle {len(list(files))}"),
            confirm=lambda key: None,
            forget=lambda key: None,
        )
        self.tree, self.files, self.write_back, self.moves = tree, files, queue, Moves()
        self._directories = {}
        self.taken = False
        """Whether something has come to the new name since it was looked at."""

    def move(self, old: str, new: str, moved: Any, no_replace: bool) -> None:
        assert self.moves.has(old[1:])
        assert self.moves.has(new[1:])
        if self.taken:
            raise ObjectExists("it exists")
        self.done.append(f"move {old} {new}" + " if nothing is there" * no_replace)

    def _open_at(self, path: str | None) -> Any:
        return self.file

    def _publish_now(self, file: Any, **given: Any) -> bool:
        self.done.append("publish")
        return True

    def _release(self, number: int) -> None:
        self.done.append(f"release {number}")


def open_file(**given: Any) -> Any:
    return SimpleNamespace(**{"key": "k", "published": object(), "changed": False, "unlink": lambda: None, **given})


def number(act: Any) -> int | None:
    with pytest.raises(OSError) as found:
        act()
    return found.value.errno


def test_a_hidden_name_is_in_no_bucket() -> None:
    operations = Operations()
    assert operations.unlink("/hidden") == 0
    assert operations.done == []


def test_what_waits_is_dropped_with_its_name() -> None:
    operations = Operations(open_file(published=None), waits=True, stored=False)
    operations.unlink("/a")
    assert operations.done == ["take away k", "keep parent", "release 7"]
    operations = Operations(open_file(), waits=True)
    operations.unlink("/a")
    assert operations.done == ["take away k", "remove /a", "release 7"]


def test_what_libfuse_should_have_hidden_is_refused() -> None:
    assert number(lambda: Operations(open_file(published=None)).unlink("/a")) == errno.EBUSY


def test_a_rename_publishes_what_it_moves_and_what_it_replaces() -> None:
    operations = Operations(open_file(changed=True), waits=True)
    operations.rename("/a", "/b")
    assert operations.done == ["settle 1", "settle 1", "keep", "publish", "move /a /b"]
    operations = Operations(open_file())
    operations.rename("/a", "/b")
    assert operations.done == ["keep", "move /a /b"]
    assert number(lambda: operations.rename("/a", "/b", no_replace=True)) == errno.EEXIST
    operations = Operations(stored=False)
    operations.rename("/a", "/b", no_replace=True)
    assert operations.done == ["settle a removal", "move /a /b if nothing is there"]
    assert not operations.moves.has("a")


def test_what_comes_to_the_new_name_after_the_look_makes_the_kernel_look_again() -> None:
    operations = Operations(stored=False)
    operations.taken = True
    assert number(lambda: operations.rename("/a", "/b")) == errno.ESTALE
    assert number(lambda: operations.rename("/a", "/b", no_replace=True)) == errno.EEXIST
    assert not operations.moves.has("a")


def test_what_s3_has_not() -> None:
    operations = Operations()
    assert number(lambda: operations.link("/a", "/b")) == errno.EPERM
    for kind in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
        assert number(lambda kind=kind: operations.mknod("/a", kind | 0o600, 0)) == errno.EPERM
    assert number(lambda: operations.rmdir("/d")) == errno.ENOTEMPTY


@pytest.mark.parametrize(
    ("plus", "offset", "looked"), [(True, 0, []), (True, 1, ["/d/b"]), (False, 1, []), (False, 0, [])]
)
def test_attributes_come_with_all_but_the_first_names(plus: bool, offset: int, looked: list[str]) -> None:
    operations, found, shown = Operations(), [], []
    operations._directories = {4: DirectoryNames("/d", lambda path: iter("ab"))}
    operations._attributes = lambda path: found.append(path) or {}  # type: ignore[method-assign, func-returns-value]

    def show(name: str, attributes: Any, following: int) -> bool:
        shown.append(name)
        return True

    operations.readdir_with_offset(None, 0, 4, False, lambda *entry: True)
    operations.tree.answered.note = lambda path, etag: pytest.fail("all had room")  # type: ignore[method-assign]
    assert operations.readdir_with_offset(None, offset, 4, plus, show) == 0
    assert (shown, found) == (["a", "b"][offset:], looked)


def test_attributes_that_find_no_room_are_not_given() -> None:
    operations, left = Operations(), []
    operations._directories = {4: DirectoryNames("/d", lambda path: iter("abc"))}
    operations._attributes = lambda path: {}  # type: ignore[method-assign]
    operations.tree.answered.note = lambda path, etag: left.append(path)  # type: ignore[method-assign]
    operations.readdir_with_offset(None, 0, 4, True, lambda name, *_: name != "b")
    assert left == [], "the first names have none"
    operations.readdir_with_offset(None, 1, 4, True, lambda name, *_: name != "c")
    assert left == ["/d/c"]


def test_names_of_an_open_directory_follow_its_rename() -> None:
    operations = Operations()
    operations._directories = {4: DirectoryNames("/a/x", lambda path: iter([path]))}
    operations.rename("/a", "/b")
    shown: list[str] = []
    operations.readdir_with_offset(None, 0, 4, False, lambda name, *_: not shown.append(name))  # type: ignore[func-returns-value]
    assert shown == ["/b/x"]
