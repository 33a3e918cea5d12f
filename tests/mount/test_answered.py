"""Which version the kernel knows, so that it never cuts another one off at the size of that."""

from __future__ import annotations

import pytest

from s3amfs.mount import answered
from s3amfs.mount.answered import Answered


def test_another_version_is_news_until_the_kernel_has_it() -> None:
    found = Answered(1.0)
    assert not found.is_news("/a", "1"), "the kernel has none"
    found.note("/a", "1")
    assert [found.is_news("/a", "1") for _ in range(3)] == [False] * 3
    assert not found.is_news("/b", "2")
    assert [found.is_news("/a", "2") for _ in range(2)] == [True, True], "others may open it, too"
    found.note("/a", "2")
    assert not found.is_news("/a", "2")
    assert found.is_news("/a", "1")


def test_what_had_to_be_dropped_may_be_news_as_long_as_the_kernel_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(answered, "MOST_PATHS", 2)
    monkeypatch.setattr(answered.time, "monotonic", lambda: now[0])
    found = Answered(3.0)
    for path in ("/a", "/b", "/c"):
        found.note(path, "1")
    assert found.is_news("/a", "2")
    assert not found.is_news("/c", "1")
    assert found.is_news("/c", "2")
    now[0] = 103.0
    assert not found.is_news("/b", "2")


def test_a_rename_takes_along_what_the_kernel_has() -> None:
    found = Answered(1.0)
    for path in ("/a", "/a/b", "/ab", "/x"):
        found.note(path, "1")
    found.moved("/a", "/x", below=True)
    assert [found.is_news(path, "2") for path in ("/x", "/x/b", "/ab")] == [True] * 3
    assert not found.is_news("/a", "2")
    found.moved("/ab", "/y", below=False)
    assert found.is_news("/y", "2")


def test_a_read_that_ends_where_another_version_ends_may_have_changed_the_size() -> None:
    found = Answered(1.0)
    found.doubt("/a", "1")
    assert not found.is_news("/a", "2"), "the kernel has nothing"
    found.note("/a", "2")
    found.doubt("/a", "2")
    assert not found.is_news("/a", "2")
    found.doubt("/a", "1")
    assert found.is_news("/a", "2")
    assert found.is_news("/a", "1")
