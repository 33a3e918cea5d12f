from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.tree_events import EntryDone
from s3amfs.errors import UsageError
from s3amfs.jobs.from_list import _Done, _Uploader, parse_list
from s3amfs.jobs.list_journal import Line
from s3amfs.transfers.options import UploadOptions


def test_keys_are_the_last_component_decoded_without_the_query() -> None:
    lines = parse_list(
        ["https://h/a/b%20c.gz?X-Signature=1\n", "/p/q r\n", "# no", "", "s3://bucket/k/z\tother/key"], ""
    )
    assert [(line.number, line.key) for line in lines] == [(1, "b c.gz"), (2, "q r"), (5, "other/key")]


@pytest.mark.parametrize("lines", [["/a/x", "/b/x"], ["/a/"], ["-"], ["s3://bucket"], ["/a\t" + "k" * 1025]])
def test_what_cannot_be(lines: list[str]) -> None:
    with pytest.raises(UsageError, match="line"):
        parse_list(lines, "p/")


def test_blanks_of_a_path_are_part_of_it_and_those_around_a_url_are_not() -> None:
    lines = parse_list(["/data/x \n", "/data/x\n", "  https://host/y \tkey\n"], "p/")
    assert [(str(line.source), line.key) for line in lines] == [
        ("/data/x ", "x "),
        ("/data/x", "x"),
        ("https://host/y", "key"),
    ]


def test_a_journal_that_can_not_be_written_ends_no_job(caplog: pytest.LogCaptureFixture) -> None:
    class Journal:
        tries = 0

        def add(self, *_: object) -> None:
            self.tries += 1
            raise OSError(28, "No space left on device")

    journal: Any = Journal()
    client: Any = None
    uploader = _Uploader(S3Location("b", "p/"), client, UploadOptions(), None, journal)
    done = _Done(Line(1, LocalPath("/x"), "x"), EntryDone("x", "upload", "", 1), "source", "etag")
    uploader.note(done)
    uploader.note(done)
    assert journal.tries == 1
    assert "No space left" in caplog.text
