"""`Output` alone: what programs get of a job, and the report."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from s3amfs.cli import output as module
from s3amfs.cli.output import LIMIT_SECONDS, Output
from s3amfs.cli.report_file import ReportFile
from s3amfs.core.events import LimitedBy
from s3amfs.core.tree_events import EntryDone
from s3amfs.core.trees.tree_progress import Progress

ENTRY = EntryDone("k", "upload", "new", 1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(at=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.at))
    monkeypatch.setattr(module, "_recent_limit", lambda: LimitedBy("round trips", 0.75))
    return now


def test_a_job_says_its_limit_every_five_seconds(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=True, verbose=False, progress=False)
    for _ in range(12):
        output.entry(ENTRY)
        clock.at += LIMIT_SECONDS / 5
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["entry"] * 5 + ["limited_by"] + ["entry"] * 5 + ["limited_by"] + ["entry"] * 2


def test_the_last_entry_before_a_long_wait_is_written_out(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    output = Output(json=False, verbose=False, progress=False)
    for _ in range(3):
        output.entry(ENTRY)
    assert written.getvalue().count(b"\n") == 1, "lines are not written one by one"
    clock.at += 0.5
    output.tree_progress(Progress(clock.at).at(clock.at))
    assert written.getvalue().count(b"\n") == 3


def test_people_are_not_bothered(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=False, verbose=False, progress=False)
    for _ in range(3):
        output.entry(ENTRY)
        clock.at += 10.0
    assert "limited" not in capsys.readouterr().out


def test_entries_that_are_not_shown_are_in_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=False, verbose=False, progress=False)
    output.report = report = ReportFile.open(str(tmp_path / "r.jsonl"))
    output.entry(ENTRY, shown=False)
    output.warn("careful")
    report.finish()
    found = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["event"] for line in found] == ["entry", "warning"]
    assert capsys.readouterr().out == ""


def test_the_status_names_the_limit(clock: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    Output(json=False, verbose=False, progress=False).status()
    said = capfd.readouterr().err
    assert said == "status: nothing moved; nothing has begun; limited by: round trips (75 % of the time)\n"
