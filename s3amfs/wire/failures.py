"""The one map from what the wire answered to what it means: `Reply` -> `Failure` -> error. Pure; any thread.

Messages are one line, bounded, without the query of any URL (it may be a signature) and without user info.
"""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from .. import errors
from ..core.failures import Failure, Kind
from .failure_codes import CURL_CODES, CURL_TLS_TRUST, FTP_STATUSES, S3_CODES, STATUSES
from .messages import Reply
from .s3 import xml
from .s3.responses import http_time, iso_time

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Role = Literal["target", "source"]

MESSAGE_LENGTH = 300
_SNIFF = 512
_CUSTOMER_KEY = (
    r"server.side encryption|customer.?(provided)? ?(encryption )?key|sse-?c\b|encryption parameters|SSECustomer"
    r"|object is encrypted|invalid encryption key|MD5 hash of the key"
)
_ABOUT_TLS = r"secure connection"
"""'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.'"""
_KMS = r"\bkms\b"
_REFUSED_FILE = r"RETR response: (\d{3})"
_TUNNEL = r"(?:CONNECT tunnel failed, response|HTTP code) (\d{3})"
_NOT_TLS = r"wrong version number|packet length too long|unsupported protocol|http request"
_URL = r"(?<![\w+.-])([a-zA-Z][a-zA-Z0-9+.-]{1,20}://)(?:[^\s/@]*@)?([^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?"


def find_failure(reply: Reply, *, role: Role = "target") -> Failure | None:
    """None if `reply` is a success, else what is wrong with it.

    A 200 whose body is an S3 <Error> (CompleteMultipartUpload, CopyObject and UploadPartCopy do that) is a failure; the
    errors in a <DeleteResult> are those of single keys.
    `role` is 'source' for reads of the object being transferred, and for copies: a failed condition then means that
    the source changed, not that the target exists.
    """
    if reply.curl_code != 0 or reply.status == 0 or not reply.ok:
        return classify(reply, role=role)
    start = reply.body[:_SNIFF]
    if b"<DeleteResult" in start:
        return None
    if reply.is_http and b"<Error" in start and (b"<Code>" in start or b"<Error>" in start or b"<Error " in start):
        return classify(reply, role=role)
    return None


def classify(reply: Reply, *, role: Role = "target") -> Failure:
    """Meaning of a failed `reply`. For a HEAD, whose errors have no body, 400 and 403 stay vague: `is_vague`."""
    failure = _classify(reply, role)
    return failure if reply.reached else replace(failure, reached=False)


def _classify(reply: Reply, role: Role) -> Failure:
    if not reply.is_http:
        return _classify_ftp(reply)
    # A server that refuses a body early resets the connection: its answer says more than curl's 'send failed'.
    answered = reply.status >= 300 and CURL_CODES.get(reply.curl_code) is Kind.NETWORK
    if (reply.curl_code != 0 or reply.status == 0) and not answered:
        return _classify_curl(reply)
    return _classify_http(reply, role)


def naming_encryption(failure: Failure | None, headers: tuple[tuple[str, str], ...]) -> Failure | None:
    """`failure` of a request with `headers`; a 500 or 501 of a target that was asked to encrypt names the algorithm.

    Some servers answer that with 500 each time if they have no key to encrypt with, which looks like trouble that ends.
    """
    if failure is None or failure.status not in (500, 501):
        return failure
    asked = next((value for name, value in headers if name.lower() == "x-amz-server-side-encryption"), None)
    if asked is None:
        return failure
    said = f"{failure.message}; it was asked to encrypt with {asked} (--sse): not every server can"
    return replace(failure, message=said)


def is_vague(failure: Failure) -> bool:
    """Whether the same question should be asked with GET, to learn the code that HEAD could not carry."""
    return failure.code == "" and failure.status in (400, 403, 405) and failure.kind is not Kind.REDIRECT


def _classify_http(reply: Reply, role: Role) -> Failure:
    error = _error_element(reply)
    code = _code(reply, error)
    # MinIO says in headers what the reply to a HEAD has no body for.
    message = clean(
        xml.text(error, "Message") if error is not None else reply.headers.get("x-minio-error-desc", "").strip('"')
    )
    header = clean(xml.text(error, "Header")) if error is not None else ""
    if header and header.lower() not in message.lower():
        message = f"{message} ({header})"  # S3: "A header you provided implies functionality that is not implemented"
    kind = _kind(reply, code, message, role)
    region = reply.headers.get("x-amz-bucket-region") or (xml.text(error, "Region") if error is not None else "")
    if kind is Kind.FATAL and not code and reply.status == 400 and region:
        kind = Kind.REDIRECT  # HEAD in the wrong region: 400 and the right one in a header
    if kind is Kind.REDIRECT and not region and code == "AuthorizationHeaderMalformed":
        kind = Kind.DENIED
    said = f"{code}: {message}" if code and message else code or message or _reason(reply.status)
    return Failure(
        kind=kind,
        message=f"{said} (HTTP {reply.status})",
        status=reply.status,
        code=code,
        retry_after=_retry_after(reply),
        region=(region or None) if kind is Kind.REDIRECT else None,
        server_time=_server_time(reply, error) if kind is Kind.SKEW else None,
    )


def _kind(reply: Reply, code: str, message: str, role: Role) -> Kind:
    kind = S3_CODES.get(code)
    if kind is None:
        kind = _kind_by_pattern(reply.status, code)
    if reply.status == 416 or code == "InvalidRange":
        return Kind.CHANGED if role == "source" else Kind.FATAL
    if kind is Kind.CONDITION and role == "source":
        return Kind.CHANGED
    if kind is Kind.REDIRECT and role == "source" and not code and "x-amz-bucket-region" not in reply.headers:
        return Kind.FATAL  # a redirect of a plain web server that curl was not to follow
    if kind is Kind.UNSUPPORTED and reply.headers.get("x-amz-delete-marker") == "true":
        return Kind.MISSING
    if kind in (Kind.DENIED, Kind.FATAL) and re.search(_CUSTOMER_KEY, message, re.I):
        return kind if re.search(_KMS, message, re.I) or re.search(_ABOUT_TLS, message, re.I) else Kind.KEY
    return kind


def _kind_by_pattern(status: int, code: str) -> Kind:
    if "throttl" in code.lower() or "slowdown" in code.lower():
        return Kind.THROTTLE
    if status in STATUSES:
        return STATUSES[status]
    if 200 <= status < 300 or (500 <= status < 600 and status != 505):
        return Kind.SERVER
    return Kind.FATAL


def _classify_curl(reply: Reply) -> Failure:
    said = clean(reply.curl_error) or f"curl error {reply.curl_code}"
    kind = CURL_CODES.get(reply.curl_code, Kind.FATAL)
    tunnel = re.search(_TUNNEL, reply.curl_error, re.I) if reply.curl_code in (7, 56, 97) else None
    if reply.curl_code == 0:
        kind, said = Kind.NETWORK, "the server closed the connection without an answer"
    elif reply.curl_code in CURL_TLS_TRUST and _is_ssh(reply):
        said = (
            "SSH: the key of the server is not the one in ~/.ssh/known_hosts, or none is there: connect once with ssh"
        )
    elif reply.curl_code == 67 and _is_ssh(reply):
        said = f"SSH: {said}: neither a key without passphrase in ~/.ssh nor the agent nor a password was accepted"
    elif reply.curl_code == 3:
        return Failure(kind=Kind.FATAL, message=said, code="BadUrl")
    elif reply.curl_code in CURL_TLS_TRUST:
        said = (
            f"TLS: {said}; if the server's CA is private, name its file in AWS_CA_BUNDLE, of a source in SSL_CERT_FILE"
        )
    elif reply.curl_code == 35 and re.search(_NOT_TLS, reply.curl_error, re.I):
        kind, said = Kind.FATAL, f"TLS: {said}; the server may speak plain http here"
    elif tunnel is not None and tunnel[1] in ("401", "403", "405", "407"):
        kind, said = Kind.FATAL, f"the proxy refused: {said}; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    elif reply.curl_code == 79:
        kind = _kind_of_ssh(reply.curl_error)
    return Failure(kind=kind, message=said, status=reply.status)


def _classify_ftp(reply: Reply) -> Failure:
    """ftp, sftp and other schemes: curl's code says what was being done, the last FTP reply why it failed."""
    failure = _classify_curl(reply)
    if reply.curl_code in CURL_TLS_TRUST or failure.kind in (Kind.TIMEOUT, Kind.LOCAL):
        return failure
    refused = re.search(_REFUSED_FILE, reply.curl_error)  # the last reply is that to curl's ABOR, which follows
    status = int(refused[1]) if refused is not None else reply.status
    kind = FTP_STATUSES.get(status)
    if kind is None or reply.curl_code == 0:
        return replace(failure, status=status)
    hint = " (no such file or folder, or no permission)" if status == 550 else ""
    return Failure(kind=kind, message=f"{failure.message}{hint} (FTP {status})", status=status)


def _is_ssh(reply: Reply) -> bool:
    return reply.url.lower().startswith(("sftp:", "scp:"))


def _kind_of_ssh(said: str) -> Kind:
    lowered = said.lower()
    if "denied" in lowered or "permission" in lowered:
        return Kind.DENIED
    return Kind.MISSING if "no such" in lowered else Kind.NETWORK


def _error_element(reply: Reply) -> Element | None:
    if b"<" not in reply.body[:_SNIFF]:
        return None
    try:
        root = xml.parse(reply.body)
    except xml.MalformedXml:
        return None  # a proxy's HTML page, or an answer that was cut: the status has to do (see also _code)
    if root.tag == "ErrorResponse":
        return root.find("Error")
    return root if root.tag == "Error" else None


def _code(reply: Reply, error: Element | None) -> str:
    code = xml.text(error, "Code") if error is not None else reply.headers.get("x-amz-error-code", "")
    if not code and error is None:
        cut = re.search(rb"<Error[^>]*>.{0,200}?<Code>([\w.-]{1,80})</Code>", reply.body[:_SNIFF], re.S)
        code = cut[1].decode() if cut is not None else reply.headers.get("x-minio-error-code", "")
    return code if re.fullmatch(r"[\w.-]{1,80}", code := code.strip().strip('"')) else ""


def _retry_after(reply: Reply) -> float | None:
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    moment, now = http_time(value), http_time(reply.headers.get("date"))
    # Without the server's own clock a date says nothing that could be trusted.
    return max(0.0, moment - now) if moment is not None and now is not None else None


def _server_time(reply: Reply, error: Element | None) -> float | None:
    said = iso_time(xml.text(error, "ServerTime")) if error is not None else None
    return said if said is not None else http_time(reply.headers.get("date"))


def _reason(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def clean(text: str) -> str:
    """`text` as one bounded line; URLs lose user info, query and fragment."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    line = re.sub(_URL, r"\1\2", line)
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"


_HINTS: dict[Kind, tuple[type[errors.S3AMError], str]] = {
    Kind.NETWORK: (errors.NetworkError, "check the network and the endpoint, then try again"),
    Kind.TIMEOUT: (errors.TransferTimeout, "check the network, then try again"),
    Kind.THROTTLE: (errors.TransferError, "the server asks for fewer requests: try again later"),
    Kind.SERVER: (errors.TransferError, "the server is in trouble: try again later"),
    Kind.EXPIRED: (errors.BadCredentials, "the credentials have expired: renew them, then try again"),
    Kind.SKEW: (errors.TransferError, "the clock of this machine is wrong: set it, then try again"),
    Kind.REDIRECT: (errors.TransferError, "the bucket is in another region: give it with --region"),
    Kind.CORRUPT: (errors.ChecksumMismatch, "bytes arrived damaged again and again: check the network and its devices"),
    Kind.CHANGED: (errors.SourceChanged, "the source has changed meanwhile: start from scratch (--force)"),
    Kind.CONDITION: (errors.ObjectExists, "the object exists: use --exists overwrite or --exists skip"),
    Kind.MISSING: (errors.NotFound, "check the spelling and the endpoint"),
    Kind.DENIED: (errors.AccessDenied, "check the credentials, the profile and the permissions"),
    Kind.KEY: (errors.EncryptionKeyError, "wrong or missing encryption key: check the --sse-key options"),
    Kind.GONE: (errors.UploadGone, "the unfinished upload is gone: start it again"),
    Kind.UNSUPPORTED: (errors.Unsupported, "the server cannot do this"),
    Kind.LOCAL: (errors.TransferError, "check the local file and its disk"),
    Kind.FATAL: (errors.TransferError, "--debug shows more"),
}

_BY_CODE: dict[str, tuple[type[errors.S3AMError], str]] = {
    "NoSuchBucket": (errors.NotFound, "there is no such bucket: check its name and the endpoint"),
    "InvalidBucketName": (errors.InvalidS3Url, "check the name of the bucket"),
    "XMinioInvalidObjectName": (errors.InvalidS3Url, "this server does not take such a key: choose another"),
    "XMinioInvalidResourceName": (errors.InvalidS3Url, "this server does not take such a key: choose another"),
    "KeyTooLongError": (errors.InvalidS3Url, "S3 keys have at most 1,024 bytes"),
    "InvalidAccessKeyId": (errors.BadCredentials, "the server does not know this key: check profile and endpoint"),
    "SignatureDoesNotMatch": (
        errors.BadCredentials,
        "the secret key is wrong, or a proxy alters requests",
    ),
    "InvalidObjectState": (
        errors.ObjectArchived,
        "the object is archived: restore it first (aws s3api restore-object)",
    ),
    "MetadataTooLarge": (errors.UsageError, "user metadata may have at most 2 KiB"),
    "InvalidStorageClass": (errors.UsageError, "check --storage-class"),
    "InvalidTag": (errors.UsageError, "check --tag"),
    "EntityTooLarge": (errors.TransferError, "the server does not take objects or parts this large"),
    "EntityTooSmall": (errors.TransferError, "the server wants larger parts: give --part-size"),
    "WrongRange": (errors.TransferError, "save it with another program and upload the file"),
    "NoContent": (
        errors.TransferError,
        "open it with a browser: it may ask for something, or prepare the file for later",
    ),
    "BadUrl": (errors.TransferError, "check the URL, and where it redirects to"),
    "ContentEncoding": (errors.TransferError, "save it with another program and upload the file"),
    "QuotaExceeded": (errors.TransferError, "the storage quota is used up: make room, then resume"),
    "XMinioStorageFull": (errors.TransferError, "the server's disks are full: make room, then resume"),
}


_SOURCE_HINTS: dict[Kind, tuple[type[errors.S3AMError], str]] = {
    Kind.DENIED: (
        errors.AccessDenied,
        "the source refuses: get a fresh URL if it is a signed one, or check user and password; then use --resume",
    ),
    Kind.MISSING: (errors.NotFound, "the source does not exist: check its URL"),
    Kind.THROTTLE: (errors.TransferError, "the source asks for fewer requests: continue later with --resume"),
    Kind.SERVER: (errors.TransferError, "the source's server is in trouble: continue later with --resume"),
    Kind.NETWORK: (errors.TransferError, "check the network and the source, then continue with --resume"),
    Kind.TIMEOUT: (errors.TransferTimeout, "check the network and the source, then continue with --resume"),
    Kind.UNSUPPORTED: (errors.Unsupported, "the source's server cannot do this"),
    Kind.FATAL: (
        errors.TransferError,
        "the source refuses: get a fresh URL if it is a signed one, then continue with --resume; --debug shows more",
    ),
}


def to_error(failure: Failure, what: str) -> errors.S3AMError:
    """The error to raise for `failure` of `what` ('upload of s3://b/k'); its line says what to do next."""
    cls, hint = _BY_CODE.get(failure.code, _HINTS[failure.kind])
    if failure.of_source and not failure.source.startswith("s3:"):
        hints = {**_HINTS, **_SOURCE_HINTS}  # none of our credentials and options helps, whatever its code says
        known = _BY_CODE.get(failure.code) if failure.code not in S3_CODES else None
        cls, hint = known or hints[failure.kind]
    if failure.kind is Kind.LOCAL and failure.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "the disk is full: make room, then resume (--resume, or --download-exists resume)"
    if failure.source and failure.source not in what:
        what = f"{what}: source {failure.source}"
    return cls(f"{clean(what)}: {failure.message}; {hint}", errno=failure.errno)
