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


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (e.TransferStarted("upload", "a", "b", None, None, None), "upload a to b: unknown size"),
        (e.TransferStarted("upload", "a", "b", 10, 10, 1), "upload a to b: 10 B"),
        (
            e.TransferStarted("copy", "a", "b", 10, 5, 2, 1, 5),
            "copy a to b: 10 B in 2 parts, 1 parts are there already",
        ),
        (e.BytesMoved(5, None), "5 B"),
        (e.BytesMoved(5, 10), "5 B of 10 B"),
        (e.PartFinished(1, 5, 1), "part 1: 5 B"),
        (e.PartFinished(1, 5, 2), "part 1: 5 B at try 2"),
        (e.WorkerMoved("tcp://h", 3, 9), "worker tcp://h: 3 parts, 9 B"),
        (e.PartRetried(1, 2, 0.54, "reset"), "part 1: try 2 failed (reset), again in 0.5 s"),
        (e.Warned("careful"), "warning: careful"),
        (e.LimitedBy("round trips", 0.8), "limited by: round trips (80 % of the time)"),
        (e.LimitedBy("round trips", 1.0), "limited by: round trips (100 % of the time)"),
        (e.Completing("b"), "completing b"),
        (e.TransferResult("upload", "a", "b", 10, skipped=True), "b exists: left as it is"),
        (e.TransferResult("upload", "a", "b", None, 2, dry_run=True), "would upload a to b: unknown size in 2 parts"),
        (e.TransferResult("upload", "a", "b", None), "b: unknown size in 0.0 s"),
        (e.TransferResult("upload", "a", "b", 10, seconds=2.0), "b: 10 B in 2.0 s"),
        (e.TransferResult("upload", "a", "b", 10, bytes_sent=10), "b: 10 B in 0.0 s"),
        (
            e.TransferResult(
                *("upload", "a", "b", 20, 4),
                seconds=2.0,
                bytes_sent=10,
                parts_resumed=1,
                retries=1,
                proof="crc",
            ),
            "b: 20 B in 2.0 s, 5 B/s, 1 of 4 parts were there already, 1 retries; crc",
        ),
        (
            e.TransferResult("upload", "a", "b", 20, limited_by="the disk", limited_share=0.5),
            "b: 20 B in 0.0 s\nlimited by: the disk (50 % of the time)",
        ),
    ],
    ids=lambda value: value.event if isinstance(value, e.Event) else "",
)
def test_texts(event: e.Event, text: str) -> None:
    assert event.text() == text


def test_a_result_counts_nothing_by_itself() -> None:
    plain = e.TransferResult("upload", "a", "b", 10)
    assert (plain.parts, plain.bytes_sent, plain.parts_sent, plain.parts_resumed, plain.retries) == (0, 0, 0, 0, 0)
    assert (plain.seconds, plain.limited_share, plain.skipped, plain.dry_run) == (0.0, 0.0, False, False)
    begun = e.TransferStarted("upload", "a", "b", 10, 5, 2)
    assert (begun.resumed_parts, begun.resumed_bytes, e.PartFinished(1, 5, 1).seconds) == (0, 0, 0.0)


def test_names_are_distinct() -> None:
    assert len({type(event).event for event in EVENTS}) == len({type(event) for event in EVENTS})
