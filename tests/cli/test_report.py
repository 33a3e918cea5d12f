"""`--report` of one object, a list and a failure; `s3am report` afterwards, also of a command that was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.files import make_file

MIB = 1024 * 1024


def report_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_of_one_object(cli: Cli, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 11 * MIB, 1)
    up, down = tmp_path / "up.jsonl", tmp_path / "down.html"
    cli.ok("upload", "--report", up, "--part-size", "5M", tmp_path / "f", f"s3://{bucket}/k")
    found = report_lines(up)
    assert {line["number"] for line in found if line["event"] == "part_finished"} == {1, 2, 3}
    assert found[-1]["event"] == "result"
    assert found[-1]["requests_made"]["PUT, COPY, POST, LIST"] >= 5
    assert all(line["time"] > 1.6e9 for line in found)
    cli.ok("download", "--report", down, f"s3://{bucket}/k", tmp_path / "g")
    assert "Slowest parts" in down.read_text()
    cli.ok("report", up)
    assert f"upload {tmp_path}/f to s3://{bucket}/k" in (tmp_path / "up.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".new") == []


def test_of_a_list_and_of_a_failure(cli: Cli, bucket: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_file(tmp_path / name, 10, 1)
    (tmp_path / "list").write_text(f"{tmp_path}/a\n{tmp_path}/b\n")
    report = tmp_path / "r.jsonl"
    cli.ok("upload", "--from-list", tmp_path / "list", "--report", report, f"s3://{bucket}/p/")
    assert {line["key"] for line in report_lines(report) if line["event"] == "entry"} == {"a", "b"}
    assert report_lines(report)[-1]["entries"] == {"upload": 2}
    failed = cli("upload", "--report", report, tmp_path / "a", f"s3://{bucket}/p/a")
    assert failed.rc == 3
    assert report_lines(report)[-1]["event"] == "error"
    assert report_lines(report)[-1]["exit_code"] == 3


def test_of_a_command_that_was_killed(cli: Cli, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 40 * MIB, 1)
    words = ("--report", tmp_path / "r.jsonl", "--json", "--part-size", "5M", "--upload-slots", "2", "--bwlimit", "10M")
    running = cli.start("upload", *words, tmp_path / "f", f"s3://{bucket}/k")
    assert running.kill_when(lambda: running.stdout().count('"part_finished"') >= 2)
    running.wait()
    assert not (tmp_path / "r.jsonl").exists()
    cli.ok("report", tmp_path / "r.jsonl.new", "-o", tmp_path / "page.html")
    assert f"s3://{bucket}/k" in (tmp_path / "page.html").read_text()


def test_what_is_no_report(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("nothing\n")
    assert cli("report", tmp_path / "x.jsonl").rc == 2
    assert cli("report", tmp_path / "none.jsonl").rc == 2
    assert cli("upload", "--report", tmp_path / "r.txt", tmp_path / "x.jsonl", "s3://b/k").rc == 2
