"""Claims of a result about its bytes: only comparisons that were made, recorded where they were made. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable

NOT_CHECKED = "length only"
"""The claim where content was not compared."""


class Compared(enum.Enum):
    """How a part was compared with what the server has."""

    NOTHING = ""
    CHECKSUM = "checksum"
    """The server's answer names the checksum that was taken of the bytes as they were sent."""
    ETAG = "etag"
    """The ETag is the MD5 of what was sent."""
    DIGEST = "md5"
    """Content-MD5 was sent before the bytes, and the server took them."""


def compared(value: str) -> Compared:
    """`Compared` from a manifest; an unknown value claims nothing."""
    try:
        return Compared(value)
    except ValueError:
        return Compared.NOTHING


def claim(parts: Iterable[Compared], algorithm: str | None, what: str = "every part") -> str:
    """Returns the claim that `parts` together prove. algorithm: of the checksums. what: the unit, for the text."""
    each = list(parts)
    kinds = set(each)
    if kinds == {Compared.NOTHING, Compared.ETAG}:
        return f"MD5 of {each.count(Compared.ETAG)} of {len(each)} parts, compared with their ETags"
    if not kinds or Compared.NOTHING in kinds:
        return NOT_CHECKED
    if kinds == {Compared.CHECKSUM}:
        return f"{algorithm} of {what}, checked by the server"
    if kinds == {Compared.ETAG}:
        return f"MD5 of {what}, compared with its ETag"
    if Compared.CHECKSUM not in kinds:
        return f"MD5 of {what}, compared"
    return f"{algorithm} or MD5 of {what}, compared"
