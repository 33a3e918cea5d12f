"""What is known of a line before it is used, and how that is remembered."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.lines import (
    BASE_MEMORY,
    KEPT_SECONDS,
    MOST_LINES,
    SLOT_MEMORY,
    LineState,
    Remembered,
    ceiling_slots,
    format_lines,
    parse,
    start_slots,
)

STATES = st.builds(
    LineState, st.integers(1, 4096), st.integers(0, 10**10).map(float), st.floats(0, 3), st.floats(0, 1e4)
)


def test_the_longer_the_line_the_more_slots_it_starts_with() -> None:
    assert start_slots(None, 1000) == start_slots(0.0005, 1000) == 8
    assert start_slots(0.02, 1000) == 16
    assert start_slots(0.08, 1000) == 64
    assert start_slots(5.0, 1000) == 224
    assert start_slots(5.0, 20) == 20
    assert start_slots(5.0, 0) == 1


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 20), st.integers(1, 512))
def test_the_ceiling_keeps_to_every_budget(memory: int, descriptors: int, cores: int) -> None:
    slots = ceiling_slots(memory=memory, descriptors=descriptors, cores=cores)
    assert slots >= 1
    assert slots == 1 or BASE_MEMORY + slots * SLOT_MEMORY <= memory
    assert slots == 1 or 64 + 2 * slots <= descriptors


def test_256_slots_are_normal() -> None:
    assert ceiling_slots(memory=BASE_MEMORY + 256 * SLOT_MEMORY, descriptors=1024, cores=1) == 256
    assert ceiling_slots(memory=192 * 1024 * 1024, descriptors=1024, cores=1) == 256


@given(st.dictionaries(st.text(max_size=30), STATES, max_size=5), st.floats(0, KEPT_SECONDS / 2))
def test_what_is_written_is_read_again(states: dict[str, LineState], age: float) -> None:
    at = 1_700_000_000.0
    found = parse(format_lines({name: Remembered(state, at) for name, state in states.items()}), at + age)
    assert found.keys() == states.keys()
    for name, state in states.items():
        assert found[name].state.slots == state.slots
        assert abs(found[name].state.latency - state.latency) < 0.001
        assert abs(found[name].state.requests - state.requests) < 0.01


def test_what_is_older_than_a_week_or_from_the_future_is_forgotten() -> None:
    text = format_lines({"up https://s3": Remembered(LineState(9), 1000.0)})
    assert parse(text, 1000.0 + KEPT_SECONDS - 1)
    assert not parse(text, 1000.0 + KEPT_SECONDS + 1)
    assert not parse(text, 999.0)


@given(st.text())
def test_nonsense_counts_for_nothing(text: str) -> None:
    assert isinstance(parse(text, 0.0), dict)


def test_entries_that_make_no_sense_are_left_out() -> None:
    assert parse('{"a": {"slots": 0, "rate": 1, "latency": 0.1, "at": 5}, "b": 7, "c": {}}', 6.0) == {}
    assert parse("[]", 6.0) == {}


def test_only_the_newest_are_kept() -> None:
    lines = {str(number): Remembered(LineState(1), float(number)) for number in range(MOST_LINES + 50)}
    found = parse(format_lines(lines), MOST_LINES + 50.0)
    assert len(found) == MOST_LINES
    assert "0" not in found


def test_what_an_earlier_version_wrote_has_no_limit_of_requests() -> None:
    text = '{"up https://s3": {"slots": 9, "rate": 5, "latency": 0.1, "at": 1000}}'
    assert parse(text, 1001.0)["up https://s3"].state == LineState(9, 5.0, 0.1)


def parsed(**changes: float) -> bool:
    """Whether a line with these values is taken, seen a second ago."""
    line = {"slots": 8, "rate": 1.0, "latency": 0.1, "requests": 0.0, "at": 99.0, **changes}
    return bool(parse(json.dumps({"l": line}), 100.0))


def test_values_that_make_sense() -> None:
    assert [parsed(slots=slots) for slots in (0, 1, 1 << 20, (1 << 20) + 1)] == [False, True, True, False]
    assert [parsed(rate=rate) for rate in (-0.1, 0.0)] == [False, True]
    assert [parsed(latency=latency) for latency in (-0.1, 0.0, 59.9, 60.0)] == [False, True, True, False]
    assert [parsed(requests=requests) for requests in (-0.1, 0.0)] == [False, True]
    assert [parsed(at=at) for at in (100.0, 100.1)] == [True, False], "a clock that was set back"


def test_of_a_line_only_the_slots_must_be_known() -> None:
    assert LineState(9) == LineState(9, rate=0.0, latency=0.0, requests=0.0)
