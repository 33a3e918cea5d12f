from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from s3amfs.core.trace_events import RequestSpan, Timings, parse_trace
from s3amfs.engine import trace
from s3amfs.errors import UsageError

SPAN = RequestSpan(5.0, Timings(answered=0.5, total=1.0), "GET", "http://h/k", "200")


def never(line: str) -> None:
    raise AssertionError(line)


def test_each_event_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t"
    recorder = trace.Recorder(str(path), "s3am", never)
    before = len(parse_trace(path.read_text()))
    recorder.request(SPAN)
    assert len(parse_trace(path.read_text())) > before
    recorder.close()
    assert json.loads(path.read_text())


def test_an_older_trace_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for _ in range(2):
        recorder = trace.Recorder(str(path), "s3am", never)
        recorder.close()
    assert path.read_text().count("process_name") == 1
    path.write_text("precious")
    with pytest.raises(UsageError, match="is no trace"):
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
