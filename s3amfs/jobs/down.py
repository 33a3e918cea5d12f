"""Objects into a local folder: one GetObject each below a part, else the verb `download`; files appear whole."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial

from ..core import kept_attributes
from ..core.compare import SECOND
from ..core.entries import ARCHIVED, Kind, not_local
from ..core.events import TransferResult
from ..core.job_records import Known
from ..core.locations import LocalPath, S3Location
from ..core.trees.write_place import WritePlace
from ..engine.client import S3Client
from ..engine.file_state import state_of
from ..errors import AccessDenied, S3AMError, TransferError
from ..transfers.one_request import Fetched, begin_get
from ..transfers.options import DownloadOptions, ObjectInfo
from .content import object_and_bytes
from .job_options import TreeOptions
from .local_target import InTheWay, LocalTarget, TargetChanged
from .sides import ObjectVerbs
from .up import fingerprint, permissions
from .work import SMALL_LIMIT, CannotBeDone, Done, Give, Mover, Outcome, Room, Work, Workers, outcome_of

WRITE_THREADS = 4


class Down(Mover):
    """From keys that begin with `source.key` into `target`."""

    verb = "download"
    small_blocks = False

    def __init__(
        self, source: S3Location, target: LocalTarget, client: S3Client, options: TreeOptions, verbs: ObjectVerbs
    ) -> None:
        self._verbs = verbs
        self._bucket = source.bucket
        self._prefix = source.key
        self._target = target
        self._client = client
        self._options = options
        self._writers: Workers[Callable[[], None]] = Workers("write", WRITE_THREADS, lambda act: act())
        self._place = WritePlace()
        self._writing = threading.Lock()
        self._closed = False

    def location(self, key: str) -> S3Location:
        return S3Location(self._bucket, self._prefix + key)

    def small(self, work: Work, room: Room, done: Done, retry: Callable[[], None]) -> None:
        self._check(work)
        if work.source.kind is Kind.FOLDER:
            self._target.make_folder(work.key)
            done(Outcome(work, "moved", work.reason))
            return
        source = self.location(work.key)
        customer_key = self._options.source_key_for(source)

        def begin(give: Give) -> None:
            if self._closed:
                give()
                return

            def arrived(fetched: Fetched | None) -> None:
                if fetched is None:
                    give()
                    retry()
                else:
                    self._write_somewhere(partial(self._write_small, work, fetched, done, give))

            try:
                begin_get(self._client, source, arrived, limit=SMALL_LIMIT, customer_key=customer_key)
            except BaseException as error:  # noqa: BLE001 - it is the entry's outcome
                give()
                done(outcome_of(work, error))

        room.enter(work.size, begin)

    def _write_somewhere(self, write: Callable[[], None]) -> None:
        """In the loop's thread, which calls this, while writing takes less time than another thread would."""
        with self._writing:
            if self._closed:
                return
            if not self._place.is_here():
                self._writers.put(write)
                return
            begun = time.monotonic()
            write()
            self._place.took(time.monotonic() - begun)

    def _write_small(self, work: Work, fetched: Fetched, done: Done, give: Give) -> None:
        try:
            done(self._write(work, fetched))
        except BaseException as error:  # noqa: BLE001 - it is the entry's outcome
            done(outcome_of(work, _named(error)))
        finally:
            give()

    def large(self, work: Work) -> Outcome:
        self._check(work)
        source = self.location(work.key)
        customer_key = self._options.source_key_for(source)
        if work.size <= SMALL_LIMIT and not self._options.sparse:
            return self._get_now(work, source)
        path = self._target.partial_path(work.key)
        options = DownloadOptions(
            file_exists="overwrite",
            download_exists="resume",
            follow_link=False,
            customer_key=customer_key,
            part_size=self._options.part_size,
            checksum=self._options.download_checksum,
            sparse=self._options.sparse,
            bwlimit=self._options.bwlimit,
        )
        try:
            result = self._download(source, path, options)
        except S3AMError as error:
            raise self._archived(work, error) from None
        info = self._client.head(source.bucket, source.key, customer_key=customer_key)
        if info.etag != result.etag:
            raise TransferError(f"{source.url} changed while it was fetched")
        try:
            there = self._target.take(work.key, path, work.target, lambda fd: self.finish(fd, info))
        except S3AMError as error:
            raise _named(error) from None
        return self._moved(work, info, there)

    def look(self, work: Work, *, proven: bool = False) -> Outcome | None:
        """By what S3 stores; equal content gets the object's time."""
        assert work.target is not None
        source = self.location(work.key)
        customer_key = self._options.source_key_for(source)
        info = self._client.head(source.bucket, source.key, customer_key=customer_key)
        kept = kept_attributes.kept_in(info.metadata)
        time = self._time_of(info)
        path = os.path.join(self._target.root, work.key)
        if work.target.kind is Kind.LINK:
            if not (self._options.links == "keep" and kept.is_link):
                work.reason = "a link at the target"
                return None
            there = os.lstat(path)
            data: bytes | int = os.readlink(os.fsencode(path))
            equal = object_and_bytes(self._client, source.bucket, source.key, info, data, customer_key)
        else:
            if self._options.links == "keep" and kept.is_link:
                work.reason = "a file at the target, and a link at the source"
                return None
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                there = os.fstat(fd)
                if (
                    self._options.rules.preserve
                    and self._is_kept(there, kept, info)
                    and there.st_size == info.size
                    and not self._options.rules.checksum
                ):
                    known = Known(work.key, f"{info.size}:{info.etag}", fingerprint(there))
                    return Outcome(work, "same", "equal size and kept time", known)
                equal = object_and_bytes(self._client, source.bucket, source.key, info, fd, customer_key)
            finally:
                os.close(fd)
        if not equal.equal:
            work.reason = f"{work.reason}; {equal.how}" if equal.equal is None else f"{equal.how} differs"
            return None
        if self._options.rules.preserve and work.target.kind is not Kind.LINK and not kept.fits(*permissions(there)):
            work.reason = "mode or owner differs"
            return None
        reason = f"equal content ({equal.how})"
        if state_of(os.lstat(path)) != state_of(there):  # else what was written since would count as that content
            raise TargetChanged(f"{work.key} changed while it was compared: kept")
        if not self._options.dry_run and there.st_mtime_ns != time:
            there = self._target.set_times(work.key, work.target, time)
            reason += ", time set"
        return Outcome(work, "same", reason, Known(work.key, f"{info.size}:{info.etag}", fingerprint(there)))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _download(self, source: S3Location, path: str, options: DownloadOptions) -> TransferResult:
        gate = self._client.engine.receiving
        return self._verbs.download(source, LocalPath(path), self._client, options, on_event=self.on_event, gate=gate)

    def _check(self, work: Work) -> None:
        why = not_local(work.key, work.size)
        if why:
            raise CannotBeDone(why)

    def _get_now(self, work: Work, source: S3Location) -> Outcome:
        """A small object that did not come at once: with retries."""
        path = self._target.partial_path(work.key)
        key = self._options.source_key_for(source)
        options = DownloadOptions(
            file_exists="overwrite",
            download_exists="discard",
            follow_link=False,
            customer_key=key,
            checksum=self._options.download_checksum,
            bwlimit=self._options.bwlimit,
        )
        try:
            result = self._download(source, path, options)
            info = self._client.head(source.bucket, source.key, customer_key=key)
        except S3AMError as error:
            raise self._archived(work, error) from None
        try:
            with open(path, "rb") as file:
                data = file.read()
        finally:
            os.unlink(path)
        if info.etag != result.etag or len(data) != info.size:
            raise TransferError(f"{source.url} changed while it was fetched")
        try:
            return self._write(work, Fetched(data, info))
        except S3AMError as error:
            raise _named(error) from None

    def _write(self, work: Work, fetched: Fetched) -> Outcome:
        info = fetched.info
        if self._is_link(info) and fetched.data and b"\0" not in fetched.data:
            there = self._target.link(work.key, fetched.data, work.target, self._time_of(info))
        else:
            there = self._target.store(work.key, fetched.data, work.target, lambda fd: self.finish(fd, info))
        return self._moved(work, info, there)

    def _is_link(self, info: ObjectInfo) -> bool:
        return self._options.links == "keep" and kept_attributes.kept_in(info.metadata).is_link

    def _time_of(self, info: ObjectInfo) -> int:
        """Nanoseconds: the object's LastModified, or what --preserve keeps."""
        if self._options.rules.preserve:
            kept = kept_attributes.kept_in(info.metadata).mtime
            if kept is not None:
                return kept
        return int(info.last_modified or 0) * SECOND

    def finish(self, fd: int, info: ObjectInfo) -> None:
        if self._options.rules.preserve:
            kept = kept_attributes.kept_in(info.metadata)
            if (kept.uid is not None or kept.gid is not None) and os.geteuid() == 0:
                os.fchown(fd, -1 if kept.uid is None else kept.uid, -1 if kept.gid is None else kept.gid)
            if kept.mode is not None:
                os.fchmod(fd, kept.mode & 0o7777)
        time = self._time_of(info)
        os.utime(fd, ns=(time, time))

    def _is_kept(self, there: os.stat_result, kept: kept_attributes.Kept, info: ObjectInfo) -> bool:
        return self._time_of(info) == there.st_mtime_ns and kept.fits(*permissions(there))

    def _archived(self, work: Work, error: S3AMError) -> S3AMError:
        if work.source.storage_class in ARCHIVED and isinstance(error, AccessDenied | TransferError):
            return CannotBeDone(f"archived in {work.source.storage_class}: restore it first")
        return error

    def _moved(self, work: Work, info: ObjectInfo, there: os.stat_result) -> Outcome:
        return Outcome(work, "moved", work.reason, Known(work.key, f"{info.size}:{info.etag}", fingerprint(there)))

    def close(self) -> None:
        with self._writing:  # the folders of the target are closed next
            self._closed = True
        self._writers.close()


def _named(error: BaseException) -> BaseException:
    """Returns CannotBeDone for an entry that something else blocks: the transfer itself did not fail."""
    return CannotBeDone(str(error)) if isinstance(error, InTheWay) else error
