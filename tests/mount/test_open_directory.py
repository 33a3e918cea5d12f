"""An open directory: names by number, read once, and an error that stays one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from s3amfs.errors import Interrupted, NotFound, TransferError
from s3amfs.mount.attributes import Attributes
from s3amfs.mount.open_directory import DirectoryNames


def shown(
    directory: DirectoryNames,
    offset: int = 0,
    room: int = 100,
    look: Callable[[str], Attributes] | None = None,
) -> list[tuple[str, Attributes | None, int]]:
    found: list[tuple[str, Attributes | None, int]] = []

    def show(name: str, attributes: Attributes | None, following: int) -> bool:
        has_room = len(found) < room
        if has_room:
            found.append((name, attributes, following))
        return has_room

    directory.show(offset, show, look)
    return found


def test_names_are_read_as_far_as_they_are_asked_for() -> None:
    taken: list[str] = []

    def begin(path: str) -> Iterator[str]:
        for name in "abc":
            taken.append(name)
            yield name

    directory = DirectoryNames("/", begin)
    assert shown(directory, 0, room=1) == [("a", None, 1)]
    assert taken == ["a", "b"], "the second one had no room"
    assert shown(directory, 1) == [("b", None, 2), ("c", None, 3)]
    assert shown(directory, 3) == []
    assert taken == ["a", "b", "c"]


def test_from_the_beginning_it_is_read_again() -> None:
    contents = iter((["a"], ["a", "b"]))
    directory = DirectoryNames("/", lambda path: iter(next(contents)))
    assert [name for name, _, _ in shown(directory)] == ["a"]
    assert [name for name, _, _ in shown(directory)] == ["a", "b"]


def test_an_error_is_not_the_end() -> None:
    def begin(path: str) -> Iterator[str]:
        yield "a"
        raise OSError(5, "broken")

    directory = DirectoryNames("/", begin)
    with pytest.raises(OSError, match="broken"):
        shown(directory)
    with pytest.raises(OSError, match="broken"):
        shown(directory, 1)


def test_attributes_come_with_the_names_unless_they_fail() -> None:
    asked: list[str] = []

    def look(path: str) -> Attributes:
        asked.append(path)
        if path == "/d/gone":
            raise NotFound("no such file or directory")
        if path == "/d/broken":
            raise TransferError("no answer")
        return {"st_size": len(path)}

    directory = DirectoryNames("/d", lambda path: iter([".", "..", "a", "gone", "bc", "broken", "d"]))
    found = {name: attributes for name, attributes, _ in shown(directory, look=look)}
    assert found == {
        ".": None,
        "..": None,
        "a": {"st_size": 4},
        "gone": None,
        "bc": {"st_size": 5},
        "broken": None,
        "d": None,
    }
    assert asked == ["/d/a", "/d/gone", "/d/bc", "/d/broken"], "after a failure none is asked for"
    assert shown(DirectoryNames("/", lambda path: iter("x")), look=look) == [("x", {"st_size": 2}, 1)]


def test_whoever_is_killed_waits_for_no_attributes() -> None:
    def look(path: str) -> Attributes:
        raise Interrupted("killed")

    with pytest.raises(Interrupted):
        shown(DirectoryNames("/", lambda path: iter("ab")), look=look)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [("/d", "/e/f", "/e/f"), ("/d/x", "/y", "/d"), ("/dd", "/y", "/d")],
)
def test_a_directory_that_is_renamed_while_it_is_open(old: str, new: str, path: str) -> None:
    begun: list[str] = []

    def begin(path: str) -> Iterator[str]:
        begun.append(path)
        return iter("a")

    directory, below = DirectoryNames("/d", begin), DirectoryNames("/d/below", begin)
    for each in (directory, below):
        each.renamed(old, new)
        shown(each)
    assert begun == [path, f"{path}/below"]
