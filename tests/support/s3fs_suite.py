"""s3fs's own tests: fetched with the version that is installed, kept for later runs, run in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".pytest_cache" / "s3fs"
FILES = {
    "own": ("s3fs/tests/test_s3fs.py",),
    "derived": ("s3fs/tests/test_mapping.py", "s3fs/tests/derived/s3fs_test.py"),
}
FIXED_PORTS = {"test_s3fs.py": "port = 5555", "derived/s3fs_fixtures.py": "port = 5556"}
"""As s3fs's tests have them; several of them at a time need one each."""
FREE_PORT = 'port = int(os.environ["S3FS_TEST_PORT"])'
VERSIONS = "    for i in range({}):\n        with s3.open(versioned_file"
LISTED = "    for x in range({}):\n        s3.touch("
SMALLER = {
    VERSIONS.format(1200): VERSIONS.format(120),
    "assert len(versions) == 1200": "assert len(versions) == 120",
    LISTED.format(1200): LISTED.format(120),
    "assert len(s3.find(test_bucket_name)) > 1200": "assert len(s3.find(test_bucket_name)) > 120",
    "da.random.random((1024, 1024, 10, 9, 1))": "da.random.random((512, 512, 10, 9, 1))",
}
"""A page of moto's lists has PAGE entries here, so a tenth of the objects is more than a page, too; an array of 180 MB
goes in several chunks, which go in parts, as well as one of 720."""
PAGE = 100


def fetch() -> Path:
    """A folder with the source of the installed s3fs, tests included."""
    changes = zlib.crc32(repr([*SMALLER.items(), *FIXED_PORTS.items()]).encode())
    folder = CACHE / f"{version('s3fs')}-{changes:08x}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        wanted = f"s3fs=={version('s3fs')}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "s3fs", wanted]
        subprocess.run([*command, "-d", scratch], check=True)
        (archive,) = Path(scratch).glob("s3fs-*.tar.gz")
        with tarfile.open(archive) as packed:
            if hasattr(tarfile, "data_filter"):
                packed.extractall(scratch, filter="data")
            else:  # Python before 3.10.12 and 3.11.4, as Debian 12 has it
                packed.extractall(scratch)
        source = archive.with_suffix("").with_suffix("")
        for name, port in FIXED_PORTS.items():
            tests = source / "s3fs" / "tests" / name
            text = tests.read_text()
            replaced = {port: FREE_PORT, **(SMALLER if name == "test_s3fs.py" else {})}
            for old, new in replaced.items():
                assert text.count(old) == 1
                text = text.replace(old, new)
            tests.write_text(text)
        try:
            source.rename(folder)
        except OSError:  # another process was faster
            assert folder.is_dir()
    return folder


@dataclass(frozen=True)
class Ran:
    """Outcome ('passed', 'failed', 'skipped') by test, and the tests to which it matters which size goes in parts."""

    outcomes: dict[str, str]
    sized: frozenset[str]


def run(which: str, scratch: Path, log: Path, tests: Collection[str], without: Collection[str] = ()) -> Ran:
    """which: as in in_place_of_s3fs.py; log: what pytest said. without: tests to leave out."""
    outcomes = scratch / f"{which}.json"
    source = fetch()
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    environment |= {
        "HOME": str(home),
        "PYTHONPATH": f"{source}{os.pathsep}{ROOT}",
        "S3AM_STATE_DIR": str(scratch / "state"),
        "S3FS_TEST_CLASS": which,
        "S3FS_TEST_OUTCOMES": str(outcomes),
        "AWS_ACCESS_KEY_ID": "foo",
        "AWS_SECRET_ACCESS_KEY": "foo",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.support.in_place_of_s3fs",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:zarr",
        "-q",
    ]
    command += ["--tb=short", "--show-capture=no", "--timeout=180", f"--rootdir={source}", "-c", os.devnull]
    command += [f"--deselect={test}" for test in without]
    with log.open("w") as said:
        subprocess.run(
            [*command, *tests], cwd=source, env=environment, stdout=said, stderr=subprocess.STDOUT, check=False
        )
    assert outcomes.exists(), log.read_text()[-3000:]
    found = json.loads(outcomes.read_text())
    return Ran(found["outcomes"], frozenset(found["sized"]))
