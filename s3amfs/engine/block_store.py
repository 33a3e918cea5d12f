"""`BlockStore`: blocks of objects in a folder on disk, shared by processes, as core/block_cache.py lays them out.

No lock protects a block: a slot is written after its block, and what does not have the CRC of its slot is missing.
Threads and processes may share a folder. Only the eviction takes a lock, so that one process at a time does it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from ..core import block_cache as layout
from ..core.block_cache import Held, Place, Slot
from ..core.checksums import Crc
from ..core.define import define
from ..errors import InvalidDestination
from .file_io import make_private, write_all_at

FOLDER = "s3am-blocks"
LOCK = "lock"
USED_SECONDS = 1.0
"""How exactly the last use of a file is kept."""
EVICTING = "kept below its limit"
OnNotice = Callable[[str], None]


@define(frozen=True, slots=True)
class Block:
    """A block that was read back."""

    start: int
    data: bytes
    crc: int
    """CRC-64/NVME."""

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class BlockStore:
    """folder: made if it is not there. limit: bytes on disk. on_notice: called once with why blocks can't be kept.

    Raises InvalidDestination for a folder that can't be used, or that others may read.
    """

    def __init__(self, folder: str, limit: int, on_notice: OnNotice) -> None:
        self.limit = limit
        self.hits = self.misses = 0
        """Bytes that were asked for and were there; were not."""
        self._folder = _own_folder(folder)
        self._on_notice = on_notice
        self._noticed = False
        self._lock = threading.Lock()
        self._unseen = 0
        """Bytes written since the files were last counted."""
        try:
            self._evict()
        except OSError as error:
            raise InvalidDestination(
                f"no cache can be kept in {folder} ({error.strerror}): give another --cache-dir"
            ) from None

    def read(self, name: str, start: int, end: int, size: int) -> list[Block]:
        """Returns the whole blocks of [start, end) that are there, in order. name: of the version, of `size` bytes."""
        found: list[Block] = []
        for segment, wanted in _by_segment(layout.places(start, end, size)):
            try:
                found += self._read_segment(name, segment, wanted)
            except OSError as error:
                self._notice("read from", error)
        here = sum(len(block.data) for block in found)
        with self._lock:
            self.hits += here
            self.misses += end - start - here
        return found

    def _read_segment(self, name: str, segment: int, wanted: Sequence[Place]) -> list[Block]:
        try:
            fd = os.open(self._path(name, segment), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            head = os.pread(fd, layout.HEAD_BYTES, 0)
            slots = layout.decode_slots(head, name, segment, [place.index for place in wanted])
            blocks = [_checked(fd, place, slots[place.index]) for place in wanted if place.index in slots]
            if blocks and time.time() - os.fstat(fd).st_mtime > USED_SECONDS:
                os.utime(fd)
        finally:
            os.close(fd)
        return [block for block in blocks if block is not None]

    def write(self, name: str, start: int, buffers: Sequence[bytes | memoryview], size: int) -> None:
        """Keeps the whole blocks of `buffers`, which lie at `start` of the version `name` of `size` bytes."""
        data = memoryview(buffers[0] if len(buffers) == 1 else b"".join(buffers))
        written = 0
        try:
            for segment, given in _by_segment(layout.places(start, start + len(data), size)):
                written += self._write_segment(name, segment, given, data, start)
        except OSError as error:
            self._notice("written to", error)
        with self._lock:
            self._unseen += written
            full = self._unseen >= self.limit // layout.SCAN_SHARE
        if full:
            self._try_to_evict()

    def _write_segment(self, name: str, segment: int, given: Sequence[Place], data: memoryview, start: int) -> int:
        path = self._path(name, segment)
        fd = self._open_to_write(path)
        try:
            identity = layout.encode_identity(name, segment)
            if os.pread(fd, len(identity), 0) != identity:
                os.ftruncate(fd, 0)
                write_all_at(fd, identity, 0)
            for place in given:
                block = data[place.start - start : place.end - start]
                crc = Crc()
                crc.update(block)
                write_all_at(fd, block, place.file_offset)
                write_all_at(fd, layout.encode_slot(Slot(len(block), crc.value)), place.slot_offset)
        finally:
            os.close(fd)
        return sum(place.end - place.start for place in given)

    def _open_to_write(self, path: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            make_private(os.path.dirname(path))  # all of the cache may have been removed
            return os.open(path, flags, 0o600)

    def discard(self, name: str) -> None:
        """Forgets a version whose blocks were found wrong as a whole."""
        folder = os.path.dirname(self._path(name, 0))
        try:
            for entry in os.scandir(folder):
                if entry.name.startswith(name):
                    _remove(entry.path)
        except FileNotFoundError:
            return

    def _path(self, name: str, segment: int) -> str:
        return os.path.join(self._folder, name[:2], f"{name}.{segment:x}")

    def _notice(self, doing: str, error: OSError) -> None:
        if not self._noticed:
            self._noticed = True
            self._on_notice(f"the cache in {self._folder} could not be {doing} ({error.strerror}): S3 is read instead")
        if error.errno == errno.ENOSPC and doing != EVICTING:
            self._try_to_evict()

    def _try_to_evict(self) -> None:
        """As `_evict`, but its errors fail no read."""
        try:
            self._evict()
        except OSError as error:
            self._notice(EVICTING, error)

    def _evict(self) -> None:
        """Removes the least recently used files if there are too many; not while another process does so."""
        with self._lock:
            self._unseen = 0
        fd = os.open(os.path.join(self._folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            for file in layout.to_evict(self._files(), self.limit):
                _remove(file.path)
        finally:
            os.close(fd)

    def _files(self) -> Iterator[Held]:
        for folder in os.scandir(self._folder):
            if folder.is_dir(follow_symlinks=False):
                for entry in os.scandir(folder.path):
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # another process has removed it
                    yield Held(entry.path, found.st_blocks * 512, found.st_mtime)


def _checked(fd: int, place: Place, slot: Slot) -> Block | None:
    """The block at `place`; None if it is not what its slot says."""
    if slot.length != place.end - place.start:
        return None
    data = os.pread(fd, slot.length, place.file_offset)
    crc = Crc()
    crc.update(data)
    return Block(place.start, data, crc.value) if (crc.length, crc.value) == (slot.length, slot.crc) else None


def _by_segment(places: Iterator[Place]) -> Iterator[tuple[int, list[Place]]]:
    together: list[Place] = []
    for place in places:
        if together and together[-1].segment != place.segment:
            yield together[0].segment, together
            together = []
        together.append(place)
    if together:
        yield together[0].segment, together


def _own_folder(chosen: str) -> str:
    """The folder of this user alone in `chosen`. Raises InvalidDestination."""
    folder = os.path.join(os.path.abspath(chosen), FOLDER)
    try:
        if not os.path.lexists(folder):
            make_private(folder)
        found = os.lstat(folder)
    except OSError as error:
        raise InvalidDestination(
            f"no cache can be kept in {chosen} ({error.strerror}): give another --cache-dir"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise InvalidDestination(f"{folder} is not a folder of this user alone (mode 0700): give another --cache-dir")
    return folder


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return  # another process was first
