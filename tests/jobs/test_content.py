"""Whether two contents are equal, by what S3 stores of them; None wherever nothing stored says so."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.checksums import Crc, multipart_etag
from s3amfs.jobs.content import Compared, object_and_bytes, two_objects
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.model import ObjectInfo
from tests.support.scripted import Asked, refusal, reply, scripted

DATA = b"0123456789"
MD5 = hashlib.md5(DATA).hexdigest()
OTHER_MD5 = "0" * 32


def crc64(data: bytes) -> str:
    crc = Crc("crc64nvme")
    crc.update(data)
    return crc.base64


def info(etag: str = MD5, size: int = len(DATA), **more: Any) -> ObjectInfo:
    return ObjectInfo(size=size, etag=etag, **more)


def compared(stored: ObjectInfo, data: bytes | int = DATA, answer: Any = None) -> Compared:
    client, _ = scripted(answer or (lambda asked: refusal(500)))
    return object_and_bytes(client, "b", "k", stored, data, None)


def test_another_size_is_other_content_without_a_look_at_it() -> None:
    assert compared(info(size=11)) == Compared(False, "size differs")
    assert compared(info(size=9, etag="")) == Compared(False, "size differs")


def test_a_stored_crc_decides_whatever_the_etag_says() -> None:
    same = {"crc64nvme": crc64(DATA)}
    assert compared(info(OTHER_MD5, checksums=same)) == Compared(True, "crc64nvme")
    assert compared(info(MD5, checksums={"crc64nvme": crc64(b"other")})) == Compared(False, "crc64nvme")


def test_an_md5_decides_where_no_crc_is_stored() -> None:
    assert compared(info()) == Compared(True, "ETag")
    assert compared(info(OTHER_MD5)) == Compared(False, "ETag")


@pytest.mark.parametrize(
    "stored",
    [
        info(""),
        info("no-md5"),
        info(MD5, customer_key_md5="x"),
        info(MD5, sse="aws:kms"),
        info(MD5, sse="aws:kms:dsse"),
    ],
)
def test_what_is_no_md5_says_nothing(stored: ObjectInfo) -> None:
    assert compared(stored) == Compared(None, "no checksum is stored, and its ETag is none")


def etag_of(*parts: bytes) -> str:
    return multipart_etag([hashlib.md5(part).digest() for part in parts])


def head_of(parts: list[int]) -> Any:
    def answer(asked: Asked) -> Reply:
        number = int(asked.query["partNumber"])
        return reply(206, content_length=str(parts[number - 1]))

    return answer


@pytest.mark.parametrize("sizes", [[4, 4, 2], [3, 5, 2], [1, 9], [5, 5]])
def test_the_etag_of_parts_is_made_again_with_their_sizes(sizes: list[int]) -> None:
    at, parts = 0, []
    for size in sizes:
        parts.append(DATA[at : at + size])
        at += size
    assert compared(info(etag_of(*parts)), answer=head_of(sizes)) == Compared(True, "ETag")
    assert compared(info(etag_of(*parts)), b"x" * 10, answer=head_of(sizes)) == Compared(False, "ETag")


def test_one_part_is_no_plain_md5() -> None:
    assert compared(info(etag_of(DATA))) == Compared(True, "ETag")
    assert compared(info(f"{MD5}-1")) == Compared(False, "ETag")


def test_parts_of_unknown_sizes_say_nothing() -> None:
    found = compared(info(etag_of(b"01234", b"56789")), answer=lambda asked: reply(200, content_length="10"))
    assert found == Compared(None, "no checksum is stored, and the sizes of its parts are not known")


def test_a_file_is_read_from_its_descriptor(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        assert compared(info(), fd) == Compared(True, "ETag")
        assert compared(info(checksums={"crc64nvme": crc64(DATA)}), fd) == Compared(True, "crc64nvme")
        assert compared(info(etag_of(b"0123", b"456789")), fd, head_of([4, 6])) == Compared(True, "ETag")
        assert compared(info(size=9), fd) == Compared(False, "size differs")
    finally:
        os.close(fd)


def test_an_empty_file_equals_an_empty_object(tmp_path: Path) -> None:
    assert compared(info(hashlib.md5(b"").hexdigest(), 0), b"") == Compared(True, "ETag")


CRC = {"crc64nvme": crc64(DATA)}
OTHER_CRC = {"crc64nvme": crc64(b"other")}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (info(size=9), info(), Compared(False, "size differs")),
        (info(checksums=CRC), info(OTHER_MD5, checksums=CRC), Compared(True, "crc64nvme")),
        (info(checksums=CRC), info(checksums=OTHER_CRC), Compared(False, "crc64nvme")),
        (info(checksums=CRC, checksum_type="FULL_OBJECT"), info(checksums=CRC), Compared(True, "crc64nvme")),
        # CRCs of parts are not those of the whole: the ETags are left.
        (info("a" * 32, checksums=CRC, checksum_type="COMPOSITE"), info(MD5, checksums=CRC), Compared(False, "ETag")),
        (info("a" * 32, checksums=CRC), info(MD5, checksums=CRC, checksum_type="COMPOSITE"), Compared(False, "ETag")),
        (info("a" * 32, checksums={"crc32": "AAAA-2"}), info(checksums={"crc32": "AAAA-2"}), Compared(False, "ETag")),
        # Of different kinds: the ETags are left.
        (info(checksums=CRC), info(checksums={"sha256": "x"}), Compared(True, "ETag")),
        (info(), info(), Compared(True, "ETag")),
        (info(), info(OTHER_MD5), Compared(False, "ETag")),
        # Of equal parts: equal content. Of other parts: nobody knows.
        (info(f"{MD5}-2"), info(f"{MD5}-2"), Compared(True, "ETag")),
        (info(f"{MD5}-2"), info(f"{MD5}-3"), Compared(None, "")),
        (info(f"{MD5}-2"), info(), Compared(None, "")),
        (info(), info(f"{MD5}-2"), Compared(None, "")),
        # Encrypted ones have ETags that are no digests.
        (info(customer_key_md5="x"), info(), Compared(None, "")),
        (info(), info(customer_key_md5="x"), Compared(None, "")),
        (info(sse="aws:kms"), info(OTHER_MD5), Compared(None, "")),
        (info(OTHER_MD5), info(sse="aws:kms:dsse"), Compared(None, "")),
        (info("short"), info(OTHER_MD5), Compared(None, "")),
        (info(""), info(""), Compared(None, "")),
    ],
)
def test_two_objects(one: ObjectInfo, other: ObjectInfo, expected: Compared) -> None:
    how = expected.how or "no checksum of the same kind is stored for both"
    assert two_objects(one, other) == Compared(expected.equal, how)
