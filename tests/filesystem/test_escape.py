"""Keys with `..`, doubled or leading slashes never lead a recursive get out of its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem

MIB = 1024 * 1024
EVIL = ("d/../../up", "d/sub/../../../up", "d/..", "../up", "d/sub/../../../../../../../../../../tmp/up")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [10, 2 * MIB], ids=["s3fs's", "the engine's"])
@pytest.mark.parametrize("key", EVIL)
def test_no_way_out(moto: str, boto_of_moto: Any, tmp_path: Path, key: str, size: int) -> None:
    bucket = f"escape-{EVIL.index(key)}-{size}"
    boto_of_moto.create_bucket(Bucket=bucket)
    boto_of_moto.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    fs = S3AMFileSystem(
        key="key", secret="secret", endpoint_url=moto, multipart_threshold=MIB, skip_instance_cache=True
    )
    out = tmp_path / "a" / "b" / "out"
    for source in (f"{bucket}/d", bucket, f"{bucket}/**"):
        try:
            fs.get(source, str(out), recursive=True)
        except (OSError, ValueError):
            continue  # refused, which is as good
        finally:
            assert {name for name in files(tmp_path) if not name.startswith("a/b/out/")} == set()
    assert not Path("/tmp/up").exists()


def test_slashes_stay_inside(moto: str, boto_of_moto: Any, tmp_path: Path) -> None:
    bucket = "slashes"
    boto_of_moto.create_bucket(Bucket=bucket)
    for key in ("/etc/x", "d//y", "d/z"):
        boto_of_moto.put_object(Bucket=bucket, Key=key, Body=b"x" * 2 * MIB)
    fs = S3AMFileSystem(
        key="key", secret="secret", endpoint_url=moto, multipart_threshold=MIB, skip_instance_cache=True
    )
    out = tmp_path / "out"
    fs.get(f"{bucket}/d", str(out), recursive=True)
    assert files(tmp_path) == {"out/y", "out/z"}
