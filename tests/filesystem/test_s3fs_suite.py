"""s3fs's own test suite, with S3AMFileSystem in s3fs's place: what s3fs itself passes has to pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import s3fs_suite

CORE = "s3fs/tests/test_s3fs.py::"
NOT_HERE = {
    f"{CORE}test_async_close": "asks AWS itself: s3fs fails in it, too, where that can't be reached",
}
DIFFERENT = {
    f"{CORE}test_autocommit": "wants an error of commit after discard: a transaction goes on after a file that failed",
    f"{CORE}test_get_directories": "ours names an object that has the name of a folder, after the rest was fetched",
    f"{CORE}test_errors": "reads an object of which a with block that failed was to store nothing",
    f"{CORE}test_listing_retries_transient_errors": "counts requests of s3fs, and the engine lists trees",
    f"{CORE}test_find_ls_fail": "ours leaves ChecksumAlgorithm out of what find has put in the cache",
    f"{CORE}test_list_del_multipart": "moto answers 500 to parts of an upload that is gone: tried for 5 minutes",
}
"""What ours does otherwise on purpose, with the reason."""
SAME_IN_PARTS = {
    f"{CORE}test_with_xzarr": "its chunks have some 90 MiB: they go in parts by themselves",
    f"{CORE}test_list_versions_many": "asks for more than a page of versions of one object",
    f"{CORE}test_s3_big_ls": "asks for more than a page of a listing, of empty objects",
}
"""Long ones that ask the same of the same code whatever is sent in parts: run once."""
PATTERNS = re.compile(r"_glob_edge_cases\[(?!\*\*-)")
"""Some hundred tests of which names a pattern means, whatever is sent in parts: once more are those of '**' alone."""


LEAST = {"own": 200, "derived": 120}
"""How many pass at least, of each half."""
LEAST_IN_PARTS = {"own": 50, "derived": 40}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("half", ["own", "derived"])
def test_passes_where_s3fs_does(half: str, tmp_path: Path) -> None:
    """As it is, and once more in parts for every size: those tests in which our class asks which size that is."""
    without = [*NOT_HERE, *DIFFERENT]
    tests = s3fs_suite.FILES[half]
    ours = s3fs_suite.run("default", tmp_path, tmp_path / "log", tests, without)
    judge(ours, "default", tmp_path, LEAST[half])
    in_parts = sorted(test for test in ours.sized.difference(SAME_IN_PARTS) if PATTERNS.search(test) is None)
    judge(s3fs_suite.run("forced", tmp_path, tmp_path / "log", in_parts), "forced", tmp_path, LEAST_IN_PARTS[half])


def judge(ours: s3fs_suite.Ran, which: str, scratch: Path, least: int) -> None:
    failed = {test for test, outcome in ours.outcomes.items() if outcome == "failed"}
    if failed:  # theirs are run only then: most of the time there is nothing to ask
        theirs = s3fs_suite.run("s3fs", scratch, scratch / "log of s3fs", sorted(failed))
        failed = {test for test in failed if theirs.outcomes.get(test) == "passed"}
    log = (scratch / "log").read_text()[-20000:]
    assert not failed, f"{which}: {log}"
    assert sum(outcome == "passed" for outcome in ours.outcomes.values()) >= least, f"{which}: {log}"
