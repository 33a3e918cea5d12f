"""One multipart upload from its beginning, or where it was left, to its completion.

The loop for parts (send_parts.py) uses it: this knows the parts that are there and talks to the server;
upload_manifest.py writes down what a later run needs. It belongs
to the thread that runs the verb; only `record` is called from a loop's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

from ..core import manifest as m
from ..core.capabilities import Evidence
from ..core.claims import Compared
from ..core.define import define
from ..core.expected import Expected
from ..engine.attempt import PartResult
from ..engine.client import S3Client
from ..engine.journal import Journal
from ..engine.uploads import look_at
from ..errors import ChecksumMismatch, EncryptionKeyError, ObjectExists, SourceChanged, Unsupported
from ..wire.aws.capabilities import Feature, known_of
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from . import checksum_choice, unfinished
from .as_asked import asks_more, look_at_stored
from .complete import Parts, complete
from .encryption import EncryptionWatch, refuse_in_the_clear
from .etag_probe import etags_are_md5
from .job import Job
from .upload_manifest import UploadManifest

_DECLARED: tuple[Feature, ...] = ("crc64nvme",)


@define(frozen=True, slots=True)
class Begun:
    """The state that a multipart upload starts from."""

    upload: s3api.MultipartUpload
    checks: checksum_choice.Checking
    server_parts: dict[int, s3api.PartInfo]
    """The parts that the server has, by number."""
    manifest: m.Manifest | None
    """The manifest of this very upload and source; None: nothing proves where the parts came from."""
    etag_is_md5: Callable[[], bool]
    """Whether ETags of parts are known to be their MD5s; may ask the server."""
    proven: bool = True
    """False: nothing says that the source still has the bytes that `manifest` is about, so its parts are compared."""


class Multipart:
    """Begins, continues and completes one multipart upload of `job`.

    verb: who began it ('upload', 'copy', 'patch'), for the manifest. identity: of the source.
    """

    def __init__(
        self,
        job: Job,
        verb: str,
        identity: m.SourceIdentity,
        journal: Journal | None,
        algorithm: str = "crc64nvme",
    ) -> None:
        """algorithm: the CRC to declare, unless the user has chosen one or the server does not take it."""
        self._job = job
        self._can = job.can
        self._client = job.client
        self._target = job.target
        self._options = job.options
        self._report = job.report
        self._verb = verb
        self._identity = identity
        self._algorithm = algorithm
        self._manifest = UploadManifest(job, verb, identity, journal)
        self.records: dict[int, m.PartRecord] = {}
        self.upload: s3api.MultipartUpload | None = None
        self._checks: checksum_choice.Checking | None = None
        self._is_as_asked = True
        """Whether it was begun with the options of this run; else what it lacks says nothing about the server."""

    # -- beginning --------------------------------------------------------------------------------------------------

    def find(self) -> Begun | None:
        """The upload to continue, if there is one and it may be. Raises the contract's errors (4, 10, 13, 15)."""
        manifest = self._manifest.found
        upload = unfinished.settle(self._client, self._target, self._options.unfinished, manifest, self._report)
        if upload is None:  # what a manifest is about was aborted, or the server has it no more
            self._manifest.forget()
            return None
        ours = manifest if manifest is not None and _is_of(manifest, upload) else None
        if ours is not None and not self._manifest.is_ours(ours):
            self._abort(upload)  # 'continue' only: what is superseded is not left to be paid for
            self._manifest.forget()
            return None
        try:
            page = look_at(self._client, upload, customer_key=self._options.object.customer_key)
        except Unsupported:
            self._report.warn("the server lists no parts of unfinished uploads: all of it is sent again")
            if ours is not None:  # another's is not touched
                self._abort(upload)
                self._manifest.forget()
            return None
        _require_known_key(self._job, known=ours is not None or not page.parts)
        for listed in (ours.upload if ours is not None else None, page):  # not every server says it in every listing
            if listed is not None and listed.checksum_algorithm is not None:
                upload = replace(
                    upload, checksum_algorithm=listed.checksum_algorithm, checksum_type=listed.checksum_type
                )
                break
        self.upload = upload
        self._is_as_asked = ours is not None and self._manifest.is_as_asked(ours)
        if (ours is not None and not self._is_as_asked) or (ours is None and asks_more(self._options.object)):
            self._report.warn("the unfinished upload keeps the metadata and storage options that it was begun with")
        parts = {part.number: part for part in page.parts}
        self._checks = self._checks_of(upload)
        proven = ours is None or m.proves_same(ours.header.source, self._identity)
        if not proven and parts:
            self._report.warn(
                "nothing that identifies the source (ETag, time) says that it is unchanged: it is read again where "
                "parts were sent, and only what differs is sent"
            )
        return Begun(
            upload, self._checks, parts, ours, lambda: self._etags_are_md5(upload, self._unsent(parts)) is True, proven
        )

    def begin(self, part_size: int, *, declares: bool = True) -> Begun:
        """A new upload, in the manifest before its first part. Raises the server's error.

        declares: False: no checksum algorithm, for parts that the server refuses with one.
        """
        refuse_in_the_clear(self._client, self._target, self._options.object)
        checks = self._choose() if declares else checksum_choice.by_etag(self._options.object, self._can)
        listed = (
            unfinished.list_unfinished(self._client, self._target) if self._options.unfinished == "continue" else ()
        )
        known = {upload.upload_id for upload in listed or ()}
        self._manifest.begin(part_size, checks)
        client = EncryptionWatch(self._client, self._target, self._options.object)
        began = time.monotonic()
        upload, checks = self._create(checks, client)
        self.upload, self._checks, self._is_as_asked = upload, checks, True
        self.records.clear()
        if client.retries:
            unfinished.abort_orphans(self._client, upload, known, time.monotonic() - began)
        self._manifest.record(_record_of(upload), sync=True)
        return Begun(upload, checks, {}, None, lambda: self._etags_are_md5(upload, 1) is True)

    def adopt(self, upload: s3api.MultipartUpload) -> Begun:
        """Goes on with `upload`, of which this run knows no part yet."""
        self.upload = upload
        self._checks = self._checks_of(upload)
        return Begun(upload, self._checks, {}, None, lambda: self._etags_are_md5(upload, 1) is True)

    def continue_with(self, begun: Begun, part_size: int, records: dict[int, m.PartRecord]) -> None:
        """Goes on with `begun`, of which `records` are proven: they are written to a manifest of our own."""
        self.records = dict(records)
        for record in records.values():
            self._learn_from(record)
        if begun.manifest is None:
            self._manifest.begin(part_size, begun.checks)
            self._manifest.record(_record_of(begun.upload))
        known = begun.manifest.parts if begun.manifest is not None else {}
        self._manifest.record(*(r for number, r in records.items() if known.get(number) != r), sync=True)

    def _learn_from(self, record: m.PartRecord) -> None:
        """A part whose ETag is the MD5 of its bytes shows that the server's ETags are."""
        if record.compared == Compared.ETAG.value:
            self._can.note("etag_md5", Evidence.WORKED)

    def settle_checks(self, begun: Begun) -> Begun:
        """`begun`, with ETags compared only where they are known to be MD5s.

        To be called when the parts of an earlier run were looked at and before one is sent: they may have shown it, and
        an upload that is refused after all gets no part that it was not to have.
        """
        checks, number = begun.checks, self._unsent(begun.server_parts)
        if checks.parts.compare_etag and self._verb != "copy":
            md5 = self._etags_are_md5(begun.upload, number)
            # Unknown is not "no": a wire that damages everything damages the question, too.
            checks = replace(checks, parts=replace(checks.parts, compare_etag=md5 is not False, etag_known=md5 is True))
        else:
            checks = replace(checks, parts=replace(checks.parts, compare_etag=False, etag_known=False))
        self._checks = checks
        return replace(begun, checks=self._checks)

    def _unsent(self, there: Mapping[int, s3api.PartInfo]) -> int:
        """Number of a part that is still to be sent."""
        return next(number for number in count(1) if number not in there and number not in self.records)

    def _etags_are_md5(self, upload: s3api.MultipartUpload, number: int) -> bool | None:
        """Of parts: not under SSE-C and SSE-KMS; found out with part `number`, still to be sent; None: unknown."""
        if not checksum_choice.etag_is_md5(self._options.object):
            return False
        if self._can.etag_md5 is None:
            self._can.etag_md5 = etags_are_md5(self._client, upload, number)
            if self._can.etag_md5 is False:
                self._report.warn("the server's ETags are not the MD5s of what it stores: they are not compared")
        return self._can.etag_md5

    def _choose(self) -> checksum_choice.Checking:
        copies = self._verb in ("copy", "patch")
        return checksum_choice.choose(
            self._options.checksum, self._can, self._options.object, copies=copies, preferred=self._algorithm
        )

    def _checks_of(self, upload: s3api.MultipartUpload) -> checksum_choice.Checking:
        """Parts must be checked the way the upload was created: S3 refuses another algorithm's trailers."""
        chosen = self._choose()
        if chosen.algorithm is not None and chosen.algorithm != upload.checksum_algorithm:
            return checksum_choice.by_etag(self._options.object, self._can)
        return chosen

    def _create(
        self, checks: checksum_choice.Checking, client: S3Client
    ) -> tuple[s3api.MultipartUpload, checksum_choice.Checking]:
        bucket, key, options = self._target.bucket, self._target.key, self._options.object
        request = s3api.create_multipart_upload(bucket, key, options, checksum_algorithm=checks.algorithm)
        before = self._can.crc64nvme
        reply, failure = client.attempt(request, fresh=True, keep=_DECLARED if checks.fixed else ())
        if self._can.crc64nvme is False and before is not False and checks.algorithm is not None:
            name = checks.algorithm.upper()
            checks = checksum_choice.by_etag(self._options.object, self._can)
            self._report.warn(f"the server does not know {name}: parts are checked by their ETags")
        if failure is not None:
            raise to_error(failure, self._target.url)
        return s3api.parse_created(reply, bucket, key), checks

    # -- parts ------------------------------------------------------------------------------------------------------

    def record(self, result: PartResult) -> None:
        """A part is in the server's hands: write it down."""
        record = m.PartRecord(
            result.number, result.length, result.etag, result.crc, result.checksum, result.compared.value
        )
        self.records[result.number] = record
        self._manifest.record(record)

    def keep(self, record: m.PartRecord) -> None:
        """A part of an earlier run turned out to be what is wanted."""
        self._learn_from(record)
        self.records[record.number] = record
        self._manifest.record(record)

    # -- completion -------------------------------------------------------------------------------------------------

    def complete(self, size: int, expected: Expected | None = None) -> tuple[s3api.StoredInfo, str, str]:
        """Makes the object visible; returns what is stored, 'ALGORITHM:BASE64' of the whole and what is proven.

        expected: the state of the target's name; None: as in the options.
        Raises ObjectExists, SourceChanged, ChecksumMismatch, TransferError.
        """
        assert self.upload is not None and self._checks is not None
        records = [self.records[number] for number in sorted(self.records)]
        if sum(record.length for record in records) != size:
            raise ChecksumMismatch(
                f"{self._target.url}: the parts do not add up to {size} bytes: use --force to start over"
            )
        self._report.completing()
        job = replace(self._job, options=replace(self._options, expected=expected or self._options.expected))
        try:
            found = complete(job, Parts(self.upload, records, self._checks))
        except (ObjectExists, SourceChanged):
            if self._options.unfinished == "continue" or self._options.exists == "skip":
                self.abort()  # what may not become an object is nothing to continue
            raise
        self._manifest.remove()
        stored = replace(found[0], sse=found[0].sse or self.upload.sse)
        options, warn = self._options.object, self._report.warn
        look_at_stored(self._client, self._target, options, stored, warn, as_asked=self._is_as_asked)
        return found

    def whole_crc(self) -> tuple[str, str] | None:
        """(algorithm, base64) of the whole from the parts; None where one is not known."""
        name = self._checks.parts.crc if self._checks is not None else None
        whole = checksum_choice.whole_crc([self.records[number] for number in sorted(self.records)], name)
        return (name, whole) if name is not None and whole else None

    # -- ends without an object -------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Removes the upload from the server and the manifest from the disk."""
        if self.upload is not None:
            self._abort(self.upload)
            self.upload = None
        self._manifest.remove()

    def _abort(self, upload: s3api.MultipartUpload) -> None:
        unfinished.abort(self._client, upload, self._report)

    def abort_to_begin_again(self) -> None:
        """Removes the upload from the server; `begin` may follow."""
        if self.upload is not None:
            self._abort(self.upload)
            self.upload = None
        self.records.clear()

    def leave(self) -> None:
        """Leaves the upload for a later run."""
        self._manifest.close()


def _is_of(manifest: m.Manifest, upload: s3api.MultipartUpload) -> bool:
    return manifest.upload is not None and manifest.upload.upload_id == upload.upload_id


def _record_of(upload: s3api.MultipartUpload) -> m.UploadRecord:
    return m.UploadRecord(upload.upload_id, upload.checksum_algorithm, upload.checksum_type)


def _require_known_key(job: Job, *, known: bool) -> None:
    """Parts of one upload have to have one key: nobody could read the object. known: the manifest says that they do.

    Else the server has to refuse another one, and only AWS is known to do so. Raises EncryptionKeyError.
    """
    if known or job.options.object.customer_key is None:
        return
    if not known_of(job.client.session.endpoint_id(job.target.bucket)).encrypts.get("sse-c"):
        raise EncryptionKeyError(
            f"the unfinished upload of {job.target.url} has no manifest here, and nothing says that it was begun "
            "with this encryption key: use --force to start over"
        )
