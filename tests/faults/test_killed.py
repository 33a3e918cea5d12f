"""A sync that is killed at any place goes on there (`python -m tests.faults.killed` plays it with 100,000 objects)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.killed import killed


@pytest.mark.parametrize("percent", [10, 90])
def test_nothing_is_sent_twice_after_a_kill(tmp_path: Path, percent: int) -> None:
    found = killed(tmp_path, 300, percent)
    assert (found.exit_code, found.missing, found.twice) == (0, 0, 0), found.output
    assert found.repeated <= 1
