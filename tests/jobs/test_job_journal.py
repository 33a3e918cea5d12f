from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.compare import Remembered
from s3amfs.core.entries import Entry
from s3amfs.core.job_records import End, Extra, JobHeader, Known, Position
from s3amfs.errors import TransferLocked
from s3amfs.jobs.job_journal import JobJournal, forget_job, unfinished_jobs
from tests.support.cli import Cli
from tests.support.faults import Rule as Fault
from tests.support.faults import stall
from tests.support.trees import make_tree, read_prefix

HEADER = JobHeader("s", "t", "o", 1.0)


def test_what_is_known_is_merged_in_order(tmp_path: Path) -> None:
    for keys in ("b c", "a c d"):
        journal = JobJournal("s", "t", str(tmp_path))
        journal.begin(HEADER, resume=False)
        for key in reversed(keys.split()):
            journal.add(Known(key, keys, "1"))
        journal.close(0)
    memory = JobJournal("s", "t", str(tmp_path)).memory()
    assert [memory.get(key) for key in ("a", "aa", "b", "c", "d", "e")] == [
        Remembered("a c d", "1"),
        None,
        Remembered("b c", "1"),
        Remembered("a c d", "1"),
        Remembered("a c d", "1"),
        None,
    ]


def test_a_run_that_did_not_end_is_gone_on_with(tmp_path: Path) -> None:
    journal = JobJournal("s", "t", str(tmp_path))
    journal.begin(HEADER, resume=False)
    for record in (Extra(Entry("x", 3, 4)), Position("m", 2, 3, 0), Extra(Entry("y"))):
        journal.add(record)
    journal.close()
    with open(journal.path, "ab") as file:
        file.write(b"00000000 torn")
    (path, _, running), *_ = unfinished_jobs(str(tmp_path))
    assert (path, running) == (journal.path, False)
    again = JobJournal("s", "t", str(tmp_path))
    assert again.unfinished is not None
    assert again.unfinished.position == Position("m", 2, 3, 0)
    again.begin(HEADER, resume=True)
    again.add(Extra(Entry("y")))
    assert [entry.key for entry in again.extras()] == ["x", "y"]
    assert next(iter(unfinished_jobs(str(tmp_path))))[2] is True
    with pytest.raises(TransferLocked):
        JobJournal("s", "t", str(tmp_path))
    assert not forget_job(again.path)
    again.add(End(0))
    again.close()
    assert list(unfinished_jobs(str(tmp_path))) == []
    assert JobJournal("s", "t", str(tmp_path)).unfinished is None


def test_a_killed_sync_is_gone_on_with(cli: Cli, bucket: str, boto: Any, proxy: Any, tmp_path: Path) -> None:
    """Nothing is sent twice, and with --resume what is done is not listed again."""
    names = {f"d{number // 100:02}/f{number:04}": b"%d" % number for number in range(800)}
    src = make_tree(tmp_path / "src", names, mtime=None)
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url, "S3AM_STATE_DIR": str(tmp_path / "state")}
    running = cli.start("sync", src, f"s3://{bucket}", env=through)
    assert running.kill_when(lambda: proxy.count("Put", status=200) >= 350)
    running.wait()
    stored = set(read_prefix(boto, bucket))
    assert 350 <= len(stored) < 800
    pending = cli.ok("pending", "--json", f"s3://{bucket}", env=through).json_lines()
    assert [line["event"] for line in pending] == ["job"]
    before = {request.key for request in proxy.of("Put") if request.upstream_status == 200}
    proxy.clear()
    done = cli("sync", "--resume", src, f"s3://{bucket}", env=through)
    assert done.rc == 0, done.stderr
    assert "going on behind" in done.stderr
    assert read_prefix(boto, bucket) == names
    again = [request.key for request in proxy.of("Put") if request.key in before]
    assert again == []
    assert cli.ok("pending", "--json", f"s3://{bucket}", env=through).stdout == ""
    proxy.clear()
    assert cli.ok("sync", "--json", src, f"s3://{bucket}", env=through).json_lines()[-1]["entries"] == {"same": 800}
    assert {request.kind for request in proxy.requests} == {"List"}


def test_cancel_forgets_jobs(cli: Cli, bucket: str, proxy: Any, tmp_path: Path) -> None:
    src = make_tree(tmp_path / "src", {f"f{number}": b"" for number in range(10)}, mtime=None)
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url, "S3AM_STATE_DIR": str(tmp_path / "state")}
    proxy.rules.append(Fault(lambda seen: seen.kind == "Put" and seen.key == "p/f9", stall("before_response", 60)))
    running = cli.start("sync", src, f"s3://{bucket}/p", env=through)
    assert running.kill_when(lambda: proxy.count("Put", status=200) >= 9)
    running.wait()
    proxy.rules.clear()
    assert cli.ok("cancel", "--prefix", f"s3://{bucket}/", env=through).stdout.startswith("forgot job: sync ")
    assert not list(unfinished_jobs(os.path.join(tmp_path, "state")))
