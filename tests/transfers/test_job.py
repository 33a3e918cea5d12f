"""What travels through one transfer, and the manifest of its target."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.journal import Journal
from s3amfs.errors import TransferLocked
from s3amfs.transfers.job import Job, ManifestsLeft, has_manifest, open_journal, stream_job
from s3amfs.transfers.options import UploadOptions
from tests.support.clients import Events
from tests.support.scripted import refusal, scripted

TARGET = S3Location("b", "k")


def job_of(folder: Path, events: Events, **options: object) -> Job:
    client, _ = scripted(lambda asked: refusal(500))
    given = UploadOptions(state_dir=str(folder), **options)  # type: ignore[arg-type]
    return stream_job(client, TARGET, given, on_event=events)


def test_a_stream_has_no_name(tmp_path: Path, events: Events) -> None:
    job = job_of(tmp_path, events)
    result = job.report.result(size=1)
    assert (result.verb, result.source, result.target) == ("upload", "-", "s3://b/k")
    assert events[-1] is result
    assert job.can is job.client.session.capabilities("b")
    assert job.counts and Job(job.client, TARGET, job.options, job.report).counts, "unless nobody wants the figures"


def test_one_manifest_for_each_target(tmp_path: Path, events: Events) -> None:
    job = job_of(tmp_path / "new", events)
    journal = open_journal(job)
    assert journal is not None
    with pytest.raises(TransferLocked, match="s3://b/k: another process"):
        open_journal(job)
    assert open_journal(job_of(tmp_path / "new", events, unfinished="continue")) is None, "programs go on without"
    journal.close()
    again = open_journal(job)
    assert again is not None
    again.close()
    assert events == []


def test_without_a_folder_a_warning(tmp_path: Path, events: Events) -> None:
    (tmp_path / "file").write_text("no folder")
    assert open_journal(job_of(tmp_path / "file", events)) is None
    assert len(events.warnings) == 1
    assert "no manifest can be kept" in events.warnings[0]


@pytest.mark.parametrize(("text", "kept"), [(b"nonsense\n", True), (b'{"v":999}\n', None)])
def test_a_manifest_that_is_not_usable(tmp_path: Path, events: Events, text: bytes, kept: bool | None) -> None:
    job = job_of(tmp_path, events)
    journal = open_journal(job)
    assert journal is not None
    path = Path(journal.path)
    journal.close()
    path.write_bytes(text)
    found = open_journal(job)
    assert len(events.warnings) == 1
    assert "not usable" in events.warnings[0]
    if kept:
        assert found is not None
    if found is not None:
        found.close()
    assert Journal.peek(str(path)) is None


def test_what_was_left_is_known_without_a_lock(tmp_path: Path, events: Events) -> None:
    job = job_of(tmp_path, events)
    nothing = ManifestsLeft(job.client, str(tmp_path))
    assert not has_manifest(job.client, TARGET, str(tmp_path))
    journal = open_journal(job)
    assert journal is not None
    assert has_manifest(job.client, TARGET, str(tmp_path))
    left = ManifestsLeft(job.client, str(tmp_path))
    assert (nothing.has(TARGET), left.has(TARGET), left.has(S3Location("b", "l"))) == (False, True, False)
    journal.remove()
    assert not has_manifest(job.client, TARGET, str(tmp_path))
    assert not ManifestsLeft(job.client, str(tmp_path / "none")).has(TARGET)
