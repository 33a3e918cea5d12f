"""S3 as the target of parts: turns a part and its source into the work of one attempt (`operation.PartWork`).

`PutTarget` stores a whole object with one PutObject, `MultipartTarget` the parts of a multipart upload, sent or copied
inside S3. Requests are signed here, that is at dispatch.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from ..core.checksums import decode
from ..core.claims import Compared
from ..core.expected import WHATEVER, Expected
from ..core.failures import Failure, Kind
from ..core.holes import Digests
from ..core.locations import S3Location
from ..core.parts import Part
from ..core.ssec import CustomerKey
from ..errors import S3AMError
from ..wire.aws.session import S3Session
from ..wire.curl.streams import Reader
from ..wire.failures import find_failure
from ..wire.messages import HttpRequest, Reply
from ..wire.s3 import api as s3api
from .attempt import PartResult, PartWork, RelayPart, SendPart
from .part_problem import PartProblem
from .sources import LocalSource, RangedSource
from .upload_body import InnerReader, PartChecks, UploadBody

DIGEST_BYTES = 1024 * 1024


class Forms(Protocol):
    """In which form each part goes; any thread."""

    def checks(self, number: int, *, local: bool) -> PartChecks:
        """How the next try of a part is checked. local: its bytes can be read twice."""

    def copies(self, number: int) -> str | None:
        """A part is about to be copied inside S3. Returns the name of the CRC that its answer is read for."""


class Target(Protocol):
    """Gives the request and the body for a part that arrives through `inner`."""

    def checks(self, part: Part, *, local: bool) -> PartChecks:
        """How this try of the part is checked. local: its bytes can be read twice."""

    def request(self, part: Part, checks: PartChecks, digest: str | None = None) -> HttpRequest:
        """digest: Content-MD5, where `checks` want it."""

    def body(self, part: Part, inner: InnerReader, checks: PartChecks) -> UploadBody: ...


class PutTarget:
    """A whole object in one PutObject. expected: the condition that it carries."""

    def __init__(
        self,
        session: S3Session,
        target: S3Location,
        options: s3api.ObjectOptions,
        forms: Forms,
        expected: Expected = WHATEVER,
    ) -> None:
        self._session = session
        self._location = target
        self._options = options
        self._forms = forms
        self._expected = expected
        self.stored: s3api.StoredInfo | None = None
        """The server's answer; None before."""
        self.unproven: s3api.StoredInfo | None = None
        """The server's answer to an attempt that was not proven right."""
        self._sent: UploadBody | None = None

    def checks(self, part: Part, *, local: bool) -> PartChecks:
        return self._forms.checks(part.number, local=local)

    def request(self, part: Part, checks: PartChecks, digest: str | None = None) -> HttpRequest:
        body = s3api.Body(length=part.length, trailer=checks.trailer, md5=digest)
        where = self._location
        return self._session.prepare(s3api.put_object(where.bucket, where.key, body, self._options, self._expected))

    def body(self, part: Part, inner: InnerReader, checks: PartChecks) -> UploadBody:
        self._sent = _PutBody(self, inner, part, checks)
        return self._sent

    @property
    def sent_twice(self) -> bool:
        """Whether curl sent the last body again by itself."""
        return self._sent is not None and self._sent.rewound

    @property
    def damaged(self) -> str:
        """ETag of what an attempt has stored and was not proven right; '' where there is none."""
        return self.unproven.etag if self.unproven is not None else ""

    @property
    def crc_name(self) -> str:
        """Which CRC was taken of the bytes sent."""
        return self._sent.crc_name if self._sent is not None else ""

    @property
    def crc(self) -> int | None:
        """Of the bytes that the last attempt sent; None: it did not send all of them, or no CRC was taken."""
        return self._sent.crc_of_all if self._sent is not None else None

    def is_content_of(self, etag: str, checksums: Mapping[str, str]) -> bool:
        """Whether an object with these was stored by the last attempt; False where that is unknown."""
        return self._sent is not None and self._sent.matches(etag, checksums)

    def can_be_compared(self, checksums: Mapping[str, str]) -> bool:
        """Whether `checksums` of an object decide if it is what the last attempt sent."""
        return self.crc_name in checksums


class _PutBody(UploadBody):
    def __init__(self, target: PutTarget, inner: InnerReader, part: Part, checks: PartChecks) -> None:
        super().__init__(inner, part.number, part.length, checks)
        self._target = target

    def finish(self, reply: Reply) -> PartResult:
        try:
            result = super().finish(reply)
        except PartProblem:
            if find_failure(reply) is None:
                self._target.unproven = s3api.parse_stored(reply)
            raise
        self._target.stored = s3api.parse_stored(reply)
        return result


class MultipartTarget:
    """The parts of one multipart upload."""

    def __init__(
        self,
        session: S3Session,
        upload: s3api.MultipartUpload,
        forms: Forms,
        customer_key: CustomerKey | None = None,
    ) -> None:
        self._session = session
        self.upload = upload
        self._forms = forms
        self._customer_key = customer_key

    def checks(self, part: Part, *, local: bool) -> PartChecks:
        return self._forms.checks(part.number, local=local)

    def request(self, part: Part, checks: PartChecks, digest: str | None = None) -> HttpRequest:
        body = s3api.Body(length=part.length, trailer=checks.trailer, md5=digest)
        return self._session.prepare(s3api.upload_part(self.upload, part.number, body, customer_key=self._customer_key))

    def body(self, part: Part, inner: InnerReader, checks: PartChecks) -> UploadBody:
        return UploadBody(inner, part.number, part.length, checks)

    def copy(
        self, part: Part, source: s3api.CopySource, offset: int | None = None, digests: Digests | None = None
    ) -> PartWork:
        """UploadPartCopy of the part's range (at `offset` of the source; None: the part's own offset).

        digests: of the part, where they are known; an answer that differs is refused.
        """
        crc_name = self._forms.copies(part.number)
        request = s3api.upload_part_copy(
            self.upload,
            part.number,
            source,
            offset=part.offset if offset is None else offset,
            length=part.length,
            customer_key=self._customer_key,
        )
        if digests is None:
            return SendPart(self._session.prepare(request), _CopyBody(part, crc_name))
        return SendPart(self._session.prepare(request), _KnownCopyBody(part, crc_name, digests, self.upload))


def send(target: Target, source: LocalSource, part: Part) -> PartWork:
    """Local bytes to S3."""
    checks = target.checks(part, local=True)
    digest = _md5_of(source.reader(part), part.length) if checks.digest else None
    return SendPart(target.request(part, checks, digest), target.body(part, source.reader(part), checks))


def _md5_of(reader: InnerReader, length: int) -> str:
    """Content-MD5 (RFC 1864) of the next `length` bytes."""
    running, left = hashlib.md5(usedforsecurity=False), length
    while left and (data := reader.read(min(DIGEST_BYTES, left))):
        assert isinstance(data, bytes)
        running.update(data)
        left -= len(data)
    return base64.b64encode(running.digest()).decode()


def relay(target: Target, source: RangedSource, part: Part) -> PartWork:
    """A remote range to S3, streamed through a small pipe."""
    checks = target.checks(part, local=False)

    def make_body(inner: Reader) -> UploadBody:
        return target.body(part, inner, checks)

    request = target.request(part, checks)
    return RelayPart(source.request(part), source.accept(part), request, make_body, source.explain, source)


class _CopyBody:
    """The empty body of UploadPartCopy; its reply may be 200 with an error inside (S3 API, UploadPartCopy)."""

    def __init__(self, part: Part, crc_name: str | None) -> None:
        """crc_name: of the CRC that is read from the answer; None: none is."""
        self._part = part
        self._crc_name = crc_name
        self.moved = 0

    def read(self, size: int) -> bytes:
        return b""

    def rewind(self) -> bool:
        return True

    def finish(self, reply: Reply) -> PartResult:
        failure = find_failure(reply)
        if failure is not None:
            raise PartProblem(failure)
        if "etag" in reply.headers and not reply.body.strip():  # it took the request for an UploadPart of no bytes
            raise PartProblem(Failure(Kind.UNSUPPORTED, "the server answered a copied part with no result"))
        try:
            copied = s3api.parse_copied(reply)
        except S3AMError as error:
            raise PartProblem(Failure(Kind.SERVER, str(error))) from error
        self.moved = self._part.length
        name = self._crc_name
        stored = copied.checksums.get(name, "") if name is not None else ""
        crc = decode(name, stored) if name is not None and stored else None
        return PartResult(self._part.number, self._part.length, etag=copied.etag, crc=crc, checksum=stored)


class _KnownCopyBody(_CopyBody):
    """The same for a part whose checksums are known here: an answer that does not prove it is a refusal."""

    def __init__(self, part: Part, crc_name: str | None, digests: Digests, upload: s3api.MultipartUpload) -> None:
        super().__init__(part, crc_name)
        self._digests = digests
        self._declares = upload.checksum_algorithm is not None

    def finish(self, reply: Reply) -> PartResult:
        result, known = super().finish(reply), self._digests
        if self._crc_name == "crc64nvme" and result.crc == known.crc64nvme:
            return replace(result, compared=Compared.CHECKSUM)
        if not self._declares and not result.checksum and result.etag == known.md5:
            return replace(result, compared=Compared.ETAG)
        said = f"checksum {result.checksum or 'none'}, ETag {result.etag}"
        raise PartProblem(Failure(Kind.UNSUPPORTED, f"the server's answer does not prove a copied part ({said})"))
