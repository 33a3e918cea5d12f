"""Findings of `s3am doctor` about a service: one per capability, judged from answers alone. Pure.

A finding is 'yes' or 'no' only where the service's behaviour showed it. A refusal of permission, an odd answer, or a
probe that was not sent leaves it 'unknown', and the evidence says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .define import define

Verdict = Literal["yes", "no", "unknown"]

CAPABILITIES: dict[str, str] = {
    "list": "ListObjectsV2",
    "put": "PutObject",
    "etag-quoted": "ETags in quotes (RFC 9110, section 8.8.3)",
    "etag-strong": "ETags that are not weak (no W/ before them)",
    "etag-is-md5": "the ETag of an object stored by one PutObject is its MD5",
    "checksum-header": "a wrong x-amz-checksum-crc64nvme is refused",
    "checksum-stored": "the CRC64NVME sent with an object is answered by GetObject",
    "checksum-trailer": "checksums in trailers of aws-chunked bodies are taken",
    "checksum-trailer-checked": "a wrong checksum in a trailer is refused",
    "content-md5": "a wrong Content-MD5 is refused",
    "metadata": "user metadata come back as they were sent",
    "range": "GetObject of a range",
    "get-if-match": "GetObject with an If-Match that fails is refused",
    "put-if-none-match": "PutObject with If-None-Match: * over an object is refused, and the object stays",
    "put-if-match": "PutObject with an If-Match that fails is refused, and the object stays",
    "delete-if-match": "DeleteObject with an If-Match that fails is refused, and the object stays",
    "copy": "CopyObject",
    "copy-source-if-match": "CopyObject with an x-amz-copy-source-if-match that fails is refused",
    "copy-if-none-match": "CopyObject with If-None-Match: * over an object is refused",
    "tagging": "object tags come back as they were sent",
    "sse-c": "a customer's key encrypts: without it the object is refused",
    "sse-s3": "x-amz-server-side-encryption: AES256",
    "multipart": "multipart uploads",
    "multipart-crc64nvme": "multipart uploads with a CRC64NVME of the whole object",
    "part-checksum": "a part with a wrong checksum is refused",
    "part-copy": "UploadPartCopy of a range, also where a checksum is declared",
    "parts-of-any-size": "parts but the last need not be of equal size",
    "list-parts": "ListParts",
    "list-uploads": "ListMultipartUploads",
    "abort-upload": "AbortMultipartUpload",
    "object-size": "CompleteMultipartUpload with a wrong x-amz-mp-object-size is refused",
    "complete-if-none-match": "CompleteMultipartUpload with If-None-Match: * over an object is refused",
    "etag-of-parts": "the ETag of a multipart object is made of the MD5s of its parts",
    "attributes": "GetObjectAttributes",
    "delete-many": "DeleteObjects",
    "versioning": "the bucket keeps old versions",
    "object-lock": "the bucket locks new objects by default",
}
"""Name -> what is proven by a 'yes'. The names are part of `--json` and stay."""


@define(frozen=True, slots=True)
class Finding:
    """One capability of the service."""

    capability: str
    result: Verdict
    evidence: str
    """One line: which answer showed it, or why nothing did."""

    def text(self) -> str:
        return f"{self.result:<8}{self.capability:<26}{self.evidence}"

    def json(self) -> dict[str, object]:
        return {
            "event": "capability",
            "capability": self.capability,
            "result": self.result,
            "evidence": self.evidence,
        }


@define(frozen=True, slots=True)
class Answer:
    """Those fields of an answer that a finding depends on."""

    status: int
    """The HTTP status, 0: no answer."""
    code: str = ""
    """The S3 error code; without a status, why there is no answer of use."""
    denied: bool = False
    """The refusal is about permission, so it says nothing about the service."""
    odd: bool = False
    """An answer that may be another one next time: 5xx other than 501, a lost connection, throttling."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        if self.status == 0:
            return self.code or "no answer"
        return f"{self.status} {self.code}".strip()


def supported(name: str, answer: Answer, *, shown: bool = True, but: str = "") -> Finding:
    """A capability that an accepted request shows.

    shown: whether what came back (or is stored) is what was asked for; but: what is wrong if not.
    """
    if answer.denied:
        return Finding(name, "unknown", f"not permitted ({answer})")
    if answer.odd:
        return Finding(name, "unknown", f"an odd answer ({answer})")
    if not answer.ok:
        return Finding(name, "no", f"refused ({answer})")
    return Finding(name, "yes", str(answer)) if shown else Finding(name, "no", f"{answer}, but {but}")


REFUSALS = frozenset({400, 404, 409, 412, 422})
"""Statuses by which a service says that a condition or a checksum does not hold."""


def refuses(name: str, answer: Answer, *, kept: bool | None = True, without: Answer | None = None) -> Finding:
    """A capability that the refusal of a wrong request shows.

    kept: whether what was there is still there (None: not looked). without: the answer to the same request with nothing
    wrong in it; if that was refused too, the refusal says nothing.
    """
    if answer.denied:
        return Finding(name, "unknown", f"not permitted ({answer})")
    if answer.odd:
        return Finding(name, "unknown", f"an odd answer ({answer})")
    if answer.ok:
        lost = ", and the object is no longer what it was" if kept is False else ""
        return Finding(name, "no", f"accepted ({answer}){lost}")
    if answer.status == 501 or answer.code in ("NotImplemented", "UnsupportedHeader"):
        return Finding(name, "no", f"the header is refused ({answer})")
    if without is not None and not without.ok:
        return Finding(name, "unknown", f"refused ({answer}), but the right request was as well ({without})")
    if kept is False:
        return Finding(name, "no", f"refused ({answer}), and yet the object is no longer what it was")
    if answer.status not in REFUSALS:
        return Finding(name, "unknown", f"an odd refusal ({answer})")
    return Finding(name, "yes", f"refused as it must be ({answer})")


def in_order(findings: Iterable[Finding], why: str) -> tuple[Finding, ...]:
    """One finding for each capability, in the order of the table; 'unknown' with `why` for those that are missing."""
    found = {finding.capability: finding for finding in findings}
    return tuple(found.get(name, Finding(name, "unknown", why)) for name in CAPABILITIES)
