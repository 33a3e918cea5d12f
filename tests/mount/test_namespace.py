"""Keys that are no file names, and file names that are no keys: nothing crashes, nothing hides its siblings."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.mount.file_times import FileTimes
from s3amfs.mount.metadata_cache import Entry
from s3amfs.mount.missing_names import STREAK
from s3amfs.mount.namespace import Tree, _all_done, _turn
from s3amfs.mount.xattrs import XATTRS
from s3amfs.transfers.options import ObjectInfo
from tests.mount.conftest import Stored
from tests.support.mounts import Mount


def everything(folder: Path) -> dict[str, bytes]:
    """Path below `folder` -> content, of all files."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where) / name
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def test_markers_and_implicit_directories(mounted: Mount, stored: Stored) -> None:
    stored.put("marked/")
    stored.put("implied/sub/file", b"1")
    assert sorted(os.listdir(mounted.directory)) == ["implied", "marked"]
    assert stat.S_ISDIR((mounted / "marked").stat().st_mode)
    assert (mounted / "implied" / "sub" / "file").read_bytes() == b"1"
    (mounted / "implied" / "sub" / "file").unlink()
    assert (mounted / "implied" / "sub").is_dir(), "it does not vanish with its last file"


KEYS = ["a", "a/b", "a/b/c", "a//b", "a/../c", "./d", "e\tf", "ü/€", "x" * 250, "y/" + "z" * 255 + "/w", "q?*[", "-r"]
KEYS += ["@s3am.object", "%41", "v/a@s3am.quoted", "w/" + "long" * 70]


def test_every_key_is_seen_once_with_its_content(mounted: Mount, stored: Stored) -> None:
    for number, key in enumerate(KEYS):
        with suppress(stored.boto.exceptions.ClientError):  # this server refuses some of them
            stored.put(key, str(number).encode())
    kept = [stored.get(key) for key in stored.listed()]
    assert len(kept) >= 11
    assert sorted(everything(mounted.directory).values()) == sorted(kept)


def test_an_object_beside_a_directory(mounted: Mount, stored: Stored) -> None:
    stored.put("a", b"object")
    stored.put("a/b", b"below")
    assert sorted(os.listdir(mounted.directory)) == ["a", "a@s3am.object"]
    assert (mounted / "a@s3am.object").read_bytes() == b"object"
    assert (mounted / "a" / "b").read_bytes() == b"below"
    (mounted / "a@s3am.object").write_bytes(b"changed")
    assert stored.get("a") == b"changed"
    (mounted / "a@s3am.object").unlink()
    assert stored.listed() == ["a/b"]


def test_the_name_of_an_object_beside_a_directory_that_is_not_there(mounted: Mount, stored: Stored) -> None:
    """It is no second name of the object."""
    stored.put("x", b"mine")
    other = mounted / "x@s3am.object"
    assert not other.exists()
    for act in (lambda: other.write_bytes(b"other"), lambda: (mounted / "x").rename(other), other.mkdir):
        with pytest.raises(OSError, match="Invalid"):
            act()
    with pytest.raises(OSError, match="Invalid"):
        other.symlink_to("x")
    assert stored.listed() == ["x"]
    assert stored.get("x") == b"mine"


def test_names_that_no_key_can_have(mounted: Mount, stored: Stored) -> None:
    with pytest.raises(OSError) as failed:
        os.open(bytes(mounted.directory) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY)
    assert failed.value.errno == errno.EILSEQ
    with pytest.raises(OSError) as failed:
        (mounted / ("x" * 256)).write_bytes(b"")
    assert failed.value.errno == errno.ENAMETOOLONG
    assert stored.listed() == []


def test_awkward_names_go_in_and_out(mounted: Mount) -> None:
    names = ["sp ace", "nl\nnl", "tab\t", "%41", "+plus", "ünï", "a&b=c", "#", ";", "~", "'\"", "*"]
    for name in names:
        (mounted / name).write_text(name)
    assert {path.name: path.read_text() for path in mounted.directory.iterdir()} == {name: name for name in names}
    mounted.remount()
    assert {path.name: path.read_text() for path in mounted.directory.iterdir()} == {name: name for name in names}
    for name in names:
        (mounted / name).unlink()
    assert os.listdir(mounted.directory) == []


def test_what_s3_can_not_keep(mounted: Mount) -> None:
    (mounted / "f").write_text("x")
    with pytest.raises(PermissionError):
        os.link(mounted / "f", mounted / "g")
    with pytest.raises(PermissionError):
        os.mkfifo(mounted / "p")
    (mounted / "d").mkdir()
    (mounted / "d" / "f").write_text("x")
    with pytest.raises(OSError, match="not empty"):
        (mounted / "d").rmdir()
    with pytest.raises(FileExistsError):
        (mounted / "d").mkdir()


def test_symbolic_links_and_extended_attributes(mounted: Mount, stored: Stored) -> None:
    (mounted / "f.txt").write_text("x")
    (mounted / "link").symlink_to("f.txt")
    mounted.remount()
    assert os.readlink(mounted / "link") == "f.txt"
    assert (mounted / "link").read_text() == "x"
    found = {name: os.getxattr(mounted / "f.txt", name) for name in XATTRS}
    assert found["user.s3am.etag"].decode() == stored.head("f.txt")["ETag"].strip('"')
    assert found["user.s3am.content-type"] == b"text/plain"
    assert "user.s3am.checksum" in found


def test_others_changes_are_seen(mounted: Mount, stored: Stored) -> None:
    """After the time to live of what is known (1 s)."""
    stored.put("f", b"one")
    assert (mounted / "f").read_bytes() == b"one"
    stored.put("f", b"two and more")
    seen = os.stat(mounted / "f").st_size
    deadline = time.monotonic() + 10
    while seen != 12 and time.monotonic() < deadline:
        seen = os.stat(mounted / "f").st_size
    assert seen == 12
    assert (mounted / "f").read_bytes() == b"two and more"


def test_a_removal_is_of_what_was_seen(new_mount: Callable[..., Mount], stored: Stored) -> None:
    mount = new_mount("--metadata-ttl", "60")
    stored.put("f", b"one")
    os.stat(mount / "f")
    stored.put("f", b"theirs")
    with pytest.raises(OSError, match="busy"):
        (mount / "f").unlink()
    assert stored.get("f") == b"theirs"
    assert (mount / "f").read_bytes() == b"theirs"
    (mount / "f").unlink()
    assert stored.listed() == []


class _Store:
    """Holds one object, and removes only that."""

    def __init__(self, info: ObjectInfo) -> None:
        self.info: ObjectInfo | None = info

    def remove(self, key: str, base: ObjectInfo | None) -> bool:
        if self.info is not None and self.info != base:
            return False
        self.info = None
        return True


def test_an_object_that_this_mount_has_copied_onto_itself_is_what_was_seen() -> None:
    old, new = ObjectInfo(size=1, etag="1"), ObjectInfo(size=1, etag="2")
    tree: Any = Tree.__new__(Tree)
    tree.changes = SimpleNamespace(take=lambda key: None)
    tree.times, tree.store = FileTimes(), _Store(new)
    tree.forget = tree.keep_parent = lambda path: None
    tree.find = lambda path: Entry("k", False, new, 0.0)
    with pytest.raises(OSError, match="somebody else"):
        tree.remove("/k", Entry("k", False, old, 0.0))
    tree.times.stored("k", "2", 0)
    tree.remove("/k", Entry("k", False, old, 0.0))
    assert tree.store.info is None
    tree.find = lambda path: None
    tree.remove("/k", Entry("k", False, old, 0.0))


def test_a_directory_is_not_empty_though_removals_wait_for_the_first_of_its_files() -> None:
    keys, removed = ["d/", "d/a", "d/b", "d/c"], {"d/a", "d/b"}
    tree: Any = Tree.__new__(Tree)
    tree.root, tree.bucket = "", "b"
    tree.changes = SimpleNamespace(removals_in=lambda prefix: set(removed))
    tree.client = SimpleNamespace(
        list_page=lambda bucket, prefix, max_keys: SimpleNamespace(
            objects=[SimpleNamespace(key=key) for key in keys[:max_keys]]
        )
    )
    assert not tree.is_empty("/d")
    removed.add("d/c")
    assert tree.is_empty("/d")


def test_listing_of_many_objects(mounted: Mount, stored: Stored) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: stored.put(f"many/{n:05}", b""), range(1200)))
    names = os.listdir(mounted / "many")
    assert sorted(names) == [f"{n:05}" for n in range(1200)]
    assert sum(1 for entry in os.scandir(mounted / "many") if entry.stat().st_size == 0) == 1200


def test_a_directory_that_has_moved_is_listed_nowhere(mounted: Mount, stored: Stored) -> None:
    """SeaweedFS goes on listing a folder whose marker went before its last key."""
    (mounted / "d").mkdir()
    stored.put("d/a", b"x")
    (mounted / "d").rename(mounted / "f")
    assert os.listdir(mounted.directory) == ["f"]
    assert sorted(stored.listed()) == ["f/", "f/a"]


def test_files_of_a_directory_move_first_then_its_markers_from_below() -> None:
    keys = ["d/", "d/e/", "d/e/f/", "d/a", "d/e/b", "d/e/f/c"]
    turns = [[key for key in keys if _turn(key) == turn] for turn in sorted({_turn(key) for key in keys})]
    assert turns == [["d/a", "d/e/b", "d/e/f/c"], ["d/e/f/"], ["d/e/"], ["d/"]]


def test_the_first_error_is_raised_when_nothing_moves_any_more() -> None:
    begun, goes_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def fail() -> None:
        raise OSError("the first")

    def last() -> None:
        begun.set()
        goes_on.wait(30)
        ended.append("last")

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(last)
        assert begun.wait(30)
        failed = pool.submit(fail)
        wait([failed])
        goes_on.set()
        with pytest.raises(OSError, match="the first"):
            _all_done([failed, slow])
        assert ended == ["last"]


def test_a_name_that_somebody_else_has_taken_is_seen_once_it_is_refused(
    new_mount: Callable[..., Mount], stored: Stored
) -> None:
    """Whatever an earlier listing says of it, for as long as the TTL."""
    mounted = new_mount("--metadata-ttl", "600")
    (mounted / "mine").mkdir()
    for number in range(2 * STREAK):
        assert not (mounted / f"none{number}").exists()
    stored.put("file", b"theirs")
    stored.put("link", b"theirs")
    stored.put("folder/")
    stored.put("full/theirs")
    with pytest.raises(OSError, match="not empty"):
        (mounted / "mine").rename(mounted / "full")
    handle = os.open(mounted / "file", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(handle, b"mine")
    with pytest.raises(FileExistsError):
        os.close(handle)
    for act in (lambda: (mounted / "link").symlink_to("mine"), (mounted / "folder").mkdir):
        with pytest.raises(FileExistsError):
            act()
    assert [(mounted / name).read_bytes() for name in ("file", "link")] == [b"theirs"] * 2
    assert (mounted / "folder").is_dir()
