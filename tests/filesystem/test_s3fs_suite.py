"""s3fs's own test suite, with S3AMFileSystem in s3fs's place: what s3fs itself passes has to pass."""

from __future__ import annotations

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
    f"{CORE}test_with_xzarr": "its chunks have 100 MiB: they go in parts by themselves",
    f"{CORE}test_list_versions_many": "asks for more than a page of a listing, of 1,200 objects of a byte",
    f"{CORE}test_s3_big_ls": "asks for more than a page of a listing, of 1,200 empty objects",
}
"""Long ones that ask the same of the same code whatever is sent in parts: run once."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("which", ["default", "forced"])
def test_passes_where_s3fs_does(which: str, tmp_path: Path) -> None:
    without = (*NOT_HERE, *DIFFERENT, *(SAME_IN_PARTS if which == "forced" else ()))
    ours = s3fs_suite.run(which, tmp_path, tmp_path / "log", without=without)
    failed = {test for test, outcome in ours.items() if outcome == "failed"}
    if failed:  # theirs are run only then: most of the time there is nothing to ask
        theirs = s3fs_suite.run("s3fs", tmp_path, tmp_path / "log of s3fs")
        failed = {test for test in failed if theirs.get(test) == "passed"}
    log = (tmp_path / "log").read_text()[-20000:]
    assert not failed, log
    assert sum(outcome == "passed" for outcome in ours.values()) > 350, log
