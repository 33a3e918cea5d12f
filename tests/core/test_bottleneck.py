"""`limited by`: the ten constructed bottlenecks as samples, and properties of the classifier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.bottleneck import Bottleneck, Cause, Sample, Tally, classify

shares = st.floats(0, 1, allow_nan=False)
counts = st.integers(0, 500)
samples = st.builds(
    Sample,
    seconds=st.floats(0.001, 10, allow_nan=False),
    waits=counts,
    receives=counts,
    sends=counts,
    paused=counts,
    throttled=counts,
    failed=counts,
    wants_more=st.booleans(),
    memory_bound=st.booleans(),
    cpu=shares,
    reading=shares,
    writing=shares,
)


@pytest.mark.parametrize(
    ("sample", "cause"),
    [
        (Sample(0.25, waits=1, receives=15, cpu=0.1), Cause.SOURCE),
        (Sample(0.25, sends=8, reading=0.9, cpu=0.1), Cause.SOURCE_DISK),
        (Sample(0.25, receives=8, writing=0.9, cpu=0.1), Cause.TARGET),
        (Sample(0.25, waits=2, sends=1, throttled=12), Cause.THROTTLING),
        (Sample(0.25, waits=14, sends=2), Cause.ROUND_TRIPS),
        (Sample(0.25, sends=4, waits=4, cpu=0.97), Cause.CPU),
        (Sample(0.25, paused=3, sends=1), Cause.BWLIMIT),
        (Sample(0.25, receives=4, memory_bound=True), Cause.MEMORY),
        (Sample(0.25, sends=14, waits=2), Cause.TARGET),
        (Sample(0.25, waits=64, cpu=0.4), Cause.ROUND_TRIPS),
        (Sample(0.25, failed=8), Cause.FAILURES),
        (Sample(0.25, wants_more=True), Cause.SOURCE),
        (Sample(0.25, cpu=1.0), None),
    ],
)
def test_constructed(sample: Sample, cause: Cause | None) -> None:
    assert classify(sample) is cause


@given(samples)
def test_only_what_there_is_a_sign_of_is_named(sample: Sample) -> None:
    signs = {
        Cause.BWLIMIT: sample.paused,
        Cause.CPU: sample.cpu >= 0.85,
        Cause.SOURCE_DISK: sample.reading >= 0.5,
        Cause.THROTTLING: sample.throttled,
        Cause.FAILURES: sample.failed,
        Cause.MEMORY: sample.memory_bound,
        Cause.SOURCE: sample.receives or sample.wants_more,
        Cause.TARGET: sample.sends or sample.writing >= 0.5,
        Cause.ROUND_TRIPS: sample.waits,
    }
    cause = classify(sample)
    assert cause is None or signs[cause]


@given(samples, st.integers(1, 9))
def test_the_number_of_slots_does_not_matter(sample: Sample, times: int) -> None:
    scaled = Sample(
        sample.seconds,
        sample.waits * times,
        sample.receives * times,
        sample.sends * times,
        sample.paused * times,
        sample.throttled * times,
        sample.failed * times,
        sample.wants_more,
        sample.memory_bound,
        sample.cpu,
        sample.reading,
        sample.writing,
    )
    assert classify(scaled) is classify(sample)


@given(st.lists(samples))
def test_a_tally_names_the_largest_share(found: list[Sample]) -> None:
    tally = Tally()
    for sample in found:
        tally.add(sample)
    limit = tally.limited_by()
    total = sum(sample.seconds for sample in found)
    by_cause = {cause: sum(s.seconds for s in found if classify(s) is cause) for cause in Cause}
    if limit is None:
        assert total < 0.71 or not any(by_cause.values())
    else:
        assert by_cause[limit.cause] == pytest.approx(max(by_cause.values()))
        assert limit.share == pytest.approx(by_cause[limit.cause] / total)


@given(st.lists(samples, max_size=5), st.lists(samples, max_size=5))
def test_since(before: list[Sample], after: list[Sample]) -> None:
    tally, alone = Tally(), Tally()
    for sample in before:
        tally.add(sample)
    mark = tally.copy()
    for sample in after:
        tally.add(sample)
        alone.add(sample)
    found = tally.since(mark).seconds
    for cause in {*found, *alone.seconds}:
        assert found.get(cause, 0.0) == pytest.approx(alone.seconds.get(cause, 0.0), abs=1e-9)


def test_nothing_is_said_of_what_is_over_at_once() -> None:
    tally = Tally()
    tally.add(Sample(0.5, sends=3))
    assert tally.limited_by() is None
    tally.add(Sample(0.5, sends=3))
    assert tally.limited_by() == Bottleneck(Cause.TARGET, 1.0)


def test_limits_of_the_signs() -> None:
    assert classify(Sample(1.0, sends=1, cpu=0.85)) is Cause.CPU
    assert classify(Sample(1.0, sends=1, cpu=0.849)) is Cause.TARGET
    assert classify(Sample(1.0, sends=1, reading=0.5, writing=0.5)) is Cause.SOURCE_DISK
    assert classify(Sample(1.0, receives=1, reading=0.5, writing=0.51)) is Cause.TARGET
    assert classify(Sample(1.0, waits=1, reading=0.49, writing=0.49)) is Cause.ROUND_TRIPS


def test_a_second_is_enough_where_that_is_asked_for() -> None:
    tally = Tally()
    tally.add(Sample(1.0, sends=3))
    assert tally.limited_by(1.0) == Bottleneck(Cause.TARGET, 1.0)
    assert tally.limited_by(1.001) is None
    tally.add(Sample(1.0, wants_more=False))
    assert tally.limited_by(1.0) == Bottleneck(Cause.TARGET, 0.5)
