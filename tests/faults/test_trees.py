"""A few of the seeded runs that `make trees RUNS=N` plays, and what counts as a lost update."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.trees import Scene, conditional_meanwhile, trees
from tests.support.faults import Recorded


def test_trees_survive_lies_and_faults() -> None:
    found = trees(12, 1)
    assert found.pop("failed at first")  # the faults were felt
    found.pop("granted", None)
    assert not +found


@pytest.mark.parametrize(
    ("differs", "excused"),
    [
        ({}, True),
        ({"headers": {}}, False),
        ({"upstream_status": 412}, False),
        ({"number": 7}, False),  # it reached the server after the second writer had stored
        ({"started": 10.3}, False),
        ({"seconds": 0.05}, False),
        ({"path": "/trees/1/target/other"}, False),
    ],
)
def test_updates_that_only_the_server_can_lose(differs: dict[str, Any], excused: bool) -> None:
    request = Recorded(
        number=5,
        kind="Copy",
        method="PUT",
        path="/trees/1/target/a%20b",
        query={},
        headers={"if-none-match": "*"},
        connection=1,
        started=9.9,
        seconds=0.2,
        upstream_status=200,
    )
    for name, value in differs.items():
        setattr(request, name, value)
    scene = Scene(1, "across", {}, {}, written=10.0, stored=10.2, written_at=7)
    world: Any = SimpleNamespace(proxy=SimpleNamespace(requests=[request]), place=lambda *_: "s3://trees/1/target/")
    assert conditional_meanwhile(world, scene, "a b") is excused
