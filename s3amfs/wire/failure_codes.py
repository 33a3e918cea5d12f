"""Codes of failures, of servers and of curl, as tables: code -> `Kind`. Data only.

Sources: the list of error codes in the Amazon S3 API reference, curl's libcurl-errors(3) (the numbers are part of its
ABI, so pycurl need not be imported), RFC 9110 section 15, RFC 959 section 4.2; spellings of other servers as seen.
"""

from __future__ import annotations

from ..core.failures import Kind

_S3_CODES: dict[Kind, str] = {
    Kind.THROTTLE: """SlowDown SlowDownRead SlowDownWrite RequestLimitExceeded Throttling ThrottlingException
        TooManyRequests TooManyRequestsException BandwidthLimitExceeded RequestThrottled RequestThrottledException
        EC2ThrottledException ServerBusy""",
    Kind.SERVER: """InternalError InternalFailure ServiceUnavailable ServiceFailure RequestTimeout
        RequestTimeoutException OperationAborted ConditionalRequestConflict IncompleteBody InternalServerError
        XMinioServerNotInitialized""",
    Kind.EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired",
    Kind.SKEW: "RequestTimeTooSkewed RequestInTheFuture",
    Kind.REDIRECT: """PermanentRedirect TemporaryRedirect Redirect AuthorizationHeaderMalformed
        IllegalLocationConstraintException""",
    Kind.CORRUPT: """BadDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch ContentSHA256Mismatch InvalidDigest
        BadChecksum ChecksumMismatch ContentMD5Mismatch""",
    Kind.MISSING: "NoSuchKey NoSuchBucket NoSuchVersion NoSuchTagSet NotFound NoSuchAccessPoint",
    Kind.GONE: "NoSuchUpload",
    Kind.CONDITION: "PreconditionFailed",
    Kind.UNSUPPORTED: "NotImplemented XNotImplemented MethodNotAllowed UnsupportedOperation",
    Kind.DENIED: """AccessDenied AccessForbidden Forbidden InvalidAccessKeyId SignatureDoesNotMatch AllAccessDisabled
        AccountProblem InvalidSecurity NotSignedUp InvalidToken UnauthorizedAccess Unauthorized
        MissingAuthenticationToken InvalidPayer""",
    Kind.KEY: """SSECustomerKeyMD5Mismatch InvalidSSECustomerKey InvalidSSECustomerAlgorithm MissingSSECustomerKey
        SSEEncryptedObject SSECustomerKeyMissing SSECustomerKeyNotNeeded InvalidEncryptionParameters
        InvalidEncryptionMethod InvalidEncryptionAlgorithmError""",
}
S3_CODES: dict[str, Kind] = {code: kind for kind, codes in _S3_CODES.items() for code in codes.split()}

STATUSES: dict[int, Kind] = {
    **dict.fromkeys((301, 302, 307, 308), Kind.REDIRECT),
    **dict.fromkeys((401, 403, 407, 451), Kind.DENIED),
    **dict.fromkeys((404, 410), Kind.MISSING),
    **dict.fromkeys((405, 501), Kind.UNSUPPORTED),
    **dict.fromkeys((408, 425, 500, 502, 503, 504, 509), Kind.SERVER),
    412: Kind.CONDITION,
    429: Kind.THROTTLE,
    507: Kind.FATAL,
}
"""For answers without a code; other 5xx are SERVER (proxies invent 520 to 530), the rest FATAL."""

CURL_CODES: dict[int, Kind] = {
    **dict.fromkeys((5, 6, 7, 8, 10, 11, 13, 14, 15, 16, 18, 25, 30, 35), Kind.NETWORK),
    **dict.fromkeys((52, 55, 56, 65, 79, 80, 81, 88, 89, 92, 95, 96, 97, 99), Kind.NETWORK),
    **dict.fromkeys((12, 28), Kind.TIMEOUT),
    **dict.fromkeys((9, 67, 94), Kind.DENIED),
    **dict.fromkeys((19, 78), Kind.MISSING),
    **dict.fromkeys((31, 33), Kind.UNSUPPORTED),
    36: Kind.CHANGED,  # ftp, sftp: the file ends before the offset, though only ranges within its size are asked for
    **dict.fromkeys((23, 26, 37, 42), Kind.LOCAL),
    **dict.fromkeys((61,), Kind.CORRUPT),
}
"""Others (bad URL, unknown scheme, no memory, TLS verification 51, 60, 77, 82, 83, 90, 91, ...) are FATAL."""

CURL_TLS_TRUST = frozenset({51, 58, 59, 60, 64, 77, 82, 83, 90, 91, 98})
"""The server is there but cannot be trusted, or our TLS files are unusable: trying again does not help."""

FTP_STATUSES: dict[int, Kind] = {
    421: Kind.THROTTLE,
    425: Kind.NETWORK,
    426: Kind.NETWORK,
    430: Kind.DENIED,
    450: Kind.SERVER,
    451: Kind.SERVER,
    452: Kind.SERVER,
    502: Kind.UNSUPPORTED,
    504: Kind.UNSUPPORTED,
    530: Kind.DENIED,
    532: Kind.DENIED,
    550: Kind.MISSING,
}
