"""Sizes, rates and ages as users type and read them.

'64MiB', '5MB', '5M' and '5m' <-> bytes: every unit is binary, as in S3AM 2 and in the contract ('5MB' is 5 MiB).
Not here: which sizes S3 accepts (`parts.py`). Pure functions, safe from any thread.
"""

from __future__ import annotations

import re

from ..errors import UsageError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

_LETTERS = "KMGTPE"
# At most 20 digits: more than any size has, and int() of a hostile megabyte of digits never runs.
_SIZE = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?\s*(?:([KMGTPE])(?:I?B)?|B)?", re.ASCII | re.IGNORECASE)
_AGE = re.compile(r"([0-9]{1,9})\s*([WDHMS])", re.ASCII | re.IGNORECASE)
_SECONDS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_size(text: str | int) -> int:
    """Bytes meant by `text`: an int, '1024', '5M', '5MB', '5 MiB', '1.5g'; K to E, all powers of 1024.

    A fraction that is no whole number of bytes is rounded down. Raises `UsageError`.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise UsageError(f"{text} is not a size: it must not be negative")
        return text
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise UsageError(f"{_shown(text)} is not a size: write a number of bytes, or one like 64MiB, 5MB or 5G")
    whole, fraction, letter = match.groups()
    unit = 1 << (10 * (_LETTERS.index(letter.upper()) + 1)) if letter else 1
    if fraction is not None and unit == 1:
        raise UsageError(f"{_shown(text)} is not a size: there are no fractions of a byte")
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def format_size(size: int) -> str:
    """`size` bytes for people, with at most one decimal: '512 B', '64 MiB', '1.5 GiB'."""
    if size < KIB:
        return f"{size} B"
    for power, letter in enumerate(_LETTERS, start=1):
        unit = 1 << (10 * power)
        tenths = (size * 10 + unit // 2) // unit
        # 1023.97 MiB rounds to 1024.0 MiB, which is written as 1 GiB.
        if tenths < 10 * KIB or letter == _LETTERS[-1]:
            break
    whole, tenth = divmod(tenths, 10)
    return f"{whole}.{tenth} {letter}iB" if tenth else f"{whole} {letter}iB"


def exact_size(size: int) -> str:
    """`size` bytes as a text that `parse_size` takes back without loss: '64MiB', '5242881'."""
    for power in range(len(_LETTERS), 0, -1):
        unit = 1 << (10 * power)
        if size and size % unit == 0:
            return f"{size // unit}{_LETTERS[power - 1]}iB"
    return str(size)


def parse_rate(text: str | int) -> int:
    """Bytes per second meant by '10M', '10MiB/s' or '500k'. Raises `UsageError`; a rate of 0 would never end."""
    bare = re.sub(r"\s*(/s|ps)\s*$", "", text, flags=re.IGNORECASE) if isinstance(text, str) else text
    try:
        rate = parse_size(bare)
    except UsageError:
        raise UsageError(f"{_shown(text)} is not a rate: write bytes per second, such as 500k or 10MiB/s") from None
    if rate == 0:
        raise UsageError("a rate of 0 would never end: leave the limit out for full speed")
    return rate


def parse_age(text: str) -> int:
    """Seconds meant by '7d', '12h', '1d12h', '30m', '45s' or '2w'. Raises `UsageError`; a unit is required."""
    bare = text.strip()
    seconds, end = 0, 0
    while match := _AGE.match(bare, end):
        seconds += int(match[1]) * _SECONDS[match[2].lower()]
        end = match.end()
    if not bare or end != len(bare):
        raise UsageError(f"{_shown(text)} is not an age: write a number and w, d, h, m or s, such as 7d or 12h")
    return seconds


def format_age(seconds: float) -> str:
    """A duration for people, in its two largest units: '3d 4h', '12m 5s', '0s'."""
    rest = max(0, int(seconds))
    words = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words[:2]) or "0s"


def _shown(text: object) -> str:
    """`text` for a one-line message: quoted, control characters escaped, short."""
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."
