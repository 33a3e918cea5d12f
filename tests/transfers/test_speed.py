"""How many slots a transfer has, and on which lines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.engine.loop import get_engine
from s3amfs.transfers import speed as module
from s3amfs.transfers.speed import LIMITED_SLOTS, Speed, make_transfer
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


@pytest.mark.parametrize(
    ("speed", "asks_again"),
    [
        (Speed(), True),
        (Speed(direction="copy"), False),
        (Speed(direction="copy", bwlimit=1000), False),
        (Speed(bwlimit=1000), False),
    ],
)
@pytest.mark.parametrize(
    ("receives", "tls", "spread"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_settings_of_a_transfer(
    monkeypatch: pytest.MonkeyPatch, speed: Speed, asks_again: bool, receives: bool, tls: bool, spread: bool
) -> None:
    client, engine = scripted(lambda asked: refusal(500))
    engine.lines = get_engine().lines  # type: ignore[assignment]
    monkeypatch.setattr(client.session, "uses_tls", lambda: tls)
    made: list[Any] = []
    monkeypatch.setattr(module, "Transfer", lambda *given: made.append(given) or "the transfer")
    counted: list[object] = []
    report: Any = SimpleNamespace(on_event=None, count=counted.append)
    make_transfer(client, None, "k", speed, report, on_part=counted.append, total=9, done_before=3, receives=receives)  # type: ignore[arg-type]
    settings = made[0][3]
    assert (settings.asks_again, settings.spread, settings.total, settings.done_before) == (asks_again, spread, 9, 3)
    assert counted == ["the transfer"]
    assert (settings.limiter is not None) is bool(speed.bwlimit)
    make_transfer(client, None, "k", speed, report, on_part=counted.append)  # type: ignore[arg-type]
    assert (made[1][3].spread, made[1][3].total, made[1][3].done_before) == (tls, None, 0)
