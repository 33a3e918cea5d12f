from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.trees.folding import Folding
from s3amfs.jobs import collisions
from tests.support.trees import read_tree


def test_a_file_system_that_folds_nothing_is_seen_as_that(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    if (tmp_path / "X").exists():
        pytest.skip("this file system folds case")
    assert not collisions.probe(os.fspath(tmp_path))
    assert os.listdir(tmp_path) == ["x"]


def test_keys_that_fall_together_are_named_and_none_is_written(
    run: Any, bucket: str, boto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("README", "Sub/x", "other", "readme", "sub/y"):
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())
    monkeypatch.setattr(collisions, "probe", lambda folder: Folding(case=True))
    ran = run(f"s3://{bucket}", tmp_path / "dst")
    assert ran.rc == 1
    assert ran.did() == {"README": "fail", "readme": "fail", "Sub/x": "fail", "sub/y": "fail", "other": "download"}
    assert "'readme' and 'README' are one name" in ran.reason("readme")
    assert "'Sub' and 'sub' are one name" in ran.reason("Sub/x")
    assert read_tree(tmp_path / "dst") == {"other": b"other"}
