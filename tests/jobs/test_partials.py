"""What a killed run leaves in `.s3am/` goes with the next run, unless another one is at work there or continues it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3amfs.core.job_records import JobHeader
from s3amfs.jobs.job_journal import JobJournal
from s3amfs.jobs.jobs_left import close_target, forget, jobs_left
from s3amfs.jobs.local_target import LocalTarget

SMALL = ("4711-3.partial", "s3am-probe-0123456789abcdef-a")
LARGE = ("0" * 32, f".{'0' * 32}.partial", f".{'0' * 32}.progress")


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A target in which a run was killed."""
    folder = tmp_path / "dst" / ".s3am"
    folder.mkdir(parents=True)
    for name in (*SMALL, *LARGE):
        (folder / name).write_bytes(b"x")
    return folder


def target_of(left: Path) -> LocalTarget:
    return LocalTarget(os.fspath(left.parent))


def test_small_files_and_probes_go_at_once_and_large_ones_are_continued(left: Path) -> None:
    target = target_of(left)
    target.clean()
    assert set(os.listdir(left)) == set(LARGE)
    target.close()
    assert set(os.listdir(left)) == set(LARGE)


def test_large_ones_go_where_no_job_continues_them(left: Path) -> None:
    target = target_of(left)
    target.clean()
    target.close(lambda: True)
    assert not left.exists()


def test_nothing_goes_while_another_run_is_at_work(left: Path) -> None:
    other = target_of(left)
    other.partial_path("k")
    (left / SMALL[0]).write_bytes(b"x")
    target = target_of(left)
    target.clean()
    target.close(lambda: True)
    assert set(os.listdir(left)) == {SMALL[0], *LARGE}
    other.close(lambda: True)
    assert set(os.listdir(left)) == {SMALL[0]}  # of the first run's own time: the next one removes it


def test_a_run_that_moves_nothing_and_cancel_clean_too(left: Path, tmp_path: Path) -> None:
    state = os.fspath(tmp_path / "state")
    ends = "s3://b/p/ at here", f"file://{left.parent}"
    journal = JobJournal(*ends, state)
    journal.begin(JobHeader(*ends, "options", 0.0), resume=False)
    journal.flush()
    close_target(target_of(left), state)
    assert set(os.listdir(left)) == set(LARGE)  # that job would continue them
    job = next(iter(jobs_left(None, state=state)))
    assert not forget(job)
    journal.close(None)
    assert forget(next(iter(jobs_left(None, state=state))))
    assert not left.exists()


def test_files_of_others_stay(left: Path) -> None:
    (left / "notes.txt").write_bytes(b"mine")
    target = target_of(left)
    target.clean()
    target.close(lambda: True)
    assert os.listdir(left) == ["notes.txt"]


def test_no_folder_is_made_to_be_cleaned(tmp_path: Path) -> None:
    target = LocalTarget(os.fspath(tmp_path))
    target.clean()
    target.close(lambda: True)
    assert os.listdir(tmp_path) == []
