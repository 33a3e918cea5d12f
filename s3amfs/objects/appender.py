"""`Appender`: a writer whose object begins with what is there already, copied inside S3 (UploadPartCopy).

Small objects are read and stored again, since what a part is copied from has to be larger than 5 MiB; so are those on
servers that copy no parts. Headers, metadata and tags stay. The object is pinned: if somebody else changes it, `close`
raises SourceChanged and it stays as they left it. One thread at a time.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from itertools import pairwise

from ..core.manifest import SourceIdentity
from ..core.parts import DEFAULT_PART, MIN_PART, Part, copy_part_size
from ..engine.attempt import Move
from ..engine.limits import SlotGate
from ..engine.targets import MultipartTarget
from ..errors import Unsupported
from ..transfers.job import Job
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.send_parts import Content, Copied, Installed, Movement, SendParts
from ..transfers.speed import Speed
from ..transfers.target import with_kept
from ..wire.s3 import api as s3api
from .ranges import Pinned, read_to_keep
from .writer import ObjectWriter

READ_BYTES = 8 * 1024 * 1024


class Appender(ObjectWriter):
    """base: the object that is continued. Its writer closes it even if nothing was written: then it stays as it is."""

    def __init__(
        self,
        base: Pinned,
        options: UploadOptions,
        *,
        on_event: OnEvent = ignore,
        gate: SlotGate | None = None,
        first_part: int = DEFAULT_PART,
    ) -> None:
        client, location, info = base.client, base.location, base.info
        options = with_kept(client, location, info, options, other_content=True)
        options = replace(options, expected=info.expected)
        # Of no use to anybody later: nothing says what was appended.
        identity = SourceIdentity(url=f"more of {location.url}: {uuid.uuid4()}")
        report = Report("upload", identity.url, location.url, on_event)
        super().__init__(Job(client, location, options, report, gate), identity=identity, first_part=first_part)
        self._pinned = base
        self._moved_base = info.size == 0
        self.position = info.size

    def copy_base(self) -> None:
        """Begins now, not with the first full part."""
        if self._begun is None and not self._moved_base and self._pinned.info.size > MIN_PART:
            self._guard(self._begin_upload)

    def _begin_upload(self) -> None:
        self.begin()
        assert self._parts is not None
        self._parts.begin(self._layout.first)
        self._begin_with_existing(self._parts)

    def _content(self) -> Content:
        info = self._pinned.info
        copied = Copied(self._pinned.location.url, info.size, info.checksums)
        return replace(super()._content(), copied=copied, check=lambda crc: self._pinned.check("appended to"))

    def _finish(self) -> None:
        info = self._pinned.info
        if self.position == info.size:
            stored = s3api.StoredInfo(info.etag, info.checksums, info.checksum_type, info.version_id)
            self._done = Installed(stored, "", "")
            self.abort()
            return
        if self._begun is None and not self._moved_base:
            if info.size > MIN_PART:
                self._part_is_full()  # this last part may be small
            else:
                self._rewrite()
        if self._begun is None:
            self._pinned.check("appended to")
        super()._finish()

    def _begin_with_existing(self, parts: SendParts) -> bool:
        if self._moved_base:
            return True
        if self._pinned.info.size > MIN_PART and self._copy(parts):
            self._moved_base = True
            return True
        parts.begin_again()
        self._rewrite()
        return False

    def _copy(self, parts: SendParts) -> bool:
        """The object becomes the first parts; False where the server copies none."""
        speed = Speed(slots=self._job.options.upload_slots, direction="copy", bucket=self.target.bucket)
        source, copied = self._pinned.copy_source, _equal_parts(self._pinned.info.size)

        def move(target: MultipartTarget) -> Move:
            return lambda part, attempt: target.copy(part, source)

        try:
            parts.move_all(copied, Movement(move, speed, repeatable=True))
        except Unsupported:
            return False
        self._layout.next_number = len(copied) + 1
        return True

    def _rewrite(self) -> None:
        """The object's bytes, then those that were waiting, are written as if they were new."""
        self._moved_base = True
        waiting, self._buffer = self._buffer, self._memory.buffer()
        self.position = 0
        size = self._pinned.info.size
        for start in range(0, size, READ_BYTES):
            self.write(read_to_keep(self._pinned, start, min(size, start + READ_BYTES)))
        for piece in waiting.chunks():
            self.write(piece)


def _equal_parts(size: int) -> list[Part]:
    """None of them is the last one of the object, so none may be smaller than 5 MiB."""
    count = max(1, size // copy_part_size(size))
    bounds = [size * number // count for number in range(count + 1)]
    return [Part(number, start, end - start) for number, (start, end) in enumerate(pairwise(bounds), 1)]
