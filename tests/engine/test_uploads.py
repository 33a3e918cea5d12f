"""Listings of unfinished uploads and of their parts, page by page, and their end."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.engine.uploads import abort_upload, list_parts, list_uploads, look_at, one_of_each, uploads_of
from s3amfs.errors import AccessDenied, UploadGone
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from s3amfs.wire.s3.xml import MalformedXml
from tests.support.scripted import Asked, refusal, reply, scripted

UPLOAD = s3api.MultipartUpload("b", "k", "id")


def upload_xml(key: str, upload_id: str, initiated: str = "2026-01-02T00:00:00Z") -> str:
    return f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId><Initiated>{initiated}</Initiated></Upload>"


def uploads_page(inner: str, following: tuple[str, str] | None = None) -> Reply:
    more = "<IsTruncated>false</IsTruncated>"
    if following is not None:
        more = (
            f"<IsTruncated>true</IsTruncated><NextKeyMarker>{following[0]}</NextKeyMarker>"
            f"<NextUploadIdMarker>{following[1]}</NextUploadIdMarker>"
        )
    return reply(body=f"<ListMultipartUploadsResult>{more}{inner}</ListMultipartUploadsResult>")


def parts_page(numbers: range, following: int | None = None) -> Reply:
    more = "" if following is None else f"<NextPartNumberMarker>{following}</NextPartNumberMarker>"
    inner = "".join(f"<Part><PartNumber>{n}</PartNumber><Size>{n}</Size><ETag>e{n}</ETag></Part>" for n in numbers)
    return reply(
        body=f"<ListPartsResult><IsTruncated>{str(following is not None).lower()}</IsTruncated>{more}"
        f"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>{inner}</ListPartsResult>"
    )


def test_all_pages_of_uploads() -> None:
    pages = [uploads_page(upload_xml("k", "1"), ("k", "1")), uploads_page(upload_xml("k2", "2"))]
    client, engine = scripted(lambda asked: pages[len(engine.asked) - 1])
    assert [(u.key, u.upload_id) for u in list_uploads(client, "b", "k")] == [("k", "1"), ("k2", "2")]
    first, second = engine.asked
    assert first.query["prefix"] == "k"
    assert "key-marker" not in first.query
    assert (second.query["key-marker"], second.query["upload-id-marker"]) == ("k", "1")


def test_a_page_that_is_gone_is_no_end_of_the_listing() -> None:
    """`cancel` would take what it has not seen for what is not there."""
    pages = [uploads_page(upload_xml("k", "1"), ("k", "1")), refusal(404, "NoSuchUpload")]
    client, engine = scripted(lambda asked: pages[min(1, len(engine.asked) - 1)])
    with pytest.raises(UploadGone):
        list(list_uploads(client, "b"))


def test_a_listing_that_does_not_advance_ends() -> None:
    client, _ = scripted(lambda asked: uploads_page(upload_xml("k", "1"), ("k", "1")))
    with pytest.raises(MalformedXml, match="more follows, but not where"):
        list(list_uploads(client, "b"))


def test_a_list_of_parts_that_does_not_advance_ends() -> None:
    """A server that knows no part-number-marker."""
    client, engine = scripted(lambda asked: parts_page(range(1, 3), 2))
    with pytest.raises(MalformedXml, match="more follows, but not where"):
        list_parts(client, UPLOAD)
    assert len(engine.asked) == 2


def test_parts_behind_a_number() -> None:
    pages = [parts_page(range(6, 8), 7), parts_page(range(8, 9))]
    client, engine = scripted(lambda asked: pages[len(engine.asked) - 1])
    assert [part.number for part in list_parts(client, UPLOAD, after=5)] == [6, 7, 8]
    assert [asked.query.get("part-number-marker") for asked in engine.asked] == ["5", "7"]


def test_keys_that_xml_cannot_hold_are_asked_for_escaped() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.query.get("encoding-type") != "url":
            return uploads_page(upload_xml("a\x01", "1"))
        return uploads_page("<EncodingType>url</EncodingType>" + upload_xml("a%01", "1"))

    client, engine = scripted(answer)
    assert [u.key for u in list_uploads(client, "b")] == ["a\x01"]
    assert len(engine.asked) == 2


def test_uploads_of_one_key_oldest_first() -> None:
    inner = (
        upload_xml("k", "young", "2026-01-03T00:00:00Z")
        + upload_xml("k2", "other")
        + upload_xml("k", "old", "2026-01-01T00:00:00Z")
        + upload_xml("k", "unknown", "")
    )
    client, _ = scripted(lambda asked: uploads_page(inner))
    assert [u.upload_id for u in uploads_of(client, "b", "k")] == ["unknown", "old", "young"]


def test_all_pages_of_parts() -> None:
    client, engine = scripted(
        lambda asked: parts_page(range(3, 4)) if len(engine.asked) > 1 else parts_page(range(1, 3), 2)
    )
    page = look_at(client, UPLOAD)
    assert [part.number for part in page.parts] == [1, 2, 3]
    assert page.checksum_algorithm == "crc64nvme"
    assert [asked.query.get("part-number-marker") for asked in engine.asked] == [None, "2"]
    assert all(asked.query["uploadId"] == "id" and asked.path == "/b/k" for asked in engine.asked)


def test_parts_alone() -> None:
    client, _ = scripted(lambda asked: parts_page(range(1, 3)))
    assert [(part.number, part.size, part.etag) for part in list_parts(client, UPLOAD)] == [(1, 1, "e1"), (2, 2, "e2")]


def test_an_upload_that_is_no_more_is_named() -> None:
    client, _ = scripted(lambda asked: refusal(404, "NoSuchUpload"))
    with pytest.raises(UploadGone, match="s3://b/k"):
        list_parts(client, UPLOAD)


@pytest.mark.parametrize("answer", [reply(204), refusal(404, "NoSuchUpload"), refusal(404, "NoSuchKey")])
def test_aborting_what_is_no_more_is_fine(answer: Reply) -> None:
    client, engine = scripted(lambda asked: answer)
    abort_upload(client, UPLOAD)
    (asked,) = engine.asked
    assert (asked.method, asked.path, asked.query["uploadId"]) == ("DELETE", "/b/k", "id")


def test_an_abort_that_is_refused_is_an_error() -> None:
    client, _ = scripted(lambda asked: refusal(403, "AccessDenied"))
    with pytest.raises(AccessDenied, match="the unfinished upload of s3://b/k"):
        abort_upload(client, UPLOAD)


BYTE = hashlib.md5(b"\0").hexdigest()
"""ETag of the part that asks what ETags are."""


def part_of(number: int, etag: str, time: float | None = 1.0, size: int = 5, **checksums: str) -> s3api.PartInfo:
    return s3api.PartInfo(number, size, etag, checksums, time)


@pytest.mark.parametrize(
    ("entries", "is_part"),
    [
        ([part_of(1, "a")], part_of(1, "a")),
        ([part_of(1, "a"), part_of(1, "a"), part_of(1, "a", crc32c="x")], part_of(1, "a", crc32c="x")),
        ([part_of(1, "a", 2.0), part_of(1, "b", 1.0)], part_of(1, "a", 2.0)),
        ([part_of(1, "a"), part_of(1, "b")], part_of(1, "", None)),
        ([part_of(1, "a", 2.0), part_of(1, "b", None)], part_of(1, "", None)),
        ([part_of(1, "a", crc32c="x"), part_of(1, "a", crc32c="y")], part_of(1, "", None)),
        ([part_of(1, "a"), part_of(1, "a", size=6)], part_of(1, "", None, 0)),
        ([part_of(1, "a"), part_of(1, BYTE, size=1)], part_of(1, "a")),
        ([part_of(1, "a"), part_of(1, BYTE, size=1), part_of(1, "b")], part_of(1, "", None)),
        ([part_of(1, "a"), part_of(1, BYTE, 2.0, size=1)], part_of(1, BYTE, 2.0, size=1)),
        ([part_of(1, BYTE, size=1), part_of(1, BYTE, size=1)], part_of(1, BYTE, size=1)),
        ([part_of(1, "a"), part_of(1, BYTE)], part_of(1, "", None)),
        ([part_of(2, "a"), part_of(2, BYTE, size=1)], part_of(2, "a")),
        ([part_of(1, "a"), part_of(1, "first", size=1)], part_of(1, "a")),
        ([part_of(1, "first", size=1), part_of(1, "first", size=1)], part_of(1, "first", size=1)),
        ([part_of(2, "a"), part_of(2, "last", size=1)], part_of(2, "", None, 0)),
    ],
    ids=[
        "once",
        "alike",
        "the last",
        "at one time",
        "no time",
        "other checksums",
        "other sizes",
        "after the probe",
        "two after the probe",
        "before a probe",
        "a probe alone",
        "a part like the probe",
        "another part after the probe",
        "after its first byte",
        "its first byte alone",
        "a last part of one byte",
    ],
)
def test_a_part_that_is_listed_more_than_once(entries: list[s3api.PartInfo], is_part: s3api.PartInfo) -> None:
    assert one_of_each(entries) == one_of_each(reversed(entries)) == (is_part,)


SENT = st.lists(st.tuples(st.integers(1, 3), st.sampled_from("abc"), st.integers(0, 1), st.booleans()), max_size=12)


@given(SENT, st.randoms(use_true_random=False))
def test_a_part_is_its_last_upload_or_unknown(sent: list[tuple[int, str, int, bool]], random: Random) -> None:
    """Whatever is listed of earlier uploads, and in which order. sent: number, ETag, seconds since the one before,
    and whether it is still listed when the part was sent again."""
    time, last, uploads = 0, dict[int, s3api.PartInfo](), list[tuple[s3api.PartInfo, bool]]()
    for number, etag, seconds, stays in sent:
        time += seconds
        last[number] = part_of(number, etag, time)
        uploads.append((last[number], stays))
    shown = [part for part, stays in uploads if stays or part is last[part.number]]
    random.shuffle(shown)
    found = {part.number: part for part in one_of_each(shown)}
    assert found.keys() == last.keys()
    for number, part in last.items():
        newest = {e.etag for e in shown if (e.number, e.last_modified) == (number, part.last_modified)}
        assert found[number].etag == (part.etag if len(newest) == 1 else "")
