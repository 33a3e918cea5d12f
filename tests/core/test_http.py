"""Content-Range and digests, from friendly and hostile servers."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.http import (
    WITH_CONTENT,
    ContentRange,
    compressed_in_transit,
    origin,
    parse_content_range,
    plain_content_type,
    source_digests,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 0-9/100", ContentRange(0, 10, 100)),
        ("Bytes 5-5/*", ContentRange(5, 1, None)),
        ("bytes */7", ContentRange(0, 0, 7)),
        ("bytes */*", None),
        ("bytes 9-0/100", None),
        ("bytes 0-100/100", None),
        ("items 0-9/100", None),
        ("bytes 0-9", None),
        ("bytes ٠-٩/١٠", None),
        ("", None),
    ],
)
def test_content_range(text: str, found: ContentRange | None) -> None:
    assert parse_content_range(text) == found


@given(st.integers(0, 2**60), st.integers(1, 2**60), st.none() | st.integers(0, 2**60))
def test_content_range_round_trip(start: int, length: int, more: int | None) -> None:
    total = None if more is None else start + length + more
    text = f"bytes {start}-{start + length - 1}/{'*' if total is None else total}"
    assert parse_content_range(text) == ContentRange(start, length, total)


@given(st.text())
def test_content_range_never_raises(text: str) -> None:
    found = parse_content_range(text)
    assert found is None or found.length >= 0


def test_digests() -> None:
    md5 = hashlib.md5(b"x").digest()
    sha = hashlib.sha256(b"x").digest()
    crc = b"\1\2\3\4"

    def text(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    found = source_digests(
        {
            "content-md5": text(md5),
            "repr-digest": f"sha-256=:{text(sha)}:",
            "x-goog-hash": f"crc32c={text(crc)}, md5={text(md5)}",
            "x-amz-checksum-crc64nvme": text(b"12345678"),
        }
    )
    assert found == {"md5-content": md5, "sha256": sha, "crc32c": crc, "md5": md5, "crc64nvme": b"12345678"}
    composite = {"x-amz-checksum-crc32c": text(crc), "x-amz-checksum-type": "COMPOSITE"}
    assert source_digests(composite) == {}
    unpacked = {"x-goog-hash": f"md5={text(md5)}", "x-goog-stored-content-encoding": "gzip"}
    assert source_digests(unpacked) == {}
    assert source_digests({**unpacked, "content-encoding": "gzip"}) == {"md5": md5}
    assert source_digests({"digest": "SHA=" + text(hashlib.sha1(b"x").digest())}) == {
        "sha1": hashlib.sha1(b"x").digest()
    }


@given(st.dictionaries(st.sampled_from(["content-md5", "digest", "x-goog-hash", "x-amz-checksum-crc32"]), st.text()))
def test_hostile_digests(headers: dict[str, str]) -> None:
    assert all(isinstance(value, bytes) for value in source_digests(headers).values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("", None),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("text/plain\x01", "text/plain"),
        ('text/plain; name="\u00fcber"', "text/plain"),
        ("\u00fcber", None),
        ("\x00", None),
    ],
)
def test_a_content_type_is_plain_or_none(text: str | None, found: str | None) -> None:
    assert plain_content_type(text) == found


@given(st.text())
def test_a_content_type_can_always_be_sent(text: str) -> None:
    found = plain_content_type(text)
    assert found is None or (found.isascii() and found.isprintable())


@pytest.mark.parametrize(
    ("coding", "name", "kind", "compressed"),
    [
        ("", "f.txt", "", False),
        ("identity", "f.txt", "", False),
        ("gzip", "f.txt", "text/plain", True),
        ("x-gzip", "f.txt", "", True),
        ("gzip", "f.txt.gz", "", False),
        ("x-gzip", "F.TGZ", "", False),
        ("gzip", "f", "application/x-gzip; q=1", False),
        ("gzip", "f", "application/gzip", False),
        ("br", "f.gz", "", True),
        ("identity, gzip", "f.txt", "", True),
        ("aws-thing", "f.txt", "", True),
    ],
)
def test_content_that_is_compressed_on_the_way_only(coding: str, name: str, kind: str, compressed: bool) -> None:
    headers = {"content-encoding": coding, "content-type": kind}
    assert compressed_in_transit(headers, name) is compressed
    if not coding:
        assert not compressed_in_transit({}, name)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://Host.example:9000/bucket/key", "https://host.example:9000"),
        ("https://host.example", "https://host.example"),
        ("HTTPS://user:pass@Host/a@b/c://d", "https://host"),
        ("http://u@v:w@host:80/", "http://host:80"),
        ("http:///path", "http://"),
        ("s3://b/x", "s3://b"),
        ("://h/x", "://h"),
    ],
)
def test_the_origin_of_a_url(url: str, found: str) -> None:
    assert origin(url) == found


def test_ten_digests_of_a_header_are_read() -> None:
    """With names that count or not; the first of each name counts."""
    crc, other = (base64.b64encode(raw).decode() for raw in (b"\1\2\3\4", b"\4\3\2\1"))
    nothing = "x=AAAA,"
    assert source_digests({"digest": nothing * 9 + f"crc32={crc}"}) == {"crc32": b"\1\2\3\4"}
    assert source_digests({"digest": nothing * 10 + f"crc32={crc}"}) == {}
    assert source_digests({"digest": f"crc32={crc}, crc32={other}"}) == {"crc32": b"\1\2\3\4"}
    assert source_digests({"content-digest": f"crc32=:{crc}:"}) == {"crc32-content": b"\1\2\3\4"}
    assert source_digests({"digest": "sha-512=" + base64.b64encode(bytes(64)).decode()}) == {"sha512": bytes(64)}
    assert source_digests({"digest": "sha-512=" + base64.b64encode(bytes(63)).decode()}) == {}
    assert source_digests({"x-amz-checksum-crc32": crc, "x-amz-checksum-type": "full_object"}) == {"crc32": b"\1\2\3\4"}


def test_statuses_with_content() -> None:
    assert {200, 203, 206} == WITH_CONTENT
