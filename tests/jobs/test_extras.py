"""What is only at the target: judged as a whole, looked at once more, deleted last."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.deletions import MaxDelete
from s3amfs.jobs import extras, job_journal
from tests.support.faults import Rule as Fault
from tests.support.faults import error
from tests.support.trees import FILES, make_tree, read_prefix, read_tree


def test_delete_comes_last_and_only_what_is_extra(run: Any, src: Path, bucket: str, boto: Any, tmp_path: Path) -> None:
    run(src, f"s3://{bucket}/p")
    run(f"s3://{bucket}/p", tmp_path / "dst")
    boto.put_object(Bucket=bucket, Key="outside", Body=b"")
    (src / "a/c/d").unlink()
    (src / "f.txt").unlink()
    without = run(src, f"s3://{bucket}/p")
    assert without.did() == {}
    dry = run(src, f"s3://{bucket}/p", delete=True, dry_run=True)
    assert dry.did() == {"a/c/d": "delete", "f.txt": "delete"}
    assert len(read_prefix(boto, bucket, "p/")) == 5
    assert run(src, f"s3://{bucket}/p", delete=True).did() == {"a/c/d": "delete", "f.txt": "delete"}
    assert set(read_prefix(boto, bucket)) == {"p/a b", "p/a/b", "p/big", "outside"}
    assert run(f"s3://{bucket}/p", tmp_path / "dst", delete=True).did() == {"a/c/d": "delete", "f.txt": "delete"}
    assert not (tmp_path / "dst/a/c").exists()
    assert (tmp_path / "dst/a").is_dir()


def test_too_many_deletions_are_refused(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {f"{number:03}": b"" for number in range(120)})
    run(src, f"s3://{bucket}")
    for number in range(70):
        (src / f"{number:03}").unlink()
    make_tree(src, {"new": b"n"})
    refused = run(src, f"s3://{bucket}", delete=True)
    assert (refused.rc, refused.did()) == (18, {"new": "upload"})  # what had to move stays
    assert run(src, f"s3://{bucket}", delete=True, dry_run=True).rc == 18
    assert run(src, f"s3://{bucket}", delete=True, max_delete=MaxDelete(count=69)).rc == 18
    assert len(read_prefix(boto, bucket)) == 121
    assert run(src, f"s3://{bucket}", delete=True, max_delete=MaxDelete(count=70)).rc == 0
    assert len(read_prefix(boto, bucket)) == 51


def test_an_empty_source_deletes_nothing(run: Any, src: Path, tmp_path: Path, bucket: str, boto: Any) -> None:
    run(src, f"s3://{bucket}")
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", f"s3://{bucket}", delete=True).rc == 18
    assert run(f"s3://{bucket}/none", src, delete=True).rc == 18
    assert read_prefix(boto, bucket) == FILES == read_tree(src)
    assert run(tmp_path / "empty", f"s3://{bucket}", delete=True, max_delete=MaxDelete(percent=100)).rc == 0
    assert read_prefix(boto, bucket) == {}


def test_a_failed_transfer_keeps_what_is_extra(
    run: Any, src: Path, bucket: str, boto: Any, proxy: Any, s3: Any
) -> None:
    from s3amfs.engine.connect import S3Config, connect

    boto.put_object(Bucket=bucket, Key="extra", Body=b"")
    through = connect(
        S3Config(endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, retry_budget=0.1)
    )
    proxy.rules.append(Fault(lambda seen: seen.kind == "Put" and seen.key == "f.txt", error(403, "AccessDenied")))
    done = run(src, f"s3://{bucket}", delete=True, client=through)
    assert done.rc == 1
    assert done.did("fail", "delete") == {"f.txt": "fail"}
    assert set(read_prefix(boto, bucket)) == {"extra", *FILES} - {"f.txt"}
    proxy.rules.clear()
    again = run(src, f"s3://{bucket}", delete=True, client=through)
    assert (again.rc, again.did()) == (0, {"f.txt": "upload", "extra": "delete"})


def test_without_room_for_the_journal_nothing_is_deleted(
    run: Any, tmp_path: Path, bucket: str, boto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is only at the target is written down until all transfers are done; the rest of the job goes on."""
    src = make_tree(tmp_path / "src", {"gone": b"1", "stays": b"s"})
    assert run(src, f"s3://{bucket}").rc == 0
    (src / "gone").unlink()
    make_tree(src, {"new": b"n"})
    usual, written = job_journal.write_all, list[bytes]()

    def full(fd: int, data: bytes) -> None:
        written.append(data)
        if len(written) > 1:  # all but the header
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        usual(fd, data)

    with monkeypatch.context() as patched:
        patched.setattr(job_journal, "write_all", full)
        done = run(src, f"s3://{bucket}", delete=True)
    assert (done.rc, done.did("upload", "delete")) == (1, {"new": "upload"})
    assert [note for note in done.notes if "nothing was deleted" in note] != []
    assert read_prefix(boto, bucket) == {"gone": b"1", "stays": b"s", "new": b"n"}
    assert run(src, f"s3://{bucket}", delete=True).did() == {"gone": "delete"}


def test_what_was_below_a_link_whose_folder_is_away_is_not_deleted(
    run: Any, tmp_path: Path, bucket: str, boto: Any
) -> None:
    """As that of a disk that is not mounted."""
    src, disk = (
        make_tree(tmp_path / "src", {"data.txt": b"t", "stays": b"s"}),
        make_tree(tmp_path / "disk", {"f": b"1"}),
    )
    (src / "data").symlink_to(disk)
    assert run(src, f"s3://{bucket}").rc == 0
    disk.rename(tmp_path / "away")
    (src / "data.txt").unlink()
    done = run(src, f"s3://{bucket}", delete=True)
    assert (done.rc, done.did("delete")) == (1, {"data.txt": "delete"})
    assert read_prefix(boto, bucket) == {"data/f": b"1", "stays": b"s"}


def test_names_that_only_one_side_can_have_are_deleted_from_it(
    run: Any, bucket: str, boto: Any, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="p/stays", Body=b"")
    here = make_tree(tmp_path / "here", {"n\udcff": b"no UTF-8", "stays": b""})
    down = run(f"s3://{bucket}/p", here, delete=True)
    assert (down.rc, down.did("delete", "fail")) == (0, {"n\udcff": "delete"})


def test_links_that_are_not_followed_are_not_at_the_source(run: Any, bucket: str, boto: Any, tmp_path: Path) -> None:
    src = make_tree(tmp_path / "src", {"f": b"1", "disk/x": b"2"})
    (src / "link").symlink_to("f")
    (src / "folder").symlink_to("disk")
    assert run(src, f"s3://{bucket}").rc == 0
    again = run(src, f"s3://{bucket}", delete=True, links="skip")
    assert (again.rc, again.did()) == (0, {"folder/x": "delete", "link": "delete"})
    assert read_prefix(boto, bucket) == {"f": b"1", "disk/x": b"2"}


def test_a_source_that_cannot_be_looked_at_is_not_absent(
    run: Any, bucket: str, boto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto.put_object(Bucket=bucket, Key="extra", Body=b"")
    src = make_tree(tmp_path / "src", {"f": b"1"})

    def refuse(root: str, key: str, links: str) -> bool:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(extras, "has_entry", refuse)
    done = run(src, f"s3://{bucket}", delete=True)
    assert (done.rc, done.did("delete", "fail")) == (1, {"extra": "fail"})
    assert done.reason("extra").startswith("not known whether it is at the source")
