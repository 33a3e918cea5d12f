"""The body of a part: what it sends, and what a reply proves about it. Nothing is sent."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.capabilities import DOUBT, NO_ECHO
from s3amfs.core.checksums import Crc
from s3amfs.core.claims import Compared
from s3amfs.core.failures import Kind
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.upload_body import TOGETHER, PartChecks, UploadBody, etag_is_md5, looks_like_md5
from s3amfs.wire.curl.streams import PAUSE, BytesReader
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import aws_chunked

DATA = b"0123456789"
MD5 = hashlib.md5(DATA).hexdigest()
PLAIN = PartChecks(trailer=None)
BY_ETAG = PartChecks(trailer=None, compare_etag=True)


def crc_of(data: bytes) -> Crc:
    crc = Crc("crc64nvme")
    crc.update(data)
    return crc


CRC = crc_of(DATA)


def sent(checks: PartChecks, data: bytes = DATA) -> UploadBody:
    body = UploadBody(BytesReader(data), 3, len(data), checks)
    read(body)
    return body


def read(body: UploadBody, size: int = 4) -> bytes:
    found = b""
    while data := body.read(size):
        assert isinstance(data, bytes)
        found += data
    return found


def reply(**headers: str) -> Reply:
    return Reply(200, {name.replace("_", "-"): value for name, value in headers.items()})


def test_bytes_pass_as_they_are() -> None:
    body = UploadBody(BytesReader(DATA + b"more"), 3, len(DATA), PLAIN)
    assert (body.moved, body.crc_of_all) == (0, None)
    assert read(body) == DATA
    assert (body.moved, body.crc_of_all, body.crc_name) == (10, CRC.value, "crc64nvme")


def test_a_trailer_frames_them() -> None:
    body = UploadBody(BytesReader(DATA), 3, len(DATA), PartChecks())
    expected = aws_chunked.prefix(10) + DATA + aws_chunked.suffix(10, "crc64nvme", CRC.base64)
    assert read(body) == expected
    assert body.read(4) == b""


def test_a_small_body_leaves_with_its_framing_as_one_piece() -> None:
    """Else it would be three packets."""
    expected = aws_chunked.prefix(10) + DATA + aws_chunked.suffix(10, "crc64nvme", CRC.base64)
    assert UploadBody(BytesReader(DATA), 3, len(DATA), PartChecks()).read(65536) == expected
    large = bytes(TOGETHER + 1)
    body = UploadBody(BytesReader(large), 3, len(large), PartChecks())
    assert body.read(65536) == aws_chunked.prefix(len(large))
    assert body.read(65536) == large


def test_bytes_that_are_not_there_yet_end_a_piece() -> None:
    class Slow(BytesReader):
        pauses = 2

        def read(self, size: int) -> bytes | object:  # type: ignore[override]
            self.pauses -= 1
            return PAUSE if self.pauses >= 0 else super().read(size)

    body = UploadBody(Slow(DATA), 3, len(DATA), PartChecks())
    assert body.read(65536) == aws_chunked.prefix(10)
    assert body.read(65536) is PAUSE
    assert body.read(65536) == DATA + aws_chunked.suffix(10, "crc64nvme", CRC.base64)
    assert body.read(65536) == b""


@given(st.lists(st.integers(1, 60), min_size=1))
def test_no_piece_is_larger_than_asked_for(sizes: list[int]) -> None:
    """curl asks for a few bytes where its buffer is nearly full, and fails the request if it gets more."""
    body = UploadBody(BytesReader(DATA), 3, len(DATA), PartChecks())
    pieces = []
    for size in itertools.cycle(sizes):
        piece = body.read(size)
        assert isinstance(piece, bytes)
        assert len(piece) <= size
        if not piece:
            break
        pieces.append(piece)
    assert b"".join(pieces) == aws_chunked.prefix(10) + DATA + aws_chunked.suffix(10, "crc64nvme", CRC.base64)


def test_it_can_be_sent_again_from_the_beginning() -> None:
    body = UploadBody(BytesReader(DATA), 3, len(DATA), PartChecks())
    first = read(body)
    assert not body.rewound
    assert body.rewind()
    assert (body.rewound, body.moved) == (True, 0)
    assert read(body) == first
    assert body.crc_of_all == CRC.value


class Once(BytesReader):
    def rewind(self) -> bool:
        return False


def test_where_the_source_cannot_go_back_it_is_not_sent_again() -> None:
    body = UploadBody(Once(DATA), 3, len(DATA), PLAIN)
    read(body)
    assert not body.rewind()
    assert (body.rewound, body.moved) == (False, 10)


def test_a_source_that_became_shorter() -> None:
    body = UploadBody(BytesReader(DATA[:-1]), 3, len(DATA), PLAIN)
    with pytest.raises(PartProblem, match="shorter") as caught:
        read(body)
    assert caught.value.failure.kind is Kind.CHANGED


class Pausing:
    def __init__(self) -> None:
        self.finished = 0

    def read(self, size: int) -> object:
        return PAUSE

    def rewind(self) -> bool:
        return True


def test_a_pause_goes_through_and_counts_nothing() -> None:
    body = UploadBody(Pausing(), 3, 10, PLAIN)
    assert body.read(4) is PAUSE
    assert body.moved == 0


class Checking(BytesReader):
    """Notes when it is asked whether all is well."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.checked: list[int] = []

    def finish(self) -> None:
        self.checked.append(self._at)


def test_the_source_is_checked_before_the_last_byte_leaves() -> None:
    source = Checking(DATA)
    body = UploadBody(source, 3, len(DATA), PLAIN)
    body.read(9)
    assert source.checked == []
    body.read(9)
    assert source.checked == [10]


def test_a_part_that_was_sent_in_part() -> None:
    body = UploadBody(BytesReader(DATA), 3, len(DATA), PLAIN)
    body.read(9)
    with pytest.raises(PartProblem, match="before it had the whole part") as caught:
        body.finish(reply(etag='"e"'))
    assert caught.value.failure.kind is Kind.NETWORK
    assert not body.matches(MD5, {"crc64nvme": CRC.base64})


def test_a_checksum_that_the_server_echoes() -> None:
    result = sent(PartChecks()).finish(reply(etag='"e"', x_amz_checksum_crc64nvme=CRC.base64))
    assert (result.number, result.length, result.etag, result.crc) == (3, 10, "e", CRC.value)
    assert (result.checksum, result.compared) == (CRC.base64, Compared.CHECKSUM)


def test_another_checksum_is_damage_and_none_says_that_the_server_knows_none() -> None:
    with pytest.raises(PartProblem, match="other bytes") as caught:
        sent(PartChecks()).finish(reply(x_amz_checksum_crc64nvme=crc_of(b"else").base64))
    assert caught.value.failure.kind is Kind.CORRUPT
    with pytest.raises(PartProblem, match="trailers") as caught:
        sent(PartChecks()).finish(reply(etag='"e"'))
    assert (caught.value.failure.kind, caught.value.failure.code) == (Kind.UNSUPPORTED, NO_ECHO)


def test_an_etag_that_is_the_md5() -> None:
    result = sent(BY_ETAG).finish(reply(etag=f'"{MD5}"'))
    assert (result.compared, result.checksum) == (Compared.ETAG, "")


@pytest.mark.parametrize(("known", "kind"), [(True, Kind.CORRUPT), (False, Kind.FATAL)])
def test_an_etag_that_is_another_md5(known: bool, kind: Kind) -> None:
    with pytest.raises(PartProblem, match="not the MD5") as caught:
        sent(PartChecks(trailer=None, compare_etag=True, etag_known=known)).finish(reply(etag=f'"{"0" * 32}"'))
    assert (caught.value.failure.kind, caught.value.failure.code) == (kind, DOUBT)


@pytest.mark.parametrize(
    ("checks", "compared"), [(PLAIN, Compared.NOTHING), (PartChecks(trailer=None, digest=True), Compared.DIGEST)]
)
def test_what_is_not_compared_is_not_claimed(checks: PartChecks, compared: Compared) -> None:
    assert sent(checks).finish(reply(etag=f'"{"0" * 32}"')).compared is compared
    assert sent(BY_ETAG).finish(reply(etag='"no md5"')).compared is Compared.NOTHING


def test_without_a_crc_none_is_known() -> None:
    body = sent(PartChecks(trailer=None, crc=None))
    assert (body.crc_of_all, body.crc_name, body.finish(reply()).crc) == (None, "", None)


def test_whether_an_object_is_what_was_sent() -> None:
    body = sent(BY_ETAG)
    assert body.matches("other", {"crc64nvme": CRC.base64})
    assert not body.matches(MD5, {"crc64nvme": crc_of(b"else").base64})
    assert body.matches(MD5, {"sha1": "x"})
    assert not body.matches("0" * 32, {})
    assert not sent(PLAIN).matches(MD5, {}), "unknown"


@pytest.mark.parametrize(
    ("etag", "headers", "is_md5"),
    [
        (MD5, {}, True),
        (MD5, {"x-amz-server-side-encryption": "AES256"}, True),
        (MD5, {"x-amz-server-side-encryption": "aws:kms"}, False),
        (MD5, {"x-amz-server-side-encryption": "aws:kms:dsse"}, False),
        (MD5, {"x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
        (f"{MD5}-2", {}, False),
    ],
)
def test_etags_that_are_md5s(etag: str, headers: dict[str, str], is_md5: bool) -> None:
    assert etag_is_md5(etag, headers) is is_md5


@pytest.mark.parametrize(
    ("etag", "looks"),
    [("0123456789abcdef" * 2, True), ("f" * 31, False), ("f" * 33, False), ("F" * 32, False), ("", False)],
)
def test_the_form_of_an_md5(etag: str, looks: bool) -> None:
    assert looks_like_md5(etag) is looks
