"""The patch plan: covers exactly, keeps to S3's limits, moves little."""

from __future__ import annotations

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.core.parts import MAX_PART, MAX_PARTS, MIN_PART
from s3amfs.core.patch import PatchPlan, Ranges, plan_patch
from s3amfs.core.sizes import GIB, KIB, MIB
from tests.support.examples import examples

SIZES = st.one_of(
    st.integers(0, 64 * MIB), st.integers(0, 200 * GIB), st.sampled_from([MIN_PART, 8 * MIB, 8 * MIB + 1, 13 * MIB])
)
PART_SIZES = st.sampled_from([MIN_PART, 8 * MIB, 9 * MIB + 1, 64 * MIB, 5 * GIB])


@st.composite
def changes(draw: st.DrawFn) -> tuple[Ranges, int, int, int]:
    base, size = draw(SIZES), draw(SIZES)
    valid = draw(st.one_of(st.just(base), st.integers(0, base)))
    dirty = Ranges()
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.integers(0, max(0, size - 1)))
        dirty.add(start, min(size, start + draw(st.integers(1, 40 * MIB))))
    return dirty, base, valid, size


def check(plan: PatchPlan, dirty: Ranges, base: int, valid: int, size: int) -> None:
    clean = min(base, valid, size)
    known = Ranges(dirty)
    for start, end in plan.fills:
        assert 0 <= start < end <= clean
        assert not list(dirty.within(start, end))
        known.add(start, end)
    if plan.whole:
        assert known.covers(0, clean)
        assert not plan.parts
        return
    assert 1 <= len(plan.parts) <= MAX_PARTS
    at = 0
    for number, part in enumerate(plan.parts, 1):
        assert part.number == number
        assert part.offset == at
        assert part.length <= MAX_PART
        assert part.length >= MIN_PART or (number == len(plan.parts) and part.length > 0)
        if part.kind == "copy":
            assert part.end <= clean
            assert base > MIN_PART
            assert not list(dirty.within(part.offset, part.end)), "a copy would undo what was written"
        elif part.kind == "zeros":
            assert part.offset >= clean
            assert not list(dirty.within(part.offset, part.end)), "zeros would undo what was written"
        else:
            assert known.covers(part.offset, min(part.end, clean)) or part.offset >= clean
        at = part.end
    assert at == size


@given(changes(), PART_SIZES)
@examples(400)
@example((Ranges([(0, 1)]), 200 * GIB, 200 * GIB, 200 * GIB), MIN_PART)
@example((Ranges(), 20 * MIB, 20 * MIB, 12 * MIB), 8 * MIB)
def test_any_plan_covers_and_keeps_to_the_limits(change: tuple[Ranges, int, int, int], part_size: int) -> None:
    dirty, base, valid, size = change
    plan = plan_patch(dirty, base_size=base, base_valid=valid, size=size, part_size=part_size)
    check(plan, dirty, base, valid, size)


def uploaded(plan: PatchPlan) -> int:
    """Bytes that leave this machine."""
    return plan.size if plan.whole else sum(part.length for part in plan.parts if part.kind == "upload")


def test_one_byte_in_100_gb_moves_one_part() -> None:
    size = 100 * GIB
    for at in (0, 1, 4 * MIB, 50 * GIB, size - 6 * MIB, size - 1):
        plan = plan_patch(Ranges([(at, at + 1)]), base_size=size, base_valid=size, size=size)
        assert uploaded(plan) <= MIN_PART, at
        assert sum(end - start for start, end in plan.fills) <= MIN_PART
        assert len(plan.parts) < 300


def test_append_copies_the_base_and_sends_the_tail() -> None:
    plan = plan_patch(Ranges([(GIB, GIB + 100)]), base_size=GIB, base_valid=GIB, size=GIB + 100)
    assert uploaded(plan) == 100
    assert not plan.fills
    assert {part.kind for part in plan.parts[:-1]} == {"copy"}


def test_truncation_moves_nothing() -> None:
    plan = plan_patch(Ranges(), base_size=GIB, base_valid=GIB, size=GIB // 2 + 1)
    assert uploaded(plan) == 0
    assert not plan.fills


def test_growth_by_truncate_is_zeros() -> None:
    size = 30 * MIB
    plan = plan_patch(Ranges(), base_size=10 * MIB, base_valid=10 * MIB, size=size)
    check(plan, Ranges(), 10 * MIB, 10 * MIB, size)
    assert uploaded(plan) == 0
    assert sum(part.length for part in plan.parts if part.kind == "zeros") == 20 * MIB


def test_a_byte_behind_a_copy_is_sent_with_what_follows_it() -> None:
    """A part has 5 MiB at least, wherever it begins."""
    plan = plan_patch(Ranges([(20 * MIB, 20 * MIB + 1)]), base_size=64 * MIB, base_valid=64 * MIB, size=64 * MIB)
    assert [(part.offset, part.length, part.kind) for part in plan.parts] == [
        (0, 20 * MIB, "copy"),
        (20 * MIB, 5 * MIB, "upload"),
        (25 * MIB, 39 * MIB, "copy"),
    ]
    assert plan.fills == ((20 * MIB + 1, 25 * MIB),)


def test_a_small_object_is_rewritten() -> None:
    plan = plan_patch(Ranges([(5, 10)]), base_size=100, base_valid=100, size=100)
    assert plan.whole
    assert plan.fills == ((0, 5), (10, 100))


def test_many_scattered_changes_still_fit() -> None:
    size = 200 * GIB
    dirty = Ranges((at, at + 4 * KIB) for at in range(0, size, 12 * MIB))
    plan = plan_patch(dirty, base_size=size, base_valid=size, size=size)
    check(plan, dirty, size, size, size)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=20), st.integers(0, 80), st.integers(0, 80))
def test_ranges_are_a_set_of_bytes(items: list[tuple[int, int]], low: int, cut: int) -> None:
    ranges, oracle = Ranges(), set[int]()
    for start, length in items:
        ranges.add(start, start + length)
        oracle |= set(range(start, start + length))
    ranges.cut(cut)
    oracle = {byte for byte in oracle if byte < cut}
    pairs = list(ranges)
    assert {byte for start, end in pairs for byte in range(start, end)} == oracle
    assert ranges.total == len(oracle)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(pairs))
    window = set(range(low, 90))
    assert {byte for start, end in ranges.within(low, 90) for byte in range(start, end)} == oracle & window
    assert {byte for start, end in ranges.gaps(low, 90) for byte in range(start, end)} == window - oracle
