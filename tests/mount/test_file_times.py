"""Times that only the mount knows."""

from __future__ import annotations

import time

import pytest

from s3amfs.mount import file_times
from s3amfs.mount.file_times import FileTimes
from s3amfs.transfers.options import ObjectInfo


def test_a_directory_has_the_time_of_the_last_name_that_came_or_went() -> None:
    times, before = FileTimes(), time.time_ns()
    times.name_changed("/d/f")
    assert times.directory("/d") >= before
    assert times.directory("/") == times.directory("/d/f") == 0
    times.name_changed("/g")
    assert times.directory("/") >= before
    times.set_directory("/d")
    assert times.directory("/d") == 0


def test_what_was_below_a_directory_is_forgotten_with_it() -> None:
    times = FileTimes()
    for path in ("/d/f", "/d/e/f", "/dd/f"):
        times.name_changed(path)
    times.forget_below("/d")
    assert (times.directory("/d"), times.directory("/d/e")) == (0, 0)
    assert times.directory("/dd")


def test_ctime_is_this_mounts_own_until_somebody_else_stores_it() -> None:
    times, now = FileTimes(), time.time()
    own = ObjectInfo(size=1, etag="1", last_modified=now)
    assert times.changed("k", own) == int(now * 10**9)
    times.stored("k", "1", 42)
    assert times.changed("k", own) == 42
    assert times.is_own("k", own)
    assert not times.is_own("other", own)
    assert times.changed("k", ObjectInfo(size=1, etag="2", last_modified=5.0)) == 5 * 10**9
    assert not times.is_own("k", ObjectInfo(size=1, etag="2", last_modified=5.0))
    later = ObjectInfo(size=1, etag="1", last_modified=now + 3600)
    assert times.changed("k", later) == int((now + 3600) * 10**9)


def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_times, "MOST_TIMES", 2)
    times = FileTimes()
    for name in "abc":
        times.name_changed(f"/{name}/f")
        times.stored(name, name, 7)
    assert times.directory("/a") == 0
    assert times.directory("/c") != 0
    assert times.changed("a", ObjectInfo(size=1, etag="a")) == 0
    assert times.changed("c", ObjectInfo(size=1, etag="c")) == 7


def test_a_directory_that_was_renamed_has_another_ctime_and_the_same_mtime() -> None:
    times = FileTimes()
    assert times.directory_changed("/d") == 0
    times.moved("/d")
    assert times.directory_changed("/d") > times.directory("/d") == 0
    times.name_changed("/d/f")
    assert times.directory_changed("/d") == times.directory("/d")
    times.moved("/d/e")
    times.forget_below("/d")
    assert times.directory_changed("/d/e") == times.directory_changed("/d") == 0


def test_an_atime_stays_with_its_mtime_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_times, "MOST_TIMES", 3)
    times = FileTimes()

    def shown(path: str, mtime: int) -> int:
        return times.with_access(path, {"st_mtime": mtime, "st_atime": mtime})["st_atime"]

    times.accessed("/d/f", 5, 7)
    assert (shown("/d/f", 5), shown("/d/f", 6), shown("/d/g", 5)) == (7, 6, 5)
    times.accessed("/e/f", 5, 8)
    times.accessed("/e/h", 5, 9)
    times.renamed("/d", "/e", below=True)
    assert (shown("/d/f", 5), shown("/e/f", 5), shown("/e/h", 5)) == (5, 7, 5)
    times.renamed("/e/f", "/e/g", below=False)
    assert (shown("/e/f", 5), shown("/e/g", 5)) == (5, 7)
    times.renamed("/e/f", "/e/g", below=False)
    assert shown("/e/g", 5) == 5, "another file, of which none was set"
    times.accessed("/e/g", 5, 7)
    times.accessed("/e/g", 5, 5)
    assert shown("/e/g", 5) == 5
    times.accessed("/e/g", 5, 7)
    times.removed("/e/g")
    assert shown("/e/g", 5) == 5
    for name in "abc":
        times.accessed(name, 1, 2)
    times.accessed("d", 1, 2)
    assert [shown(name, 1) for name in "abcd"] == [1, 2, 2, 2]
