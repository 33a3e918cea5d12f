"""Which parts are holes, whether copying them pays, and checksums of zeros."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.checksums import crc
from s3amfs.core.holes import LEAST_SAVED, digests_of_zeros, in_holes, worth_copying
from s3amfs.core.parts import Plan
from s3amfs.core.patch import Ranges


@pytest.mark.parametrize("length", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 7])
def test_digests_are_those_of_the_bytes(length: int) -> None:
    found = digests_of_zeros(length)
    assert found.crc64nvme == crc("crc64nvme", bytes(length))
    assert found.md5 == hashlib.md5(bytes(length), usedforsecurity=False).hexdigest()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8), st.integers(1, 90), st.integers(1, 20))
def test_a_part_is_in_a_hole_if_no_byte_of_it_is_data(
    written: list[tuple[int, int]], size: int, part_size: int
) -> None:
    data = Ranges((start, min(size, start + length)) for start, length in written)

    def data_after(offset: int) -> tuple[int, int]:
        return next(data.within(offset, size), (size, size))

    plan = Plan(size, part_size)
    empty = [part for part in plan if not any(True for _ in data.within(part.offset, part.end))]
    assert in_holes(plan, data_after) == empty


def test_copying_pays_from_four_parts_and_32_mib_on() -> None:
    assert worth_copying([LEAST_SAVED // 2] * 3 + [1])
    assert not worth_copying([LEAST_SAVED] * 3)
    assert not worth_copying([LEAST_SAVED // 4] * 4)
    assert not worth_copying([])


def test_copying_pays_in_numbers() -> None:
    mib = 1024 * 1024
    assert worth_copying([16 * mib, 16 * mib, 15 * mib, mib])
    assert not worth_copying([16 * mib, 16 * mib, 15 * mib, mib - 1])
    assert not worth_copying([32 * mib] * 3)
