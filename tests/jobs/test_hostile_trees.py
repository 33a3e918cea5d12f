"""A tree with everything that can go wrong with names and kinds, up and down again: each entry is moved or named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.engine.connect import S3Config, connect
from tests.filesystem.conftest import boto_of_moto, moto
from tests.support.trees import make_tree, read_prefix, read_tree

__all__ = ["boto_of_moto", "moto"]

SPARSE = 1024 * 1024
FILES = {
    "a/b": b"1",
    "a b": b"2",
    "a.txt": b"3",
    "line\nbreak": b"4",
    "tab\tand\rreturn": b"5",
    "\u00e9": b"composed",
    "e\u0301": b"decomposed",
    "x" * 255: b"6",
    "deep/" * 20 + "f": b"7",
    "none": b"",
    " ": b"8",
    "%41+&<>\"'": b"9",
}
NOT_UP = {"n\udcff", "fifo", "dangling", "self", "a/loop/", "locked/"}
NOT_DOWN = {
    "/leading": "begins with '/'",
    "two//slashes": "an empty name",
    "up/../out": "'..'",
    "./here": "'.'",
    "y" * 256: "255 bytes",
    "a/b/c/d": "",
}


def test_up_and_down(run: Any, bucket: str, boto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src = make_tree(tmp_path / "src", {**FILES, "n\udcff": b"x", "locked/f": b"x"})
    (src / "empty").mkdir()
    os.truncate(make_tree(src, {"sparse": b""}) / "sparse", SPARSE)
    os.mkfifo(src / "fifo")
    (src / "dangling").symlink_to("nothing")
    (src / "self").symlink_to("self")
    (src / "a" / "loop").symlink_to("..")
    (src / "link").symlink_to("a.txt")
    expected = {**FILES, "sparse": bytes(SPARSE), "link": FILES["a.txt"]}
    _lock(monkeypatch, os.path.join(src, "locked/"))

    up = run(src, f"s3://{bucket}/p", rules={"empty_folders": True})
    assert up.rc == 1
    named = set(up.did("fail"))
    assert {key for key in NOT_UP if key in named or any(key in note for note in up.notes)} == NOT_UP
    assert read_prefix(boto, bucket, "p/") == {**expected, "empty/": b""}

    down = run(f"s3://{bucket}/p", tmp_path / "dst", rules={"empty_folders": True})
    assert down.rc == 0
    assert read_tree(tmp_path / "dst") == expected
    assert (tmp_path / "dst" / "empty").is_dir()
    assert run(f"s3://{bucket}/p", tmp_path / "dst", rules={"empty_folders": True}).did() == {}


def test_keys_that_no_local_file_can_have(run: Any, moto: str, boto_of_moto: Any, tmp_path: Path) -> None:
    using = connect(S3Config(endpoint_url=moto, access_key="key", secret_key="secret"))
    boto_of_moto.create_bucket(Bucket="hostile-keys")
    for key in ("good", "a/b", *NOT_DOWN):
        boto_of_moto.put_object(Bucket="hostile-keys", Key=f"p/{key}", Body=key.encode())
    down = run("s3://hostile-keys/p", tmp_path / "dst", client=using)
    assert down.rc == 1
    named = {entry.key: entry.reason for entry in down.entries if entry.action == "fail"}
    assert named.keys() == (NOT_DOWN.keys() - {"a/b/c/d"}) | {"a/b"}  # the folder a/b/ wins
    assert all(why in named[key] for key, why in NOT_DOWN.items() if key in named)
    assert read_tree(tmp_path / "dst") == {"good": b"good", "a/b/c/d": b"a/b/c/d"}


def _lock(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Makes a folder unreadable, for root as well."""
    scandir = os.scandir

    def refuses(path: Any = ".") -> Any:
        if path == folder:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
