"""core/parts.py: every size from 0 bytes to S3's largest falls into parts that S3 takes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.core.lines import LineState
from s3amfs.core.parts import (
    MAX_OBJECT,
    MAX_PART,
    MAX_PARTS,
    MIN_PART,
    Part,
    Plan,
    Recovered,
    choose_part_size,
    copy_part_size,
    download_part_size,
    growing_length,
    infer_part_size,
)
from s3amfs.errors import IncompatiblePartSize, UsageError

MIB = 1 << 20
GIB = 1 << 30

SIZES = st.one_of(st.integers(0, MAX_OBJECT), st.integers(0, 200 * MIB), st.sampled_from([0, 1, MAX_OBJECT]))
PLANS = st.integers(1, 50).flatmap(lambda p: st.builds(Plan, st.integers(0, 40 * p), st.just(p)))


@given(PLANS)
@example(Plan(0, 1))
def test_parts_of_a_plan_cover_every_byte_once(plan: Plan) -> None:
    parts = list(plan)
    assert [part.number for part in parts] == list(range(1, len(plan) + 1))
    assert parts[0].offset == 0
    assert all(left.end == right.offset for left, right in pairwise(parts))
    assert parts[-1].end == plan.size
    assert all(part.length == plan.part_size for part in parts[:-1])
    assert 0 < parts[-1].length <= plan.part_size or plan.size == 0
    assert parts == [plan.part(number) for number in range(1, len(plan) + 1)]


def test_an_empty_object_is_one_empty_part() -> None:
    assert list(Plan(0, 8)) == [Part(1, 0, 0)]


def test_edges_of_a_plan() -> None:
    assert [len(Plan(size, 8)) for size in (1, 7, 8, 9, 16, 20)] == [1, 1, 1, 2, 2, 3]
    assert Plan(20, 8).part(3) == Part(3, 16, 4)
    for number in (0, 4, -1):
        with pytest.raises(IndexError):
            Plan(20, 8).part(number)
    for size, part_size in ((-1, 8), (1, 0)):
        with pytest.raises(ValueError, match="no plan"):
            Plan(size, part_size)


@given(SIZES)
@example(8000 * MIB)
@example(8000 * MIB + 1)
@example(128 * MIB * MAX_PARTS)
@example(128 * MIB * MAX_PARTS + 1)
def test_automatic_sizes_are_what_s3_takes(size: int) -> None:
    for choose in (choose_part_size, copy_part_size):
        part_size = choose(size)
        assert MIN_PART <= part_size <= MAX_PART
        assert len(Plan(size, part_size)) <= MAX_PARTS


@given(SIZES, SIZES)
def test_automatic_sizes_never_shrink_with_the_object(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert choose_part_size(small) <= choose_part_size(large)
    assert copy_part_size(small) <= copy_part_size(large)
    assert choose_part_size(large) <= copy_part_size(large)


@pytest.mark.parametrize(
    ("size", "part_size"),
    [
        (0, 8 * MIB),
        (160 * MIB, 8 * MIB),
        (8 * GIB, 9 * MIB),
        (50 * GIB, 52 * MIB),
        (200 * GIB, 128 * MIB),
        (1280000 * MIB, 128 * MIB),
        (1280001 * MIB, 129 * MIB),
        (MAX_OBJECT, MAX_PART),
    ],
)
def test_automatic_sizes(size: int, part_size: int) -> None:
    assert choose_part_size(size) == part_size


def test_copies_go_in_larger_parts() -> None:
    assert copy_part_size(1 * GIB) == 64 * MIB
    assert copy_part_size(50 * GIB) == 256 * MIB
    assert copy_part_size(MAX_OBJECT) == MAX_PART


@pytest.mark.parametrize("explicit", [0, 1, MIN_PART - 1, MAX_PART + 1])
def test_an_explicit_size_outside_the_limits_is_a_usage_error(explicit: int) -> None:
    for choose in (choose_part_size, copy_part_size):
        with pytest.raises(UsageError, match="5MiB to 5GiB"):
            choose(100 * MIB, explicit)


@pytest.mark.parametrize("explicit", [MIN_PART, MAX_PART, MIN_PART + 1, 7654321])
def test_an_explicit_size_is_taken_exactly(explicit: int) -> None:
    assert choose_part_size(1 * GIB, explicit) == explicit
    assert copy_part_size(1 * GIB, explicit) == explicit


@given(SIZES, st.integers(MIN_PART, MAX_PART))
@example(MIN_PART * MAX_PARTS, MIN_PART)
@example(MIN_PART * MAX_PARTS + 1, MIN_PART)
def test_the_smallest_size_that_the_error_names_works(size: int, explicit: int) -> None:
    try:
        assert choose_part_size(size, explicit) == explicit
        assert len(Plan(size, explicit)) <= MAX_PARTS
    except IncompatiblePartSize as error:
        assert len(Plan(size, explicit)) > MAX_PARTS
        named = int(str(error).split("--part-size ")[1].split("MiB")[0].split("GiB")[0])
        unit = MIB if f"--part-size {named}MiB" in str(error) else GIB
        assert choose_part_size(size, named * unit) == named * unit
        assert len(Plan(size, named * unit - MIB)) > MAX_PARTS or named * unit == MIN_PART


def test_larger_than_s3() -> None:
    with pytest.raises(UsageError, match="largest"):
        choose_part_size(MAX_OBJECT + 1)


def test_the_old_size_is_taken_up() -> None:
    assert choose_part_size(1 * GIB, taken_up=7 * MIB) == 7 * MIB
    assert choose_part_size(1 * GIB, 7 * MIB, taken_up=7 * MIB) == 7 * MIB
    assert choose_part_size(100, taken_up=100) == 100, "a single part may be smaller than 5 MiB"
    with pytest.raises(IncompatiblePartSize, match="7MiB, not 8MiB"):
        choose_part_size(1 * GIB, 8 * MIB, taken_up=7 * MIB)
    for size, old in ((1 * GIB, 1 * MIB), (100 * GIB, MIN_PART), (100, 0), (MAX_OBJECT, MAX_PART + 1)):
        with pytest.raises(IncompatiblePartSize, match="--force"):
            choose_part_size(size, taken_up=old)


def test_growing_parts() -> None:
    lengths = [growing_length(number) for number in range(1, MAX_PARTS + 1)]
    assert lengths == sorted(lengths)
    assert set(lengths[:500]) == {8 * MIB}, "4 GiB before anything grows"
    assert max(lengths) == MAX_PART
    assert all(length % 4096 == 0 for length in lengths)
    total = 500 * 8 * MIB
    for length in lengths[500:]:
        assert length <= total / 465, "a part stays near 1/500 of what has gone before"
        total += length
    assert 33 << 40 < total <= MAX_OBJECT


@given(st.integers(MIN_PART, MAX_PART), st.integers(1, MAX_PARTS - 1))
def test_growing_parts_of_any_base(base: int, number: int) -> None:
    assert growing_length(1, base) == base
    assert MIN_PART <= base <= growing_length(number, base) <= growing_length(number + 1, base) <= MAX_PART


def test_parts_of_the_largest_base_reach_the_largest_object() -> None:
    assert sum(growing_length(number, MAX_PART) for number in range(1, MAX_PARTS + 1)) == MAX_OBJECT
    for number in (0, MAX_PARTS + 1):
        with pytest.raises(IndexError):
            growing_length(number)
    with pytest.raises(ValueError, match="parts of"):
        growing_length(1, MIN_PART - 1)


@given(PLANS, st.data())
def test_recovered_parts_are_those_of_the_planned_length(plan: Plan, data: st.DataObject) -> None:
    there = data.draw(st.sets(st.integers(1, len(plan))))
    wrong = data.draw(st.dictionaries(st.integers(-2, len(plan) + 5), st.integers(0, 60)))
    listed = {number: plan.part(number).length for number in there} | wrong
    recovered = Recovered(plan, listed.items())
    assert recovered.complete <= set(range(1, len(plan) + 1))
    for number, length in listed.items():
        fits = 1 <= number <= len(plan) and plan.part(number).length == length
        assert (number in recovered.complete) is fits
        assert ((number, length) in recovered.incompatible) is not fits
    assert recovered.bytes == sum(listed[number] for number in recovered.complete)
    assert recovered.done is (recovered.bytes == plan.size and len(recovered.complete) == len(plan))


def test_a_part_named_twice_counts_once() -> None:
    recovered = Recovered(Plan(20, 8), [(1, 3), (1, 8), (3, 4)])
    assert (sorted(recovered.complete), recovered.incompatible, recovered.bytes) == ([1, 3], (), 12)


@given(PLANS, st.data())
def test_the_part_size_is_inferred_from_what_is_there(units: Plan, data: st.DataObject) -> None:
    plan = Plan(units.size * MIN_PART, units.part_size * MIN_PART)
    there = data.draw(st.sets(st.integers(1, len(plan)), min_size=1))
    listed = [(number, plan.part(number).length) for number in there]
    inferred = infer_part_size(plan.size, listed)
    if inferred is None:
        assert plan.size == 0
    else:
        assert not Recovered(Plan(plan.size, inferred), listed).incompatible
        assert inferred == plan.part_size or there == {len(plan)}
        assert choose_part_size(plan.size, taken_up=inferred) == inferred


def test_inferring_from_few_parts() -> None:
    size = 20 * MIB
    assert infer_part_size(size, [(1, 8 * MIB)]) == 8 * MIB
    assert infer_part_size(size, [(3, 4 * MIB)]) == 8 * MIB, "the last part is smaller than the others"
    assert infer_part_size(100, [(1, 100)]) == 100
    assert infer_part_size(0, [(1, 0)]) is None
    assert infer_part_size(size, []) is None
    assert infer_part_size(size, [(1, 7 * MIB), (2, 8 * MIB)]) is None, "not parts of one size"
    assert infer_part_size(size, [(1, 30 * MIB)]) is None, "more than there is"
    assert infer_part_size(size, [(1, 1 * MIB)]) is None, "no upload of S3 has such parts"


def test_ranges_of_downloads_take_any_size() -> None:
    assert download_part_size(100 * MIB, 1) == MIN_PART
    assert download_part_size(100 * MIB, 6 * MIB) == 6 * MIB
    assert download_part_size(100 * MIB, 6 * 1024 * GIB) == MAX_PART
    large = download_part_size(300 * GIB, 5 * MIB)
    assert -(-300 * GIB // large) <= MAX_PARTS
    assert download_part_size(100 * MIB) == choose_part_size(100 * MIB)


LINES = st.builds(LineState, st.integers(1, 2048), st.one_of(st.just(0.0), st.floats(1e4, 1e10)), st.floats(0, 2))


@given(st.integers(0, MAX_OBJECT), LINES)
def test_parts_for_a_line_are_a_plan_that_s3_takes(size: int, line: LineState) -> None:
    """And one that an upload without a manifest is continued with."""
    chosen = choose_part_size(size, line=line)
    assert MIN_PART <= chosen <= MAX_PART
    assert len(Plan(size, chosen)) <= MAX_PARTS
    assert choose_part_size(size, taken_up=chosen) == chosen
    assert len(Plan(size, download_part_size(size, line=line))) >= 1


@given(st.integers(0, 100 * GIB), LINES, st.integers(5, 1000))
def test_an_explicit_size_is_kept_on_every_line(size: int, line: LineState, wanted: int) -> None:
    explicit = max(wanted * MIB, -(-size // MAX_PARTS))
    assert choose_part_size(size, explicit, line=line) == choose_part_size(size, explicit)


def test_a_long_line_gets_enough_parts_for_its_slots() -> None:
    line = LineState(64, 0.0, 0.08)
    assert choose_part_size(192 * MIB, line=line) == 5 * MIB
    assert download_part_size(192 * MIB, line=line) == MIB
    assert choose_part_size(192 * MIB, line=LineState(8)) == choose_part_size(192 * MIB), "a short line changes nothing"
    assert choose_part_size(7 * MIB, line=line) == 8 * MIB, "one request where one will do"


def test_a_part_takes_seconds_not_minutes() -> None:
    slow = LineState(64, 64 * 200_000.0, 0.3)
    assert choose_part_size(200 * GIB, line=slow) < choose_part_size(200 * GIB)
    assert choose_part_size(200 * GIB, line=slow) >= 200 * GIB // MAX_PARTS


def test_parts_are_larger_where_the_server_limits_requests() -> None:
    """50 requests per second of 16 MiB each: more bytes a second take larger parts, not more slots."""
    limited = LineState(40, 800e6, 0.02, requests=50.0)
    assert choose_part_size(16 * GIB, line=limited) == 46 * MIB
    assert download_part_size(16 * GIB, line=limited) == 46 * MIB
    assert choose_part_size(100 * MIB, line=limited) <= 8 * MIB, "still enough of them"
    assert choose_part_size(16 * GIB, line=LineState(40, 10e6, 0.02, requests=50.0)) <= 17 * MIB, "bytes are the limit"
    assert choose_part_size(512 * MIB, line=LineState(128, 550e6, 0.2, requests=100.0)) == 8 * MIB, "and none smaller"
    assert choose_part_size(16 * GIB, line=LineState(380, 1000e6, 0.2, requests=50.0)) < 46 * MIB, (
        "enough for all slots"
    )


def test_parts_on_a_line_that_is_not_known_yet() -> None:
    """It may be one of few requests per second, or one of many connections: both are possible with these."""
    for slots in (8, 96, 128):
        assert choose_part_size(16 * GIB, line=LineState(slots)) == 24 * MIB
        assert choose_part_size(4 * GIB, line=LineState(slots)) == 8 * MIB


@given(st.integers(9 * MIB, 64 * GIB), st.integers(17, 1024), st.sampled_from([0.0, 50e6, 1250e6]))
def test_a_line_of_many_slots_has_parts_for_all_of_them(size: int, slots: int, rate: float) -> None:
    """Three for each, or fewer where they cannot be so small: else the line is half empty at the end."""
    part_size = choose_part_size(size, line=LineState(slots, rate, 0.1))
    most = max(1, min(3, size // (slots * MIN_PART)))
    assert part_size <= max(MIN_PART, -(-size // 10_000) + MIB, -(-size // (slots * most)) + MIB)


@given(st.integers(64 * MIB, 64 * GIB), st.integers(8, 1024), st.floats(1e6, 2e9), st.floats(5.0, 500.0))
def test_parts_where_requests_are_limited(size: int, slots: int, rate: float, requests: float) -> None:
    """At most three times what moved for each request, or as large as ever; none small where that alone is a limit."""
    line, just = LineState(slots, rate, 0.0, requests), rate / requests
    part_size = choose_part_size(size, line=line)
    usual = choose_part_size(size, line=LineState(8))
    assert part_size <= max(usual, 3 * just + MIB)
    if 1.5 * just > MIN_PART:
        assert part_size >= min(choose_part_size(size), size // 64)


def test_a_last_part_alone_shows_the_size_of_the_others() -> None:
    assert infer_part_size(2 * 6 * MIB, [(2, 6 * MIB)]) == 6 * MIB
    assert infer_part_size(6 * MIB + 1, [(2, 1)]) == 6 * MIB
    assert infer_part_size(12 * MIB + 1, [(3, 1)]) == 6 * MIB
    assert infer_part_size(12 * MIB + 2, [(3, 1)]) is None
    assert infer_part_size(5, [(1, 5)]) == 5
    assert infer_part_size(0, [(1, 0)]) is None
    assert infer_part_size(5, []) is None


UNKNOWN, FEW = LineState(96), LineState(16, 100e6, 0.05)
LONG, SLOW = LineState(64, 800e6, 0.1), LineState(64, 12.8e6, 0.3)
FAR, LIMITED = LineState(128, 2e9, 0.3), LineState(380, 1000e6, 0.2, requests=50.0)


@pytest.mark.parametrize(
    ("line", "uploads", "downloads"),
    [
        (LineState(8), [8, 8, 8, 8, 8, 24, 128, 128], [8, 8, 8, 8, 8, 24, 128, 128]),
        (UNKNOWN, [8, 5, 5, 6, 8, 24, 128, 128], [1, 1, 2, 4, 8, 24, 128, 128]),
        (FEW, [8, 8, 8, 8, 8, 24, 128, 128], [8, 8, 8, 8, 8, 24, 128, 128]),
        (LineState(17, 100e6, 0.05), [8, 5, 6, 8, 8, 24, 45, 103], [1, 1, 2, 8, 8, 24, 45, 45]),
        (LONG, [8, 5, 5, 6, 12, 24, 96, 103], [1, 1, 2, 6, 12, 24, 96, 96]),
        (SLOW, [8, 5, 5, 5, 5, 5, 11, 103], [1, 1, 2, 2, 2, 2, 2, 2]),
        (FAR, [8, 5, 5, 8, 14, 43, 120, 120], [1, 1, 1, 3, 14, 43, 120, 120]),
        (LineState(64, 64.0, 1.0), [8, 5, 5, 5, 5, 5, 11, 103], [1, 1, 1, 1, 1, 1, 1, 1]),
        (LineState(40, 800e6, 0.02, 50.0), [8, 8, 8, 16, 46, 46, 128, 128], [8, 8, 8, 16, 46, 46, 128, 128]),
        (LineState(40, 10e6, 0.02, 50.0), [8, 5, 5, 5, 5, 5, 11, 103], [1, 1, 2, 2, 2, 2, 2, 2]),
        (LIMITED, [8, 8, 8, 8, 17, 44, 103, 128], [8, 8, 8, 8, 17, 44, 103, 128]),
    ],
)
def test_the_table_of_parts_for_lines(line: LineState, uploads: list[int], downloads: list[int]) -> None:
    """MiB of a part, rounded up, for objects of 8 MiB, one byte more, 100 MiB, and 1, 5, 16, 100 and 1000 GiB."""
    sizes = [8 * MIB, 8 * MIB + 1, 100 * MIB, GIB, 5 * GIB, 16 * GIB, 100 * GIB, 1000 * GIB]
    assert [math.ceil(choose_part_size(size, line=line) / MIB) for size in sizes] == uploads
    assert [math.ceil(download_part_size(size, line=line) / MIB) for size in sizes] == downloads


def test_parts_for_a_known_line_come_out_even() -> None:
    """In whole MiB they would be too few for its slots, which would be 100 connections in place of 128."""
    for size, slots in ((700 * MIB, 128), (GIB, 170), (16 * GIB, 683)):
        known = choose_part_size(size, line=LineState(slots, slots * 2e6, 0.02))
        assert known % (MIB // 16) == 0
        rounds = min(3, size // (slots * MIN_PART))
        assert 0.98 * rounds * slots < size / known <= rounds * slots
        assert choose_part_size(size, line=LineState(slots)) % MIB == 0


def test_constants_of_parts_for_lines() -> None:
    """700 parts for few slots; ten times the bytes that a slot moves in the time of a latency; 8 seconds at most."""
    assert [choose_part_size(size * MIB, line=LineState(8)) // MIB for size in (7000, 7001, 21000, 21001)] == (
        [10, 11, 30, 31]
    )
    assert download_part_size(3000 * MIB, line=LineState(20, 20 * 20.0 * MIB, 0.07)) == 14 * MIB
    assert download_part_size(3000 * MIB, line=LineState(20, 20 * 20.0 * MIB, 0.30)) == 50 * MIB, "3 for each slot"
    assert download_part_size(90_000 * MIB, line=LineState(20, 20 * 6.0 * MIB, 0.1)) == 48 * MIB
    assert download_part_size(90_000 * MIB, line=LineState(20, 20 * 60.0 * MIB, 0.7)) == 128 * MIB
    assert [copy_part_size(size * GIB) // MIB for size in (12, 13, 50, 100, 101, 5000, 6000)] == (
        [64, 67, 256, 512, 512, 512, 615]
    )


def test_lengths_of_growing_parts() -> None:
    """In 347 parts the length doubles; MIB / 4096 = 256."""
    numbers = (1, 500, 501, 502, 600, 847, 848, 1000, 3000, 10_000)
    assert [growing_length(number) * 256 // MIB for number in numbers] == (
        [2048, 2048, 2053, 2059, 2638, 4096, 4107, 5902, 315_781, 1_310_720]
    )
    assert growing_length(501, MIN_PART + 1) == MIN_PART + 12288
    assert growing_length(847, MIN_PART + 1) == 2 * MIN_PART


def test_how_sizes_are_written_in_messages() -> None:
    for size, shown in ((0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1KiB"), (1025, "1,025 bytes"), (MIB, "1MiB")):
        with pytest.raises(UsageError, match=f"a part size of {shown} is not possible"):
            choose_part_size(100 * MIB, size)
    assert repr(Recovered(Plan(20, 8), [(1, 8), (2, 3)])) == "Recovered(1 of 3 parts, 1 incompatible)"


def test_edges_of_what_is_taken_up() -> None:
    assert choose_part_size(MAX_PARTS * MIN_PART, taken_up=MIN_PART) == MIN_PART
    assert choose_part_size(2 * MAX_PART, taken_up=MAX_PART) == MAX_PART
    assert choose_part_size(1, taken_up=1) == 1
    for size, old in ((MAX_PARTS * MIN_PART + 1, MIN_PART), (100, MAX_PART + 1), (MIN_PART, MIN_PART - 1), (0, -1)):
        with pytest.raises(IncompatiblePartSize, match="do not suit"):
            choose_part_size(size, taken_up=old)


def test_edges_of_what_is_inferred() -> None:
    assert infer_part_size(1, [(1, 1)]) == 1, "an object of one byte"
    assert infer_part_size(MIN_PART + 1, [(1, MIN_PART)]) == MIN_PART
    assert infer_part_size(MIN_PART, [(1, MIN_PART - 1)]) is None
    assert infer_part_size(MAX_PARTS * MIN_PART, [(1, MIN_PART)]) == MIN_PART
    assert infer_part_size(MAX_PARTS * MIN_PART + 1, [(1, MIN_PART)]) is None
    assert infer_part_size(18 * MIB + 2, [(4, 2)]) == 6 * MIB, "three parts of 6 MiB, which four parts of 4.5 are not"
