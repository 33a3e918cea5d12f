"""Pages read by pattern are what the parser of XML reads."""

from __future__ import annotations

from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.listing_page import parse_listing
from s3amfs.wire.s3.responses import parse_objects
from s3amfs.wire.s3.xml import MalformedXml

TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
ROW = st.tuples(TEXT, st.integers(0, 2**60), st.sampled_from(('"e"', "&quot;x-2&quot;", 'W/"w"', "")), st.booleans())


def page(rows: list[tuple[str, int, str, bool]], *, escaped: bool, more: bool, shuffled: bool = False) -> bytes:
    contents = ""
    for key, size, etag, plain in rows:
        name = f"<Key>{quote_plus(key) if escaped else escape(key)}</Key>"
        rest = f"<LastModified>2026-01-31T12:00:0{size % 10}.{size % 1000:03d}Z</LastModified><ETag>{etag}</ETag>"
        kind = "<StorageClass>STANDARD</StorageClass>" if plain else ""
        last = f"<Size>{size}</Size>{kind}"
        contents += f"<Contents>{last + name + rest if shuffled else name + rest + last}</Contents>"
    encoding = "<EncodingType>url</EncodingType>" if escaped else ""
    token = "<NextContinuationToken>a&amp;b</NextContinuationToken>" if more else ""
    return (
        f"<ListBucketResult>{encoding}<IsTruncated>{str(more).lower()}</IsTruncated>{contents}{token}"
        "</ListBucketResult>"
    ).encode()


@given(st.lists(ROW, max_size=5), st.booleans(), st.booleans(), st.booleans())
def test_pages_are_read_as_the_parser_reads_them(
    rows: list[tuple[str, int, str, bool]], escaped: bool, more: bool, shuffled: bool
) -> None:
    reply = Reply(200, {}, page(rows, escaped=escaped, more=more, shuffled=shuffled))
    found, follows = parse_listing(reply)
    assert (found, follows) == (parse_objects(reply), more)
    assert [item.key for item in found.objects] == [key for key, *_ in rows]


@given(
    st.sampled_from(("2026-01-31T", "2024-02-29T", "2023-02-29T", "1970-01-01T", "0001-01-01T", "2026-01-31 ")),
    st.sampled_from(
        ("00:00:00.000Z", "23:59:59.999Z", "24:00:00.000Z", "12:60:00.000Z", "12:00:00Z", "", "12:00:00.5Z")
    ),
)
def test_times_are_those_of_the_parser(day: str, clock: str) -> None:
    body = page([("key", 1, '"e"', True)], escaped=False, more=False)
    reply = Reply(200, {}, body.replace(b"2026-01-31T12:00:01.001Z", (day + clock).encode()))
    assert parse_listing(reply)[0] == parse_objects(reply)


def test_a_surrogate_is_no_character() -> None:
    body = page([("key", 1, '"e"', True)], escaped=False, more=False).replace(b">key<", b">&#xD800;<")
    with pytest.raises(MalformedXml):
        parse_listing(Reply(200, {}, body))


def test_an_answer_that_is_cut_is_none() -> None:
    body = page([("key", 1, '"e"', True)], escaped=False, more=False)
    for length in range(len(body) - 1):
        with pytest.raises(MalformedXml):
            parse_listing(Reply(200, {}, body[:length]))
