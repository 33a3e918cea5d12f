"""Layout of the read cache: blocks cover what they should, damage is seen, eviction keeps the newest."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core import block_cache as layout
from s3amfs.core.block_cache import BLOCK, SEGMENT, Held, Slot

NAME = layout.version_name("https://s3", "b", "k", "e", None, 10)


@given(st.integers(0, 40 * SEGMENT), st.integers(1, 3 * SEGMENT), st.integers(0, SEGMENT))
def test_widened_ranges_are_whole_blocks_that_hold_what_was_asked(start: int, length: int, beyond: int) -> None:
    end = start + length
    size = end + beyond
    first, last = layout.aligned(start, end, size)
    assert first <= start < end <= last <= size
    found = list(layout.places(first, last, size))
    assert found[0].start == first
    assert found[-1].end == last
    assert all(before.end == after.start for before, after in itertools.pairwise(found))
    assert all(place.end - place.start == BLOCK or place.end == size for place in found)


@given(st.integers(0, 4 * SEGMENT), st.integers(0, SEGMENT), st.integers(0, SEGMENT))
def test_only_whole_blocks_of_a_range_are_named(start: int, length: int, beyond: int) -> None:
    size = start + length + beyond
    for place in layout.places(start, start + length, size):
        assert start <= place.start < place.end <= start + length
        assert place.start % BLOCK == 0
        assert (place.segment * layout.BLOCKS + place.index) * BLOCK == place.start


def test_places_in_a_file_do_not_overlap() -> None:
    found = list(layout.places(0, SEGMENT, SEGMENT))
    assert len(found) == layout.BLOCKS
    assert found[0].slot_offset == layout.IDENTITY_BYTES
    assert found[-1].slot_offset < layout.HEAD_BYTES <= layout.TABLE_BYTES == found[0].file_offset
    assert all(b.file_offset - a.file_offset == BLOCK for a, b in itertools.pairwise(found))


@given(st.integers(0, layout.BLOCKS - 1), st.integers(1, BLOCK), st.integers(0, 2**64 - 1))
def test_a_slot_is_read_as_it_was_written(index: int, length: int, crc: int) -> None:
    place = next(iter(layout.places(index * BLOCK, SEGMENT, SEGMENT)))
    head = layout.encode_identity(NAME, 3).ljust(place.slot_offset, b"\0") + layout.encode_slot(Slot(length, crc))
    assert layout.decode_slots(head, NAME, 3) == {index: Slot(length, crc)}
    assert layout.decode_slots(head, NAME, 4) == {}
    assert layout.decode_slots(head[:-1], NAME, 3) == {}


def test_only_the_slots_that_are_wanted_and_whole() -> None:
    slots = [layout.encode_slot(Slot(1 + index, index)) for index in range(layout.BLOCKS)]
    head = layout.encode_identity(NAME, 0) + b"".join(slots)
    assert len(head) == layout.HEAD_BYTES
    assert layout.decode_slots(head, NAME, 0, [5, 0, layout.BLOCKS - 1]) == {
        index: Slot(1 + index, index) for index in (5, 0, layout.BLOCKS - 1)
    }
    for cut in range(len(head)):
        whole = (cut - layout.IDENTITY_BYTES) // len(slots[0])
        assert list(layout.decode_slots(head[:cut], NAME, 0, [0, 7, 63])) == [n for n in (0, 7, 63) if n < whole]
    for place in range(layout.IDENTITY_BYTES):
        damaged = head[:place] + bytes([head[place] ^ 1]) + head[place + 1 :]
        assert layout.decode_slots(damaged, NAME, 0, [0]) == {}


def test_what_was_never_written_is_no_slot() -> None:
    assert layout.decode_slots(layout.encode_identity(NAME, 0) + bytes(layout.TABLE_BYTES), NAME, 0) == {}
    assert layout.decode_slots(b"", NAME, 0) == {}


def test_each_part_of_the_identity_counts() -> None:
    given = ("https://s3", "b", "k", "e", None, 10)
    others = [
        ("https://s4", "b", "k", "e", None, 10),
        ("https://s3", "c", "k", "e", None, 10),
        ("https://s3", "b", "l", "e", None, 10),
        ("https://s3", "b", "k", "f", None, 10),
        ("https://s3", "b", "k", "e", "v", 10),
        ("https://s3", "b", "k", "e", None, 11),
    ]
    assert len({layout.version_name(*each) for each in (given, *others)}) == 7


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 9)), max_size=40), st.integers(16, 800))
def test_eviction_removes_the_least_recently_used_and_no_more(files: list[tuple[int, float]], limit: int) -> None:
    held = [Held(str(number), size, used) for number, (size, used) in enumerate(files)]
    gone = layout.to_evict(held, limit)
    stays = [file for file in held if file not in gone]
    share = limit // layout.SCAN_SHARE
    assert sum(file.size for file in stays) <= limit - 2 * share
    assert not gone or not stays or max(file.used for file in gone) <= min(file.used for file in stays)
    if gone:
        assert sum(file.size for file in stays) <= limit - 3 * share
        assert sum(file.size for file in stays) + gone[-1].size > limit - 3 * share


def test_a_slot_without_bytes_is_none() -> None:
    for length, there in ((0, False), (1, True), (BLOCK, True), (BLOCK + 1, False)):
        head = layout.encode_identity(NAME, 0) + layout.encode_slot(Slot(length, 7))
        assert bool(layout.decode_slots(head, NAME, 0)) is there


def test_eviction_in_numbers() -> None:
    limit, share = 1600, 1600 // layout.SCAN_SHARE
    files = [Held(str(number), 1, number) for number in range(limit)]
    assert layout.to_evict(files[: limit - 2 * share], limit) == []
    gone = layout.to_evict(files[: limit - 2 * share + 1], limit)
    assert gone == files[: share + 1]
