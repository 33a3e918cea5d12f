"""`download`: an S3 object into a local file, in parallel ranges, checked against what S3 stores, resumable."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..core import manifest as m
from ..core.checksums import combine, encode
from ..core.claims import NOT_CHECKED
from ..core.define import define
from ..core.events import BytesMoved, TransferResult
from ..core.locations import LocalPath, S3Location
from ..core.parts import Part, Plan, download_part_size
from ..engine.attempt import PartResult, ReceivePart
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.sinks import HELD_BYTES, LEAST_WRITE_BYTES, TLS_WRITE_BYTES, WRITE_BYTES, FileSink, SparseFileSink
from ..errors import ChecksumMismatch, IncompatiblePartSize
from ..objects.ranges import Pinned
from ..objects.reader import ObjectReader
from ..transfers.options import DownloadOptions, UploadOptions
from ..transfers.partial_file import READ_BYTES, PartialFile, crc_of
from ..transfers.proof import BY_VERSION, FileProof, Stored, chosen
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.s3_source import S3Source, identity_of
from ..transfers.speed import Speed, make_transfer, move_all
from ..wire.s3 import api as s3api


@define(frozen=True, slots=True)
class Ranges:
    """Ranges of one object that other processes fetch into a partial file that all of them see."""

    source: S3Location
    identity: m.SourceIdentity
    target: str
    """The partial file and its manifest lie beside it."""
    plan: Plan
    missing: tuple[int, ...]
    crc: str
    """Name of the CRC in the records."""
    report: Report


Fetch = Callable[[Ranges, Callable[[m.PartRecord], None]], None]
"""Fetches ranges and calls with the record of each that is in the file. Raises what `download` raises."""


def download(
    source: S3Location,
    target: LocalPath,
    client: S3Client,
    options: DownloadOptions,
    *,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
    fetch: Fetch | None = None,
) -> TransferResult:
    """Fetches `source` into `target`, which appears only when it is whole and proven.

    fetch: has the ranges fetched by other processes; None: by this one. Raises what the contract's exit codes name;
    after a failure the partial file stays, to be resumed.
    """
    report = Report("download", source.url, target.path, on_event)
    file = PartialFile(target.path, follow_link=options.follow_link)
    if file.check_target(options.file_exists):
        return report.result(size=None, skipped=True)
    info = client.head(source.bucket, source.key, version_id=source.version_id, customer_key=options.customer_key)
    if options.dry_run:
        line = _speed(source, options).share(client).outlook()
        plan = Plan(info.size, download_part_size(info.size, options.part_size, line=line))
        return report.result(size=info.size, parts=len(plan), dry_run=True)
    if file.is_stream:
        return _into_stream(source, info, file.path, client, options, report)
    try:
        return _Download(source, info, file, client, options, report, gate, fetch).run()
    finally:
        file.close()


def _into_stream(
    source: S3Location,
    info: s3api.ObjectInfo,
    path: str,
    client: S3Client,
    options: DownloadOptions,
    report: Report,
) -> TransferResult:
    """Downloads into a pipe or a device, in order. Bytes can't be taken back: the proof at the end may raise."""
    stored = chosen(info, options.checksum, source.url)
    report.started(info.size, None, None)
    reader = ObjectReader(Pinned(client, source, info, options.customer_key))
    done = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while data := reader.pread(done, READ_BYTES):
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                done += len(data)
                report.on_event(BytesMoved(done, info.size))
    finally:
        reader.close()
    proof = stored.text if stored.crc is not None else BY_VERSION
    return report.result(size=info.size, parts=1, etag=info.etag, version_id=info.version_id, proof=proof)


def _speed(source: S3Location, options: DownloadOptions) -> Speed:
    return Speed(options.download_slots, options.bwlimit, direction="down", bucket=source.bucket)


class _Download:
    """One run, after a look at the object."""

    def __init__(
        self,
        source: S3Location,
        info: s3api.ObjectInfo,
        file: PartialFile,
        client: S3Client,
        options: DownloadOptions,
        report: Report,
        gate: SlotGate | None,
        fetch: Fetch | None,
    ) -> None:
        self._location = source
        self._info = info
        self._file = file
        self._client = client
        self._options = options
        self._report = report
        self._gate = gate
        self._fetch_elsewhere = fetch
        self._ranges = S3Source(client, source, info, UploadOptions(source_key=options.customer_key))
        self._speed = _speed(source, options)
        self._stored: Stored = chosen(info, options.checksum, source.url)
        self._proof = FileProof(client, source, info, self._stored, options.customer_key, self._threads)
        self._begun: set[int] | None = None
        """Parts that may have left bytes in a file that was one hole; None: no holes are wanted, or it was none."""
        self._joins = True
        """The rest of an answer that was cut is fetched by itself; not once the whole came out wrong."""
        self._crc_name = self._stored.crc_name or "crc64nvme"
        self._crcs: dict[int, tuple[int, int]] = {}
        """Part number -> (CRC, length)."""

    @property
    def _threads(self) -> int:
        return self._options.checksum_slots or min(4, os.cpu_count() or 1)

    def run(self) -> TransferResult:
        identity = identity_of(self._location, self._info)
        manifest, why_not = self._file.open(self._options.download_exists, identity, wait=self._options.wait)
        if self._file.waited and (done := self._done_by_another()) is not None:
            return done
        if manifest is not None and manifest.header.checksum != self._crc_name:
            manifest, why_not = None, "other checksums are needed now"
        if why_not:
            self._report.warn(f"{self._file.partial} can't be resumed ({why_not}): starting from scratch")
        plan = self._plan(manifest)
        if manifest is not None:
            for number, record in self._file.proven(manifest, plan, self._threads, sparse=self._options.sparse).items():
                self._crcs[number] = (record.crc or 0, record.length)
            self._report.resumed(length for _, length in self._crcs.values())
        else:
            self._begin(identity, plan)
        self._report.started(plan.size, plan.part_size, len(plan))
        self._fetch(plan)
        proof = self._prove(plan, self._file.fd)
        if proof is None:
            self._report.warn("the bytes fetched are not those of the object: fetching everything again")
            before = self._whole()
            self._joins = False
            self._crcs.clear()
            self._begin(identity, plan)
            self._fetch(plan)
            proof = self._prove(plan, self._file.fd)
            if proof is None and self._whole() == before:
                proof = self._proof.came_alike(self._report)
        if proof is None:
            self._file.discard()
            raise ChecksumMismatch(
                f"{self._location.url}: its bytes do not have the checksum that S3 stores for it, twice: "
                "the object or the connection to it is damaged"
            )
        self._report.completing()
        self._file.publish(replace=self._options.file_exists == "overwrite")
        return self._result(plan, proof)

    def _result(self, plan: Plan, proof: str) -> TransferResult:
        whole = combine(self._crc_name, [self._crcs[number] for number in sorted(self._crcs)])
        return self._report.result(
            size=plan.size,
            parts=len(plan),
            etag=self._info.etag,
            version_id=self._info.version_id,
            checksum=f"{self._crc_name}:{encode(self._crc_name, whole)}",
            proof=proof,
        )

    def _done_by_another(self) -> TransferResult | None:
        """The result if the transfer that was waited for has left the same object there; None if not."""
        try:
            fd = os.open(self._file.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        plan = Plan(self._info.size, download_part_size(self._info.size))
        try:
            if os.fstat(fd).st_size != plan.size:
                return None
            with ThreadPoolExecutor(self._threads) as pool:
                crcs = pool.map(lambda part: (crc_of(fd, part, self._crc_name), part.length), plan)
                self._crcs = {part.number: crc for part, crc in zip(plan, crcs, strict=True)}
            proof = self._prove(plan, fd)
        finally:
            os.close(fd)
        if proof in (None, BY_VERSION, NOT_CHECKED):
            self._crcs.clear()
            return None
        self._report.resumed(part.length for part in plan)
        self._file.discard()
        return self._result(plan, proof)

    def _plan(self, manifest: m.Manifest | None) -> Plan:
        wanted = self._options.part_size
        if manifest is None:
            line = self._speed.share(self._client).outlook()
            return Plan(self._info.size, download_part_size(self._info.size, wanted, line=line))
        if wanted is not None and download_part_size(self._info.size, wanted) != manifest.header.part_size:
            raise IncompatiblePartSize(
                f"{self._file.partial} has parts of {manifest.header.part_size} bytes, not {wanted}: leave --part-size "
                "out to continue it, or use --download-exists discard"
            )
        return Plan(self._info.size, manifest.header.part_size)

    def _begin(self, identity: m.SourceIdentity, plan: Plan) -> None:
        self._begun = set() if self._options.sparse else None
        self._file.begin(
            m.Header(
                verb="download",
                source=identity,
                target=self._file.path,
                endpoint=self._client.session.endpoint_id(self._location.bucket),
                size=plan.size,
                part_size=plan.part_size,
                checksum=self._crc_name,
            ),
            sparse=self._options.sparse,
        )

    def _is_hole(self, part: Part) -> bool:
        """Whether nothing was ever written where `part` goes, from now on no longer: a second attempt writes all."""
        if self._begun is None or part.number in self._begun:
            return False
        self._begun.add(part.number)
        return True

    def _fetch(self, plan: Plan) -> None:
        if plan.size == 0:
            self._crcs[1] = (0, 0)
        elif self._fetch_elsewhere is not None:
            identity = identity_of(self._location, self._info)
            missing = tuple(part.number for part in plan if part.number not in self._crcs)
            ranges = Ranges(self._location, identity, self._file.path, plan, missing, self._crc_name, self._report)
            self._fetch_elsewhere(ranges, self._keep)
        else:
            self._fetch_here(plan)

    def _keep(self, record: m.PartRecord) -> None:
        """A range that another process has fetched."""
        assert record.crc is not None
        self._file.keep(record)
        self._crcs[record.number] = (record.crc, record.length)

    def _fetch_here(self, plan: Plan) -> None:
        turn = threading.Lock()
        most = TLS_WRITE_BYTES if self._client.session.uses_tls(self._location.bucket) else WRITE_BYTES

        def move(part: Part, attempt: int) -> ReceivePart:
            judge = self._ranges.accept(part)
            size = max(LEAST_WRITE_BYTES, min(most, HELD_BYTES // transfer.share.slots))
            kind = SparseFileSink if self._is_hole(part) else FileSink
            sink = kind(self._file.fd, part, judge, self._crc_name, turn=turn, write_bytes=size)
            rest = self._ranges if self._joins else None
            return ReceivePart(self._ranges.request(part), sink, rest=rest)

        def part_done(result: PartResult) -> None:
            assert result.crc is not None
            self._file.record(result)
            self._crcs[result.number] = (result.crc, result.length)

        transfer = make_transfer(
            self._client,
            move,
            f"download of {self._location.url}",
            self._speed,
            self._report,
            on_part=part_done,
            gate=self._gate,
            total=plan.size,
            done_before=self._report.bytes_resumed,
            receives=True,
        )
        done = frozenset(self._crcs)
        move_all(transfer, (part for part in plan if part.number not in done))

    def _whole(self) -> int:
        """CRC of the whole, from those of its parts."""
        return combine(self._crc_name, [self._crcs[number] for number in sorted(self._crcs)])

    def _prove(self, plan: Plan, fd: int) -> str | None:
        """Compares the file `fd` with the object. Returns the proof that they are equal; None: they are not."""
        if self._options.checksum == "none":
            return NOT_CHECKED
        return self._proof.prove(fd, plan.size, self._whole)
