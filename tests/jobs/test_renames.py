"""`--track-renames`: what has moved at the source is moved at the target, and not sent again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from s3amfs.core.ssec import CustomerKey
from s3amfs.jobs import content, renames
from s3amfs.jobs.down import Down
from tests.support.trees import make_tree, read_prefix, read_tree


def test_renames_are_made_at_the_target(run: Any, tmp_path: Path, new_bucket: Any, boto: Any) -> None:
    one, other = new_bucket(), new_bucket()
    src = make_tree(tmp_path / "src", {"old/f": b"content", "stays": b"s", "new": b"n"})
    options = {"delete": True, "track_renames": True}
    for source, target in ((src, f"s3://{one}"), (f"s3://{one}", f"s3://{other}"), (f"s3://{one}", tmp_path / "dst")):
        assert run(source, target, **options).rc == 0
    (src / "old/f").rename(src / "moved")
    make_tree(src, {"fresh": b"another"})
    foretold = run(src, f"s3://{one}", dry_run=True, **options)
    up = run(src, f"s3://{one}", **options)
    assert (up.rc, up.did()) == (0, {"moved": "rename", "fresh": "upload", "old/f": "delete"})
    assert (foretold.rc, foretold.did()) == (0, up.did())
    across = run(f"s3://{one}", f"s3://{other}", **options)
    assert (across.rc, across.did()) == (0, {"moved": "rename", "fresh": "copy", "old/f": "delete"})
    foretold = run(f"s3://{one}", tmp_path / "dst", dry_run=True, **options)
    down = run(f"s3://{one}", tmp_path / "dst", **options)
    assert (down.rc, down.did()) == (0, {"moved": "rename", "fresh": "download"})
    assert (foretold.rc, foretold.did()) == (0, down.did())
    wanted = {"moved": b"content", "stays": b"s", "new": b"n", "fresh": b"another"}
    assert read_prefix(boto, one) == read_prefix(boto, other) == read_tree(tmp_path / "dst") == wanted
    assert run(f"s3://{one}", tmp_path / "dst", **options).did() == {}


def test_a_renamed_object_is_stored_as_a_new_one(run: Any, tmp_path: Path, new_bucket: Any, boto: Any) -> None:
    bucket, key = new_bucket(), CustomerKey(b"k" * 32)
    src = make_tree(tmp_path / "src", {"page.txt": b"content", "stays": b"s"})
    options = {"delete": True, "track_renames": True, "key_for": lambda location: key}
    assert run(src, f"s3://{bucket}", **options).rc == 0
    (src / "page.txt").rename(src / "page.html")
    assert run(src, f"s3://{bucket}", **options).did() == {"page.html": "rename", "page.txt": "delete"}
    with pytest.raises(ClientError):
        boto.head_object(Bucket=bucket, Key="page.html")  # encrypted, as its old name was
    found = boto.head_object(Bucket=bucket, Key="page.html", SSECustomerAlgorithm="AES256", SSECustomerKey=b"k" * 32)
    assert found["ContentType"] == "text/html"


def test_a_renamed_file_has_what_is_kept_of_it(run: Any, tmp_path: Path, new_bucket: Any) -> None:
    bucket, dst = new_bucket(), tmp_path / "dst"
    src = make_tree(tmp_path / "src", {"old": b"content", "stays": b"s"})
    options = {"delete": True, "track_renames": True, "rules": {"preserve": True}}
    assert run(src, f"s3://{bucket}", **options).rc == run(f"s3://{bucket}", dst, **options).rc == 0
    (src / "old").rename(src / "new")
    (src / "new").chmod(0o640)
    os.utime(src / "new", ns=(1, 1_234_567_890_123_456_789))
    assert run(src, f"s3://{bucket}", **options).did() == {"new": "rename", "old": "delete"}
    assert run(f"s3://{bucket}", dst, **options).did() == {"new": "rename"}
    there = (dst / "new").stat()
    assert (there.st_mtime_ns, there.st_mode & 0o777) == (1_234_567_890_123_456_789, 0o640)


def test_other_metadata_is_no_rename(run: Any, new_bucket: Any, boto: Any) -> None:
    one, other = new_bucket(), new_bucket()
    options = {"delete": True, "track_renames": True}
    boto.put_object(Bucket=one, Key="old", Body=b"content", Metadata={"a": "1"})
    boto.put_object(Bucket=one, Key="stays", Body=b"s")
    assert run(f"s3://{one}", f"s3://{other}", **options).rc == 0
    boto.delete_object(Bucket=one, Key="old")
    boto.put_object(Bucket=one, Key="new", Body=b"content", Metadata={"a": "2"})
    assert run(f"s3://{one}", f"s3://{other}", **options).did() == {"new": "copy", "old": "delete"}
    assert boto.head_object(Bucket=other, Key="new")["Metadata"] == {"a": "2"}


def test_what_was_replaced_after_the_comparison_is_not_renamed(
    run: Any, tmp_path: Path, new_bucket: Any, boto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket()
    src = make_tree(tmp_path / "src", {"old": b"content", "stays": b"s"})
    options = {"delete": True, "track_renames": True}
    assert run(src, f"s3://{bucket}", **options).rc == 0
    (src / "old").rename(src / "new")

    def compared(*given: Any) -> content.Compared:
        found = content.object_and_bytes(*given)
        boto.put_object(Bucket=bucket, Key="old", Body=b"another")
        return found

    monkeypatch.setattr(renames, "object_and_bytes", compared)
    done = run(src, f"s3://{bucket}", **options)
    assert done.did()["new"] == "upload"
    assert read_prefix(boto, bucket) == {"new": b"content", "stays": b"s", "old": b"another"}


def test_a_renamed_file_whose_times_cannot_be_set(
    run: Any, tmp_path: Path, new_bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old name is gone all the same: it is not looked for again. The next run has nothing to send."""
    bucket, dst = new_bucket(), tmp_path / "dst"
    src = make_tree(tmp_path / "src", {"old": b"content", "stays": b"s"})
    options = {"delete": True, "track_renames": True}
    assert run(src, f"s3://{bucket}", **options).rc == run(f"s3://{bucket}", dst, **options).rc == 0
    (src / "old").rename(src / "new")
    assert run(src, f"s3://{bucket}", **options).rc == 0

    def refused(self: Down, fd: int, info: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    with monkeypatch.context() as patch:
        patch.setattr(Down, "finish", refused)
        failed = run(f"s3://{bucket}", dst, **options)
    assert (failed.rc, failed.did()) == (1, {"new": "fail"})
    assert read_tree(dst) == {"new": b"content", "stays": b"s"}
    assert run(f"s3://{bucket}", dst, **options).rc == 0


def test_a_link_is_no_new_name_of_a_file(run: Any, tmp_path: Path, new_bucket: Any, boto: Any) -> None:
    bucket, dst = new_bucket(), tmp_path / "dst"
    src = make_tree(tmp_path / "src", {"file": b"elsewhere", "stays": b"s"})
    options = {"delete": True, "track_renames": True, "links": "keep"}
    assert run(src, f"s3://{bucket}", **options).rc == run(f"s3://{bucket}", dst, **options).rc == 0
    (src / "file").unlink()
    (src / "link").symlink_to("elsewhere")
    assert run(src, f"s3://{bucket}", **options).did() == {"link": "upload", "file": "delete"}
    assert run(f"s3://{bucket}", dst, **options).did() == {"link": "download", "file": "delete"}
    assert os.readlink(dst / "link") == "elsewhere"
    (src / "link").unlink()
    make_tree(src, {"file": b"elsewhere"})
    assert run(src, f"s3://{bucket}", **options).did() == {"file": "upload", "link": "delete"}
    assert "mode" not in boto.head_object(Bucket=bucket, Key="file")["Metadata"]
