"""Names: every key has exactly one path, and back."""

from __future__ import annotations

import errno

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.core.names import Place, child_of, names_of, path_of, place_of, to_key
from s3amfs.errors import UsageError

ODD = st.sampled_from(
    [
        "",
        ".",
        "..",
        "a",
        "%",
        "%2E",
        "@s3am.",
        "@s3am.quoted",
        "a@s3am.object",
        "x@s3am.more",
        "\0",
        "é" * 150,
        "x" * 600,
    ]
)
PIECE = st.one_of(ODD, st.text(max_size=20), st.text("%@s3am.qé\U0001f600", max_size=300))
KEY = st.lists(PIECE, min_size=1, max_size=4).map("/".join).filter(bool)


@given(KEY, st.booleans())
@example("a//b", False)
@example("..", True)
@example("@s3am.quoted", False)
@example("x" * 199 + "%" * 90 + ".", False)
def test_a_key_has_one_path(key: str, shadowed: bool) -> None:
    path = path_of(key, shadowed=shadowed)
    for name in path.split("/"):
        assert name not in ("", ".", "..")
        assert "\0" not in name
        assert len(name.encode("utf-8", "surrogateescape")) <= 255
    assert place_of(path) == Place(key, shadowed=shadowed)


@given(st.lists(PIECE.filter(lambda piece: piece.strip("/") not in ("", ".", "..")), min_size=1, max_size=3))
def test_a_path_that_means_something_is_the_path_of_its_key(pieces: list[str]) -> None:
    path = "/".join(pieces).replace("\0", "")
    try:
        place = place_of(path)
    except UsageError:
        return
    if not place.partial and place.key:
        assert path_of(place.key, shadowed=place.shadowed) == "/".join(name for name in path.split("/") if name)


def test_ordinary_names_stay_as_they_are() -> None:
    for key in ("a", "a/b c/ü.txt", "50%/x@y", ".hidden", "a...", "new\nline"):
        assert path_of(key) == key


def test_the_documented_examples() -> None:
    assert path_of("a//b") == "a/@s3am.quoted/b"
    assert path_of("x/../y") == "x/%2E%2E@s3am.quoted/y"
    assert path_of("a", shadowed=True) == "a@s3am.object"
    assert path_of("/lead") == "@s3am.quoted/lead"


def test_long_names_become_directories() -> None:
    piece = "n" * 450
    first, second, rest = names_of(piece)
    assert (len(first), len(second), len(rest)) == (210, 210, 50)
    top = Place("dir")
    assert child_of(top, piece) == first
    inner = place_of(f"dir/{first}")
    assert inner == Place("dir/" + "n" * 200, partial=True)
    assert inner.prefix == "dir/" + "n" * 200
    assert child_of(inner, "n" * 250) == second
    assert child_of(inner, "n" * 20) is None, "a name of 220 bytes is shown in the directory itself"
    assert child_of(place_of(f"dir/{first}/{second}"), "n" * 50) == rest


def test_what_can_not_be_a_key() -> None:
    with pytest.raises(UsageError) as caught:
        to_key(place_of("a/\udcff"))
    assert caught.value.errno == errno.EILSEQ
    with pytest.raises(UsageError) as caught:
        to_key(Place("x" * 1025))
    assert caught.value.errno == errno.ENAMETOOLONG
    with pytest.raises(UsageError) as caught:
        place_of("plain@s3am.quoted")
    assert caught.value.errno == errno.ENOENT


def test_names_of_255_bytes_are_whole() -> None:
    assert names_of("n" * 255) == ("n" * 255,)
    assert names_of("n" * 256) == ("n" * 200 + "@s3am.more", "n" * 56)
    assert names_of("n" * (255 - len("@s3am.object")), shadowed=True) == ("n" * 243 + "@s3am.object",)
    assert place_of("n" * 255) == Place("n" * 255)
    with pytest.raises(UsageError) as caught:
        place_of("n" * 256)
    assert caught.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize("rest", [".", ".."])
def test_the_rest_of_a_long_name_is_no_dots(rest: str) -> None:
    piece = "n" * 400 + rest
    *_, last = names_of(piece)
    assert last == rest.replace(".", "%2E")
    assert place_of("/".join(names_of(piece))).key == piece
