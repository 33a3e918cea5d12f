"""What a failed close, a killed daemon or a killed writer leaves, and what becomes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def left(cli: Cli, url: str) -> list[dict[str, object]]:
    return [line for line in cli.ok("--json", "pending", url).json_lines() if line["event"] == "unpublished"]


@pytest.fixture
def spooling(new_mount: Callable[..., Mount], tmp_path: Path) -> Mount:
    (tmp_path / "spool").mkdir()
    return new_mount("--spool-dir", tmp_path / "spool")


@pytest.mark.parametrize("size", [1000, 20 * MIB])
def test_changes_of_a_killed_daemon_are_published_later(
    spooling: Mount, stored: Stored, cli: Cli, tmp_path: Path, size: int
) -> None:
    data = bytearray(content(size, 1))
    stored.put("d/k", bytes(data), mine="kept")
    file = open(spooling / "d" / "k", "r+b", buffering=0)  # noqa: SIM115 - its mount dies
    for place, new in ((100, b"first"), (size - 3, b"longer"), (102, b"over")):
        os.pwrite(file.fileno(), new, place)
        data[place : place + len(new)] = new
    os.ftruncate(file.fileno(), size + 1)
    del data[size + 1 :]
    assert left(cli, f"s3://{stored.bucket}") == [], "its mount is at work on it"
    (name,) = (tmp_path / "spool").iterdir()
    assert cli("upload", "--resume", name, f"s3://{stored.bucket}/d/k").rc == 1, "nor may others"
    spooling.kill()
    with pytest.raises(OSError, match=r"(Transport endpoint is not connected|Software caused connection abort)"):
        file.close()
    assert stored.get("d/k") == content(size, 1)
    (found,) = left(cli, f"s3://{stored.bucket}/d")
    assert (found["key"], found["size"], found["bytes"]) == ("d/k", size + 1, 5 + 1 + 4)
    path = str(found["path"])
    url = f"s3://{stored.bucket}/d/k"
    assert cli("upload", "--exists", "overwrite", path, url).rc == 2, "it is not all of the object"
    assert cli("upload", "--resume", path, f"s3://{stored.bucket}/other").rc == 2
    elsewhere = cli("upload", "--resume", path, url, env={"S3AM_STATE_DIR": str(tmp_path / "other")})
    assert elsewhere.rc == 2, "without the record nobody knows what the file holds"
    cli.ok("upload", "--resume", path, url)
    assert stored.get("d/k") == data
    assert stored.head("d/k")["Metadata"]["mine"] == "kept"
    assert left(cli, f"s3://{stored.bucket}") == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_changes_whose_base_was_replaced(mounted: Mount, stored: Stored, cli: Cli) -> None:
    stored.put("k", content(12 * MIB, 1))
    file = open(mounted / "k", "r+b", buffering=0)  # noqa: SIM115 - it is closed below, by hand
    file.write(b"changed")
    stored.put("k", b"by somebody else")
    with pytest.raises(OSError, match="Stale"):
        file.close()
    (found,) = left(cli, f"s3://{stored.bucket}")
    assert str(found["path"]) in mounted.log.read_text()
    assert Path(str(found["path"])).read_bytes()[:7] == b"changed"
    result = cli("upload", "--resume", found["path"], f"s3://{stored.bucket}/k")
    assert result.rc == 15, result.stderr
    assert stored.get("k") == b"by somebody else"
    assert "k in " in cli.ok("cancel", "--dry-run", f"s3://{stored.bucket}/k").stdout
    assert Path(str(found["path"])).exists()
    cli.ok("cancel", f"s3://{stored.bucket}/k")
    assert left(cli, f"s3://{stored.bucket}") == []
    assert not Path(str(found["path"])).exists()


def test_a_new_file_whose_close_failed(
    new_mount: Callable[..., Mount], proxy: FaultProxy, stored: Stored, cli: Cli
) -> None:
    mount = new_mount("--retry-budget", "1", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    proxy.rules.append(Rule("Put", faults.error(503, "SlowDown")))
    with pytest.raises(OSError, match="Input/output error"):
        (mount / "new.txt").write_bytes(b"all of it")
    assert stored.listed() == []
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    lines = cli.ok("--json", "pending", f"s3://{stored.bucket}", env=through).stdout.splitlines()
    (found,) = [json.loads(line) for line in lines]
    proxy.rules.clear()
    cli.ok("upload", "--resume", found["path"], f"s3://{stored.bucket}/new.txt", env=through)
    assert stored.get("new.txt") == b"all of it"
    assert stored.head("new.txt")["ContentType"] == "text/plain"


def test_what_succeeds_leaves_nothing(spooling: Mount, stored: Stored, cli: Cli, tmp_path: Path) -> None:
    stored.put("k", content(12 * MIB, 1))
    with open(spooling / "k", "r+b", buffering=0) as file:
        file.write(b"one")
        os.fsync(file.fileno())
        file.write(b"two")
    with open(spooling / "k", "r+b", buffering=0) as file:
        file.write(b"three")
        (spooling / "k").unlink()
    assert spooling.umount().rc == 0
    assert list((tmp_path / "spool").iterdir()) == []
    assert left(cli, f"s3://{stored.bucket}") == []
