"""A result claims what was compared, and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.claims import Compared, claim, compared

CRC, ETAG, DIGEST, NOTHING = Compared.CHECKSUM, Compared.ETAG, Compared.DIGEST, Compared.NOTHING


@given(st.lists(st.sampled_from(list(Compared)), max_size=6))
def test_one_part_that_was_not_compared_is_enough_to_claim_nothing(parts: list[Compared]) -> None:
    nothing = not parts or NOTHING in parts
    assert ("every part" in claim(parts, "crc64nvme")) is not nothing


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([CRC, CRC], "crc64nvme of every part, checked by the server"),
        ([ETAG, ETAG], "MD5 of every part, compared with its ETag"),
        ([DIGEST, ETAG], "MD5 of every part, compared"),
        ([CRC, NOTHING], "length only"),
        ([ETAG, NOTHING, ETAG], "MD5 of 2 of 3 parts, compared with their ETags"),
        ([CRC, ETAG], "crc64nvme or MD5 of every part, compared"),
    ],
)
def test_claims(parts: list[Compared], text: str) -> None:
    assert claim(parts, "crc64nvme") == text


def test_the_whole_object() -> None:
    assert claim([CRC], "crc32c", "the whole object") == "crc32c of the whole object, checked by the server"


@given(st.sampled_from(list(Compared)))
def test_it_is_kept_in_manifests(how: Compared) -> None:
    assert compared(how.value) is how


def test_what_a_later_version_wrote_claims_nothing() -> None:
    assert compared("blake3") is NOTHING
