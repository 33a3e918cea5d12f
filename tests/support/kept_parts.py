"""Stands in for `SendParts` under a writer: its parts are kept here, in the process, and nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from s3amfs.core.expected import Expected
from s3amfs.core.manifest import Header, Manifest, PartRecord, SourceIdentity
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.upload_body import PartChecks
from s3amfs.objects import appender, writer
from s3amfs.transfers.checksum_choice import Checking
from s3amfs.transfers.job import Job
from s3amfs.transfers.multipart import Begun
from s3amfs.transfers.send_parts import Content, Installed, Movement
from s3amfs.wire.s3.model import MultipartUpload, PartInfo, StoredInfo

OnPart = Callable[[PartResult], None]


class KeptParts:
    """One upload. `steps` names what was asked of it, in order; `stored` has the bytes of each part by its number."""

    def __init__(
        self, server: KeepingServer, job: Job, content: Content, on_part: Callable[[PartResult], None]
    ) -> None:
        self.server, self.job, self.content, self.on_part = server, job, content, on_part
        self.begun: Begun | None = None
        self.is_open = False
        self.steps: list[str] = []
        self.stored: dict[int, bytes] = {}
        self.parts: list[Part] = []
        self.late: list[int] = []
        """Numbers of parts that have not arrived yet."""
        self.kept: list[PartRecord] = []
        self.unsent: Callable[[], Iterable[Part]] = tuple

    def find(self) -> Begun | None:
        self.steps.append("find")
        self.begun = self.server.left
        return self.begun

    def continue_with(self, part_size: int) -> None:
        self.steps.append(f"continue with {part_size}")

    def begin(self, part_size: int) -> None:
        self.steps.append(f"begin {part_size}")
        self.begun = begun({})

    def begin_again(self) -> None:
        self.steps.append("begin again")

    def keep(self, record: PartRecord) -> None:
        self.kept.append(record)

    def open(self, unsent: Callable[[], Iterable[Part]], on_trouble: Callable[[], None]) -> None:
        self.steps.append("open")
        self.is_open, self.unsent = True, unsent

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self._take(part, self.content.movement)
        if self.server.takes:
            self.on_part(PartResult(part.number, part.length))
        else:
            self.late.append(part.number)

    def _take(self, part: Part, movement: Movement) -> None:
        self.stored[part.number] = cast(bytes, movement.move(cast(Any, None))(part, 1))

    def look(self) -> bool:
        return not self.server.takes

    def care(self) -> None:
        """Nothing moved any more: now it does, unless there is trouble."""
        self.steps.append("care")
        if self.server.trouble is not None:
            raise self.server.trouble
        self.arrive()

    def arrive(self) -> None:
        while self.late:
            self.on_part(PartResult(self.late.pop(0), 0))

    def move_all(self, parts: Iterable[Part], movement: Movement) -> None:
        found = list(parts)
        self.steps.append(f"move {[(part.number, part.length) for part in found]}")
        if self.server.trouble is not None:
            raise self.server.trouble

    def move_again(self, parts: Iterable[Part], movement: Movement) -> None:
        for part in parts:
            self.steps.append(f"again {part.number}")
            self._take(part, movement)

    def finish(self) -> None:
        self.steps.append("finish")
        self.arrive()

    def complete(self, size: int, expected: Expected | None) -> Installed:
        self.steps.append(f"complete {size}")
        self.expected = expected
        return Installed(StoredInfo("of parts"), "crc64nvme:x", "every part")

    def stop(self) -> None:
        self.steps.append("stop")

    def leave(self) -> None:
        self.steps.append("leave")

    def abort(self) -> None:
        self.steps.append("abort")

    def abandon(self) -> None:
        self.steps.append("abandon")


class KeepingServer:
    """left: the upload that `find` finds. takes: whether parts arrive at once. trouble: what ends the transfer."""

    def __init__(self) -> None:
        self.left: Begun | None = None
        self.takes = True
        self.trouble: Exception | None = None
        self.uploads: list[KeptParts] = []
        self.objects: list[bytes] = []
        """What was stored in one request."""

    def make(self, job: Job, content: Content, on_part: OnPart) -> KeptParts:
        self.uploads.append(KeptParts(self, job, content, on_part))
        return self.uploads[-1]

    def put(self, job: Job, length: int, move: Any) -> tuple[StoredInfo, str, str]:
        self.objects.append(move(None)(Part(1, 0, length), 1))
        return StoredInfo("of one"), "", "one request"

    @property
    def upload(self) -> KeptParts:
        """The only one."""
        (found,) = self.uploads
        return found


def begun(parts: dict[int, PartInfo], part_size: int | None = None, *records: PartRecord) -> Begun:
    """An upload of which the server has `parts`. part_size, records: of its manifest; None: there is none."""
    header = Header("upload", SourceIdentity("-"), "s3://box/k", "e", None, part_size or 0, "crc64nvme")
    manifest = Manifest(header, parts={record.number: record for record in records}) if part_size is not None else None
    checks = Checking("crc64nvme", PartChecks())
    return Begun(MultipartUpload("box", "k", "id"), checks, parts, manifest, lambda: True)


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch) -> KeepingServer:
    """Under all writers of the test."""
    server = KeepingServer()
    monkeypatch.setattr(writer, "SendParts", server.make)
    monkeypatch.setattr(writer, "put_single", server.put)
    monkeypatch.setattr(writer, "send", lambda target, source, part: source.reader(part).read(part.length))
    monkeypatch.setattr(appender, "with_kept", lambda client, location, info, options, **_: options)
    return server
