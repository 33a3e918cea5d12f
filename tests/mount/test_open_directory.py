"""An open directory: names by number, read once, and an error that stays one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3amfs.mount.open_directory import DirectoryNames


def test_names_are_read_as_far_as_they_are_asked_for() -> None:
    taken: list[str] = []

    def begin() -> Iterator[str]:
        for name in "abc":
            taken.append(name)
            yield name

    directory = DirectoryNames(begin)
    entries = directory.after(0)
    assert next(entries) == ("a", None, 1)
    assert taken == ["a"]
    assert list(directory.after(1)) == [("b", None, 2), ("c", None, 3)]
    assert list(directory.after(3)) == []
    assert taken == ["a", "b", "c"]


def test_from_the_beginning_it_is_read_again() -> None:
    contents = iter((["a"], ["a", "b"]))
    directory = DirectoryNames(lambda: iter(next(contents)))
    assert [name for name, _, _ in directory.after(0)] == ["a"]
    assert [name for name, _, _ in directory.after(0)] == ["a", "b"]


def test_an_error_is_not_the_end() -> None:
    def begin() -> Iterator[str]:
        yield "a"
        raise OSError(5, "broken")

    directory = DirectoryNames(begin)
    with pytest.raises(OSError, match="broken"):
        list(directory.after(0))
    with pytest.raises(OSError, match="broken"):
        list(directory.after(1))
