"""Events have a text of one line and a JSON face."""

from __future__ import annotations

import json

import pytest

from s3amfs.core import events as e

EVENTS = [
    e.TransferStarted("upload", "a", "b", None, None, None),
    e.TransferStarted("upload", "a", "b", 10, 5, 2, 1, 5),
    e.BytesMoved(5, 10),
    e.BytesMoved(5, None),
    e.PartFinished(1, 5, 2),
    e.PartRetried(1, 1, 0.5, "reset"),
    e.Warned("careful"),
    e.Completing("b"),
    e.TransferResult("upload", "a", "b", 10, 2, seconds=1.0, bytes_sent=10, parts_resumed=1, retries=1, proof="crc"),
    e.TransferResult("upload", "a", "b", 10, skipped=True),
    e.TransferResult("upload", "a", "b", 10, dry_run=True),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_faces(event: e.Event) -> None:
    assert event.text()
    assert "\n" not in event.text()
    assert json.loads(json.dumps(event.json()))["event"] == event.event


def test_names_are_distinct() -> None:
    assert len({type(event).event for event in EVENTS}) == len({type(event) for event in EVENTS})
