"""The table of the controller's phases."""

from __future__ import annotations

from s3amfs.core.pacing_phases import TRANSITIONS, Phase, Verdict


def test_every_phase_is_entered_and_left() -> None:
    for phase in Phase:
        assert any(before is phase and after is not phase for (before, _), after in TRANSITIONS.items()), phase
        assert phase is Phase.STARTING or phase in TRANSITIONS.values()
    assert {verdict for _, verdict in TRANSITIONS} == set(Verdict)


def test_many_requests_turned_away_count_in_every_phase() -> None:
    assert all(TRANSITIONS[phase, Verdict.THROTTLED] is Phase.BACKING_OFF for phase in Phase)
