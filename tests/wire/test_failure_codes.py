"""The tables of failures: nothing stands twice, and what retries, waits or ends a transfer is where it belongs."""

from __future__ import annotations

import pytest

from s3amfs.core.failures import Kind
from s3amfs.wire.failure_codes import _S3_CODES, CURL_CODES, CURL_TLS_TRUST, FTP_STATUSES, S3_CODES, STATUSES


def test_no_code_has_two_kinds() -> None:
    assert sum(len(codes.split()) for codes in _S3_CODES.values()) == len(S3_CODES)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SlowDown", Kind.THROTTLE),
        ("InternalError", Kind.SERVER),
        ("ExpiredToken", Kind.EXPIRED),
        ("RequestTimeTooSkewed", Kind.SKEW),
        ("PermanentRedirect", Kind.REDIRECT),
        ("BadDigest", Kind.CORRUPT),
        ("NoSuchKey", Kind.MISSING),
        ("NoSuchUpload", Kind.GONE),
        ("PreconditionFailed", Kind.CONDITION),
        ("NotImplemented", Kind.UNSUPPORTED),
        ("AccessDenied", Kind.DENIED),
        ("InvalidSSECustomerKey", Kind.KEY),
    ],
)
def test_codes_of_the_api_reference(code: str, kind: Kind) -> None:
    assert S3_CODES[code] is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Kind.REDIRECT),
        (307, Kind.REDIRECT),
        (401, Kind.DENIED),
        (403, Kind.DENIED),
        (404, Kind.MISSING),
        (405, Kind.UNSUPPORTED),
        (408, Kind.SERVER),
        (412, Kind.CONDITION),
        (429, Kind.THROTTLE),
        (500, Kind.SERVER),
        (501, Kind.UNSUPPORTED),
        (503, Kind.SERVER),
        (507, Kind.FATAL),
    ],
)
def test_statuses_without_a_code(status: int, kind: Kind) -> None:
    assert STATUSES[status] is kind


def test_a_server_that_is_not_trusted_is_not_tried_again() -> None:
    assert CURL_TLS_TRUST.isdisjoint(CURL_CODES)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (7, Kind.NETWORK),
        (28, Kind.TIMEOUT),
        (67, Kind.DENIED),
        (78, Kind.MISSING),
        (36, Kind.CHANGED),
        (33, Kind.UNSUPPORTED),
        (23, Kind.LOCAL),
        (56, Kind.NETWORK),
        (61, Kind.CORRUPT),
    ],
)
def test_codes_of_curl(code: int, kind: Kind) -> None:
    assert CURL_CODES[code] is kind


def test_replies_of_ftp() -> None:
    assert (FTP_STATUSES[421], FTP_STATUSES[530], FTP_STATUSES[550]) == (Kind.THROTTLE, Kind.DENIED, Kind.MISSING)
    assert {FTP_STATUSES[status] for status in (450, 451, 452)} == {Kind.SERVER}
