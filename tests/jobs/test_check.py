"""`check`: two trees compared by what S3 stores of them, and nothing downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.trees import make_tree

FILES = {"a b": b"1", "d/e.gz": b"22", "d/f.txt": b"333", "big": bytes(9 * 1024 * 1024)}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "src", FILES)


def test_check(cli: Cli, src: Path, bucket: str, boto: Any) -> None:
    cli.ok("upload", "-r", src, f"s3://{bucket}")
    assert cli.ok("check", src, f"s3://{bucket}").stdout.splitlines() == [f"= {key}" for key in sorted(FILES)]
    boto.put_object(Bucket=bucket, Key="d/f.txt", Body=b"xyz")
    boto.put_object(Bucket=bucket, Key="only", Body=b"")
    make_tree(src, {"mine": b""})
    done = cli("check", src, f"s3://{bucket}")
    assert done.rc == 16
    assert done.stdout.splitlines() == ["= a b", "= big", "= d/e.gz", "* d/f.txt", "+ mine", "- only"]
    (src / "gone").symlink_to("nothing")
    lines = cli("check", "--json", src, f"s3://{bucket}").json_lines()
    assert {"event": "checked", "key": "gone", "state": "!", "reason": "a link to nothing"} in lines
    assert lines[-1]["exit_code"] == 1


def test_check_downloads_nothing(cli: Cli, src: Path, bucket: str, boto: Any, proxy: Any) -> None:
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    cli.ok("upload", "-r", src, f"s3://{bucket}")
    assert cli("check", src, f"s3://{bucket}", env=through).rc == 0
    assert cli("check", f"s3://{bucket}", src, env=through).rc == 0
    assert cli("check", f"s3://{bucket}/d", f"s3://{bucket}/d", env=through).rc == 2
    assert proxy.count("Get") == proxy.count("GetRange") == 0
