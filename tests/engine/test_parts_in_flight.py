from __future__ import annotations

from pathlib import Path

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.parts import Part
from s3amfs.core.trace_events import parse_trace
from s3amfs.engine import trace
from s3amfs.engine.parts_in_flight import PartsInFlight
from s3amfs.engine.sampler import Sampler
from tests.engine.test_sampler import Threads, never

PART = Part(1, 0, 5)


def flight() -> PartsInFlight:
    sampler = Sampler(Threads(), lambda delay, function: None)
    return PartsInFlight(sampler, (), {1: PART}, lambda: (0, 0))


def test_waits_are_counted_by_their_cause() -> None:
    parts = flight()
    parts.queue(1)
    assert parts.waits() == (0, 0)
    parts.hold_up(1)
    assert parts.waits() == (1, 0)
    parts.begin(PART, 1)
    assert parts.waits() == (0, 0)
    assert parts.part_size == 5
    parts.back_off(1, 1, 2.0, Failure(Kind.THROTTLE, "slow down"))
    parts.back_off(2, 1, 2.0, Failure(Kind.NETWORK, "could not resolve host"))
    assert parts.waits() == (1, 1)
    parts.queue(1)
    parts.forget(2)
    assert parts.waits() == (0, 0)


def test_waits_in_the_trace(tmp_path: Path) -> None:
    recorder = trace.Recorder(str(tmp_path / "t"), "s3am", never)
    trace.record(recorder)
    try:
        parts = flight()
        parts.queue(1)
        parts.hold_up(1)
        parts.begin(PART, 1)
        parts.back_off(1, 1, 2.0, Failure(Kind.THROTTLE, "slow down", 503))
        parts.hedge(1)
    finally:
        trace.record(None)
        recorder.close()
    found = {
        event["name"]: event for event in parse_trace((tmp_path / "t").read_text()) if event.get("ph") in ("X", "i")
    }
    assert {"throttle", "retry wait", "hedge"} <= found.keys()
    assert found["retry wait"]["args"] == {"part": 1, "attempt": 1, "status": 503, "kind": "throttle"}
    assert found["retry wait"]["dur"] == 2_000_000


def test_the_time_spent_stays_after_the_end() -> None:
    parts = flight()
    assert parts.spent().seconds == {}
    parts.join()
    parts.leave()
    assert parts.spent().limited_by() is None
    assert parts.limit_due() is None
