"""Pages read by pattern are what the parser of XML reads."""

from __future__ import annotations

from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import listing_page, xml
from s3amfs.wire.s3.listing_page import Columns, ListingPage, parse_listing, parse_page
from s3amfs.wire.s3.model import ListedObject
from s3amfs.wire.s3.responses import listed_objects, parse_objects
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
    token += "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
    return (
        f"<ListBucketResult>{encoding}<IsTruncated>{str(more).lower()}</IsTruncated>{contents}{token}"
        "</ListBucketResult>"
    ).encode()


@given(st.lists(ROW, max_size=5), st.booleans(), st.booleans(), st.booleans())
def test_pages_are_read_as_the_parser_reads_them(
    rows: list[tuple[str, int, str, bool]], escaped: bool, more: bool, shuffled: bool
) -> None:
    reply = Reply(200, {}, page(rows, escaped=escaped, more=more, shuffled=shuffled))
    found, usual = parse_listing(reply), parse_objects(reply)
    assert parse_page(reply) == usual
    assert usual.prefixes == ("d/",)
    assert (found.columns.objects(), found.token, found.more) == (usual.objects, usual.next_token, more)
    assert found.columns.keys == [key for key, *_ in rows]


@given(
    st.sampled_from(("2026-01-31T", "2024-02-29T", "2023-02-29T", "1970-01-01T", "0001-01-01T", "2026-01-31 ")),
    st.sampled_from(
        ("00:00:00.000Z", "23:59:59.999Z", "24:00:00.000Z", "12:60:00.000Z", "12:00:00Z", "", "12:00:00.5Z")
    ),
)
def test_times_are_those_of_the_parser(day: str, clock: str) -> None:
    body = page([("key", 1, '"e"', True)], escaped=False, more=False)
    reply = Reply(200, {}, body.replace(b"2026-01-31T12:00:01.001Z", (day + clock).encode()))
    assert parse_listing(reply).columns.objects() == parse_objects(reply).objects


def test_a_surrogate_is_no_character() -> None:
    body = page([("key", 1, '"e"', True)], escaped=False, more=False).replace(b">key<", b">&#xD800;<")
    with pytest.raises(MalformedXml):
        parse_listing(Reply(200, {}, body))


def test_an_answer_that_is_cut_is_none() -> None:
    body = page([("key", 1, '"e"', True)], escaped=False, more=False)
    for length in range(len(body) - 1):
        with pytest.raises(MalformedXml):
            parse_listing(Reply(200, {}, body[:length]))


OWNER = "<Owner><ID>1</ID><DisplayName>me</DisplayName></Owner>"
SHAPES = (
    "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>{etag}</ETag>"
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>",
    "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>{etag}</ETag>"
    f"<Size>{{size}}</Size>{OWNER}<StorageClass>STANDARD</StorageClass></Contents>",
    "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>{etag}</ETag>"
    f"<Size>{{size}}</Size><StorageClass>GLACIER</StorageClass>{OWNER}<Type>Normal</Type></Contents>\n",
    "<Contents><Key>{key}</Key><Generation>17</Generation><MetaGeneration>1</MetaGeneration>"
    "<LastModified>{time}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>",
    "<Contents><Key>{key}</Key><ETag>{etag}</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass>"
    "<LastModified>{time}</LastModified></Contents>",
)
"""As AWS, MinIO, Ceph, Google and SeaweedFS write them."""
ETAGS = ('"e"', "&quot;0f-2&quot;", "bare", '"', "", 'W/"w"', "W/w", " spaced ", "&#34;q&#34;", "é", '"a"b"')
KEYS = ("a", "a&amp;b", "a%26b+c", "é&#10;", "&#x1F600;", "&quot;", "&amp;quot;", "&#13;", "a b", "&#37;41")
SNIPPETS = (
    *(b"<", b">", b"&", b"&amp;", b"]]>", b"&#0;", b"&#xD800;", b"&#xFFFE;", b"&nbsp;", b"&#11;", b"\0", b"\r"),
    *(b"\x0b", b"\xff", b"\xef\xbf\xbf", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"x", b" ", b"]]", b"<a>"),
    *(b"</a>", b"<a/>", b"<!--", b"-->", b"<![CDATA[", b"<?pi?>", b"<!DOCTYPE a>", b"<Key>k</Key>", b"<Size>1</Size>"),
    *(b"<Contents>", b"</Contents>", b"<Contents/>", b"<IsTruncated>true</IsTruncated>"),
    b"<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>",
)


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    """A page as some server writes it."""
    rows = "".join(
        draw(st.sampled_from(SHAPES)).format(
            key=draw(st.sampled_from(KEYS)),
            time=draw(st.sampled_from(("2026-01-31T12:00:01.001Z", "2026-01-31T12:00:01Z", "", "now"))),
            etag=draw(st.sampled_from(ETAGS)),
            size=draw(st.sampled_from(("0", "12345", " 1 ", "-1", "1e3"))) if draw(st.booleans()) else "7",
        )
        for _ in range(draw(st.integers(1, 4)))
    )
    head = draw(st.sampled_from(("", "<EncodingType>url</EncodingType>", "<IsTruncated>true</IsTruncated>")))
    tail = draw(st.sampled_from(("", "<NextContinuationToken>t&amp;</NextContinuationToken>", "<Name>b</Name>")))
    return f"<?xml version='1.0'?><ListBucketResult xmlns='u'>{head}{rows}{tail}</ListBucketResult>".encode()


def outcome(body: bytes, *, usual: bool) -> object:
    """What a page is read as; usual: by the parser of XML alone."""
    try:
        if not usual:
            return parse_listing(Reply(200, {}, body))
        root = xml.parse(body, "ListBucketResult")
        more, token = xml.flag(root, "IsTruncated"), xml.text(root, "NextContinuationToken") or None
        return ListingPage(Columns.of(listed_objects(root)), token if more else None, more)
    except MalformedXml:
        return "malformed"


@settings(max_examples=150)
@given(pages(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.sampled_from(SNIPPETS)), max_size=2))
def test_damaged_pages_are_what_the_parser_makes_of_them(body: bytes, damage: list[tuple[float, int, bytes]]) -> None:
    for place, cut, snippet in damage:
        at = int(place * len(body))
        body = body[:at] + snippet + body[at + cut :]
    assert outcome(body, usual=False) == outcome(body, usual=True)


def test_each_snippet_at_each_place_is_what_the_parser_makes_of_it() -> None:
    for shape in (*SHAPES[1:3], SHAPES[4]):
        row = shape.format(key="k", time="2026-01-31T12:00:01.001Z", etag='"e"', size=1)
        body = f"<ListBucketResult>{row}</ListBucketResult>".encode()
        for snippet in SNIPPETS:
            for at in range(0, len(body), 3):
                damaged = body[:at] + snippet + body[at:]
                assert outcome(damaged, usual=False) == outcome(damaged, usual=True), damaged


@pytest.mark.parametrize("shape", SHAPES)
def test_pages_of_many_servers_are_read_by_pattern(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(
        shape.format(key=f"k{number}", time="2026-01-31T12:00:01.001Z", etag='"e"', size=number) for number in range(3)
    )
    monkeypatch.setattr(listing_page, "_by_elements", None)
    found = parse_listing(Reply(200, {}, f"<ListBucketResult>{rows}</ListBucketResult>".encode()))
    kind = None if "Generation" in shape else "GLACIER" if "GLACIER" in shape else "STANDARD"
    assert found.columns.objects()[2] == ListedObject("k2", 2, "e", 1769860801.001, kind)


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_the_first_of_the_columns_are_the_first_of_the_objects(count: int) -> None:
    objects = tuple(
        ListedObject(f"key-{at}", at, f"etag-{at}", float(at), "GLACIER" if at else None) for at in range(3)
    )
    columns = Columns.of(objects)
    assert columns.objects() == tuple(columns.rows()) == objects
    assert columns.first(count).objects() == objects[:count]
