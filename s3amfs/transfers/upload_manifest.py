"""The manifest of one multipart upload: what it is about, and what has happened to it.

Its header is on the disk before the upload is created. Where the disk refuses it, the upload goes on without one, and
resuming it needs more checks.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

from ..core import manifest as m
from ..core.ssec import CustomerKey
from ..engine.journal import Journal
from ..errors import EncryptionKeyError, S3AMError, SourceChanged
from .checksum_choice import Checking
from .job import Job


class UploadManifest:
    """The manifest of one upload, which `verb` ('upload', 'copy', 'patch') began.

    identity: of the source. journal: the file; None: no manifest is kept.
    `record` may be called in a loop's thread.
    """

    def __init__(self, job: Job, verb: str, identity: m.SourceIdentity, journal: Journal | None) -> None:
        self._job = job
        self._verb = verb
        self._identity = identity
        self._journal = journal

    @property
    def found(self) -> m.Manifest | None:
        """The manifest that an earlier run has left."""
        return self._journal.manifest if self._journal is not None else None

    def is_ours(self, manifest: m.Manifest) -> bool:
        """Whether `manifest` is about our source, key and (where nobody asked to resume it) options.

        Raises SourceChanged, EncryptionKeyError.
        """
        options, target = self._job.options, self._job.target
        header = manifest.header
        differs = m.difference(header.source, self._identity)
        if header.verb != self._verb:
            differs = f"it was begun by {header.verb!r}"
        if differs is None and self._fingerprint(header.key_salt) != header.key_fingerprint:
            if options.unfinished == "continue":
                return False
            raise EncryptionKeyError(
                f"the unfinished upload of {target.url} was begun with another encryption key: give that one, or "
                "use --force to start over"
            )
        if differs is not None and options.unfinished == "continue":
            return False
        if differs is not None:
            raise SourceChanged(
                f"the unfinished upload of {target.url} is of another source ({differs}): use --force to start over"
            )
        if not self.is_as_asked(manifest):
            if options.unfinished == "continue":
                return False
            if options.object.sse:
                raise EncryptionKeyError(
                    f"the unfinished upload of {target.url} was begun with other options, and may not be encrypted "
                    f"with {options.object.sse}: give the same options, or use --force to start over"
                )
        return True

    def is_as_asked(self, manifest: m.Manifest) -> bool:
        """Whether the upload of `manifest` was begun with the metadata and storage options of this run."""
        return manifest.header.options in (self._options_text(), self._older_options_text())

    def begin(self, part_size: int, checks: Checking) -> None:
        """A new manifest in place of the one that is there. part_size: bytes. Raises TransferLocked."""
        if self._journal is None:
            return
        salt, target = os.urandom(16).hex(), self._job.target
        header = m.Header(
            verb=self._verb,
            source=self._identity,
            target=target.url,
            endpoint=self._job.client.session.endpoint_id(target.bucket),
            size=self._identity.size,
            part_size=part_size,
            checksum=checks.parts.crc,
            key_salt=salt,
            key_fingerprint=self._fingerprint(salt),
            options=self._options_text(),
        )
        try:
            self._journal.begin(header)
        except S3AMError:
            raise
        except OSError as error:
            self._go_without(error)

    def forget(self) -> None:
        """The upload that `found` is about is no more. An object stored in one request would leave the file behind."""
        if self._journal is None:
            return
        try:
            self._journal.forget()
        except OSError as error:
            self._go_without(error)

    def _go_without(self, error: OSError) -> None:
        assert self._journal is not None
        self._job.report.warn(f"no manifest can be kept ({error.strerror}): resuming will need more checks")
        self._journal.close()
        self._journal = None

    def record(self, *records: m.UploadRecord | m.PartRecord, sync: bool = False) -> None:
        """Adds records. sync: they are on the disk when this returns."""
        if self._journal is not None:
            self._journal.record(*records, sync=sync)

    def remove(self) -> None:
        """There is nothing left to resume."""
        if self._journal is not None:
            self._journal.remove()
            self._journal = None

    def close(self) -> None:
        """Leaves the manifest for a later run, which may begin now."""
        if self._journal is not None:
            self._journal.close()

    def _fingerprint(self, salt: str) -> str:
        """Of the keys of target and source, one after the other; '' where there are none."""
        options = self._job.options
        keys: list[CustomerKey | None] = [options.object.customer_key, options.source_key]
        return "-".join(key.fingerprint(salt.encode()) if key is not None else "" for key in keys).strip("-")

    def _options_text(self) -> str:
        """Digest of what is stored beside the bytes. A second attempt at a file of the mount may have another mtime."""
        options = self._job.options.object
        options = replace(options, customer_key=None, tags=dict(sorted((options.tags or {}).items())))
        headers = (*options.content_headers(), *options.tag_headers(), *options.storage_headers())
        pairs = sorted((name.lower(), value) for name, value in headers)
        return _digest([pair for pair in pairs if pair[0] != "x-amz-meta-mtime"])

    def _older_options_text(self) -> str | None:
        """The digest as older versions wrote it; None: it leaves out something that is asked for."""
        options = self._job.options.object
        if options.bucket_key is not None or options.extra_headers:
            return None
        headers = (*options.content_headers(), *options.tag_headers())
        return _digest((headers, options.storage_class, options.acl, options.sse, options.sse_kms_key_id))


def _digest(options: object) -> str:
    return hashlib.sha256(repr(options).encode()).hexdigest()[:16]
