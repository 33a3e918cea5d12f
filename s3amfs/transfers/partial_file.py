"""The files of an unfinished download: `.NAME.partial` holds the bytes, `.NAME.progress` the manifest.

The ranges on record in the manifest are read again and compared with their CRCs before they count as done: a crash of
the machine may have lost data that the disk had not written yet.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor

from ..core import manifest as m
from ..core.checksums import Crc
from ..core.parts import Part, Plan
from ..engine.attempt import PartResult
from ..engine.file_io import hash_range
from ..engine.journal import Journal, sync_folder
from ..errors import (
    AccessDenied,
    InvalidDestination,
    MissingFolder,
    PartialDownloadExists,
    TargetFileExists,
    TransferError,
    TransferLocked,
)
from . import local_files

READ_BYTES = 1024 * 1024


class PartialFile:
    """The target of one download, until `publish`. Used by the thread that runs the verb, `record` by a loop's."""

    def __init__(self, path: str, *, follow_link: bool = True) -> None:
        """path: where the file is to appear. follow_link: a symbolic link there is written through, not replaced."""
        self.path = os.path.realpath(path) if follow_link and os.path.islink(path) else os.path.abspath(path)
        self._folder, name = os.path.split(self.path)
        self.partial, self.progress = local_files.own_names(self._folder, name)
        self.fd = -1
        self.is_stream = False
        """The target is a pipe or a device: bytes go into it in order, and nothing lies beside it."""
        self.waited = False
        """Another transfer to the same file was at work, and has ended."""
        self._journal: Journal | None = None

    def check_target(self, mode: str) -> bool:
        """Whether an existing target is to be left as it is. Raises TargetFileExists, InvalidDestination."""
        if not os.path.isdir(self._folder):
            raise MissingFolder(f"{self._folder} is not a directory: make it first, or give another file")
        try:
            there = os.lstat(self.path)  # a link only where it is to be replaced itself
        except FileNotFoundError:
            return False
        self.is_stream = stat.S_ISFIFO(there.st_mode) or stat.S_ISCHR(there.st_mode)
        if not self.is_stream and not stat.S_ISREG(there.st_mode) and not stat.S_ISLNK(there.st_mode):
            raise InvalidDestination(f"{self.path} is not a regular file: give another file")
        if not self.is_stream:
            self._finish_publishing()
        if mode == "refuse":
            raise TargetFileExists(
                f"{self.path} exists: use --file-exists overwrite or --file-exists skip, or give another file"
            )
        return mode == "skip"

    def _finish_publishing(self) -> None:
        """Removes what a run has left that was killed just after its file had got its name.

        The partial file may be the target then, under a second name: what is written to one would be in the other. Or
        it is gone and only the manifest is left, which speaks of nothing.
        """
        with contextlib.suppress(OSError):  # another process is just at it; a folder that is read-only
            if self._is_published():
                journal = Journal.open(self.progress)
                if self._is_published():  # also now that no other process may change it
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.partial)
                    journal.remove()
                else:
                    journal.close()

    def _is_published(self) -> bool:
        if not os.path.lexists(self.partial):
            return os.path.lexists(self.progress)
        return os.path.samestat(os.lstat(self.partial), os.lstat(self.path))

    def open(self, mode: str, identity: m.SourceIdentity, *, wait: bool = False) -> tuple[m.Manifest | None, str]:
        """Opens or creates the partial file; returns what can be resumed, and why not if something was there.

        mode: 'refuse', 'resume' or 'discard'. wait: for another transfer to the same file to end. Raises
        PartialDownloadExists, TransferLocked, AccessDenied, OSError.
        """
        if mode == "refuse" and (os.path.lexists(self.partial) or os.path.lexists(self.progress)):
            raise PartialDownloadExists(
                f"{self.partial} is there from an earlier download: use --download-exists resume or "
                "--download-exists discard"
            )
        self._journal = self._lock(wait)
        new = not os.path.lexists(self.partial)
        self.fd = local_files.open_own(self.partial, self.path)
        manifest = self._journal.manifest
        if mode == "discard" or new:
            return None, ""
        if manifest is None:
            return None, self._journal.problem or "nothing says what its bytes are"
        differs = m.difference(manifest.header.source, identity)
        return (manifest, "") if differs is None else (None, differs)

    def open_there(self) -> bool:
        """Opens the partial file if there is one, and makes none. Raises TransferLocked, AccessDenied, OSError."""
        self._journal = self._lock(wait=False)
        if not os.path.lexists(self.partial):
            return False
        self.fd = local_files.open_own(self.partial, self.path)
        return True

    def _lock(self, wait: bool) -> Journal:
        try:
            return Journal.open(self.progress)
        except TransferLocked as error:
            if not wait:
                raise TransferLocked(f"{self.path}: {error}") from None
        except PermissionError:
            raise AccessDenied(f"{self._folder} may not be written to: check its permissions") from None
        self.waited = True
        return Journal.open(self.progress, wait=True)

    def begin(self, header: m.Header, *, sparse: bool = False) -> None:
        """From scratch: an empty file of the right size, and a new manifest. Raises TransferError if it has no room.

        sparse: how much room it needs is not known.
        """
        assert self._journal is not None
        self._renew()
        try:
            if not sparse:
                local_files.require_room(self.fd, header.size or 0, self._folder)
        except TransferError:
            self.discard()  # there is nothing in it yet
            raise
        self._journal.begin(header)
        os.ftruncate(self.fd, header.size or 0)

    def _renew(self) -> None:
        """An empty file: another one, where a worker of an earlier run may still write to the one that is there."""
        if os.fstat(self.fd).st_size:
            os.unlink(self.partial)
            os.close(self.fd)
            self.fd = -1
            self.fd = local_files.open_own(self.partial, self.path)
        os.ftruncate(self.fd, 0)

    def proven(
        self, manifest: m.Manifest, plan: Plan, threads: int, *, sparse: bool = False
    ) -> dict[int, m.PartRecord]:
        """The parts whose bytes are on disk as recorded."""
        if not sparse:
            local_files.require_room(self.fd, plan.size, self._folder)
        os.ftruncate(self.fd, plan.size)  # shorter or longer by accident: what is missing reads as zeros and is found
        recorded = [r for n, r in manifest.parts.items() if n <= len(plan) and plan.part(n).length == r.length]
        name = manifest.header.checksum or "crc64nvme"

        def check(record: m.PartRecord) -> bool:
            return record.crc == crc_of(self.fd, plan.part(record.number), name)

        with ThreadPoolExecutor(threads) as pool:
            return {r.number: r for r, good in zip(recorded, pool.map(check, recorded), strict=True) if good}

    def record(self, result: PartResult) -> None:
        self.keep(m.PartRecord(result.number, result.length, result.etag, result.crc, result.checksum))

    def keep(self, record: m.PartRecord) -> None:
        """A range is in the file."""
        assert self._journal is not None
        self._journal.record(record)

    def publish(self, *, replace: bool) -> None:
        """The file appears under its name, whole and on disk. Raises TargetFileExists if another was faster."""
        assert self._journal is not None
        if replace:
            local_files.keep_access(self.fd, self.path)
        os.fsync(self.fd)
        if replace or not self._link():
            os.replace(self.partial, self.path)
        self._journal.remove()
        sync_folder(self._folder)

    def _link(self) -> bool:
        """Under a name that must be free; False where the file system has no hard links."""
        try:
            os.link(self.partial, self.path)
        except FileExistsError:
            raise TargetFileExists(f"{self.path} appeared meanwhile: use --file-exists overwrite") from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            if os.path.lexists(self.path):
                raise TargetFileExists(f"{self.path} appeared meanwhile: use --file-exists overwrite") from None
            return False
        os.unlink(self.partial)
        return True

    def discard(self) -> None:
        """Nothing of it is worth keeping."""
        if self._journal is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.partial)
            self._journal.remove()
            self._journal = None

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def crc_of(fd: int, part: Part, name: str) -> int:
    """CRC of a range of a file."""
    running = Crc(name)
    hash_range(fd, part.offset, part.end, running.update)
    return running.value
