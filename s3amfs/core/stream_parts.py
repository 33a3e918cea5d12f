"""The parts that a stream is cut into while it is written: where each begins, how long the next is. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ..errors import IncompatiblePartSize
from .parts import MAX_PARTS, Part, growing_length
from .sizes import exact_size, format_size


class StreamParts:
    """first: bytes of the first part. fixed: all are as long as that. size: bytes of the whole; None: unknown."""

    def __init__(self, first: int, *, fixed: bool, size: int | None = None) -> None:
        self.first = first
        self.next_number = 1
        """Number of the part that is being filled."""
        self._fixed = fixed
        self._size = size
        self._starts: list[int] = []
        """Where each part that is full begins."""

    def of_size(self, first: int) -> StreamParts:
        """The same stream from its beginning, in parts of `first` bytes."""
        return StreamParts(first, fixed=self._fixed, size=self._size)

    def length(self, unequal: bool | None) -> int:
        """Bytes of the part that is being filled. unequal: whether the server takes unequal parts; None: unknown."""
        if self._fixed or unequal is False:
            return self.first
        return growing_length(self.next_number, self.first)

    def end_part(self, start: int) -> int:
        """The part that begins at `start` is full; returns its number."""
        self._starts.append(start)
        self.next_number += 1
        return self.next_number - 1

    def full(self, start: int, end: int, filling: int) -> list[Part]:
        """The full parts with bytes of [start, end). filling: where the part that is being filled begins."""
        starts = [*self._starts, filling]
        first, last = max(0, bisect_right(self._starts, start) - 1), bisect_left(self._starts, end)
        parts = (Part(index + 1, starts[index], starts[index + 1] - starts[index]) for index in range(first, last))
        return [part for part in parts if part.end > start]

    def check(self, target: str, unequal: bool | None) -> str | None:
        """Returns the warning that the part being filled calls for. unequal: as in `length`.

        Raises IncompatiblePartSize, which names `target`, where S3 has no number for the part.
        """
        number, first = self.next_number, self.first
        if number > MAX_PARTS:
            raise IncompatiblePartSize(
                f"{target}: the stream is longer than the {MAX_PARTS:,} parts that S3 takes (the first of "
                f"{exact_size(first)}): give a larger --part-size"
            )
        if self._fixed:
            return None
        if number == 1 and unequal is False and self._size is None:
            return (
                f"this server wants parts of one size: a stream may have {format_size(first * MAX_PARTS)}; "
                "give --part-size for a longer one"
            )
        grows = number > 1 and growing_length(number, first) > growing_length(number - 1, first) == first
        if grows and unequal is None:
            return "parts grow from here on: where a server wants all of them equal, give --part-size"
        return None
