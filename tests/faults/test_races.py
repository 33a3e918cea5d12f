"""A few races with a second writer; the long run is `make races RUNS=10000`."""

from __future__ import annotations

import pytest

from tests.faults.races import races


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("seed", [1, 2])
def test_no_update_is_lost_where_the_server_knows_conditions(seed: int) -> None:
    tally = races(40, seed)
    assert not tally.count, [tally.line(), tally]
    assert not tally.unprotected


@pytest.mark.usefixtures("state")
def test_a_server_that_ignores_conditions_is_warned_of() -> None:
    """Nothing but looks protects there; that updates do get lost shows that the races are real."""
    tally = races(40, 3, ignoring=True)
    assert not tally.count, [tally.line(), tally]
    assert tally.unprotected
