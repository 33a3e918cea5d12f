"""Stand-ins under `SendParts`: an upload and transfers of which a test says how they end. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from s3amfs.core.failures import Failure
from s3amfs.core.manifest import PartRecord
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import PartResult
from s3amfs.errors import TransferError
from s3amfs.transfers import send_parts
from s3amfs.transfers.checksum_choice import Suspect
from s3amfs.transfers.send_parts import Movement
from s3amfs.wire.s3.model import MultipartUpload, StoredInfo
from tests.support.kept_parts import begun


@dataclass
class End:
    """How a transfer ends. arrived: numbers of the parts that are there by then. at_once: without a `wait`."""

    failure: Failure | None
    suspect: Suspect | None = None
    arrived: tuple[int, ...] = ()
    at_once: bool = False


@dataclass
class Server:
    """ends: of the transfers that fail, in their order; those after them succeed (None: this one, too).
    false: whether the parts of the next transfer have false checksums."""

    ends: list[End | None] = field(default_factory=list)
    false: list[bool] = field(default_factory=list)
    found: bool = False
    steps: list[str] = field(default_factory=list)
    """Of all, in their order."""
    records: dict[int, PartRecord] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    journals: list[object] = field(default_factory=list)
    uploads: int = 0


class Upload:
    """Stands in for `Multipart`."""

    def __init__(self, server: Server, job: object, verb: str, identity: object, journal: object, crc: str) -> None:
        self.server, self.records = server, server.records
        server.journals.append(journal)
        assert (verb, crc) == ("upload", "crc32c")

    def find(self) -> Any:
        return begun({}) if self.server.found else None

    def begin(self, part_size: int, *, declares: bool) -> Any:
        self.server.steps.append(f"begin {part_size}" + ("" if declares else ", undeclared"))
        self.server.uploads += 1
        found = begun({})
        return replace(found, upload=replace(found.upload, upload_id=f"u{self.server.uploads}"))

    def adopt(self, upload: MultipartUpload) -> Any:
        return replace(begun({}), upload=upload)

    def continue_with(self, begun: object, part_size: int, records: dict[int, PartRecord]) -> None:
        self.server.steps.append(f"continue with {part_size}")
        self.records.update(records)

    def settle_checks(self, begun: Any) -> Any:
        self.server.steps.append("settle")
        return begun

    def keep(self, record: PartRecord) -> None:
        self.records[record.number] = record

    def record(self, result: PartResult) -> None:
        self.records[result.number] = PartRecord(result.number, result.length, "e", None, "")

    def abort_to_begin_again(self) -> None:
        self.server.steps.append("abort")
        self.records.clear()

    def whole_crc(self) -> tuple[str, str]:
        return "crc32c", "whole"

    def complete(self, size: int, expected: object) -> Any:
        self.server.steps.append(f"complete {size} {expected}")
        return StoredInfo("etag", version_id="v"), "crc32c:whole", "every part"

    def abort(self) -> None:
        self.server.steps.append("abort all")

    def leave(self) -> None:
        self.server.steps.append("leave")


class Transfer:
    """Stands in for `Sending`: a part is there when it is waited for, unless the transfer is to fail."""

    def __init__(
        self, server: Server, job: object, content: object, movement: Movement, upload: Any, forms: Any, *more: Any
    ) -> None:
        self.server, self.movement, self.upload, self.suspect, self.calls = server, movement, upload, forms[2], more[1]
        self.end = server.ends.pop(0) if server.ends else None
        self.over, self.failure = False, cast(Failure | None, None)
        self.numbers: list[int] = []
        self.lengths: list[int] = []
        self.waiting: list[Part] = []
        self.is_last = False
        server.transfers.append(self)

    @property
    def needs_care(self) -> bool:
        return self.over

    def add(self, parts: Iterable[Part], *, last: bool) -> None:
        assert not self.is_last, "nothing follows the last part"
        found, self.is_last = list(parts), last
        self.waiting += found
        self.numbers += [part.number for part in found]
        self.lengths += [part.length for part in found]
        if self.end is not None and self.end.at_once:
            self._arrive(self.end)

    def _arrive(self, end: End | None) -> None:
        while self.waiting:
            part = self.waiting.pop(0)
            if end is None or part.number in end.arrived:
                self.calls.on_part(PartResult(part.number, part.length))
        self.over, self.failure = end is not None or self.is_last, end.failure if end is not None else None

    def wait(self) -> None:
        if not self.over:
            self._arrive(self.end)
        if self.end is not None:
            raise TransferError("it failed")

    def deliver_events(self) -> None:
        self.server.steps.append("events")

    def look_after_trouble(self) -> None:
        self.server.steps.append("look")

    def stop(self) -> None:
        self.server.steps.append("stop")
        self.over = True

    def stop_soon(self, then: Callable[[], None]) -> None:
        self.server.steps.append("stop soon")
        then()

    def suspect_of(self, failure: Failure, checks: object) -> Suspect | None:
        assert self.end is not None
        return self.end.suspect

    def raise_of_copy(self, *, has_kept: bool) -> None:
        self.server.steps.append(f"raise, kept: {has_kept}")

    def has_false_checksums(self, records: object) -> bool:
        return self.server.false.pop(0) if self.server.false else False

    def check_copied(self, records: dict[int, PartRecord]) -> None:
        self.server.steps.append(f"check copies of {sorted(records)}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(send_parts, "Multipart", lambda *given: Upload(server, *given))
    monkeypatch.setattr(send_parts, "Sending", lambda *given: Transfer(server, *given))
    monkeypatch.setattr(send_parts, "PartForms", lambda *given: given)
    monkeypatch.setattr(send_parts, "open_journal", lambda job: "journal")
    return server
