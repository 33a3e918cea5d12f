"""Types by names: those of the library for the whole name, although only the end of it is looked up."""

from __future__ import annotations

import mimetypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.transfers.content_type import guess_content_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain"),
        ("a.txt.gz", "application/gzip"),
        ("a.tar.bz2", "application/x-bzip2"),
        ("a.xz", "application/x-xz"),
        ("a.txt.Z", None),
        ("a", None),
    ],
)
def test_the_type_by_the_name(name: str, kind: str | None) -> None:
    assert guess_content_type(name) == kind


PIECES = st.sampled_from(
    [".", "..", "/", "a", "txt", ".txt", ".html", ".gz", ".tgz", ".tar", ".PNG", ":", "data:", ","]
)


@given(st.lists(PIECES, max_size=7).map("".join))
def test_it_is_that_of_the_whole_name(name: str) -> None:
    kind, encoding = mimetypes.guess_type(name, strict=False)
    if encoding is None:
        assert guess_content_type(name) == kind
    else:
        assert (guess_content_type(name) or "").startswith("application/") or encoding not in ("gzip", "bzip2", "xz")
