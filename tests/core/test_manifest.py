"""Manifests: what is written is read; torn tails, damage and flips never give wrong records."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.manifest import (
    Header,
    ManifestDamaged,
    ManifestTooNew,
    PartRecord,
    Record,
    SourceIdentity,
    UploadRecord,
    difference,
    encode,
    manifest_name,
    parse,
    proves_same,
    records_of,
    unsettled_seconds,
)

TEXT = st.text(max_size=40)
SOURCES = st.builds(
    SourceIdentity,
    url=TEXT,
    size=st.none() | st.integers(0, 2**50),
    etag=st.none() | TEXT,
    mtime_ns=st.none() | st.integers(0, 2**63),
    inode=st.none() | st.integers(0, 2**63),
    last_modified=st.none() | st.floats(0, 1e10),
)
HEADERS = st.builds(
    Header,
    verb=st.sampled_from(("upload", "copy", "download")),
    source=SOURCES,
    target=TEXT,
    endpoint=TEXT,
    size=st.none() | st.integers(0, 2**50),
    part_size=st.integers(1, 2**33),
    checksum=st.none() | st.just("crc64nvme"),
)
PARTS = st.builds(
    PartRecord,
    number=st.integers(1, 10_000),
    length=st.integers(0, 2**33),
    etag=TEXT,
    crc=st.none() | st.integers(0, 2**64 - 1),
    checksum=TEXT,
)
HEADER = Header("download", SourceIdentity("s3://b/k", size=3), "/t", "https://s3", 3, 5 << 20, None)
UPLOAD = UploadRecord("id", "crc64nvme", "FULL_OBJECT")


@given(HEADERS, st.lists(PARTS, max_size=5))
def test_what_is_written_is_read(header: Header, parts: list[PartRecord]) -> None:
    data = b"".join(encode(record) for record in (header, UPLOAD, *parts))
    found = parse(data)
    assert (found.header, found.upload) == (header, UPLOAD)
    assert found.parts == {part.number: part for part in parts}
    assert found.valid_bytes == len(data)


@given(HEADERS, st.lists(PARTS, max_size=4, unique_by=lambda part: part.number), st.data())
def test_any_prefix_holds_a_prefix_of_the_records(header: Header, parts: list[PartRecord], data: st.DataObject) -> None:
    records: list[Record] = [header, UPLOAD, *parts]
    whole = b"".join(encode(record) for record in records)
    cut = data.draw(st.integers(0, len(whole)))
    complete = whole[:cut].count(b"\n")
    if complete == 0:
        with pytest.raises(ManifestDamaged):
            parse(whole[:cut])
        return
    found = parse(whole[:cut])
    assert found.header == header
    assert found.upload == (UPLOAD if complete > 1 else None)
    assert found.parts == {part.number: part for part in parts[: max(0, complete - 2)]}
    assert found.valid_bytes == whole[:cut].rfind(b"\n") + 1


@given(HEADERS, st.lists(PARTS, max_size=3, unique_by=lambda part: part.number), st.data())
def test_a_flipped_bit_never_gives_wrong_records(header: Header, parts: list[PartRecord], data: st.DataObject) -> None:
    whole = bytearray(b"".join(encode(record) for record in (header, UPLOAD, *parts)))
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[at // 8] ^= 1 << (at % 8)
    try:
        found = parse(bytes(whole))
    except (ManifestDamaged, ManifestTooNew):
        return
    assert found.header == header
    assert found.upload in (None, UPLOAD)
    assert all(part in parts for part in found.parts.values())


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestDamaged):
        parse(data)


def test_another_version_is_refused() -> None:
    header = Header("upload", SourceIdentity("x"), "t", "e", 1, 1, None, version=2)
    with pytest.raises(ManifestTooNew):
        parse(encode(header))


def test_a_new_upload_forgets_the_parts_of_the_old_one() -> None:
    header = Header("upload", SourceIdentity("x"), "t", "e", 1, 1, None)
    part = PartRecord(1, 1, "e", 1, "")
    found = parse(encode(header) + encode(UPLOAD) + encode(part) + encode(UploadRecord("new", None, None)))
    assert (found.upload, found.parts) == (UploadRecord("new", None, None), {})


@given(SOURCES)
def test_a_source_is_the_same_as_itself(source: SourceIdentity) -> None:
    assert difference(source, source) is None


def test_differences_say_what() -> None:
    one = SourceIdentity("u", 5, "e", 1, 2, 3.0)
    assert difference(one, SourceIdentity("u", 6, "e", 1, 2, 3.0)) == "its size was 5 and is 6"
    assert "ETag" in str(difference(one, SourceIdentity("u", 5, "f", 1, 2, 3.0)))
    assert "modification" in str(difference(one, SourceIdentity("u", 5, "e", 9, 2, 3.0)))
    assert "inode" in str(difference(one, SourceIdentity("u", 5, "e", 1, 9, 3.0)))
    assert difference(one, SourceIdentity("v", 5, "e", 1, 2, 3.0)) == "it was u"


def test_names_are_hashes() -> None:
    assert manifest_name("e", "b", "k") != manifest_name("e", "b", "l")
    assert len(manifest_name("e", "b", "\ud800")) == 41


@pytest.mark.parametrize(
    ("before", "now", "proven"),
    [
        ({"etag": '"a"'}, {"etag": '"a"', "url_digest": "other"}, True),
        ({"etag": 'W/"a"'}, {"etag": 'W/"a"'}, True),
        ({"etag": 'W/"a"'}, {"etag": 'W/"a"', "url_digest": "other"}, False),
        ({"last_modified": 1.0}, {"last_modified": 1.0}, True),
        ({"last_modified": 1.0}, {"last_modified": 1.0, "url_digest": "other"}, False),
        ({"etag": '"a"'}, {"last_modified": 1.0}, False),
        ({}, {}, False),
        ({"etag": '"a"'}, {"etag": '"b"'}, False),
        ({"mtime_ns": 1, "inode": 1, "ctime_ns": 1}, {"mtime_ns": 1, "inode": 1, "ctime_ns": 1}, True),
        ({"mtime_ns": 1, "inode": 1, "ctime_ns": 1}, {"mtime_ns": 1, "inode": 1, "ctime_ns": 2}, False),
        ({"mtime_ns": 1, "inode": 1}, {"mtime_ns": 1, "inode": 1, "ctime_ns": 2}, True),
    ],
)
def test_what_proves_a_source_to_be_unchanged(before: dict[str, Any], now: dict[str, Any], proven: bool) -> None:
    assert proves_same(SourceIdentity("u", 1, **before), SourceIdentity("u", 1, **now)) is proven


@given(SOURCES, SOURCES)
def test_what_differs_is_never_proven_to_be_the_same(one: SourceIdentity, other: SourceIdentity) -> None:
    assert difference(one, other) is None or not proves_same(one, other)


@pytest.mark.parametrize(
    ("etag", "modified", "seconds"),
    [
        (None, 1000.0, 1.5),
        ('W/"weak"', 1000.0, 1.5),
        ('"3e8-20"', 1000.0, 1.5),
        ('"strong"', 1000.0, 0.0),
        (None, 998.5, 0.0),
        (None, 998.0, 0.0),
        (None, 1001.0, 0.0),
        (None, None, 0.0),
    ],
    ids=["a time", "weak", "nginx's", "strong", "just settled", "old", "a clock ahead", "no time"],
)
def test_a_time_of_this_second_proves_nothing_yet(etag: str | None, modified: float | None, seconds: float) -> None:
    assert unsettled_seconds(SourceIdentity("u", etag=etag, last_modified=modified), 1000.5) == seconds


@given(st.integers(0, 2**32), st.floats(0, 10), st.floats(0, 10))
def test_what_changes_after_the_wait_has_another_time(second: int, seen_after: float, changed_after: float) -> None:
    now = second + seen_after
    start = now + unsettled_seconds(SourceIdentity("u", last_modified=float(second)), now)
    assert int(start + changed_after) > second


@pytest.mark.parametrize("damage", [b"\n", b"x\n", b"12345678 \n"])
def test_a_damaged_line_in_front_is_no_empty_manifest(damage: bytes) -> None:
    with pytest.raises(ManifestDamaged, match="at byte 0"):
        parse(damage + encode(HEADER))


def test_lines_that_are_nearly_whole() -> None:
    line = encode(HEADER)
    assert parse(line).header == HEADER
    for wrong in (line[:8] + b"-" + line[9:], line[:7] + b"/" + line[8:], line[:-2] + b"\n", b"\n"):
        with pytest.raises(ManifestDamaged):
            parse(wrong)
    assert records_of(line + b"00000000\n00000000 \n") == []


def test_lines_that_are_torn_and_lines_that_are_damaged() -> None:
    header, one, two = (
        encode(record) for record in (HEADER, PartRecord(1, 5, "a", None, ""), PartRecord(2, 5, "b", None, ""))
    )
    assert (
        one
        == b'%08x {"record":"part","number":1,"length":5,"etag":"a","crc":null,"checksum":"","compared":""}\n'
        % (zlib.crc32(one[9:-1]))
    )
    torn = parse(header + one + two[:-1])
    assert (list(torn.parts), torn.valid_bytes) == ([1], len(header + one)), "a line without its end does not count"
    torn = parse(header + one + b"x\n" + two[:-5])
    assert (list(torn.parts), torn.valid_bytes) == ([1], len(header + one)), "nothing behind it can be read"
    with pytest.raises(ManifestDamaged, match=f"it is damaged at byte {len(header)}$"):
        parse(header + b"x\n" + two)
    with pytest.raises(ManifestDamaged, match="at byte 0"):
        parse(b"\n" + header)
    with pytest.raises(ManifestDamaged, match="empty or cut off"):
        parse(header[:-1])
    assert b'"version":1}' in header
