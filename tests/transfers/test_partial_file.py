"""The files of an unfinished download."""

from __future__ import annotations

import os
from pathlib import Path

from s3amfs.core.manifest import Header, SourceIdentity
from s3amfs.transfers.partial_file import PartialFile

SOURCE = SourceIdentity("s3://b/k", size=3)


def test_a_late_writer_of_an_earlier_run_changes_nothing(tmp_path: Path) -> None:
    """A worker on another machine may still write a range of another version after its run was killed."""
    left = tmp_path / ".f.partial"
    left.write_bytes(b"old")
    late = os.open(left, os.O_WRONLY)
    file = PartialFile(str(tmp_path / "f"))
    assert file.open("discard", SOURCE) == (None, "")
    file.begin(Header("download", SOURCE, file.path, "https://s3", 3, 5 << 20, None))
    os.pwrite(file.fd, b"new", 0)
    os.pwrite(late, b"old", 0)
    os.close(late)
    file.publish(replace=False)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]
