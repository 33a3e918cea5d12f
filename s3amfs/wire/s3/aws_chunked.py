"""The framing of bodies that end in a checksum (Content-Encoding: aws-chunked, unsigned, one chunk). Pure.

`HEX-LENGTH CRLF data CRLF 0 CRLF x-amz-checksum-NAME:BASE64 CRLF CRLF`: prefix, content and suffix are sent one after
the other, so a body of known length has a known encoded length although its checksum is known only at its end.
"""

from __future__ import annotations

CHECKSUM_BASE64_LENGTHS = {"crc64nvme": 12, "crc32c": 8, "crc32": 8, "sha1": 28, "sha256": 44}


def prefix(length: int) -> bytes:
    """Frame before `length` bytes of content."""
    return f"{length:x}\r\n".encode() if length else b""


def suffix(length: int, algorithm: str, checksum: str) -> bytes:
    """Frame after them; `checksum` in base64."""
    assert len(checksum) == CHECKSUM_BASE64_LENGTHS[algorithm], algorithm
    end = "\r\n0\r\n" if length else "0\r\n"
    return f"{end}x-amz-checksum-{algorithm}:{checksum}\r\n\r\n".encode()


def encoded_length(length: int, algorithm: str) -> int:
    """Length in bytes of prefix, content and suffix together."""
    dummy = "0" * CHECKSUM_BASE64_LENGTHS[algorithm]
    return len(prefix(length)) + length + len(suffix(length, algorithm, dummy))
