"""The record of changes that are not published: what is read is what was written, whatever a crash cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core import unpublished as u

HEADER = u.Header("s3://b/k", "aws", "/tmp/x", "etag", 100, 90, {"mode": "33188"}, 1.5)

written = st.tuples(st.just("w"), st.integers(0, 1000), st.integers(1, 100))
resized = st.tuples(st.just("s"), st.integers(0, 1000), st.integers(0, 1000))


@given(st.lists(written | resized), st.integers(0, 10_000))
def test_as_far_as_it_goes(events: list[tuple[str, int, int]], cut: int) -> None:
    lines = [u.encode_header(HEADER)]
    size, valid = HEADER.size, HEADER.base_valid
    bytes_written: set[int] = set()
    states = [(size, valid, set(bytes_written))]
    for kind, first, second in events:
        if kind == "w":
            lines.append(u.encode_written(first, first + second))
            size = max(size, first + second)
            bytes_written |= set(range(first, first + second))
        else:
            lines.append(u.encode_resized(first, min(first, second)))
            size, valid = first, min(first, second)
            bytes_written = {place for place in bytes_written if place < first}
        states.append((size, valid, set(bytes_written)))
    data = b"".join(lines)[: len(lines[0]) + cut]
    complete = data.count(b"\n") - 1
    found = u.parse(data)
    assert found.header == HEADER
    assert (found.size, found.base_valid, {p for s, e in found.dirty for p in range(s, e)}) == states[complete]


def test_another_base() -> None:
    assert u.parse(u.encode_header(HEADER) + u.encode_base("other")).base_etag == "other"


@pytest.mark.parametrize("data", [b"", b"x\n", b"{}\n", b'{"s3am":"unpublished","version":2}\n', b"[]\n"])
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(ValueError):
        u.parse(data)


def test_its_first_line_says_which_version_wrote_it() -> None:
    line = u.encode_header(HEADER)
    assert b'"version":1,' in line
    with pytest.raises(u.RecordOfAnotherVersion) as caught:
        u.parse(line.replace(b'"version":1,', b'"version":2,'))
    assert caught.value.data == "/tmp/x"
    found = u.Unpublished(HEADER)
    assert (found.size, found.base_valid, found.base_etag, list(found.dirty)) == (0, 0, "", [])


@pytest.mark.parametrize("line", [b"[1,2]", b"{}", b'{"x":[1,2]}', b'{"w":[1]}', b'{"w":"ab"}', b"1"])
def test_what_follows_an_odd_line_does_not_count(line: bytes) -> None:
    found = u.parse(u.encode_header(HEADER) + line + b"\n" + u.encode_written(500, 600))
    assert (found.size, list(found.dirty)) == (HEADER.size, [])
