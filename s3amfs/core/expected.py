"""The state that a change expects under its name, and the consequences of a server's answers. Pure.

Every PutObject, CompleteMultipartUpload, CopyObject and DeleteObject expects *nothing*, *this ETag* or *whatever*. The
expectation travels with the request as a condition (If-None-Match, If-Match), and the server decides. A server that
ignores conditions is known by (operation, kind); where nothing is known the condition is sent, and the name is looked
at right before and right after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .define import define
from .failures import Failure, Kind

Operation = Literal["put", "complete", "copy", "delete"]
ExpectedKind = Literal["nothing", "etag", "whatever"]

Conditions = Mapping[tuple[Operation, ExpectedKind], bool]
"""Whether a server obeys a condition: True it was seen to, False it does not; absent: unknown."""

AWS: Conditions = {
    ("put", "nothing"): True,
    ("put", "etag"): True,
    ("complete", "nothing"): True,
    ("complete", "etag"): True,
    ("copy", "nothing"): True,
    ("copy", "etag"): True,
    ("delete", "etag"): True,
}
"""Amazon S3 user guide, "Add preconditions to S3 operations with conditional requests"."""


@define(frozen=True, slots=True)
class Expected:
    """The state of a name that a change expects."""

    kind: ExpectedKind = "whatever"
    etag: str = ""
    """With kind 'etag': without quotes; '' where the server gives its objects none."""
    weak: bool = False
    """The ETag is a weak one (W/"…"): a condition on it never holds (RFC 9110, section 8.8.3.2)."""
    bare: bool = False
    """The condition goes without quotes: Ceph's gateway (16) takes them for a part of the ETag."""

    @property
    def text(self) -> str:
        return {"nothing": "no object", "etag": f"the object with ETag {self.etag}", "whatever": "anything"}[self.kind]


NOTHING = Expected("nothing")
WHATEVER = Expected("whatever")


def this_etag(etag: str, *, weak: bool = False) -> Expected:
    """The object that has `etag` (without quotes)."""
    return Expected("etag", etag, weak)


@define(frozen=True, slots=True)
class Plan:
    """How one request protects what it expects."""

    condition: Expected
    """The condition that the request carries; WHATEVER: none."""
    look: bool
    """Whether the name is looked at right before and right after."""
    warn: bool
    """Whether the user has to know that nothing but these looks protects it."""


def plan(expected: Expected, obeys: bool | None) -> Plan:
    """How to send a request that expects `expected`. obeys: of the server, for this operation; None: unknown."""
    if expected.kind == "whatever":
        return Plan(WHATEVER, look=False, warn=False)
    sendable = expected.kind == "nothing" or (expected.etag != "" and not expected.weak)
    if not sendable or obeys is False:
        return Plan(WHATEVER, look=True, warn=True)
    return Plan(expected, look=obeys is None, warn=False)


def holds(expected: Expected, etag: str | None) -> bool:
    """Whether `expected` is what stands there. etag: of the object; None: there is none."""
    if expected.kind == "whatever":
        return True
    return etag is None if expected.kind == "nothing" else etag == expected.etag


def is_lost(expected: Expected, failure: Failure) -> bool:
    """Whether `failure` means that something else stands under the name than `expected`.

    An If-Match on a name without an object is answered by 404 (S3 API, PutObject and CompleteMultipartUpload).
    """
    if expected.kind == "whatever":
        return False
    if failure.kind is Kind.CONDITION:
        return True
    return expected.kind == "etag" and failure.kind is Kind.MISSING and failure.code in ("NoSuchKey", "NotFound", "")
