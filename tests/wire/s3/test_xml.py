"""XML from a server that may be hostile, and XML that has to arrive as it was meant."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.errors import TransferError, UsageError
from s3amfs.wire.s3 import xml
from s3amfs.wire.s3.aws_chunked import CHECKSUM_BASE64_LENGTHS, encoded_length, prefix, suffix


def test_namespaces_do_not_matter() -> None:
    for start in ("<A>", f'<A xmlns="{xml.NAMESPACE}">', '<x:A xmlns:x="other">'):
        end = "</x:A>" if "x:A" in start else "</A>"
        root = xml.parse(f"{start}<B>text</B><C/>{end}".encode(), "A")
        assert (root.tag, xml.text(root, "C", "none")) == ("A", "none")
    assert xml.text(xml.parse(b"<A><B>text</B></A>"), "B") == "text"


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        BOMB.decode().encode("utf-16"),
        '<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16-le"),
        b"<a>" * (xml.MAX_DEPTH + 1) + b"</a>" * (xml.MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * xml.MAX_ELEMENTS + b"</a>",
        b"<a>" + b" " * xml.MAX_BYTES + b"</a>",
        b"",
        b"<a>",
        b"<a></b>",
        b"<a>&unknown;</a>",
        b"<html><body>proxy error</body>",
        b"\xff\xfe\x00",
    ],
    ids=range(13),
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(TransferError, match="the server's"):
        xml.parse(body)


def test_another_root_is_refused() -> None:
    with pytest.raises(xml.MalformedXml, match="<Other> where <Wanted>"):
        xml.parse(b"<Other/>", "Wanted")


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "9" * 21, "١"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(xml.MalformedXml):
        xml.number(xml.parse(f"<a><Size>{text}</Size></a>".encode()), "Size")


characters = st.characters(blacklist_categories=("Cs",), blacklist_characters="\ufffe\uffff").filter(
    lambda c: c >= " " or c in "\t\n\r"
)


@given(st.text(characters))
def test_text_comes_back_unchanged(text: str) -> None:
    built = xml.build(("Delete", [("Key", text)]))
    assert xml.text(xml.parse(built, "Delete"), "Key") == text
    assert (ElementTree.fromstring(built).findtext(f"{{{xml.NAMESPACE}}}Key") or "") == text


@pytest.mark.parametrize("text", ["\0", "a\x01", "\x1f", "\ud800", "\uffff"])
def test_text_that_xml_cannot_hold_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        xml.build(("Delete", [("Key", text)]))


@given(st.binary(max_size=200))
def test_any_bytes_are_xml_or_refused(body: bytes) -> None:
    try:
        xml.parse(body)
    except xml.MalformedXml:
        return
    ElementTree.fromstring(body)  # and never more generous than the standard parser


def test_framing_of_a_checked_body() -> None:
    """The example's form: Amazon S3 API, "Uploading using trailing chunks", with one unsigned chunk."""
    body = prefix(5) + b"hello" + suffix(5, "crc32c", "mnG7TA==")
    assert body == b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n"
    assert prefix(0) + suffix(0, "crc32c", "AAAAAA==") == b"0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n"


@given(st.integers(0, 5 << 30), st.sampled_from(sorted(CHECKSUM_BASE64_LENGTHS)))
def test_the_encoded_length_is_known_before(length: int, algorithm: str) -> None:
    checksum = "A" * CHECKSUM_BASE64_LENGTHS[algorithm]
    assert encoded_length(length, algorithm) == len(prefix(length)) + length + len(suffix(length, algorithm, checksum))
