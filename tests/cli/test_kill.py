"""kill -9 at random points of upload, copy and download; then resume: identical bytes, and no part is sent twice.

Seeds are in the names of the tests; the recording proxy says what was sent and what the server had.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB
PARTS = 6
SEEDS = range(18)
"""Times three kinds of transfer: 54 kills."""


@dataclass(frozen=True)
class Source:
    url: str
    digest: str


@pytest.fixture(scope="module")
def source(s3: SeaweedServer, boto: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """An object of PARTS parts that copies and downloads read: what is in it does not matter to them."""
    bucket, file = f"source-{os.getpid()}", tmp_path_factory.mktemp("source") / "f"
    boto.create_bucket(Bucket=bucket)
    s3.grow(bucket)
    make_file(file, PARTS * PART - PART // 3, 1)
    boto.upload_file(str(file), bucket, "k")
    yield Source(f"s3://{bucket}/k", digest(file))
    boto.delete_bucket(Bucket=bucket)


def proxied(proxy: FaultProxy) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": proxy.endpoint_url}


def kill_after(running: Any, proxy: FaultProxy, kinds: tuple[str, ...], count: int, how: random.Random) -> None:
    """Kills when `count` requests of `kinds` have begun; now and then only when their answers are out."""
    answered = how.random() < 0.5
    running.kill_when(
        lambda: sum(1 for r in proxy.of(*kinds) if r.status or not answered) >= count,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_upload(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy, seed: int) -> None:
    how = random.Random(seed)
    make_file(tmp_path / "f", PARTS * PART - how.randrange(PART), seed)
    command = ("upload", "--part-size", "5M", "--upload-slots", "2", tmp_path / "f", f"s3://{bucket}/k")
    running = cli.start(*command, env=proxied(proxy))
    kill_after(running, proxy, ("Create", "UploadPart", "Complete"), how.randrange(1, PARTS + 3), how)
    killed = running.wait()
    if killed.rc == 0:
        assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
        return
    if how.random() < 0.3:
        cli.forget_state()
    again = cli("upload", "--resume", *command[1:], env=proxied(proxy))
    assert again.rc in (0, 3), again.stderr  # 3: the Complete that was under way had succeeded
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert proxy.parts_sent_again() == []
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_copy(cli: Cli, boto: Any, bucket: str, source: Source, proxy: FaultProxy, seed: int) -> None:
    how = random.Random(seed)
    command = ("upload", "--part-size", "5M", "--upload-slots", "2", source.url, f"s3://{bucket}/k")
    running = cli.start(*command, env=proxied(proxy))
    kill_after(running, proxy, ("Create", "CopyPart", "Complete"), how.randrange(1, PARTS + 3), how)
    if running.wait().rc != 0:
        again = cli("upload", "--resume", *command[1:], env=proxied(proxy))
        assert again.rc in (0, 3), again.stderr
    assert object_digest(boto, bucket, "k") == source.digest
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_download(cli: Cli, source: Source, tmp_path: Path, proxy: FaultProxy, seed: int) -> None:
    how = random.Random(seed)
    out = tmp_path / "out"
    command = ("download", "--part-size", "5M", "--download-slots", "2", source.url, out)
    running = cli.start(*command, env=proxied(proxy))
    kill_after(running, proxy, ("GetRange", "Get"), how.randrange(1, PARTS + 1), how)
    if running.wait().rc != 0:
        assert not out.exists()
        resume = ("download", "--download-exists", "resume", *command[1:])
        again = cli(*resume, env=proxied(proxy))
        assert again.rc in (0, 11), again.stderr  # 11: it was killed after the rename
    assert digest(out) == source.digest
    assert [p.name for p in tmp_path.glob(".out*")] == []


def test_cancel_and_verify(cli: Cli, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    """What was killed leaves nothing that a second run does not do or find."""
    for number in range(3):
        boto.create_multipart_upload(Bucket=bucket, Key=f"a/{number}")
    proxy.rules.append(Rule("Abort", faults.delay(0.3)))
    running = cli.start("cancel", "--prefix", f"s3://{bucket}/a/", env=proxied(proxy))
    assert running.kill_when(lambda: proxy.count("Abort") >= 1)
    assert running.wait().rc == -9
    cli.ok("cancel", "--prefix", f"s3://{bucket}/a/", env=proxied(proxy))
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []

    boto.put_object(Bucket=bucket, Key="k", Body=b"hello")
    before = sorted(cli.home.rglob("*.manifest"))
    proxy.rules[:] = [Rule(("Get", "GetRange"), faults.delay(0.3))]
    running = cli.start("verify", f"s3://{bucket}/k", env=proxied(proxy))
    assert running.kill_when(lambda: proxy.count("Get") + proxy.count("GetRange") >= 1)
    assert running.wait().rc == -9
    assert sorted(cli.home.rglob("*.manifest")) == before
    assert cli.ok("verify", f"s3://{bucket}/k").stdout == "5d41402abc4b2a76b9719d911017c592\n"
