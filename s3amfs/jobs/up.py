"""Local files into S3: one PutObject each below a part, else the verb `upload`. Every put says what the listing saw."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace

from ..core import kept_attributes
from ..core.entries import Kind, fingerprint_of, not_a_key
from ..core.expected import Expected
from ..core.job_records import Known
from ..core.locations import LocalPath, S3Location
from ..engine.client import S3Client
from ..engine.file_state import state_of
from ..errors import ObjectExists, SourceChanged, TargetChanged
from ..transfers import commit
from ..transfers.as_asked import is_settled
from ..transfers.content_type import guess_content_type
from ..transfers.job import ManifestsLeft
from ..transfers.one_request import begin_put, body_of
from ..transfers.options import ObjectOptions, StoredInfo, UploadOptions
from ..wire.messages import S3Request
from ..wire.s3 import api as s3api
from .content import object_and_bytes
from .job_options import TreeOptions
from .obedience import Obedience
from .sides import ObjectVerbs
from .work import SMALL_LIMIT, CannotBeDone, Done, Mover, Outcome, Room, Work


class Up(Mover):
    """From the folder `root` to keys that begin with `prefix`."""

    verb = "upload"

    def __init__(
        self, root: str, target: S3Location, client: S3Client, options: TreeOptions, verbs: ObjectVerbs
    ) -> None:
        self._root = root
        self._verbs = verbs
        self._bucket = target.bucket
        self._prefix = target.key
        self._client = client
        self._options = options
        self._obedience = Obedience(client, target.bucket, "put")
        self._left = ManifestsLeft(client, options.state_dir)

    def location(self, key: str) -> S3Location:
        return S3Location(self._bucket, self._prefix + key)

    def small(self, work: Work, room: Room, done: Done, retry: Callable[[], None]) -> None:
        target = self._checked(work)
        if self._left.has(target):
            retry()  # by a verb, which settles what an earlier run has left
            return
        if not self._is_trusted(work, target, done, retry):
            return
        give = room.take(work.size)
        try:
            data, there = self._read(work)
            options = self._object(work, target, there)
        except BaseException:
            give()
            raise
        if len(data) > SMALL_LIMIT:
            give()
            retry()
            return
        if not is_settled(self._client, target, options):
            give()
            retry()  # by a verb, which looks whether it is stored as asked for
            return

        def stored(info: StoredInfo | None) -> None:
            give()
            if info is None:
                work.doubtful = True
                retry()
            else:
                done(self._moved(work, there, info.etag))

        begin_put(self._client, target, data, options, self._options.checksum, stored, work.expected)

    def _is_trusted(self, work: Work, target: S3Location, done: Done, retry: Callable[[], None]) -> bool:
        """Whether one conditional request is enough; else the entry is done, or goes the way that looks around."""
        outcomes: list[Outcome] = []

        def store() -> Callable[[Expected], S3Request]:
            outcomes.append(self.large(work))
            data, there = self._read(work)
            body = replace(body_of(self._client, target, data, self._options.checksum), length=None)
            options = self._object(work, target, there)
            return lambda expected: s3api.put_object(target.bucket, target.key, body, options, expected)

        trusted = self._obedience.trusts(work.expected, store)
        if outcomes:
            done(outcomes[0])
        elif not trusted:
            retry()
        return trusted is True

    def large(self, work: Work) -> Outcome:
        target = self._checked(work)
        if work.source.kind is not Kind.FILE:
            return self._put_now(work, target)
        path = os.path.join(self._root, work.key)
        there = os.stat(path)
        options = UploadOptions(
            exists="overwrite",
            expected=work.expected,
            unfinished="continue",
            object=self._object(work, target, there),
            checksum=self._options.checksum,
            part_size=self._options.part_size,
            bwlimit=self._options.bwlimit,
            state_dir=self._options.state_dir,
        )
        try:
            gate = self._client.engine.sending
            result = self._verbs.upload(
                LocalPath(path), target, self._client, options, on_event=self.on_event, gate=gate
            )
        except (ObjectExists, TargetChanged) as error:
            return self.lost(work, error, self._options.exists)
        if state_of(os.stat(path)) != state_of(there):
            raise SourceChanged(f"{work.key} changed while it was sent")
        return self._moved(work, there, result.etag)

    def look(self, work: Work, *, proven: bool = False) -> Outcome | None:
        """By what S3 stores; with --preserve the kept time, mode and owner have to be those of the file, too."""
        location = self.location(work.key)
        customer_key = self._options.key_for(location)
        info = self._client.head(location.bucket, location.key, customer_key=customer_key)
        path = os.path.join(self._root, work.key)
        if work.source.kind is Kind.LINK:
            there = os.lstat(path)
            data: bytes | int = os.readlink(os.fsencode(path))
            equal = object_and_bytes(self._client, location.bucket, location.key, info, data, customer_key)
        else:
            fd = _open(path)
            try:
                there = os.fstat(fd)
                equal = object_and_bytes(self._client, location.bucket, location.key, info, fd, customer_key)
                if state_of(os.fstat(fd)) != state_of(there):
                    return None
            finally:
                os.close(fd)
        if equal.equal is None:
            work.reason = f"{work.reason}; {equal.how}"
            return None
        if not equal.equal:
            work.reason = f"{equal.how} differs" if equal.how != "size differs" else equal.how
            return None
        kept = kept_attributes.kept_in(info.metadata)
        if kept.is_link is not (work.source.kind is Kind.LINK):
            work.reason = "a link on one side and none on the other"
            return None
        if self._options.rules.preserve and not (
            (kept.mode, kept.mtime) == (there.st_mode, there.st_mtime_ns) and kept.fits(*permissions(there))
        ):
            work.reason = "mode, time or owner differs"
            return None
        known = Known(work.key, fingerprint(there), f"{info.size}:{info.etag}")
        return Outcome(work, "same", f"equal content ({equal.how})", known)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _checked(self, work: Work) -> S3Location:
        """The object's location. Raises CannotBeDone."""
        why = not_a_key(self._prefix + work.key)
        if why:
            raise CannotBeDone(why)
        return self.location(work.key)

    def _read(self, work: Work) -> tuple[bytes, os.stat_result]:
        """The bytes of a small entry and the stat that they belong to. Raises OSError, SourceChanged."""
        path = os.path.join(self._root, work.key)
        if work.source.kind is Kind.FOLDER:
            return b"", os.stat(path)
        if work.source.kind is Kind.LINK:
            there = os.lstat(path)
            return os.readlink(os.fsencode(path)), there
        fd = _open(path)
        try:
            there = os.fstat(fd)
            data = os.read(fd, there.st_size + 1) if there.st_size <= SMALL_LIMIT else b"\0" * (SMALL_LIMIT + 1)
            while len(data) < there.st_size and (more := os.read(fd, there.st_size - len(data))):
                data += more
            if there.st_size <= SMALL_LIMIT and (
                len(data) != there.st_size or state_of(os.fstat(fd)) != state_of(there)
            ):
                raise SourceChanged(f"{work.key} changed while it was read")
            return data, there
        finally:
            os.close(fd)

    def stored_as(self, work: Work, target: S3Location) -> ObjectOptions:
        return self._object(work, target, os.stat(os.path.join(self._root, work.key)))

    def _object(self, work: Work, target: S3Location, there: os.stat_result) -> ObjectOptions:
        given = self._options.object
        metadata = dict(given.metadata)
        if self._options.rules.preserve or work.source.kind is Kind.LINK:
            metadata |= kept_attributes.metadata_of(there.st_mode, there.st_mtime_ns, there.st_uid, there.st_gid)
        content_type = given.content_type
        if content_type is None and work.source.kind is Kind.FILE:
            content_type = guess_content_type(work.key)
        if content_type is None and work.source.kind is Kind.FOLDER:
            content_type = "application/x-directory"
        return replace(
            given,
            metadata=metadata,
            content_type=content_type,
            customer_key=self._options.key_for(target),
        )

    def _put_now(self, work: Work, target: S3Location) -> Outcome:
        """A link or a folder that did not get through at once: with retries."""
        data, there = self._read(work)
        try:
            options = self._object(work, target, there)
            stored = commit.put(self._client, target, data, options, work.expected, self.warn)
        except (ObjectExists, TargetChanged) as error:
            return self.lost(work, error, self._options.exists)
        return self._moved(work, there, stored.etag)

    def _moved(self, work: Work, there: os.stat_result, etag: str) -> Outcome:
        size = there.st_size if work.source.kind is not Kind.FOLDER else 0
        return Outcome(work, "moved", work.reason, Known(work.key, fingerprint(there), f"{size}:{etag}"))


def fingerprint(there: os.stat_result) -> str:
    """As `Entry.fingerprint` of the file's entry."""
    return fingerprint_of(there.st_size, there.st_mtime_ns, there.st_ctime_ns, there.st_ino)


def permissions(there: os.stat_result) -> tuple[int, int | None, int | None]:
    """Mode and owner as `Kept.fits` compares them; owners count for root, who alone can give them to a file."""
    return (there.st_mode, there.st_uid, there.st_gid) if os.geteuid() == 0 else (there.st_mode, None, None)


def _open(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SourceChanged(f"{path} is not a file any more")
    return fd
