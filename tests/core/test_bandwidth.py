"""Limits as users write them, and the turns that bytes take."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.core.bandwidth import (
    CREDIT_SECONDS,
    LEAST_QUANTUM,
    MOST_QUANTUM,
    REPAID,
    Bandwidth,
    Bucket,
    parse_bandwidth,
    quantum,
)
from s3amfs.errors import UsageError

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("10M", ((0, 10 * MIB),)),
        ("10MiB/s", ((0, 10 * MIB),)),
        ("10 MiB/s", None),
        ("10M /s", ((0, 10 * MIB),)),
        ("10Mi b/s", ((0, 10 * MIB),)),
        ("/s 10M", None),
        ("off", ((0, 0),)),
        ("18:00,off 08:00,10M", ((480, 10 * MIB), (1080, 0))),
        ("# by day\n8:05,1k # slow\n\n23:59,OFF\n", ((485, 1024), (1439, 0))),
        ("", None),
        ("0", None),
        ("08:00", None),
        ("24:00,1M", None),
        ("08:60,1M", None),
        ("08:00,1M 08:00,2M", None),
        ("08:00,x", None),
        ("-1:00,1M", None),
    ],
)
def test_limits_as_they_are_written(text: str, entries: tuple[tuple[int, int], ...] | None) -> None:
    if entries is None:
        with pytest.raises(UsageError):
            parse_bandwidth(text)
    else:
        assert parse_bandwidth(text).entries == entries


def test_the_last_entry_of_a_day_holds_over_midnight() -> None:
    schedule = parse_bandwidth("08:00,10M 18:00,off")
    assert [schedule.rate_at(minute) for minute in (0, 479, 480, 1079, 1080)] == [0, 0, 10 * MIB, 10 * MIB, 0]
    assert (schedule.least, parse_bandwidth("off").least) == (10 * MIB, 0)


@given(st.integers(1, 1 << 40))
def test_a_quantum_is_never_too_small_nor_too_large(rate: int) -> None:
    assert LEAST_QUANTUM <= quantum(rate) <= MOST_QUANTUM


@example(2507, [(1, 0.0)] * 6 + [(1, 0.0625), (27, 0.0), (1, 0.0)])
@given(
    st.integers(1000, 1 << 32),
    st.lists(st.tuples(st.integers(1, 1 << 20), st.floats(0, 0.1)), min_size=1, max_size=200),
)
def test_no_stretch_of_time_has_more_than_the_rate(rate: int, asked: list[tuple[int, float]]) -> None:
    bucket, now = Bucket(), 100.0
    moves: list[tuple[float, int]] = []
    for count, pause in asked:
        moves.append((now + bucket.reserve(count, rate, now), count))
        now += pause
    for first in range(0, len(moves), 7):
        begin, total = moves[first][0], 0
        for at, count in moves[first:]:
            assert total <= ((at - begin) * REPAID + CREDIT_SECONDS) * rate + 1e-6 * rate + 1
            total += count


def test_who_wakes_late_loses_nothing() -> None:
    bucket, now, moved, rate = Bucket(), 0.0, 0, 1_000_000
    while now < 10.0:
        now += bucket.reserve(20_000, rate, now) + 0.004  # later than asked for, each time
        moved += 20_000
    assert 0.98 * 10 * rate < moved < 1.02 * 10 * rate


def test_a_stall_is_made_up_for_but_idleness_is_not() -> None:
    rate, bucket = 1000, Bucket()
    assert bucket.reserve(1000, rate, 0.0) == 0.0
    assert bucket.reserve(10_000, rate, 1.51) == 0.0  # half a second too late
    late = bucket.reserve(10_000, rate, 11.0)
    assert late == pytest.approx(0.5 - 10 * (1 - 1 / REPAID), abs=0.01)
    idle = Bucket()
    idle.reserve(1000, rate, 0.0)
    assert idle.reserve(10_000, rate, 100.0) == 0.0
    assert idle.reserve(1, rate, 100.0) == pytest.approx(10 - CREDIT_SECONDS / REPAID)


def test_an_older_lower_rate_holds_nobody_back() -> None:
    bucket = Bucket()
    bucket.reserve(1_000_000, 1000, 0.0)
    bucket.forget()
    assert bucket.reserve(1000, 1_000_000, 1.0) == 0.0


def test_equal_limits_are_one() -> None:
    assert hash(parse_bandwidth("1M")) == hash(Bandwidth(((0, MIB),)))


@pytest.mark.parametrize(("rate", "size"), [(1, 1024), (51_250, 1025), (1_000_000, 20_000), (10**9, 256 * 1024)])
def test_a_quantum_is_a_fiftieth_of_a_second(rate: int, size: int) -> None:
    assert quantum(rate) == size


def test_a_limit_without_times_is_constant() -> None:
    assert parse_bandwidth("1M").is_constant
    assert not parse_bandwidth("08:00,1M 09:00,2M").is_constant


def test_a_bucket_that_has_forgotten_owes_nothing() -> None:
    bucket = Bucket()
    bucket.reserve(1_000_000, 1000, 0.0)
    bucket.forget()
    bucket.reserve(1000, 1000, 5.0)
    assert bucket.reserve(1, 1000, 5.0) == pytest.approx(1.0 - CREDIT_SECONDS / REPAID)
