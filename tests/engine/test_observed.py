from __future__ import annotations

import pytest

from s3amfs.core.tree_events import Totals
from s3amfs.engine.loop import Engine
from s3amfs.engine.observed import observed


def test_a_job_that_fails_has_its_figures_too() -> None:
    totals = Totals("sync", "a", "b")
    with pytest.raises(OSError, match="full"), observed(Engine(1), totals):
        raise OSError("full")
    assert totals.requests_made == {}
    assert totals.limited_by == ""
    assert "limited by" not in totals.text()
