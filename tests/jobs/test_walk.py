"""A local tree in the order of keys: every name is an entry, or an entry with the reason why it is none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from s3amfs.core.entries import Entry, Kind, order
from s3amfs.core.filters import Filters, Rule
from s3amfs.errors import InvalidSource, NotFound
from s3amfs.jobs import walk as module
from s3amfs.jobs.walk import Links, WalkOptions, check_root, has_entry, walk
from tests.support.trees import make_tree

HOSTILE = ("line\nbreak", "n\udcff", "\u00e9", "e\u0301", "x" * 255, "a.txt", "a/b", "a b", "sp ace /x")


def walked(root: Path, options: WalkOptions | None = None) -> dict[str, Entry]:
    entries = list(walk(os.fspath(root), options))
    keys = [entry.key for entry in entries]
    assert keys == sorted(set(keys), key=order)
    return {entry.key: entry for entry in entries}


def test_hostile_names_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    make_tree(tmp_path, dict.fromkeys(HOSTILE, b"1"))
    found = walked(tmp_path)
    assert {key for key, entry in found.items() if entry.kind is Kind.FILE} == set(HOSTILE)
    assert {key for key, entry in found.items() if entry.kind is Kind.FOLDER} == {"a/", "sp ace /"}


def test_whatever_cannot_be_moved_is_named(tmp_path: Path) -> None:
    make_tree(tmp_path, {"d/f": b"1"})
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "nothing").symlink_to("gone")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "d/loop").symlink_to(tmp_path)
    found = walked(tmp_path)
    reasons = {key: entry.problem for key, entry in found.items() if entry.problem}
    assert set(reasons) == {"fifo", "nothing", "self", "d/loop/"}
    assert found["d/loop/"].kind is Kind.GAP
    assert "a FIFO" in reasons["fifo"]


def test_links_three_ways(tmp_path: Path) -> None:
    make_tree(tmp_path, {"d/f": b"1"})
    (tmp_path / "link").symlink_to("d/f")
    (tmp_path / "to").symlink_to("d")
    assert set(walked(tmp_path)) == {"d/", "d/f", "link", "to/", "to/f"}
    assert set(walked(tmp_path, WalkOptions(links="skip"))) == {"d/", "d/f"}
    kept = walked(tmp_path, WalkOptions(links="keep"))
    assert {key for key, entry in kept.items() if entry.kind is Kind.LINK} == {"link", "to"}
    assert walked(tmp_path, WalkOptions(target=True)).keys() == kept.keys()


def test_a_folder_that_cannot_be_read_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, {"open/f": b"1", "shut/f": b"1"})
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("shut/"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(module.os, "scandir", refuse)
    found = walked(tmp_path)
    assert (found["shut/"].kind, "Permission denied" in found["shut/"].problem) == (Kind.GAP, True)
    assert "shut/f" not in found


def test_empty_folders_are_marked_and_a_run_goes_on_behind_a_key(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a/1": b"", "a/2": b"", "b/1": b""})
    (tmp_path / "e").mkdir()
    found = walked(tmp_path)
    assert (found["e/"].empty, found["a/"].empty) == (True, False)
    assert set(walked(tmp_path, WalkOptions(after="a/1"))) == {"a/2", "b/", "b/1", "e/"}
    without = WalkOptions(filters=Filters((Rule(False, "a"),)))
    assert set(walked(tmp_path, without)) == {"b/", "b/1", "e/"}


def test_a_large_folder_is_sorted_through_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_FOLDER", 5)
    make_tree(tmp_path, {f"{number * 7919 % 100:02d}": b"" for number in range(40)})
    assert len(walked(tmp_path)) == 40


def test_roots(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert list(walk(os.fspath(tmp_path / "none"))) == []
    with pytest.raises(NotFound):
        check_root(os.fspath(tmp_path / "none"))
    with pytest.raises(InvalidSource):
        check_root(os.fspath(tmp_path / "file"))


@pytest.mark.parametrize("links", ["follow", "skip", "keep"])
def test_has_entry_says_what_a_walk_comes_upon(tmp_path: Path, links: Links) -> None:
    make_tree(tmp_path, {"f": b"1", "d/x": b"2"})
    for name, to in (("to file", "f"), ("to folder", "d"), ("to nothing", "none")):
        (tmp_path / name).symlink_to(to)
    walk_finds = {key for key in walked(tmp_path, WalkOptions(links=links)) if not key.endswith("/")}
    names = {"f", "d", "d/x", "d//x", "d/./x", "d/../f", "f/x", os.fspath(tmp_path / "f"), "x" * 256, "nul\0", "none"}
    names |= {"to file", "to folder", "to folder/x", "to nothing"}
    assert {name for name in names if has_entry(os.fspath(tmp_path), name, links)} == walk_finds


@pytest.mark.parametrize(
    ("number", "is_known"),
    [(errno.ENOENT, True), (errno.ENAMETOOLONG, True), (errno.EACCES, False), (errno.EIO, False)],
)
def test_what_cannot_be_looked_at_may_be_there(monkeypatch: pytest.MonkeyPatch, number: int, is_known: bool) -> None:
    def refuse(path: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.os, "lstat", refuse)
    if is_known:
        assert not has_entry("/src", "f", "follow")
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            has_entry("/src", "f", "follow")
