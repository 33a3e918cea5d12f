from __future__ import annotations

import pytest

from s3amfs.errors import UsageError
from s3amfs.jobs.from_list import parse_list


def test_keys_are_the_last_component_decoded_without_the_query() -> None:
    lines = parse_list(
        ["https://h/a/b%20c.gz?X-Signature=1\n", "/p/q r\n", "# no", "", "s3://bucket/k/z\tother/key"], ""
    )
    assert [(line.number, line.key) for line in lines] == [(1, "b c.gz"), (2, "q r"), (5, "other/key")]


@pytest.mark.parametrize("lines", [["/a/x", "/b/x"], ["/a/"], ["-"], ["s3://bucket"], ["/a\t" + "k" * 1025]])
def test_what_cannot_be(lines: list[str]) -> None:
    with pytest.raises(UsageError, match="line"):
        parse_list(lines, "p/")
