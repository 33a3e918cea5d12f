"""Which version the kernel knows, so that it never cuts another one off at the size of that."""

from __future__ import annotations

import pytest

from s3amfs.mount import answered
from s3amfs.mount.answered import Answered


def test_another_version_is_news_once() -> None:
    found = Answered(1.0)
    assert not found.is_news("/a", "1"), "the kernel has none"
    found.note("/a", "1")
    assert [found.is_news("/a", "1") for _ in range(3)] == [False] * 3
    assert not found.is_news("/b", "2")
    assert [found.is_news("/a", "2") for _ in range(2)] == [True, False]
    found.note("/a", "2")
    assert found.is_news("/a", "1")


def test_what_had_to_be_dropped_may_be_news_as_long_as_the_kernel_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(answered, "MOST_PATHS", 2)
    monkeypatch.setattr(answered.time, "monotonic", lambda: now[0])
    found = Answered(3.0)
    for path in ("/a", "/b", "/c"):
        found.note(path, "1")
    assert [found.is_news("/a", "2") for _ in range(2)] == [True, False]
    assert not found.is_news("/c", "1")
    assert found.is_news("/c", "2")
    now[0] = 103.0
    assert not found.is_news("/b", "2")


def test_what_the_kernel_has_not_got_is_news() -> None:
    answered = Answered(1.0)
    answered.note("/a", "1")
    assert not answered.is_news("/a", "1")
    answered.not_given("/a")
    assert answered.is_news("/a", "1")
    assert not answered.is_news("/a", "1")
