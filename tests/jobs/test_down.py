"""Objects into a local folder: names, links and times of what is fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.trees.write_place import WritePlace
from s3amfs.jobs import content, down
from tests.support.trees import FILES, LONG_AGO, make_tree, read_tree


def test_down_equal_content_gets_the_objects_time(run: Any, src: Path, bucket: str, tmp_path: Path) -> None:
    run(src, f"s3://{bucket}")
    dst = make_tree(tmp_path / "dst", FILES | {"f.txt": b"other"[:4]})
    done = run(f"s3://{bucket}", dst)
    assert done.did() == {"f.txt": "download"}
    assert all(os.stat(dst / name).st_mtime > LONG_AGO for name in FILES)
    assert run(f"s3://{bucket}", dst).did() == {}


def test_a_file_that_changes_while_it_is_compared_is_not_remembered_as_equal(
    run: Any, src: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(src, f"s3://{bucket}")
    dst = tmp_path / "dst"
    run(f"s3://{bucket}", dst)

    def compared(*given: Any) -> content.Compared:
        found = content.object_and_bytes(*given)
        if given[2] != "f.txt":
            return found
        there = (dst / "f.txt").stat()
        (dst / "f.txt").write_bytes(b"other"[:4])
        os.utime(dst / "f.txt", ns=(there.st_atime_ns, there.st_mtime_ns))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(down, "object_and_bytes", compared)
        done = run(f"s3://{bucket}", dst, rules={"checksum": True})
    assert (done.rc, done.did("fail")) == (1, {"f.txt": "fail"})
    assert run(f"s3://{bucket}", dst).did() == {"f.txt": "download"}
    assert read_tree(dst) == FILES


@pytest.mark.parametrize("here", [True, False])
def test_files_are_whole_wherever_they_are_written(
    run: Any, src: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    run(src, f"s3://{bucket}")
    monkeypatch.setattr(WritePlace, "is_here", lambda place: here)
    done = run(f"s3://{bucket}", tmp_path / "dst")
    assert (done.rc, read_tree(tmp_path / "dst")) == (0, read_tree(src))
    assert run(f"s3://{bucket}", tmp_path / "dst").did() == {}


def test_hostile_names_down(run: Any, bucket: str, client: Any, tmp_path: Path) -> None:
    for key in ("good", "a", "a/b", "a.txt", "line\nbreak", "é", "e\u0301", "x" * 255):
        client.put(bucket, f"p/{key}", key.encode())
    done = run(f"s3://{bucket}/p", tmp_path / "dst")
    stored = read_tree(tmp_path / "dst")
    assert done.rc == 1
    assert set(stored) >= {"good", "a/b", "a.txt", "line\nbreak", "é", "e\u0301", "x" * 255}
    assert all(content == name.encode() for name, content in stored.items())
    failed = done.did("fail")
    assert failed == {"a": "fail"}  # the folder wins
    assert len(stored) + len(failed) == len([entry for entry in done.entries if entry.action != "skip"])


def test_a_link_at_the_target_is_never_followed(run: Any, bucket: str, client: Any, tmp_path: Path) -> None:
    outside = make_tree(tmp_path / "outside", {"x": b"theirs", "f": b"theirs"})
    dst = tmp_path / "dst"
    dst.mkdir()
    (dst / "d").symlink_to(outside)
    (dst / "f").symlink_to(outside / "f")
    client.put(bucket, "d/x", b"mine!!")
    client.put(bucket, "f", b"mine!!")
    done = run(f"s3://{bucket}", dst, delete=True)
    assert (done.rc, done.did("fail")) == (1, {"d/x": "fail"})
    assert read_tree(outside) == {"x": b"theirs", "f": b"theirs"}
    assert (dst / "f").read_bytes() == b"mine!!"
    assert not (dst / "f").is_symlink()
    again = run(f"s3://{bucket}", dst, delete=True)  # the link was only at the target
    assert (again.rc, read_tree(dst)) == (0, {"d/x": b"mine!!", "f": b"mine!!"})
