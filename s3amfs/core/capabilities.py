"""The judge of a server's capabilities, by its answers. Pure; wire/aws/capabilities.py holds the state.

The rule: a feature is on after a request with it has worked. It is off after a request was refused with it and the same
request has worked without it. A refusal by itself is that request's failure and changes nothing: servers, proxies and
firewalls answer 400, 403, 405 or 501 to single requests for reasons of their own. A source's answers say nothing
about the target.
"""

from __future__ import annotations

import enum
import re

from .define import define
from .failures import Failure, Kind

TRIES_PER_FORM = 2
"""A refusal may be odd; the same refusal twice is worth another form of the request."""

NO_ECHO = "Trailer"
"""Code of the failure of a part that was stored without its checksum being named in the answer."""
DOUBT = "EtagDiffers"
"""Code of the failure that is either damage or a server whose ETags are no MD5s."""

_OTHER_REASONS = """
    NoSuchBucket InvalidBucketName KeyTooLongError MetadataTooLarge InvalidStorageClass InvalidTag InvalidTagError
    EntityTooLarge EntityTooSmall InvalidPart InvalidPartOrder InvalidObjectState QuotaExceeded XMinioStorageFull
    XMinioInvalidObjectName XMinioInvalidResourceName InvalidAccessKeyId ExpiredToken InvalidLocationConstraint
    InvalidBucketState MaxMessageLengthExceeded InvalidRange Range WrongRange BadUrl ContentEncoding
    MalformedACLError AmbiguousGrantByEmailAddress UnresolvableGrantByEmailAddress AccessControlListNotSupported
    InvalidBucketAclWithObjectOwnership RequestHeaderSectionTooLarge UserKeyMustBeSpecified
"""
_ABOUT_SOMETHING_ELSE = frozenset(_OTHER_REASONS.split())
"""Codes that name a reason which no feature of ours has to do with: the account, the names, or what the user asked for
(Amazon S3 API reference, "List of error codes"). Another form of the request, or a relay, would get the same answer."""
_MAY_BE_THE_FORM = frozenset({400, 405, 411, 413, 415, 501})
"""Statuses of requests whose form a server does not know; 411: gofakes3 takes UploadPartCopy for an UploadPart."""
_ACCOUNT = """
    InvalidAccessKeyId ExpiredToken InvalidToken AllAccessDisabled AccountProblem NotSignedUp InvalidSecurity
    InvalidPayer MissingAuthenticationToken
"""
_REFUSED_ACCOUNT = frozenset(_ACCOUNT.split())
"""Refusals of whoever asks, whatever it is."""
_NAMES_TRAILERS = re.compile(r"trailer|x-amz-(sdk-)?checksum|content-sha256|aws-chunked|streaming", re.I)
_NAMES_CONDITION = re.compile(r"(precondition|conditional|if[-_](none[-_])?match)", re.I)
_UNSUPPORTED = re.compile(
    r"unsupported|not (supported|implemented|recogni|allowed)|unknown (header|checksum)|unrecogni", re.I
)
_ASKS_FOR_DIGEST = re.compile(r"content-md5.*\b(requir|must|missing)|\b(requir|must|missing).*content-md5", re.I)


class Evidence(enum.Enum):
    """Evidence about a feature."""

    WORKED = "a request with it has worked, and its effect was seen"
    WORKED_WITHOUT = "the same request was refused with it and has worked without it"


def judge(evidence: Evidence) -> bool:
    """Whether the server has the feature: the latest evidence counts."""
    return evidence is Evidence.WORKED


def may_refuse_feature(failure: Failure) -> bool:
    """Whether a refusal may be due to a feature that the request has: then the request is worth a try without it."""
    if failure.of_source or failure.code in _ABOUT_SOMETHING_ELSE or refuses_condition(failure):
        return False
    if failure.code.startswith("KMS."):  # the state of a key: KMS.DisabledException, KMS.NotFoundException, …
        return False
    if failure.kind is Kind.DENIED:
        return failure.code == "SignatureDoesNotMatch"
    if failure.kind in (Kind.UNSUPPORTED, Kind.CORRUPT):
        return True
    return failure.kind is Kind.FATAL and failure.status in _MAY_BE_THE_FORM


def refuses_condition(failure: Failure) -> bool:
    """Whether the server says that it takes no condition on the target: it names the header (400 or 501)."""
    if failure.kind is Kind.CONDITION or failure.status not in (400, 501):
        return False
    return _NAMES_CONDITION.search(f"{failure.code} {failure.message}") is not None


def names_as_unsupported(failure: Failure) -> bool:
    """Whether a refusal says that something in the request is not supported, not that its value is wrong.

    Only then is a check left out that protects content: a size or checksum that differs must never be tried without.
    """
    if failure.kind is Kind.CORRUPT or not may_refuse_feature(failure):
        return False
    return failure.kind is Kind.UNSUPPORTED or (
        failure.status == 400 and _UNSUPPORTED.search(failure.message) is not None
    )


def refuses_copy(failure: Failure) -> bool:
    """Whether the server can't make this copy by itself, so that its bytes have to go through this machine."""
    if failure.code == "EntityTooLarge" and not failure.of_source:
        return True
    if failure.kind is Kind.DENIED and failure.status == 403 and not failure.of_source:
        # A policy may forbid copies alone (s3:x-amz-copy-source, tags, KMS keys): a relay asks to read and to store.
        return failure.code not in _REFUSED_ACCOUNT
    return failure.kind is not Kind.CORRUPT and may_refuse_feature(failure)


def asks_for_digest(failure: Failure) -> bool:
    """Whether the server wants Content-MD5 with the bytes, as S3 does for a bucket with Object Lock."""
    return not failure.of_source and _ASKS_FOR_DIGEST.search(failure.message) is not None


class Form(enum.Enum):
    """How a server is to check a part."""

    TRAILER = "a checksum that follows the bytes in the same request"
    PLAIN = "nothing is sent along; the ETag of the answer may be compared"
    DIGEST = "Content-MD5 before the bytes, which are read twice for it"


@define(frozen=True, slots=True)
class Refused:
    """A part that the server has refused."""

    form: Form
    times: int
    """How often this part was refused in this form, this time included."""
    failure: Failure
    trailers: bool | None
    """Whether the server takes trailers; None: unknown."""
    fixed: bool = False
    """The user has asked for this very form."""
    local: bool = True
    """The part's bytes can be read twice."""
    etag_compares: bool = True
    """The ETag of a part is its MD5."""


def next_form(refused: Refused) -> Form | None:
    """In which form the part is worth another try; None: the failure is final."""
    failure = refused.failure
    if not may_refuse_feature(failure):
        return None
    again = refused.form if refused.times < TRIES_PER_FORM else None
    if refused.form is Form.TRAILER:
        if refused.fixed or refused.trailers:
            return again
        named = failure.code == NO_ECHO or _NAMES_TRAILERS.search(f"{failure.code} {failure.message}") is not None
        if again is not None and not named:
            return again
        return Form.PLAIN if refused.etag_compares or not refused.local else Form.DIGEST
    if refused.form is Form.PLAIN and asks_for_digest(failure):
        return Form.DIGEST if refused.local else None
    return again


def takes_unequal_parts(host: str) -> bool | None:
    """Whether parts of one upload may have different lengths, as far as the name of the endpoint says it.

    Amazon S3 User Guide, "Amazon S3 multipart upload limits"; Cloudflare R2, "Upload objects": all but the last equal.
    """
    if host == "r2.cloudflarestorage.com" or host.endswith(".r2.cloudflarestorage.com"):
        return False
    return True if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else None
