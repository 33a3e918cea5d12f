"""Framed bodies are read back by a decoder written from Amazon's description, and have the length announced."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.wire.s3 import aws_chunked

SIZES = {"crc64nvme": 8, "crc32c": 4, "crc32": 4, "sha1": 20, "sha256": 32}


def decode(body: bytes) -> tuple[bytes, dict[str, str]]:
    """Content and trailers of an aws-chunked body without signatures.

    Amazon S3 API reference, "Signature calculations for the Authorization header: including trailing headers".
    """
    content = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        length = int(line, 16)
        if length == 0:
            break
        content += body[:length]
        assert body[length : length + 2] == b"\r\n"
        body = body[length + 2 :]
    assert body.endswith(b"\r\n\r\n")
    name, _, value = body[:-4].decode().partition(":")
    return content, {name: value}


@given(st.binary(max_size=5000), st.sampled_from(sorted(SIZES)), st.data())
def test_what_is_framed_is_read_back(content: bytes, algorithm: str, data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=SIZES[algorithm], max_size=SIZES[algorithm]))
    checksum = base64.b64encode(raw).decode()
    prefix = aws_chunked.prefix(len(content))
    body = prefix + content + aws_chunked.suffix(len(content), algorithm, checksum)
    assert decode(body) == (content, {f"x-amz-checksum-{algorithm}": checksum})
    assert len(body) == aws_chunked.encoded_length(len(content), algorithm)


def test_a_checksum_of_another_algorithm_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        aws_chunked.suffix(1, "crc64nvme", "AAAAAA==")
