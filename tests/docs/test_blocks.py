"""Every code block of README and the manual: it runs as printed and prints what the page shows, or says why not."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.docs import interrupt
from tests.docs.blocks import Block, Runner, blocks, expected, missing, path_with, pattern
from tests.support import warm
from tests.support.files import make_file
from tests.support.httpserver import HttpServer
from tests.support.kernel import require_fuse

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
BUCKETS = ("bucket", "other", "old-bucket")
MIB = 1024 * 1024
SIZE = 32 * MIB
"""Of big.bam."""
LARGER = {"failing.md": 80 * MIB, "getting-started.md": 80 * MIB}
"""On pages that stop a transfer of it on its way."""
PROFILES = ("data", "old")
HEAVY = ("aiobotocore.session", "dask.dataframe", "fsspec", "pandas", "pyarrow.parquet", "s3fs", "xarray", "zarr")
"""What examples import."""


def runs(block: Block) -> bool:
    return block.mark != "not run" and (block.kind in ("sh", "python") or block.mark == "made by")


RUN = sorted(name for name, page in PAGES.items() if any(runs(block) for block in blocks(page)))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_block_runs_or_says_why_not(name: str) -> None:
    for block in blocks(PAGES[name]):
        assert block.mark != "not run" or len(block.said.split()) > 2, f"{name}:{block.line}: no reason"
        if block.kind == "json":
            json.loads(block.text)
        elif block.kind == "ini":
            configparser.ConfigParser().read_string(block.text)
        elif block.kind != "mermaid":  # tests/test_pictures.py draws those
            assert block.mark or runs(block), f"{name}:{block.line}: neither run nor marked"


@pytest.fixture
def buckets(boto: Any) -> Iterator[None]:
    for name in BUCKETS:
        boto.create_bucket(Bucket=name)
    yield
    for name in {entry["Name"] for entry in boto.list_buckets()["Buckets"]} & {*BUCKETS, "new-bucket"}:
        boto.delete_bucket(Bucket=name)


def home(folder: Path, s3: SeaweedServer) -> Path:
    """A HOME with the profiles that pages name."""
    aws = folder / "home" / ".aws"
    aws.mkdir(parents=True)
    secrets = f"aws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n"
    (aws / "credentials").write_text("".join(f"[{name}]\n{secrets}" for name in PROFILES))
    where = f"endpoint_url = {s3.endpoint_url}\nregion = {s3.region}\n"
    (aws / "config").write_text("".join(f"[profile {name}]\n{where}" for name in PROFILES))
    return aws.parent


@contextlib.contextmanager
def warm_programs(folder: Path) -> Iterator[Path]:
    """Programs for the front of PATH: s3am and python in a warm process, a `timeout` that waits for progress."""
    with warm.serving(folder, *HEAVY) as words:
        warm_client = shlex.join(words)
        texts = {
            "s3am": f'exec {warm_client} s3am "$@"',
            "python": f'exec {warm_client} python "$2"',
            "timeout": f'exec "{sys.executable}" "{interrupt.__file__}" "$@"',
        }
        for name, text in texts.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_programs(tmp_path_factory.mktemp("bin")) as folder:
        yield folder


@contextlib.contextmanager
def runner_for(s3: SeaweedServer, programs: Path, folder: Path, size: int = SIZE) -> Iterator[Runner]:
    """Runs the blocks of a page, with files, servers and folders that pages name, all below `folder`."""
    work = folder / "work"
    for name in ("work", "folder", "mnt/runs", "shared", "srv", "etc"):
        (folder / name).mkdir(parents=True)
    make_file(work / "big.bam", size, 1)
    (folder / "folder" / "1.txt").write_text("text\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3AM_", "XDG_"))}
    environment = {
        **kept,
        **s3.environment(),
        "HOME": str(home(folder, s3)),
        "PATH": path_with(programs, Path(sys.executable).parent),
        "TMPDIR": str(folder),
    }
    places = {name: f"{folder}{name}" for name in ("/mnt/runs", "/shared", "/srv", "/etc/mirror.txt")} | {
        "https://minio.example.org": s3.endpoint_url,
        "https://old.example.org": s3.endpoint_url,
        # Four parts at a time: the first ones are stored after two seconds instead of seven.
        "--bwlimit 5M": "--bwlimit 16M",
    }
    with HttpServer() as web:
        for name in ("big.bam", "300GB.bam"):
            web.add(f"/{name}", work / "big.bam")
        places["https://example.org"] = web.base_url
        try:
            yield Runner(work, environment, places)
        finally:
            if (mounted := folder / "mnt" / "runs").is_mount():
                subprocess.run(["umount", "-l", str(mounted)], check=False)


@pytest.fixture
def runner(page: str, s3: SeaweedServer, programs: Path, buckets: None, tmp_path: Path) -> Iterator[Runner]:
    with runner_for(s3, programs, tmp_path, LARGER.get(page, SIZE)) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_blocks_run_as_printed(page: str, runner: Runner) -> None:
    found = blocks(PAGES[page])
    if any(re.search(r"\bs3am mount s3:|\bmount -t ", block.text) for block in found if runs(block)):
        require_fuse()
    problems = list(runner.run(found))
    assert not problems, "\n".join(f"{page}, {problem}" for problem in problems)


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("286.1 MiB in 11.5 s", "980 KiB in 1 s", True),
        ("id 83b37ad2…", "id none", False),
        ("id 83b37ad2…", "id 0123abcd-77", True),
        ("exists: use it", "exists: do not", False),
        ("a (HTTP 404); b", "a (HTTP 403); b", False),
    ],
)
def test_what_a_shown_line_stands_for(shown: str, printed: str, fits: bool) -> None:
    assert (missing([pattern(shown)], printed) == []) is fits


def test_what_is_found_on_a_page() -> None:
    quoted = "| `<!-- run: c -->` |\n"
    page = (
        quoted
        + "<!-- run: a -->\n<!-- not run: it needs x -->\n```sh\nb\n```\n- c\n\n  ```python\n  print(1)  # 1\n  ```\n"
    )
    before, marked, indented = blocks(page)
    assert (before.text, before.kind, before.mark) == ("a", "sh", "")
    assert (marked.text, marked.mark, marked.said) == ("b\n", "not run", "it needs x")
    assert (indented.text, expected(indented)) == ("print(1)  # 1\n", ["1"])
