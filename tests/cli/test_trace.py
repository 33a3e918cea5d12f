"""`--trace`: what the file holds, also after kill -9, and that no secret is in it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from s3amfs.core.trace_events import parse_trace
from tests.support.cli import Cli
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def spans(path: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in parse_trace(path.read_text()) if event.get("cat") == kind]


def test_upload_that_is_killed(cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    """All spans of parts that are done are there; the closing bracket is missing."""
    make_file(tmp_path / "f", 60 * MIB, 1)
    trace = tmp_path / "t.json"
    words = ("--trace", trace, "--json", "--part-size", "5M", "--upload-slots", "2", "--bwlimit", "12M")
    running = cli.start(
        "upload", *words, tmp_path / "f", f"s3://{bucket}/k", env={"AWS_ENDPOINT_URL": proxy.endpoint_url}
    )
    assert running.kill_when(lambda: running.stdout().count('"part_finished"') >= 3)
    killed = running.wait()
    assert killed.rc != 0
    finished = {
        line["number"]
        for line in map(json.loads, killed.stdout[: killed.stdout.rfind("\n")].splitlines())
        if line["event"] == "part_finished"
    }
    assert not trace.read_text().rstrip().endswith("]")
    puts = {span["args"]["part"]: span for span in spans(trace, "request") if "part" in span["args"]}
    assert len(finished) >= 3
    assert finished <= puts.keys()
    for number in finished:
        assert puts[number]["args"]["outcome"] == "200"
        assert puts[number]["args"]["bytes_up"] >= 5 * MIB
        assert puts[number]["args"]["request_id"]
    inside = {span["name"] for span in spans(trace, "phase")}
    assert {"connect", "body", "first byte"} <= inside


def test_whole_trace(cli: Cli, bucket: str, tmp_path: Path) -> None:
    """It is JSON, spans of one row do not overlap but by nesting, and no key, signature or query is in it."""
    make_file(tmp_path / "f", 12 * MIB, 1)
    up, down = tmp_path / "up.json", tmp_path / "down.json"
    assert cli("upload", "--trace", up, "--part-size", "5M", tmp_path / "f", f"s3://{bucket}/k").rc == 0
    assert cli("download", "--trace", down, f"s3://{bucket}/k", tmp_path / "g").rc == 0
    for trace in (up, down):
        events = json.loads(trace.read_text())
        rows: dict[int, list[tuple[int, int]]] = {}
        for span in (event for event in events if event.get("cat") == "request"):
            rows.setdefault(span["tid"], []).append((span["ts"], span["ts"] + span["dur"]))
        for intervals in rows.values():
            intervals.sort()
            assert all(one[1] <= two[0] + 1 for one, two in itertools.pairwise(intervals))
        text = trace.read_text()
        for secret in ("Signature", "Authorization", "uploadId", "X-Amz", cli.environment["AWS_SECRET_ACCESS_KEY"]):
            assert secret not in text
        assert trace.stat().st_mode & 0o777 == 0o600


def test_no_file_of_another_kind_is_replaced(cli: Cli, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 1000, 1)
    before = (tmp_path / "f").read_bytes()
    refused = cli("upload", "--trace", tmp_path / "f", tmp_path / "f", f"s3://{bucket}/k")
    assert refused.rc == 2
    assert "is not a trace" in refused.stderr
    assert (tmp_path / "f").read_bytes() == before
