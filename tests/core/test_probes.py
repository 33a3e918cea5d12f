"""When more or fewer slots are tried, and what that is compared with."""

from __future__ import annotations

import pytest

from s3amfs.core.probes import DOWN_SECONDS_MOST, LEAP_DOWN, STEP_DOWN, UP_SECONDS_MOST, Probes


def due(probes: Probes, now: float) -> tuple[bool, bool]:
    return probes.up_due(now), probes.down_due(now)


def test_probes_come_after_a_while() -> None:
    probes = Probes()
    probes.begin(10.0)
    assert [due(probes, now) for now in (10.9, 11.0, 11.9, 12.0)] == (
        [(False, False), (True, False), (True, False), (True, True)]
    )
    probes.hold(20.0, None)
    assert [due(probes, now) for now in (20.9, 21.0)] == [(False, True), (True, True)]
    probes.hold(20.0, 0.3)
    assert not probes.down_due(21.9) and probes.down_due(22.0)
    probes.hold(20.0, 1.0)
    assert not probes.down_due(25.9) and probes.down_due(26.0), "six times what a probe takes"


def test_probes_in_vain_become_rare() -> None:
    probes = Probes()
    for seconds in (1.5, 2.25, UP_SECONDS_MOST, UP_SECONDS_MOST):
        probes.up_was_in_vain()
        probes.hold(0.0, None)
        assert not probes.up_due(seconds - 0.01) and probes.up_due(seconds)
    probes.up_paid()
    probes.hold(0.0, 0.1)
    assert due(probes, 1.0) == (True, False)
    for seconds in (4.0, 8.0, 16.0, 32.0, DOWN_SECONDS_MOST, DOWN_SECONDS_MOST):
        probes.down_cost(5.0)
        probes.hold(0.0, 0.1)
        assert not probes.down_due(seconds - 0.01) and probes.down_due(seconds)
    assert (probes.reference, probes.step_down) == (5.0, STEP_DOWN)
    probes.down_paid()
    probes.hold(0.0, 0.1)
    assert probes.step_down == LEAP_DOWN
    assert not probes.down_due(1.9) and probes.down_due(2.0)
    probes.down_again_soon(0.0)
    assert not probes.down_due(0.9) and probes.down_due(1.0)


def test_the_best_rate_fades_and_a_line_that_fell_is_another_one() -> None:
    probes = Probes()
    assert probes.held(100.0) == 100.0 == probes.reference
    assert probes.held(90.0) == 100.0, "the best of three windows"
    assert probes.held(50.0) == 100.0
    assert probes.held(50.0) == 90.0
    assert probes.reference == pytest.approx(99.8)
    assert probes.held(50.0) == 50.0 == probes.reference, "three below three fourths"
    probes.hold(0.0, None)
    assert probes.held(10.0) == 10.0
    assert probes.reference == pytest.approx(49.9)
