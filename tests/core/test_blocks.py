"""Blocks become parts that S3 takes, in order, none left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.blocks import MAX_BLOCK, join_blocks
from s3amfs.core.parts import MAX_PART, MIN_PART
from s3amfs.errors import UsageError

lengths = st.one_of(st.integers(0, 3 * MIN_PART), st.integers(MAX_BLOCK - MIN_PART, MAX_BLOCK))
sizes_of_blocks = st.lists(lengths, max_size=30)


@given(sizes_of_blocks, st.booleans())
def test_parts_are_neighbours_of_sizes_that_s3_takes(sizes: list[int], last: bool) -> None:
    parts, rest = join_blocks(sizes, last=last)
    at = 0
    for part in parts:
        assert part.first == at
        assert part.size == sum(sizes[part.first : part.end]) <= MAX_PART
        at = part.end
    assert rest == at
    assert sum(sizes[rest:]) < MIN_PART
    if last:
        assert sum(sizes[rest:]) == 0


@given(sizes_of_blocks)
def test_only_the_last_part_may_be_small(sizes: list[int]) -> None:
    parts, _ = join_blocks(sizes, last=True)
    assert all(part.size >= MIN_PART for part in parts[:-1])


def test_a_block_that_no_part_can_hold() -> None:
    with pytest.raises(UsageError):
        join_blocks([MAX_BLOCK + 1], last=False)
