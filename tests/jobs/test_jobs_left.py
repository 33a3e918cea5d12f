"""Jobs that did not come to their end: which are named, in which words, and which can be forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.job_records import JobHeader, Position
from s3amfs.core.locations import S3Location
from s3amfs.jobs import jobs_left as module
from s3amfs.jobs.job_journal import Unfinished
from s3amfs.jobs.jobs_left import JobLeft, forget, jobs_left

NOW = 1_000_000.0


def header(source: str, target: str, age: float = 100.0, verb: str = "sync") -> JobHeader:
    return JobHeader(source, target, "", NOW - age, verb)


FOUND: list[tuple[str, Any, bool]] = [
    ("/1", header("file:///a", "s3://b/p/ at https://x"), False),
    ("/2", Unfinished(header("s3://b/p/q/", "s3://other/ at e", 50.0, "upload"), Position("k", 1, 0, 0), 0), True),
    ("/3", header("s3://c/", "file:///d", -5.0), False),
]


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "unfinished_jobs", lambda state: iter(FOUND))
    monkeypatch.setattr(module.time, "time", lambda: NOW)


def paths(where: S3Location | None = None, **more: Any) -> list[str]:
    return [job.path for job in jobs_left(where, **more)]


def test_all_of_them() -> None:
    first, second, third = jobs_left(None)
    assert first == JobLeft("/1", "sync", "file:///a", "s3://b/p/", 100.0, "", False)
    assert second == JobLeft("/2", "upload", "s3://b/p/q/", "s3://other/", 50.0, "k", True)
    assert third.age == 0.0, "a clock that was set back"


@pytest.mark.parametrize(
    ("seconds", "left"), [(50.0, ["/1", "/2"]), (50.1, ["/1"]), (100.1, []), (None, ["/1", "/2", "/3"])]
)
def test_by_their_age(seconds: float | None, left: list[str]) -> None:
    assert paths(older_than=seconds) == left


@pytest.mark.parametrize(
    ("where", "below", "left"),
    [
        (S3Location("b", "p/"), True, ["/1", "/2"]),
        (S3Location("b", "p/"), False, ["/1"]),
        (S3Location("b", "p"), False, ["/1"]),
        (S3Location("b", "p/q/"), True, ["/2"]),
        (S3Location("b", ""), False, []),
        (S3Location("other", ""), False, ["/2"]),
        (S3Location("none", ""), True, []),
    ],
)
def test_by_one_of_their_ends(where: S3Location, below: bool, left: list[str]) -> None:
    assert paths(where, below=below) == left


def test_words() -> None:
    waiting, running, _ = jobs_left(None)
    assert waiting.text() == "job: sync file:///a to s3://b/p/  age 1m 40s  interrupted; continue with --resume"
    assert running.text().endswith(", done up to 'k'  running")
    assert waiting.json() == {
        "event": "job",
        "verb": "sync",
        "source": "file:///a",
        "target": "s3://b/p/",
        "age": 100.0,
        "position": "",
        "running": False,
    }
    assert running.json("forgotten")["event"] == "forgotten" and running.json()["running"] is True


def test_names_are_one_line() -> None:
    job = JobLeft("/1", "sync", "file:///a\nb", "s3://b/", 1.0, "k\n", False)
    assert "\n" not in job.text()


@pytest.mark.parametrize("gone", [True, False])
def test_one_is_forgotten_by_its_path(gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def forget_job(path: str) -> bool:
        asked.append(path)
        return gone

    monkeypatch.setattr(module, "forget_job", forget_job)
    assert forget(next(jobs_left(None))) is gone
    assert asked == ["/1"]
