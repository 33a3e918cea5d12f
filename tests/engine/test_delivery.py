"""What the owner of a transfer gets to hear, and when."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.events import BytesMoved, Event, LimitedBy, PartFinished, PartRetried
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.machine import Retrying
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine import waiting
from s3amfs.engine.delivery import Delivery
from s3amfs.engine.settings import Settings

BUSY = Retrying(1, 2, 0.5, Failure(Kind.THROTTLE, "the server is busy"))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(waiting, "_listener", found.append)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)
    return found


def delivery_of(**settings: Any) -> tuple[Delivery, list[Event]]:
    got: list[Event] = []
    return Delivery(Settings("upload to s3://b/k", RetryPolicy(budget=300), **settings), got.append), got


def test_events_in_their_order_then_bytes() -> None:
    delivery, got = delivery_of(total=100, done_before=10)
    retried, finished = PartRetried(1, 2, 0.5, "the server is busy"), PartFinished(1, 5, 2)
    delivery.retrying(BUSY)
    delivery.note(finished)
    delivery.deliver(5, is_moving=True)
    assert got == [retried, finished, BytesMoved(15, 100)]
    delivery.deliver(5, is_moving=True)
    assert len(got) == 3, "each once"


def test_bytes_only_grow() -> None:
    delivery, got = delivery_of()
    for moved in (0, 3, 2, 3, 4):
        delivery.deliver(moved, is_moving=True)
    assert got == [BytesMoved(3, None), BytesMoved(4, None)]


def test_a_long_wait_names_its_cause(lines: list[str]) -> None:
    delivery, _ = delivery_of()
    delivery.deliver(0, is_moving=True)
    assert lines == ["waiting: upload to s3://b/k: no byte has moved for a while"]
    delivery.retrying(BUSY)
    delivery.deliver(0, is_moving=True)
    assert lines[1:] == ["waiting: upload to s3://b/k: the server is busy; trying again for up to 300 s"]


def test_a_finished_part_ends_the_trouble(lines: list[str]) -> None:
    delivery, _ = delivery_of()
    delivery.retrying(BUSY)
    delivery.note(PartFinished(1, 5, 1))
    delivery.deliver(0, is_moving=True)
    assert lines == ["waiting: upload to s3://b/k: no byte has moved for a while"]


def test_where_nothing_is_to_move_nothing_is_awaited(lines: list[str]) -> None:
    delivery, _ = delivery_of()
    delivery.deliver(0, is_moving=False)
    assert lines == []


def test_progress_ends_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    now = [100.0]
    monkeypatch.setattr(waiting, "_listener", found.append)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    delivery, _ = delivery_of()
    now[0] += waiting.WAIT_SECONDS
    delivery.deliver(1, is_moving=True)  # bytes moved
    now[0] += waiting.WAIT_SECONDS
    delivery.note(PartFinished(1, 1, 1))
    delivery.deliver(1, is_moving=True)
    assert found == []
    now[0] += waiting.WAIT_SECONDS
    delivery.deliver(1, is_moving=True)
    assert len(found) == 1


def test_what_limits_it_is_said_also_while_no_byte_moves() -> None:
    limits: list[Event | None] = [None, LimitedBy("the disk", 0.5), None]
    got: list[Event] = []
    delivery = Delivery(Settings("test", RetryPolicy(budget=0)), got.append, lambda: limits.pop(0))
    for moved in (1, 1, 2):
        delivery.deliver(moved, is_moving=True)
    delivery.deliver(3, is_moving=False)
    assert got == [BytesMoved(1, None), LimitedBy("the disk", 0.5), BytesMoved(2, None), BytesMoved(3, None)]
