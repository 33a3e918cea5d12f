"""Where parts come from: local files and memory (readers), and anything that answers ranges (requests).

A local source gives a reader for a part. A remote one gives the request for a part's range and judges its reply, so
that a server which ignores ranges, or an object that changed, is noticed before its first byte is used.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Protocol

from ..core.failures import Failure, Kind
from ..core.http import compressed_in_transit, parse_content_range
from ..core.manifest import SourceIdentity
from ..core.parts import Part
from ..wire.messages import HttpRequest, Reply
from ..wire.s3.api import bare_etag
from ..wire.s3.responses import http_time
from .file_io import read_at
from .file_state import state_of
from .part_buffer import PartBuffer
from .part_problem import PartProblem

READ_AHEAD_BYTES = 8 * 1024 * 1024
ZEROS = bytes(256 * 1024)
AT_REST_SECONDS = 10
"""Since a file was last written to, before its holes are trusted: some file systems have reported holes where data was
not on the disk yet (OpenZFS issue 15526)."""


class LocalSource(Protocol):
    """Bytes of this machine."""

    def reader(self, part: Part) -> FilePartReader | MemoryPartReader: ...


class RangedSource(Protocol):
    """Bytes that a server gives in ranges."""

    identity: SourceIdentity

    @property
    def is_ready(self) -> bool:
        """Whether `request` need not wait for credentials, which takes longer than a loop may."""

    def request(self, part: Part) -> HttpRequest:
        """The request for exactly the part's range; called at dispatch."""

    def accept(self, part: Part) -> Callable[[Reply], None]:
        """Judges the reply to `request(part)` before its first byte; the judge raises PartProblem."""

    def explain(self, failure: Failure) -> Failure:
        """Returns the failure of `request(part)` as this source sees it."""


class FileSource:
    """A local file, pinned: size, mtime_ns and inode must not change while it is read.

    by_ctime: nor its ctime, which no program can set back; not for files of our own, which lose their names meanwhile.
    """

    def __init__(self, path: str | os.PathLike[str], *, by_ctime: bool = False) -> None:
        """Opens `path`. Raises OSError."""
        self.path = os.path.abspath(path)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        stat = os.fstat(self.fd)
        self.size = stat.st_size
        self.is_sparse = stat.st_blocks * 512 < stat.st_size and time.time() - stat.st_mtime > AT_REST_SECONDS
        self._by_ctime = by_ctime
        self._pinned = state_of(stat)
        self.identity = SourceIdentity(
            url="file://" + self.path,
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            inode=stat.st_ino,
            ctime_ns=stat.st_ctime_ns if by_ctime else None,
        )

    def check(self) -> None:
        """Raises PartProblem if the file is no longer what was opened."""
        now = state_of(os.fstat(self.fd))
        if now.without_ctime != self._pinned.without_ctime:
            raise PartProblem(Failure(Kind.CHANGED, f"{self.path} changed while it was read"))
        if self._by_ctime and now != self._pinned:
            raise PartProblem(
                Failure(
                    Kind.CHANGED,
                    f"{self.path} changed while it was read (its ctime: content, mode, owner or links); if it is the "
                    "same content, --resume compares it and sends only what differs",
                )
            )

    def reader(self, part: Part) -> FilePartReader:
        return FilePartReader(self, part)

    def data_after(self, offset: int) -> tuple[int, int]:
        """Where the next data at or after `offset` begins and ends; a hole is in front of it."""
        try:
            begin = os.lseek(self.fd, offset, os.SEEK_DATA)
            return begin, os.lseek(self.fd, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return self.size, self.size
            self.is_sparse = False  # this file system knows no holes
            return offset, self.size

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class FilePartReader:
    """Reads one part of a FileSource with pread; looks at the file's stat before the first byte and after the last."""

    def __init__(self, source: FileSource, part: Part) -> None:
        self._source = source
        self._part = part
        self._at = part.offset
        self._data = (0, 0)
        """[start, end) of the data that is read next; before it is a hole."""
        source.check()
        if part.length:
            os.posix_fadvise(source.fd, part.offset, min(part.length, READ_AHEAD_BYTES), os.POSIX_FADV_WILLNEED)

    def read(self, size: int) -> bytes:
        if self._source.is_sparse:
            if self._at >= self._data[1]:
                self._data = self._source.data_after(self._at)
            begin, end = self._data
            if self._at < begin:  # holes are not read
                data = ZEROS[: min(size, begin - self._at)]
                self._at += len(data)
                return data
            size = min(size, end - self._at)
        data = read_at(self._source.fd, size, self._at)
        self._at += len(data)
        return data

    def rewind(self) -> bool:
        self._at, self._data = self._part.offset, (0, 0)
        return True

    def finish(self) -> None:
        self._source.check()


class MemorySource:
    """Parts that are filled before they are sent: standard input, FUSE writes, replies without a length."""

    def __init__(self) -> None:
        self._buffers: dict[int, PartBuffer] = {}

    def put(self, number: int, data: PartBuffer) -> None:
        self._buffers[number] = data

    def drop(self, number: int) -> int:
        """Forgets a part that has been sent; returns the bytes of a budget that it counted for."""
        return self._buffers.pop(number).held

    def clear(self) -> int:
        """Forgets all parts; returns the bytes of a budget that they counted for."""
        left = sum(data.held for data in self._buffers.values())
        self._buffers.clear()
        return left

    def reader(self, part: Part) -> MemoryPartReader:
        return MemoryPartReader(self._buffers[part.number])


class MemoryPartReader:
    """Reads one part from its buffer."""

    def __init__(self, data: PartBuffer) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int) -> bytes:
        chunk = self._data.read(self._at, size)
        self._at += len(chunk)
        return chunk

    def rewind(self) -> bool:
        self._at = 0
        return True


WRONG_RANGE = Failure(Kind.CORRUPT, "the source sent another byte range than was asked for", code="WrongRange")


def same_state(identity: SourceIdentity, reply: Reply) -> None:
    """Compares what `reply` says of the source with what was seen first: by ETag, else by modification time.

    Raises PartProblem if it is another state. A reply that says neither passes: the look at the end has to do.
    """
    etag = reply.headers.get("etag") if reply.is_http else None
    if identity.etag is not None and etag is not None:
        if bare_etag(etag) != bare_etag(identity.etag):
            raise PartProblem(Failure(Kind.CHANGED, "the source changed while it was read (its ETag differs)"))
        return
    now = http_time(reply.headers.get("last-modified")) if reply.is_http else None
    if not reply.is_http and reply.filetime >= 0:
        now = float(reply.filetime)
    if identity.last_modified is not None and now is not None and now != identity.last_modified:
        raise PartProblem(Failure(Kind.CHANGED, "the source changed while it was read (its modification time differs)"))


def range_judge(part: Part, identity: SourceIdentity, *, name: str | None = None) -> Callable[[Reply], None]:
    """A judge for the reply to a ranged request: right state of the source and, over HTTP, the right range.

    identity: what the source was when it was first looked at, with its size. name: of the file; None: Content-Encoding
    is a property of the object, whose ranges are of what is stored, as in S3. Source: RFC 9110 section 14.
    """
    total = identity.size

    def judge(reply: Reply) -> None:
        same_state(identity, reply)
        if not reply.is_http:
            return
        headers = reply.headers
        if name is not None and compressed_in_transit(headers, name):
            raise PartProblem(Failure(Kind.FATAL, "the source compresses a byte range", code="ContentEncoding"))
        if reply.status == 200:
            if part.offset == 0 and part.length == total:
                return
            raise PartProblem(Failure(Kind.UNSUPPORTED, "the source ignores byte ranges", code="Range"))
        if reply.status != 206:
            raise PartProblem(Failure(Kind.FATAL, f"the source answered a byte range with status {reply.status}"))
        content_range = parse_content_range(headers.get("content-range", ""))
        if content_range is None or content_range.start != part.offset or content_range.length != part.length:
            raise PartProblem(WRONG_RANGE)
        if content_range.total is not None and content_range.total != total:
            raise PartProblem(Failure(Kind.CHANGED, "the source changed while it was read (its size differs)"))

    return judge
