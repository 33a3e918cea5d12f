"""How many bytes per second may move, by the time of day, and when the next bytes may: pure, time is passed in."""

from __future__ import annotations

from ..errors import UsageError
from .define import define
from .sizes import parse_rate

MINUTES = 24 * 60
CREDIT_SECONDS = 0.01
"""Unused time that may be made up for at once: a thread that wakes late loses nothing."""
REPAID = 1.04
"""Times the rate, while lost time is made up for: no second has more than 5 % too much."""
MOST_OWED_SECONDS = 1.0
"""Time lost on a busy machine, which is made up for later; idle time is not."""
QUANTUM_SECONDS = 0.02
LEAST_QUANTUM = 1024
MOST_QUANTUM = 256 * 1024


@define(frozen=True, slots=True)
class Bandwidth:
    """A limit: what `--bwlimit` or `--bwlimit-file` says."""

    entries: tuple[tuple[int, int], ...]
    """(minute of the day from which it holds, bytes per second), in order; 0 bytes: no limit."""
    file: str | None = None
    """Where it was read, and can be read again."""

    def rate_at(self, minute: int) -> int:
        """Bytes per second at a minute of the day (0 to 1439); 0: no limit. The last entry holds over midnight."""
        found = self.entries[-1][1]
        for begin, rate in self.entries:
            if begin > minute:
                break
            found = rate
        return found

    @property
    def is_constant(self) -> bool:
        return len(self.entries) == 1

    @property
    def least(self) -> int:
        """The lowest of its limits in bytes per second; 0: there is none."""
        return min((rate for _, rate in self.entries if rate), default=0)


def parse_bandwidth(text: str, *, file: str | None = None) -> Bandwidth:
    """'10M', 'off', or a schedule such as '08:00,10M 18:00,off'; lines and what follows a # are as in a file.

    Raises UsageError.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if len(words) == 2 and words[1].lower() in ("/s", "b/s"):
        words = ["".join(words)]
    if not words:
        raise UsageError(f"{file or 'the limit'} has no rate: write 10M, off, or 08:00,10M 18:00,off")
    if len(words) == 1 and "," not in words[0]:
        return Bandwidth(((0, _rate(words[0])),), file)
    entries = sorted(_entry(word) for word in words)
    if len({minute for minute, _ in entries}) < len(entries):
        raise UsageError(f"{text.strip()!r} names a time twice: write each once")
    return Bandwidth(tuple(entries), file)


def _entry(word: str) -> tuple[int, int]:
    clock, comma, rate = word.partition(",")
    hour, colon, minute = clock.partition(":")
    digits = hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit() and len(clock) <= 5
    if not comma or not colon or not digits or int(hour) > 23 or int(minute) > 59:
        raise UsageError(
            f"{word[:60]!r} is not an entry of a schedule: write HH:MM,RATE, such as 08:00,10M or 18:00,off"
        )
    return int(hour) * 60 + int(minute), _rate(rate)


def _rate(text: str) -> int:
    return 0 if text.lower() == "off" else parse_rate(text)


def quantum(rate: int) -> int:
    """Bytes that are reserved at a time: as long as a timer is exact, no longer than others should wait."""
    return max(LEAST_QUANTUM, min(MOST_QUANTUM, int(rate * QUANTUM_SECONDS)))


class Bucket:
    """Reservations one after the other, so that all who share a limit get their turn in order."""

    def __init__(self) -> None:
        self._next = float("-inf")
        self._owed = 0.0

    def reserve(self, count: int, rate: int, now: float) -> float:
        """Reserves `count` bytes at `rate` bytes per second; returns in how many seconds they may move.

        now: monotonic seconds.
        """
        first = now - CREDIT_SECONDS / REPAID  # the credit may be used up at the faster rate
        lost = first - self._next
        if lost > 0:
            self._next = first
            self._owed = min(MOST_OWED_SECONDS, self._owed + lost) if lost <= MOST_OWED_SECONDS else 0.0
        delay = max(0.0, self._next - now)
        seconds = count / rate
        sooner = min(self._owed, seconds - seconds / REPAID)
        self._owed -= sooner
        self._next += seconds - sooner
        return delay

    def forget(self) -> None:
        """Drops reservations: those made at an older, lower rate delay no transfer."""
        self._next, self._owed = float("-inf"), 0.0
