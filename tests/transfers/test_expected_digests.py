"""Digests that the source must have: those the user gave, and those it says of itself."""

from __future__ import annotations

import hashlib
import io

import pytest

from s3amfs.core.checksums import Crc
from s3amfs.errors import ChecksumMismatch
from s3amfs.transfers.expected_digests import READ_BYTES, Expectation
from s3amfs.transfers.report import Report, ignore

DATA = b"x" * (READ_BYTES + 1)
MD5, SHA = hashlib.md5(DATA), hashlib.sha256(DATA)
REPORT = Report("upload", "-", "s3://b/k", ignore)


def crc_of(data: bytes) -> Crc:
    crc = Crc("crc32c")
    crc.update(data)
    return crc


def expecting(*expect: tuple[str, str], **said: bytes) -> Expectation:
    return Expectation(expect, {name.replace("_", "-"): value for name, value in said.items()}, REPORT)


def test_only_what_the_user_gives_needs_the_bytes_in_order() -> None:
    assert expecting(("md5", MD5.hexdigest())).needs_order
    assert not expecting(md5=MD5.digest()).needs_order


def test_all_digests_of_the_user_are_compared() -> None:
    expectation = expecting(("md5", MD5.hexdigest().upper()), ("sha256", SHA.hexdigest()))
    expectation.hash(io.BytesIO(DATA))
    expectation.check("s3://b/k")


@pytest.mark.parametrize("wrong", [0, 1])
def test_one_wrong_digest_is_enough(wrong: int) -> None:
    given = [("md5", MD5.hexdigest()), ("sha256", SHA.hexdigest())]
    given[wrong] = (given[wrong][0], "0" * len(given[wrong][1]))
    expectation = expecting(*given)
    expectation.hash(io.BytesIO(DATA))
    with pytest.raises(ChecksumMismatch, match=f"s3://b/k was not stored: the source's {given[wrong][0]} is "):
        expectation.check("s3://b/k")


def test_bytes_pass_a_stream_that_is_watched() -> None:
    expectation = expecting(("md5", MD5.hexdigest()))
    stream = expectation.watching(io.BytesIO(DATA))
    assert stream.read(1) + stream.read(READ_BYTES) == DATA
    expectation.check("s3://b/k")


def test_without_a_digest_nothing_is_watched() -> None:
    stream = io.BytesIO(DATA)
    assert expecting().watching(stream) is stream
    assert expecting(unknown=b"1").watching_all(stream) is stream
    expecting().check("s3://b/k")


def test_of_what_the_source_says_the_cheapest_is_compared() -> None:
    expectation = expecting(sha256=b"wrong", crc32c=crc_of(DATA).value.to_bytes(4, "big"))
    expectation.watching_all(io.BytesIO(DATA)).read(len(DATA))
    expectation.check("s3://b/k")


def test_a_digest_of_the_content_has_its_plain_name_in_errors() -> None:
    expectation = expecting(md5_content=hashlib.md5(b"else").digest())
    expectation.watching_all(io.BytesIO(DATA)).read(len(DATA))
    with pytest.raises(ChecksumMismatch, match="the md5 that the source sent is not that of its bytes"):
        expectation.check("s3://b/k")


def test_both_kinds_at_once() -> None:
    expectation = expecting(("md5", "0" * 32), sha1=hashlib.sha1(DATA).digest())
    expectation.watching_all(io.BytesIO(DATA)).read(len(DATA))
    with pytest.raises(ChecksumMismatch, match="the source's md5"):
        expectation.check("s3://b/k")


def test_the_joined_crc_is_compared_where_the_source_says_one() -> None:
    crc = crc_of(DATA)
    expectation = expecting(crc32c=crc.value.to_bytes(4, "big"))
    expectation.check_whole(("crc32c", crc.base64), "s3://b/k")
    expectation.check_whole(("crc64nvme", "AAAAAAAAAAA="), "s3://b/k")
    expectation.check_whole(None, "s3://b/k")
    with pytest.raises(ChecksumMismatch, match="crc32c that the source sent"):
        expectation.check_whole(("crc32c", crc_of(b"else").base64), "s3://b/k")
