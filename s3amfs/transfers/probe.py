"""Requests that find out what a service can do: each sent once, counted, and cleaned up after.

Not the retrying calls of `S3Client`: a probe's refusal is its result. A request is sent a second time only where the
first taught something (region, clock, credentials) or got no usable answer.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from ..core.checksums import crc, encode
from ..core.expected import WHATEVER, Expected
from ..core.failures import Kind
from ..core.findings import Answer, Finding
from ..engine.client import S3Client
from ..engine.uploads import abort_upload
from ..errors import S3AMError, Unsupported
from ..wire.failures import find_failure
from ..wire.messages import Reply, S3Request
from ..wire.s3 import api as s3api
from ..wire.s3 import aws_chunked

MAX_REQUESTS = 40
_TEACHES = (Kind.REDIRECT, Kind.SKEW, Kind.EXPIRED)
_ODD = (Kind.NETWORK, Kind.TIMEOUT, Kind.THROTTLE, Kind.SERVER)


class Probe:
    """Sends probes to `bucket` below `prefix`. A thread of its own; not shared."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix
        self.requests = 1
        """The first asks whether there is such a bucket at all."""
        self.versioned = True
        """Whether version ids in answers mean anything: gofakes3 invents some for buckets that keep no versions."""
        self.aborted: Finding | None = None
        """The finding about aborts; the cleaning makes it."""
        self.etag = ""
        """Of the object `object`."""
        self.stored: set[tuple[str, str | None]] = set()
        """(key, version id) of what was stored and is to be removed."""
        self.uploads: list[s3api.MultipartUpload] = []

    def key(self, name: str) -> str:
        return f"{self.prefix}{name}"

    @property
    def left(self) -> int:
        """Requests that may still be sent before the cleaning."""
        return MAX_REQUESTS - len(self.uploads) - 1 - self.requests

    def ask(self, request: S3Request) -> tuple[Answer, Reply]:
        """The answer to `request`. An object or upload that it created is remembered for `clean`."""
        answer, reply = Answer(0, odd=True), Reply(0)
        for _ in range(2):
            if self.left <= 0:
                return Answer(0, "no request left", odd=True), Reply(0)
            answer, reply, again = self._send(request)
            if not again:
                break
        self._remember(request, answer, reply)
        return answer, reply

    def put(
        self,
        name: str,
        data: bytes,
        options: s3api.ObjectOptions | None = None,
        *,
        checksum: str | None = None,
        md5: str | None = None,
        expected: Expected = WHATEVER,
    ) -> tuple[Answer, Reply]:
        """PutObject of `data`. checksum: base64 CRC64NVME for the header; md5: base64 for Content-MD5."""
        body = s3api.Body(data, checksum=("crc64nvme", checksum) if checksum is not None else None, md5=md5)
        return self.ask(s3api.put_object(self.bucket, self.key(name), body, options or s3api.ObjectOptions(), expected))

    def put_with_trailer(self, name: str, data: bytes, checksum: str) -> tuple[Answer, Reply]:
        """PutObject of `data` with `checksum` (base64 CRC64NVME) in the trailer."""
        described = s3api.put_object(
            self.bucket, self.key(name), s3api.Body(length=len(data), trailer="crc64nvme"), s3api.ObjectOptions()
        )
        encoded = aws_chunked.prefix(len(data)) + data + aws_chunked.suffix(len(data), "crc64nvme", checksum)
        return self.ask(replace(described, body=encoded, content_length=None))

    def clean(self) -> Answer:
        """Aborts and deletes what the probes have left; returns what DeleteObjects answered.

        Raises S3AMError where something could not be removed.
        """
        for upload in self.uploads:
            self.requests += 1
            try:
                abort_upload(self.client, upload)
            except Unsupported as error:
                self.aborted = Finding("abort-upload", "no", f"{error}: an unfinished upload stays")
            else:
                self.aborted = Finding("abort-upload", "yes", "204")
        self.uploads.clear()
        if not self.stored:
            return Answer(0, odd=True)
        plain = [(key, version) if version is not None else key for key, version in sorted(self.stored, key=str)]
        answer, reply, _ = self._send(s3api.delete_objects(self.bucket, plain))
        failed = {(each.key, each.version_id) for each in s3api.parse_deleted(reply)} if answer.ok else {*self.stored}
        for key, version in failed:
            self.requests += 1
            self.client.delete(self.bucket, key, version_id=version)
        self.stored.clear()
        return answer if answer.ok and not failed else replace(answer, status=answer.status if failed else 0)

    def _send(self, request: S3Request) -> tuple[Answer, Reply, bool]:
        """The answer, the reply, and whether it is worth asking again."""
        self.requests += 1
        session = self.client.session
        if not session.credentials_fresh():
            session.refresh_credentials()
        reply = self.client.engine.call(session.prepare(request))
        failure = find_failure(reply)
        if failure is None:
            return Answer(reply.status), reply, False
        self.client.learn(failure, request.bucket)
        # A 400 that is worth another try in a transfer (IncompleteBody) is a refusal if it comes twice.
        odd = failure.kind in _ODD and failure.status not in (400, 501)
        answer = Answer(failure.status, failure.code, denied=failure.kind is Kind.DENIED, odd=odd)
        return answer, reply, failure.kind in (*_TEACHES, *_ODD)

    def _remember(self, request: S3Request, answer: Answer, reply: Reply) -> None:
        if request.key is None:
            return
        if not answer.ok:  # what is refused may be stored all the same
            if request.method == "PUT" and not request.query and not self.versioned and not answer.denied:
                self.stored.add((request.key, None))
            return
        names = {name for name, _ in request.query}
        if (request.method == "PUT" and not names) or (request.method == "POST" and "uploadId" in names):
            version = reply.headers.get("x-amz-version-id") if self.versioned else None
            self.stored.add((request.key, version))
        if request.method == "POST" and "uploadId" in names:
            self.uploads = [upload for upload in self.uploads if ("uploadId", upload.upload_id) not in request.query]
        if request.method == "POST" and "uploads" in names:
            with contextlib.suppress(S3AMError):  # the finding says that the answer made no sense
                self.uploads.append(s3api.parse_created(reply, self.bucket, request.key))


def crc64(data: bytes) -> str:
    """CRC64NVME of `data`, base64."""
    return encode("crc64nvme", crc("crc64nvme", data))
