"""core/checksums.py, against the catalogue's check values, hashlib and a bit-by-bit CRC of the test's own."""

from __future__ import annotations

import base64
import hashlib
import mmap
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.core.checksums import (
    CRC_WIDTHS,
    DIGEST_SIZES,
    Crc,
    combine,
    crc,
    decode,
    encode,
    etag_parts,
    hasher,
    known,
    multipart_etag,
)
from s3amfs.errors import InvalidChecksumAlgorithm

# Polynomials in reflected form, from the CRC catalogue; all three start and end inverted.
REFLECTED = {"crc64nvme": 0x9A6C9329AC4BC9B5, "crc32c": 0x82F63B78, "crc32": 0xEDB88320}
CHECK = {"crc64nvme": 0xAE8B14860A799888, "crc32c": 0xE3069283, "crc32": 0xCBF43926}
NAMES = st.sampled_from(sorted(CRC_WIDTHS))


def bitwise(name: str, data: bytes) -> int:
    mask = (1 << (8 * CRC_WIDTHS[name])) - 1
    value = mask
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (REFLECTED[name] if value & 1 else 0)
    return value ^ mask


@pytest.mark.parametrize("name", sorted(CRC_WIDTHS))
def test_check_values(name: str) -> None:
    assert crc(name, b"123456789") == CHECK[name]
    assert crc(name, b"") == 0


@given(NAMES, st.lists(st.binary(max_size=60)))
def test_running_and_combined_crcs_equal_the_definition(name: str, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    running = Crc(name)
    for piece in pieces:
        running.update(memoryview(bytearray(piece)))
    assert running.value == bitwise(name, whole)
    assert running.length == len(whole)
    at_once = Crc(name)
    at_once.update_all(pieces)
    assert (at_once.value, at_once.length) == (running.value, len(whole))
    at_once.update_all([b"abc"])
    assert (at_once.value, at_once.length) == (bitwise(name, whole + b"abc"), len(whole) + 3)
    assert combine(name, [(bitwise(name, piece), len(piece)) for piece in pieces]) == running.value
    assert running.base64 == base64.b64encode(running.digest()).decode()
    assert int(running.hexdigest(), 16) == running.value


def test_order_and_length_matter_when_combining() -> None:
    one, two = (crc("crc64nvme", b"one"), 3), (crc("crc64nvme", b"other"), 5)
    assert combine("crc64nvme", [one, two]) == crc("crc64nvme", b"oneother")
    assert combine("crc64nvme", [two, one]) != crc("crc64nvme", b"oneother")
    assert combine("crc64nvme", [one, (two[0], 6)]) != crc("crc64nvme", b"oneother")
    assert combine("crc64nvme", []) == 0


@pytest.mark.parametrize("name", sorted(CRC_WIDTHS))
def test_long_parts_combine(name: str) -> None:
    """Lengths beyond 32 bits: 48 TiB of parts that nobody has to read, joined in two ways."""
    part = (crc(name, b"x" * 1000), 5 << 30)
    halves = combine(name, [part] * 5000)
    assert combine(name, [(halves, 5000 * (5 << 30))] * 2) == combine(name, [part] * 10000)


@given(NAMES, st.binary(min_size=8, max_size=64))
def test_every_kind_of_buffer_gives_the_same(name: str, data: bytes) -> None:
    with mmap.mmap(-1, len(data)) as mapped:
        mapped[:] = data
        kinds = (data, bytearray(data), memoryview(b"?" + data)[1:], memoryview(data).cast("B"))
        values = {crc(name, kind) for kind in kinds}
        with memoryview(mapped) as view:
            values.add(crc(name, view))
    assert values == {bitwise(name, data)}
    wide = memoryview(data[:8]).cast("Q")
    running = Crc(name)
    running.update(wide)
    assert (running.value, running.length) == (bitwise(name, data[:8]), 8)


def test_no_buffer_is_kept_and_text_is_refused() -> None:
    data = bytearray(1 << 20)
    running = Crc()
    running.update(data)
    data.extend(b"x")  # BufferError, were an export still alive
    with pytest.raises(TypeError):
        running.update("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        running.update(memoryview(b"1020")[::2])


@given(NAMES, st.integers(0, (1 << 64) - 1))
def test_the_written_form_is_taken_back(name: str, value: int) -> None:
    value &= (1 << (8 * CRC_WIDTHS[name])) - 1
    assert decode(name, encode(name, value)) == value


def test_the_written_form_is_big_endian() -> None:
    assert encode("crc32c", 0x01020304) == "AQIDBA=="
    assert encode("crc64nvme", CHECK["crc64nvme"]) == "rosUhgp5mIg="


@given(NAMES, st.text())
@example("crc32c", "AQIDBA")
@example("crc32c", "rosUhgp5mIg=")
@example("crc32c", "AQID\nBA==")
@example("crc32c", "é")
def test_hostile_checksums_are_none_or_a_value(name: str, text: str) -> None:
    value = decode(name, text)
    assert value is None or encode(name, value) == text.strip()


@pytest.mark.parametrize(
    ("written", "name"), [("md5", "md5"), ("SHA-256", "sha256"), ("sha3-256", "sha3_256"), (" Sha1 ", "sha1")]
)
def test_hashers_are_those_of_hashlib(written: str, name: str) -> None:
    running = hasher(written)
    running.update(b"ab")
    running.update(memoryview(b"c"))
    assert running.hexdigest() == hashlib.new(name, b"abc").hexdigest()


def test_crcs_are_hashers_too() -> None:
    running = hasher("CRC64-NVME")
    running.update(b"123456789")
    assert running.hexdigest() == "ae8b14860a799888"


def test_every_known_name_works() -> None:
    assert len({hasher(name).digest() for name in known()}) == len(known()) - 1, "all but the two empty CRC32s differ"


@pytest.mark.parametrize("name", ["", "md4", "md5x", "shake_128", "x" * 1000, "md\n5"])
def test_unknown_names_list_what_is_known(name: str) -> None:
    with pytest.raises(InvalidChecksumAlgorithm, match=r"use one of md5, sha1, .*crc64nvme") as caught:
        hasher(name)
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidChecksumAlgorithm):
        Crc("md5")


def test_multipart_etag() -> None:
    # What S3 gives to two parts 'a' and 'b' of one byte each, computed with printf, md5sum and xxd.
    digests = [hashlib.md5(b"a").digest(), hashlib.md5(b"b").digest()]
    assert multipart_etag(digests) == "96e024ba2074fe77e8e965ba43a704be-2"
    assert multipart_etag(iter(digests)) == multipart_etag(digests)
    assert multipart_etag(digests[::-1]) != multipart_etag(digests)
    assert etag_parts('"96e024ba2074fe77e8e965ba43a704be-10000"') == 10000


@pytest.mark.parametrize(
    "etag",
    ["", '"d41d8cd98f00b204e9800998ecf8427e"', "x-1", "d41d8cd98f00b204e9800998ecf8427e-", "-2", "z" * 32 + "-2"]
    + ["d41d8cd98f00b204e9800998ecf8427e-" + count for count in ("0", "x", "²", "-1", "1234567")],
)
def test_no_multipart_etag(etag: str) -> None:
    assert etag_parts(etag) is None


def test_awscrt_is_imported_at_first_use_only() -> None:
    program = (
        "import sys, s3amfs.core.checksums as c; c.hasher('md5'); assert 'awscrt' not in sys.modules; "
        "c.Crc(); assert 'awscrt' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_sizes_of_digests() -> None:
    assert {
        **{name: hashlib.new(name).digest_size for name in ("md5", "sha1", "sha256")},
        "crc64nvme": 8,
        "crc32c": 4,
        "crc32": 4,
    } == DIGEST_SIZES
