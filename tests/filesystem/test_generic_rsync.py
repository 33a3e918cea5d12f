"""`fsspec.generic.rsync` over file systems of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fsspec import generic as module
from fsspec.generic import GenericFileSystem, rsync, set_generic_fs

from s3amfs import S3AMFileSystem
from tests.support.trees import make_tree, read_prefix, read_tree

FILES = {"a/b": b"1", "a/c/d": b"22", "big": bytes(2 * 1024 * 1024), "e": b""}


@pytest.fixture
def generic(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> GenericFileSystem:
    monkeypatch.setattr(module, "_generic_fs", {})
    set_generic_fs("s3am", **arguments)
    set_generic_fs("file")
    return GenericFileSystem(default_method="generic", skip_instance_cache=True)


def test_up_across_and_down(
    generic: GenericFileSystem, fs: S3AMFileSystem, tmp_path: Path, new_bucket: Any, boto: Any
) -> None:
    one, other = new_bucket(), new_bucket()
    src = make_tree(tmp_path / "src", FILES)
    assert len(rsync(f"file://{src}", f"s3am://{one}/p", fs=generic)) == len(FILES)
    assert read_prefix(boto, one, "p/") == FILES
    assert len(rsync(f"s3am://{one}/p", f"s3am://{other}/q", fs=generic)) == len(FILES)
    assert read_prefix(boto, other, "q/") == FILES
    assert rsync(f"file://{src}", f"s3am://{one}/p", fs=generic) == {}
    boto.delete_object(Bucket=one, Key="p/big")
    rsync(f"s3am://{one}/p", f"s3am://{other}/q", delete_missing=True, fs=generic)
    assert set(read_prefix(boto, other, "q/")) == set(FILES) - {"big"}
    rsync(f"s3am://{one}/p", f"file://{tmp_path}/dst", fs=generic)
    assert read_tree(tmp_path / "dst") == {key: data for key, data in FILES.items() if key != "big"}
