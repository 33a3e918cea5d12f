"""The Content-Type of a new object, by its name. Pure but for the system's table of types, which is read once."""

from __future__ import annotations

import mimetypes
from functools import lru_cache

_OF_CODINGS = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def guess_content_type(name: str) -> str | None:
    """From the name; a compressed file is what its compression says, since no Content-Encoding is set."""
    last = name.rpartition("/")[2]
    begin = last.find(".")
    if ":" in name or begin == 0:  # a scheme may count, and dots at the beginning do not
        return _guess(name)
    return _guess(f"name{last[begin:]}" if begin > 0 else "name")  # nothing else counts, and many files end alike


@lru_cache(maxsize=64)
def _guess(name: str) -> str | None:
    kind, encoding = mimetypes.guess_type(name, strict=False)
    return kind if encoding is None else _OF_CODINGS.get(encoding)
