"""Both ends of one process's share of a split upload or copy: the job's source, and the upload that all share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..core.locations import Location, S3Location
from ..core.manifest import SourceIdentity, difference, proves_same
from ..core.parts import Part
from ..core.split_job import SplitJob
from ..engine.attempt import Move
from ..engine.client import S3Client
from ..engine.targets import MultipartTarget
from ..errors import InvalidSource, SourceChanged, UsageError
from ..transfers import expected_digests
from ..transfers.copy_object import algorithm_of, warn_of_lost
from ..transfers.job import Job
from ..transfers.s3_source import identity_of, look_at_source
from ..transfers.send_parts import Content, Copied, Movement, WholeCrc
from ..transfers.source import UploadSource, open_source
from ..transfers.speed import Speed
from ..transfers.target import with_content_type, with_kept
from ..wire.s3 import api as s3api


class SplitEnds:
    """Source and target of one process's share; the source is the one that the job is about."""

    def __init__(
        self,
        job: Job,
        source: UploadSource | None = None,
        copied: tuple[S3Location, s3api.ObjectInfo] | None = None,
        reader: S3Client | None = None,
        version_id: str | None = None,
    ) -> None:
        """source: what is read here; copied: what S3 copies instead. reader: of a source in another service.
        version_id: of an s3:// source."""
        self.job = job
        self._source = source
        self._copied = copied
        self.version_id = version_id
        self._others = (reader,) if reader is not None else ()
        self.identity = identity_of(*copied) if copied is not None else SourceIdentity("")
        if source is not None:
            self.identity = source.identity
        self._expects = expected_digests.Expectation(job.options.expect, source.digests if source else {}, job.report)

    @classmethod
    def open(
        cls, location: Location, job: Job, split: SplitJob | None = None, reader: S3Client | None = None
    ) -> SplitEnds:
        """Looks at the source. split: the job that it must be the source of. reader: of an S3 source elsewhere.

        Raises SourceChanged, InvalidSource, NotFound, UsageError (a reader is missing, or there is one too many).
        """
        if split is not None and isinstance(location, S3Location) and (split.kind == "copy") != (reader is None):
            raise UsageError(
                f"{split.source} is in the service of {split.target}, and S3 copies it: leave --src-… out"
                if reader is not None
                else f"{split.source} is in another service than {split.target}: give --src-endpoint-url"
            )
        if isinstance(location, S3Location) and reader is None:
            options = job.options
            info = look_at_source(job.client, location, options)
            kept = options if split is not None else with_kept(job.client, location, info, options)
            found = cls(replace(job, options=kept), copied=(location, info), version_id=location.version_id)
        else:
            source = open_source(location, job.client, job.options, source_client=reader, report=job.report)
            if not source.ranged or source.size is None:
                source.close()
                raise InvalidSource(f"{location} can't be read in ranges, so that several processes can't share it")
            options = with_content_type(job.options, source.content_type)
            version = location.version_id if isinstance(location, S3Location) else None
            found = cls(replace(job, options=options), source, reader=reader, version_id=version)
        if split is not None:
            compare(split, found.identity)
        return found

    @property
    def copies(self) -> bool:
        """Whether S3 copies the parts, so that no byte of them passes through here."""
        return self._copied is not None

    @property
    def size(self) -> int:
        return self.identity.size or 0

    def content(self) -> Content:
        options = self.job.options
        bucket = self.job.target.bucket
        if self._source is not None:
            source = self._source
            slots = options.slots if source.remote else options.upload_slots
            speed = Speed(slots=slots, bwlimit=options.bwlimit, bucket=bucket, source=source.endpoint)
            describe = f"upload to {self.job.target.url}"
            movement = Movement(source.move, speed)
            return Content("upload", source.identity, describe, movement, self._others, check=self._check)
        assert self._copied is not None
        location, info = self._copied
        speed = Speed(slots=options.upload_slots, direction="copy", bucket=bucket)
        describe = f"copy of {location.url}"
        movement = Movement(self._copy, speed)
        return Content(
            "copy",
            identity_of(location, info),
            describe,
            movement,
            copied=Copied(location.url, info.size, info.checksums),
            algorithm=algorithm_of(info),
            check=self._check,
        )

    def check(self) -> None:
        """Raises SourceChanged if the source is no longer what it was."""
        if self._source is not None:
            self._source.check()
        elif self._copied is not None:
            location, info = self._copied
            now = self.job.client.head(
                location.bucket,
                location.key,
                version_id=location.version_id,
                customer_key=self.job.options.source_key,
            )
            if now.etag != info.etag:
                raise SourceChanged(f"{location.url} changed while it was copied: start the job again")

    def warn_of_lost(self) -> None:
        """Says what S3 keeps in no copy in parts."""
        if self._copied is not None:
            warn_of_lost(self.job.client, *self._copied, self.job.report.warn, in_parts=True)

    def hashes(self, parts: Iterable[Part], crc: str) -> dict[int, tuple[int, str]]:
        """Part number -> (CRC, MD5 in hex) of the source's bytes; {} where S3 copies, so that nothing is read here."""
        if self._source is None:
            return {}
        return self._source.hashes(parts, crc, self.job.client, self.job.report)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()

    def _check(self, crc: WholeCrc) -> None:
        self.check()
        if self._source is not None and self._expects.needs_order:
            self._expects.hash(self._source.stream())
        self._expects.check(self.job.target.url)
        self._expects.check_whole(crc, self.job.target.url)

    def _copy(self, target: MultipartTarget) -> Move:
        assert self._copied is not None
        location, info = self._copied
        source = s3api.CopySource(
            location.bucket,
            location.key,
            version_id=location.version_id,
            if_match=info.strong_etag,
            customer_key=self.job.options.source_key,
        )
        return lambda part, attempt: target.copy(part, source)


def compare(job: SplitJob, now: SourceIdentity) -> None:
    """Raises SourceChanged unless the source is the one that the job was started with.

    Inodes are not compared: machines may see the same file of a shared file system under different ones.
    """
    before, now = replace(job.identity, inode=None, ctime_ns=None), replace(now, inode=None, ctime_ns=None)
    differs = difference(before, now)
    if differs is None and not proves_same(before, now):
        differs = "nothing that identifies it (ETag, time) says that it is unchanged"
    if differs is not None:
        raise SourceChanged(f"{job.source} is not what the job was started with ({differs}): start the job again")
