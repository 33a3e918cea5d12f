from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from s3amfs.core.trace_events import RequestSpan, Timings, parse_trace
from s3amfs.engine import trace
from s3amfs.errors import UsageError

SPAN = RequestSpan(5.0, Timings(answered=0.5, total=1.0), "GET", "http://h/k", "200")


def never(line: str) -> None:
    raise AssertionError(line)


def test_a_part_and_what_came_before_it_are_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t"
    recorder = trace.Recorder(str(path), "s3am", never)
    recorder.wait("queue", 1.0, 2.0, {"part": 1})
    recorder.request(SPAN._replace(url="http://h/k?partNumber=1&uploadId=u"))
    names = [event["name"] for event in parse_trace(path.read_text())]
    assert "GET part 1" in names
    assert "queue" in names
    recorder.close()
    assert json.loads(path.read_text())


@pytest.mark.parametrize("flush_seconds", [0.01, 1000.0])
def test_every_event_gets_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush_seconds: float) -> None:
    """Soon by itself, and all of them at the end."""
    monkeypatch.setattr(trace, "FLUSH_SECONDS", flush_seconds)
    path = tmp_path / "t"
    recorder = trace.Recorder(str(path), "s3am", never)
    recorder.request(SPAN)
    deadline = time.monotonic() + 60
    while flush_seconds < 1 and '"cat":"request"' not in path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    recorder.counters({"slots": 1.0})
    recorder.close()
    found = [event["name"] for event in json.loads(path.read_text())]
    assert found.index("GET") < found.index("slots") < found.index("end")


def test_where_no_thread_can_be_started_each_event_is_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    recorder = trace.Recorder(str(tmp_path / "t"), "s3am", never)
    recorder.request(SPAN)
    assert '"cat":"request"' in (tmp_path / "t").read_text()
    recorder.close()


def test_a_fork_leaves_the_trace_to_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with trace.recording(str(path), "s3am", never):
        recorder = trace.recorder()
        assert recorder is not None
        child = os.fork()
        if child == 0:
            recorder.close()
            os._exit(trace.recorder() is not None)
        assert os.waitpid(child, 0)[1] == 0
        assert '"end"' not in path.read_text()
        assert trace.recorder() is recorder
    assert json.loads(path.read_text())


def test_an_older_trace_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for _ in range(2):
        recorder = trace.Recorder(str(path), "s3am", never)
        recorder.close()
    assert path.read_text().count("process_name") == 1
    path.write_text("precious")
    with pytest.raises(UsageError, match="is not a trace"):
        trace.Recorder(str(path), "s3am", never)
    assert path.read_text() == "precious"
    with pytest.raises(UsageError, match="can't be written"):
        trace.Recorder(str(tmp_path / "none" / "t"), "s3am", never)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_ends_the_trace_and_nothing_else() -> None:
    said: list[str] = []
    recorder = trace.Recorder("/dev/full", "s3am", said.append)
    recorder.request(SPAN)
    recorder.close()
    assert len(said) == 1
    assert "the trace /dev/full ends here" in said[0]


def test_who_records(tmp_path: Path) -> None:
    assert trace.request() is None
    recorder = trace.Recorder(str(tmp_path / "t"), "s3am", never)
    trace.record(recorder)
    try:
        assert trace.recorder() is recorder
        assert trace.request() == recorder.request
    finally:
        trace.record(None)
        recorder.close()
    assert trace.request() is None
