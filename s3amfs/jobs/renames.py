"""`--track-renames`: a new entry that has the content of one which is only at the target is renamed there, not sent."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..core.entries import Entry, Kind
from ..core.expected import NOTHING
from ..core.job_records import Known
from ..core.kept_attributes import kept_in
from ..core.locations import LocalPath, S3Location
from ..transfers.content_type import guess_content_type
from ..transfers.options import ObjectInfo, UploadOptions
from ..verbs.upload import upload
from .content import object_and_bytes, two_objects
from .job_options import TreeOptions
from .local_target import LocalTarget
from .sides import Ends
from .up import fingerprint
from .work import Mover, Outcome, Work


class Renames:
    """Finds and makes renames; a dry run only finds them. Used by the thread that runs the job."""

    def __init__(self, ends: Ends, options: TreeOptions, local: LocalTarget | None, mover: Mover) -> None:
        self._ends = ends
        self._options = options
        self._local = local
        self._mover = mover
        self.gone: set[str] = set()
        """Keys that have no entry at the target any more."""
        self.kept: set[str] = set()
        """Keys whose content has another name now; they are still to be deleted."""

    def run(self, works: Iterable[Work], extras: Iterable[Entry]) -> tuple[list[Outcome], list[Work]]:
        """Returns the outcomes of renamed entries, and the works that still have to be transferred."""
        waiting = list(works)
        sizes = {work.size for work in waiting}
        by_size: dict[int, list[Entry]] = {}
        for entry in extras:
            if entry.kind is Kind.FILE and entry.size in sizes:
                by_size.setdefault(entry.size, []).append(entry)
        done: list[Outcome] = []
        left: list[Work] = []
        for work in waiting:
            outcome = self._one(work, by_size.get(work.size, []))
            if outcome is not None:
                done.append(outcome)
            else:
                left.append(work)
        return done, left

    def _one(self, work: Work, candidates: list[Entry]) -> Outcome | None:
        for entry in candidates:
            if entry.key in self.gone:
                continue
            try:
                known = self._rename(work, entry)
            except OSError:  # it is moved the usual way, which also has the say about errors
                continue
            if known is None:
                continue
            if self._local is None:
                self.kept.add(entry.key)
            return Outcome(work, "renamed", f"was {entry.key}", known)
        return None

    def _rename(self, work: Work, entry: Entry) -> Known | None:
        """None: the contents differ, or nothing stored says that they do not. Raises S3AMError, OSError."""
        if self._local is not None:
            return self._rename_file(work, entry, self._local)
        ends, options = self._ends, self._options
        assert isinstance(ends.target, S3Location)
        old = S3Location(ends.target.bucket, ends.target.key + entry.key)
        new = S3Location(ends.target.bucket, ends.target.key + work.key)
        info = ends.client.head(old.bucket, old.key, customer_key=options.key_for(old))
        if info.etag != entry.etag:
            return None
        source = self._equal_source(work, old, info)
        if source is None:
            return None
        if options.dry_run:
            return Known(work.key, source, "")
        using = UploadOptions(
            exists="overwrite",
            expected=NOTHING,
            unfinished="continue",
            object=self._mover.stored_as(work, new),
            copy_metadata=self._keeps_metadata(work.key, entry.key),
            source_key=options.key_for(old),
            source_etag=info.etag,
            checksum=options.checksum,
            state_dir=options.state_dir,
        )
        result = upload(old, new, ends.client, using, gate=ends.client.engine.sending)
        return Known(work.key, source, f"{work.size}:{result.etag}")

    def _keeps_metadata(self, new: str, old: str) -> bool:
        """Whether what `stored_as` leaves open is that of the old object: a file's type follows its name."""
        if isinstance(self._ends.source, S3Location):
            return self._options.copy_metadata
        return guess_content_type(new) == guess_content_type(old)

    def _equal_source(self, work: Work, old: S3Location, info: ObjectInfo) -> str | None:
        """The fingerprint of the source, if its content is that of the object `old`."""
        ends, options = self._ends, self._options
        if isinstance(ends.source, LocalPath):
            if kept_in(info.metadata).is_link:
                return None  # the source is a file, and the copy would be a link
            fd = os.open(os.path.join(ends.source.path, work.key), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                there = os.fstat(fd)
                compared = object_and_bytes(ends.client, old.bucket, old.key, info, fd, options.key_for(old))
                if fingerprint(os.fstat(fd)) != fingerprint(there):
                    return None
            finally:
                os.close(fd)
            return fingerprint(there) if compared.equal else None
        mine = S3Location(ends.source.bucket, ends.source.key + work.key)
        now = ends.reader.head(mine.bucket, mine.key, customer_key=options.source_key_for(mine))
        if self._options.copy_metadata and not _same_metadata(now, info):
            return None
        return f"{now.size}:{now.etag}" if two_objects(now, info).equal else None

    def _rename_file(self, work: Work, entry: Entry, local: LocalTarget) -> Known | None:
        ends = self._ends
        assert isinstance(ends.source, S3Location)
        source = S3Location(ends.source.bucket, ends.source.key + work.key)
        key = self._options.source_key_for(source)
        info = ends.reader.head(source.bucket, source.key, customer_key=key)
        if self._options.links == "keep" and kept_in(info.metadata).is_link:
            return None  # the old entry is a file
        fd = os.open(os.path.join(local.root, entry.key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not object_and_bytes(ends.reader, source.bucket, source.key, info, fd, key).equal:
                return None
        finally:
            os.close(fd)
        if self._options.dry_run:
            self.gone.add(entry.key)
            return Known(work.key, "", "")
        there = local.rename(entry, work.key)
        self.gone.add(entry.key)  # also if what follows fails: it is not to be deleted, and not renamed again
        fd = os.open(os.path.join(local.root, work.key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if os.fstat(fd).st_ino == there.st_ino:
                self._mover.finish(fd, info)
                there = os.fstat(fd)
        finally:
            os.close(fd)
        return Known(work.key, f"{info.size}:{info.etag}", fingerprint(there))


_HEADERS = (
    "content_type",
    "content_encoding",
    "cache_control",
    "content_disposition",
    "content_language",
    "expires",
    "website_redirect",
    "metadata",
)


def _same_metadata(one: ObjectInfo, other: ObjectInfo) -> bool:
    """Whether a copy of one has what a copy of the other has beside the content."""
    return all(getattr(one, name) == getattr(other, name) for name in _HEADERS)
