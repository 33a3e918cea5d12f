"""How many slots a transfer has, and on which lines."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.engine.loop import get_engine
from s3amfs.transfers.speed import LIMITED_SLOTS, Speed
from tests.support.scripted import refusal, scripted


@pytest.mark.parametrize(
    ("slots", "bwlimit", "fixed"),
    [
        (None, 0, None),
        (7, 0, 7),
        (None, 1000, LIMITED_SLOTS),
        (2, 1000, 2),
        (LIMITED_SLOTS + 1, 1000, LIMITED_SLOTS),
    ],
)
def test_slots_that_do_not_adapt(slots: int | None, bwlimit: int, fixed: int | None) -> None:
    assert Speed(slots=slots, bwlimit=bwlimit).fixed == fixed


def lines_of(speed: Speed) -> list[Any]:
    client, engine = scripted(lambda asked: refusal(500))
    engine.lines = get_engine().lines  # type: ignore[assignment]
    return list(speed.share(client).lines)


def test_a_fixed_number_needs_one_line_of_its_own() -> None:
    (line,) = lines_of(Speed(slots=3, source="http://source.test:80"))
    assert line.slots == 3
    assert lines_of(Speed(slots=3))[0] is not line


def test_lines_of_both_ends_are_shared() -> None:
    lines = get_engine().lines
    source, target = lines_of(Speed(bucket="b", source="http://source.test:80"))
    assert source is lines.line("http://source.test:80", "down")
    assert target is lines.line("http://s3.test us-east-1", "up")
    assert lines_of(Speed(bucket="b", direction="copy")) == [lines.line("http://s3.test us-east-1", "copy")]
    assert lines_of(Speed(direction=None)) == []
