"""The journal of `upload --from-list`: which lines a run that was interrupted has stored, so that --resume skips them.

It has the format and the place of other jobs' journals (`job_journal`): its source is the list itself, by a digest of
its lines. A line is done if its object still is what was stored, and its file what was sent.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence

from ..core.define import define
from ..core.job_records import JobHeader, Known
from ..core.locations import LocalPath, Location, S3Location, Url
from ..engine.client import S3Client
from ..transfers.options import UploadOptions
from .content import object_and_bytes
from .job_journal import JobJournal
from .up import fingerprint


@define(frozen=True, slots=True)
class Line:
    """One source and the key, below the prefix, that it goes to."""

    number: int
    source: Location
    key: str


class ListJournal:
    """Raises TransferLocked where another process uploads the same list, OSError where no journal can be kept.

    resume: lines that an interrupted run, or those that it continued, have stored count as done; else all are tried.
    """

    def __init__(
        self, lines: Sequence[Line], prefix: S3Location, client: S3Client, options: UploadOptions, *, resume: bool
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._options = options
        text = "\n".join(f"{line.source}\t{line.key}" for line in lines)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        names = f"list {digest}", f"{prefix.url} at {client.session.endpoint_id(prefix.bucket)}"
        self._journal = JobJournal(*names, options.state_dir)
        goes_on = resume and self._journal.interrupted
        self._done = {known.key: known for known in self._journal.memory().all()} if goes_on else {}
        if not goes_on:  # a later run must not leave a URL alone that a run long ago has stored
            self._journal.forget()
        self.resumed = resume
        self._journal.begin(JobHeader(*names, digest, time.time(), "upload"), resume=False)

    def stored(self, line: Line) -> int | None:
        """Size of the object of a line that an earlier run has stored; None: it is to be uploaded. Any thread.

        Raises S3AMError, OSError.
        """
        known = self._done.get(line.key)
        if known is None or known.source != identity(line.source):
            return None
        target = self._target(line)
        info = self._client.find(target.bucket, target.key, customer_key=self._options.object.customer_key)
        return info.size if info is not None and known.target == f"{info.size}:{info.etag}" else None

    def equal(self, line: Line) -> int | None:
        """Size of an existing object that has the content of a local source, as what was killed before it was noted.

        None: it has not, or nothing stored says so. Any thread. Raises S3AMError, OSError.
        """
        if not self.resumed or not isinstance(line.source, LocalPath):
            return None
        target, key = self._target(line), self._options.object.customer_key
        info = self._client.head(target.bucket, target.key, customer_key=key)
        fd = os.open(line.source.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = object_and_bytes(self._client, target.bucket, target.key, info, fd, key)
        finally:
            os.close(fd)
        return info.size if found.equal else None

    def add(self, line: Line, source: str, size: int, etag: str) -> None:
        """A line is done. source: `identity` before it was read."""
        self._journal.add(Known(line.key, source, f"{size}:{etag}"))
        self._journal.flush()

    def close(self, exit_code: int | None) -> None:
        """exit_code: None: the run did not come to its end."""
        self._journal.close(exit_code)

    def _target(self, line: Line) -> S3Location:
        return S3Location(self._prefix.bucket, self._prefix.key + line.key)


def identity(source: Location) -> str:
    """Changes when a local source may have changed; of others the whole name is all that is compared."""
    if isinstance(source, LocalPath):
        try:
            return fingerprint(os.stat(source.path))
        except OSError:
            return ""
    if isinstance(source, Url):
        return source.digest or str(source)
    return str(source)
