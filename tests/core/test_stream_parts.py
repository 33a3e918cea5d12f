"""The parts of a stream: numbers, lengths, which bytes are in which, and where S3 has no more of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.parts import MAX_PARTS, MIN_PART, Part, growing_length
from s3amfs.core.stream_parts import StreamParts
from s3amfs.errors import IncompatiblePartSize

FIRST = MIN_PART


def numbered(number: int, *, fixed: bool = False, size: int | None = None) -> StreamParts:
    parts = StreamParts(FIRST, fixed=fixed, size=size)
    parts.next_number = number
    return parts


def first_that_grows() -> int:
    return next(number for number in range(2, MAX_PARTS) if growing_length(number, FIRST) > FIRST)


@pytest.mark.parametrize("unequal", [None, True, False])
def test_parts_grow_unless_something_fixes_them(unequal: bool | None) -> None:
    late = numbered(MAX_PARTS)
    assert late.length(unequal) == (FIRST if unequal is False else growing_length(MAX_PARTS, FIRST))
    assert numbered(MAX_PARTS, fixed=True).length(unequal) == FIRST
    assert numbered(1).length(unequal) == FIRST


def test_parts_are_counted() -> None:
    parts = StreamParts(FIRST, fixed=True)
    assert [parts.end_part(0), parts.end_part(FIRST)] == [1, 2]
    assert parts.next_number == 3


@given(st.integers(0, 5), st.integers(0, 60), st.integers(0, 60))
def test_the_full_parts_of_a_range(full: int, start: int, length: int) -> None:
    parts = StreamParts(10, fixed=True)
    for number in range(full):
        parts.end_part(10 * number)
    expected = [
        Part(number + 1, 10 * number, 10)
        for number in range(full)
        if start < start + length and 10 * number < start + length and start < 10 * (number + 1)
    ]
    if length:
        assert parts.full(start, start + length, 10 * full) == expected


def test_the_same_stream_in_other_parts_begins_again() -> None:
    parts = StreamParts(FIRST, fixed=True, size=7)
    parts.end_part(0)
    other = parts.of_size(2 * FIRST)
    assert (other.first, other.next_number, other.full(0, 100, 0)) == (2 * FIRST, 1, [])
    assert other.length(None) == 2 * FIRST
    assert other.check("s3://b/k", False) is None


def test_s3_has_ten_thousand_numbers() -> None:
    assert numbered(MAX_PARTS, fixed=True).check("s3://b/k", None) is None
    with pytest.raises(IncompatiblePartSize, match=r"s3://b/k: .* 10,000 parts .*5MiB.*--part-size"):
        numbered(MAX_PARTS + 1, fixed=True).check("s3://b/k", None)


@pytest.mark.parametrize(
    ("number", "unequal", "fixed", "size", "warns"),
    [
        (1, False, False, None, True),
        (2, False, False, None, False),
        (1, None, False, None, False),
        (1, True, False, None, False),
        (1, False, True, None, False),
        (1, False, False, 100, False),
    ],
)
def test_where_a_server_wants_equal_parts_the_most_is_said_first(
    number: int, unequal: bool | None, fixed: bool, size: int | None, warns: bool
) -> None:
    warning = numbered(number, fixed=fixed, size=size).check("s3://b/k", unequal)
    assert (warning is not None) is warns
    if warning is not None:
        assert "may have 48.8 GiB" in warning


def test_growing_parts_are_announced_once_and_only_where_it_is_unknown_that_they_may() -> None:
    grows = first_that_grows()
    warning = numbered(grows).check("s3://b/k", None)
    assert warning is not None
    assert warning.startswith("parts grow from here on")
    assert numbered(grows - 1).check("s3://b/k", None) is None
    assert numbered(grows + 1).check("s3://b/k", None) is None
    assert numbered(grows).check("s3://b/k", True) is None
    assert numbered(grows, fixed=True).check("s3://b/k", None) is None
