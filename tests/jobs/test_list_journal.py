from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from s3amfs.core.locations import LocalPath, S3Location, parse_source
from s3amfs.jobs.list_journal import Line, ListJournal, identity
from s3amfs.transfers.options import UploadOptions


def test_a_local_source_is_known_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    source = LocalPath(str(path))
    assert identity(source) == ""
    path.write_bytes(b"1")
    before = identity(source)
    os.utime(path, (1, 1))
    assert identity(source) != before
    assert identity(parse_source("https://h/x")) == "https://h/x"
    assert identity(parse_source("https://h/x?a=1")) != identity(parse_source("https://h/x?a=2"))
    assert "secret" not in identity(parse_source("https://h/x?sign=secret"))


def test_a_line_is_done_while_both_sides_are_what_they_were(
    client: Any, bucket: str, boto: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"1")
    line = Line(1, LocalPath(str(path)), "x")
    options = UploadOptions(state_dir=str(tmp_path / "state"))

    def opened(*, resume: bool) -> ListJournal:
        return ListJournal([line], S3Location(bucket, "p/"), client, options, resume=resume)

    etag = boto.put_object(Bucket=bucket, Key="p/x", Body=b"1")["ETag"].strip('"')
    journal = opened(resume=False)
    journal.add(line, identity(line.source), 1, etag)
    journal.close(None)
    for resume, stored in ((True, 1), (True, 1), (False, None), (True, None)):
        journal = opened(resume=resume)
        assert journal.stored(line) == stored
        journal.close(None)
    boto.put_object(Bucket=bucket, Key="p/x", Body=b"2")
    journal = opened(resume=True)
    assert (journal.stored(line), journal.equal(line)) == (None, None)
    boto.put_object(Bucket=bucket, Key="p/x", Body=b"1")
    assert journal.equal(line) == 1
    journal.close(0)


def test_a_run_that_ended_is_not_gone_on_with(client: Any, bucket: str, boto: Any, tmp_path: Path) -> None:
    """What a URL has now is not what it had then."""
    line = Line(1, parse_source("https://h/x"), "x")
    options = UploadOptions(state_dir=str(tmp_path / "state"))
    etag = boto.put_object(Bucket=bucket, Key="p/x", Body=b"1")["ETag"].strip('"')
    for code, stored in ((None, 1), (0, None)):
        journal = ListJournal([line], S3Location(bucket, "p/"), client, options, resume=False)
        journal.add(line, identity(line.source), 1, etag)
        journal.close(code)
        journal = ListJournal([line], S3Location(bucket, "p/"), client, options, resume=True)
        assert journal.stored(line) == stored
        journal.close(None)
