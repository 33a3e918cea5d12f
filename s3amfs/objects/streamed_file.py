"""`FileStream`: a new content, written mostly in order: parts leave while more is written.

Parts that were sent can't be read back before the object is complete. So their bytes are copied to a spool: all of
them where they are likely to be needed, else those of the first parts, since the copy costs more than the sending; and
only as long as the disk has room. With them:
- a write into parts that are there (a header that is written last) sends those parts again at the end;
- a write beyond the end waits in the spool until what is before it has come; what never comes is zeros;
- what is there can be read.
One thread at a time.
"""

from __future__ import annotations

import errno

from ..core.parts import Part
from ..core.patch import Ranges
from ..engine.sources import FileSource
from ..engine.spool import Spool
from ..transfers.options import UploadOptions
from ..wire.s3.api import StoredInfo
from .writer import ObjectWriter

MOVE_BYTES = 1024 * 1024
HINT = "mount with --spool-dir, or a larger --spool-keep, to allow it"
HOLE_BYTES = 64 * 1024 * 1024
"""As zeros, they are sent part by part; from here on as a file with holes, of which S3 copies the parts."""
ROOM_BYTES = 8 * 1024 * 1024
"""How often the room on the disk is looked at."""


class FileStream:
    """keeps: parts that begin before this many bytes are copied to the spool; None: all. May be set later."""

    def __init__(self, writer: ObjectWriter, spool: Spool, *, keeps: int | None) -> None:
        self.spool = spool
        self.keeps = keeps
        self.size = 0
        self._writer = writer
        self._again = Ranges()
        """Ranges that were written again in parts that have been sent."""
        self._has_room: bool | None = None
        """Whether the disk has; None: nobody has looked, since all of it is in memory."""

    @property
    def is_whole(self) -> bool:
        """Whether the spool has all of it."""
        return self.spool.present.covers(0, self._writer.position)

    @property
    def is_better_spooled(self) -> bool:
        """Whether the spool has all of it, and a part could not be sent, or S3 can copy the holes."""
        return self.is_whole and (self.is_broken or self._hole_bytes >= HOLE_BYTES)

    @property
    def _hole_bytes(self) -> int:
        """Bytes beyond what was sent that nobody has written."""
        return sum(end - start for start, end in self.spool.present.gaps(self._writer.position, self.size))

    @property
    def is_broken(self) -> bool:
        """Whether something could not be sent: nothing more can be, then."""
        return self._writer.error is not None

    def set_options(self, options: UploadOptions) -> bool:
        """As `ObjectWriter.set_options`."""
        return self._writer.set_options(options)

    # -- content ----------------------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> bytes:
        """Raises OSError (EBUSY) for what was sent and not copied."""
        end = min(self.size, offset + size)
        if offset >= end:
            return b""
        if not self.spool.present.covers(offset, max(offset, min(end, self._writer.position))):
            raise OSError(errno.EBUSY, f"being written: what was sent can be read when it is closed; {HINT}")
        return self.spool.read(offset, end - offset)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Raises the error of what was written earlier, too; ENOSPC; EFBIG for what was sent and not copied."""
        view = memoryview(data)
        before = min(len(view), max(0, self._writer.position - offset))
        if before:
            self._overwrite(view[:before], offset)
            view, offset = view[before:], offset + before
        if view and offset == self._writer.position:
            self._append(view)
        elif view:
            self.spool.write(view, offset)
        self.size = max(self.size, offset + len(view))

    def resize(self, size: int) -> bool:
        """Whether that could be done without what was sent and not copied."""
        if size < self._writer.position:
            if size < self._writer.filling:
                return False
            self._writer.cut(size)
        self.spool.resize(size)
        self._again.cut(size)
        self.size = size
        return True

    def _append(self, data: memoryview) -> None:
        self._copy(data)
        self._writer.write(data)
        self._take_what_waits()

    def _take_what_waits(self) -> None:
        """Bytes that were written further on go as soon as they are next."""
        waiting = next(self.spool.present.within(self._writer.position, self.size), None)
        if waiting is not None and waiting[0] == self._writer.position:
            while self._writer.position < waiting[1]:
                count = min(MOVE_BYTES, waiting[1] - self._writer.position)
                self._writer.write(self.spool.read(self._writer.position, count))

    def _copy(self, data: memoryview) -> None:
        """Without the copy a stream goes on."""
        at = self._writer.position
        if (self.keeps is None or self._writer.filling < self.keeps) and self._has_room is not False:
            in_memory = self.spool.stays_small(at + len(data))
            if not in_memory and (self._has_room is None or at % ROOM_BYTES < len(data)):
                self._has_room = self.spool.has_room(len(data) + ROOM_BYTES, kept=0 if self.keeps is None else at)
            try:
                if self._has_room is not False:
                    self.spool.write(data, at)
                    return
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                self._has_room = False
        self._renew(data, at)

    def _renew(self, data: memoryview, offset: int) -> None:
        """All that the spool has of these bytes becomes what they are now."""
        for start, end in list(self.spool.present.within(offset, offset + len(data))):
            self.spool.write(data[start - offset : end - offset], start)

    def _overwrite(self, data: memoryview, offset: int) -> None:
        filling = self._writer.filling
        sent = min(offset + len(data), filling)
        if not all(self._has(part) for part in self._writer.full_parts(offset, sent)):
            raise OSError(errno.EFBIG, f"written at a place that was sent and not copied; {HINT}")
        self._renew(data, offset)
        if offset < sent:
            self._again.add(offset, sent)
        if offset + len(data) > filling:
            at = max(offset, filling)
            self._writer.overwrite(data[at - offset :], at)

    def _has(self, part: Part) -> bool:
        return self.spool.present.covers(part.offset, part.end)

    # -- ends -------------------------------------------------------------------------------------------------------

    def close(self) -> StoredInfo:
        """Makes it the object. Raises what went wrong; then nothing is visible and what was sent stays."""
        while self._writer.position < self.size:
            ahead = next(self.spool.present.within(self._writer.position, self.size), None)
            gap = (ahead[0] if ahead is not None else self.size) - self._writer.position
            if gap:
                self._writer.write(bytes(min(gap, MOVE_BYTES)))
            else:
                self._take_what_waits()
        again = {part for start, end in self._again for part in self._writer.full_parts(start, end)}
        if not again:
            return self._writer.close()
        source = FileSource(self.spool.path)
        try:
            return self._writer.close(sorted(again, key=lambda part: part.number), source)
        finally:
            source.close()

    def abort(self, *, keep: bool = True) -> None:
        """Publishes nothing. keep: what was sent stays as an unfinished upload for a later attempt."""
        self._writer.abort(keep=keep)
