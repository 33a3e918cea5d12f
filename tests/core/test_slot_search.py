"""The search for the slots of a line: when to go on, by how much, and what is enough."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.goodput import Look, Measured
from s3amfs.core.lines import LineState
from s3amfs.core.pacing import Controller
from s3amfs.core.pacing_phases import Phase
from s3amfs.core.slot_search import Search, growth


@pytest.mark.parametrize(
    ("before", "rate", "times"),
    [
        (None, 0.0, 2),
        ((10, 100.0), 119.0, 1),
        ((10, 100.0), 120.0, 2),
        ((10, 100.0), 169.0, 2),
        ((10, 100.0), 170.0, 4),
        ((10, 0.0), 170.0, 2),
        ((20, 100.0), 170.0, 2),
    ],
)
def test_slots_grow_as_goodput_does(before: tuple[int, float] | None, rate: float, times: int) -> None:
    assert growth(before, 20, rate) == times


def test_what_the_line_needs_has_a_margin_once() -> None:
    search = Search()
    search.saw(10, 100.0)
    search.saw(40, 200.0)
    assert search.needed((10, 100.0), 40, 200.0) == 22
    assert search.needed((10, 100.0), 40, 200.0) == 20
    assert search.needed(None, 40, 200.0) == 40, "nothing to compare with"
    search.begin_again()
    assert search.needed((10, 100.0), 40, 200.0) == 40
    search.saw(40, 200.0)
    assert search.needed((10, 100.0), 30, 200.0) == 30, "no more than are tried"


def test_slots_that_moved_more_are_worth_remembering_even_where_there_were_more() -> None:
    search = Search(worth=20, tried=40)
    search.starved(15, 9e9, 1e8)
    search.starved(30, 1.19e8, 1e8)
    assert (search.worth, search.tried) == (20, 40)
    search.starved(30, 1.2e8, 1e8)
    assert (search.worth, search.tried) == (30, 40)
    search.starved(40, 2e8, 1.2e8)
    assert (search.worth, search.tried) == (40, 0)
    search = Search()
    search.starved(3, 1e8, 0.0)
    assert search.worth == 0, "a transfer of three parts says nothing"


def test_what_is_remembered_of_a_server_that_limits_requests() -> None:
    """A tenth more than moved at the most when goodput was best; not those that waited for their turn."""
    search = Search(worth=30, tried=60)
    assert search.found(224, limited=False) == (30, 60)
    assert search.found(224, limited=True) == (8, 0), "nothing was measured"
    search.moved(Measured(1e8, 60.0, 100, False), 0.0)
    assert search.found(224, limited=True) == (110, 0)
    assert search.found(40, limited=True) == (40, 0)
    search.moved(Measured(6e7, 15.0, 20, False), 1e8)
    assert search.found(224, limited=True) == (110, 0)
    search.moved(Measured(1.2e8, 9.0, 10, False), 1e8)
    assert search.found(224, limited=True) == (11, 0)


def test_a_search_goes_on_in_the_next_run() -> None:
    for known, begins in (
        (LineState(20, 1e8), (20, None)),
        (LineState(20, 1e8, tried=40), (40, (20, 1e8))),
        (LineState(20, 1e8, tried=400), (64, (20, 1e8))),
        (LineState(100, 1e8, tried=400), (64, None)),
        (LineState(20, 0.0, tried=40), (20, None)),
    ):
        assert Search().take_up(known, 64) == begins
    controller = Controller(1024, known=LineState(20, 1e8, 0.1, tried=40))
    controller.found_latency(0.001)
    assert (controller.slots, controller.phase) == (40, Phase.STARTING)
    assert controller.outlook().slots == 40


@given(st.lists(st.tuples(st.integers(1, 1024), st.floats(1.0, 1e9)), min_size=1), st.integers(1, 1024))
def test_never_more_than_are_tried(windows: list[tuple[int, float]], slots: int) -> None:
    search = Search()
    for number, rate in windows:
        search.saw(number, rate)
    assert search.needed(windows[0], slots, max(rate for _, rate in windows)) <= slots


def short_transfer(known: LineState | None, draw: random.Random, parts: int = 128) -> LineState | None:
    """The findings of a second over a line whose goodput goes up and down, whatever the slots."""
    controller = Controller(1024, known=known)
    controller.found_latency(0.0003)
    now, moved = 0.0, 0.0
    while moved < parts:
        in_use = min(controller.slots, max(1, int(parts - moved)))
        controller.sample(now, Look(int(moved * 8e6), int(moved), in_use, waiting=max(0, int(parts - moved) - in_use)))
        moved += draw.uniform(5, 14)
        now += 0.1
    return controller.state()


def test_short_transfers_do_not_raise_what_is_remembered() -> None:
    """Goodput of a second scatters: slots that were tried at its end, and never measured, are not worth anything."""
    for seed in range(20):
        draw, known = random.Random(seed), None
        for _ in range(10):
            known = short_transfer(known, draw)
        assert known is not None
        assert known.slots <= 32, seed
