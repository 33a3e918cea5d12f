"""The parts that one process sends: recorded as they arrive, and followed by others without a pause."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.claims import Compared
from s3amfs.core.manifest import PartRecord
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import PartResult
from s3amfs.errors import TransferError
from s3amfs.jobs import split_moves
from s3amfs.jobs.split_moves import Moves, keep_records, moved_record
from s3amfs.jobs.split_records import Records
from s3amfs.transfers.report import Report


def parts(*numbers: int) -> list[Part]:
    return [Part(number, 10 * number, 10) for number in numbers]


class Kept(list[int]):
    """Records by their numbers; `refuses` of the first additions fail."""

    def __init__(self, refuses: int = 0) -> None:
        super().__init__()
        self.refuses = refuses

    def add(self, records: list[PartRecord]) -> None:
        if self.refuses:
            self.refuses -= 1
            raise OSError(errno.ENOSPC, "full")
        self += [record.number for record in records]


class Warnings(list[str]):
    def warn(self, message: str) -> None:
        self.append(message)


class Ends:
    job = None

    def content(self) -> SimpleNamespace:
        return SimpleNamespace(copied=None)


class Sending:
    """Sends at once all that it is given, until `last`."""

    def __init__(self, job: object, content: object, on_part: Callable[[PartResult], None], *, shared: object) -> None:
        self.on_part, self.order = on_part, list[int]()

    def stop(self) -> None:
        """It ends at once by itself."""

    def move_all(self, parts: Iterable[Part], *, feed: Callable[[Callable[..., None]], None]) -> None:
        waiting: list[tuple[list[Part], bool]] = []
        feed(lambda more, last: waiting.append((list(more), last)))
        self._send(parts)
        while True:
            if waiting:
                more, last = waiting.pop(0)
                self._send(more)
                if last:
                    return

    def _send(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self.order.append(part.number)
            self.on_part(PartResult(part.number, part.length, "etag", 7, "sum", Compared.CHECKSUM))


def moves(monkeypatch: pytest.MonkeyPatch, kept: Kept, warnings: Warnings) -> Moves:
    monkeypatch.setattr(split_moves, "SendParts", Sending)
    return Moves(cast(Any, Ends()), cast(Any, None), cast(Records, kept), cast(Report, warnings))


def test_what_is_found_meanwhile_is_sent_and_recorded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, warnings, found = Kept(), Warnings(), [parts(3, 4), parts()]

    def further(moving: Collection[int]) -> list[Part]:
        return found.pop(0)

    made = moves(monkeypatch, kept, warnings)
    made.move(parts(1, 2), further, set)
    assert (made.moved, kept, warnings, found) == (4, [1, 2, 3, 4], [], [])


def test_records_that_cannot_be_kept_now_are_kept_later(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, warnings = Kept(refuses=1), Warnings()
    moves(monkeypatch, kept, warnings).move(parts(1, 2), lambda moving: [], set)
    assert (sorted(kept), warnings) == ([1, 2], [])


def test_records_that_cannot_be_kept_at_all_are_a_warning() -> None:
    warnings = Warnings()
    keep_records(cast(Records, Kept(refuses=9)), [PartRecord(1, 10, "etag", 7, "sum")], cast(Report, warnings))
    assert warnings == ["no record of the parts can be kept beside the job file (full)"]


def test_a_record() -> None:
    result = PartResult(3, 10, "etag", 7, "sum", Compared.CHECKSUM)
    assert moved_record(result) == PartRecord(3, 10, "etag", 7, "sum", Compared.CHECKSUM.value)


def test_what_was_sent_is_not_sent_again_while_the_server_does_not_list_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = moves(monkeypatch, Kept(), Warnings())
    made.move(parts(1, 2), lambda moving: [], set)
    assert made.unsent({1, 2, 3}) == {3}
    for _ in range(split_moves.MOST_LOOKS):
        assert made.unsent({2}) == set()
    with pytest.raises(TransferError, match="has taken part 2, but does not list it"):
        made.unsent({2})
    assert made.unsent({2, 3}) == {3}, "others still move"
    assert made.unsent({2}) == set()
