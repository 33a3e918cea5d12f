"""Which headers can be sent, and what a reply is worth."""

from __future__ import annotations

import pytest

from s3amfs.errors import UsageError
from s3amfs.wire.messages import UTF8_HEADERS, HttpRequest, Reply, S3Request, check_headers


@pytest.mark.parametrize(
    ("curl_code", "status", "is_http", "ok"),
    [
        (0, 200, True, True),
        (0, 299, True, True),
        (0, 199, True, False),
        (0, 300, True, False),
        (0, 404, True, False),
        (7, 200, True, False),
        (0, 426, False, True),
        (28, 226, False, False),
    ],
)
def test_what_succeeded(curl_code: int, status: int, is_http: bool, ok: bool) -> None:
    assert Reply(status, curl_code=curl_code, is_http=is_http).ok is ok


def test_requests_show_no_secret() -> None:
    request = HttpRequest("GET", "http://h/k?X-Amz-Signature=abc", headers=(("authorization", "secret"),), body=b"b")
    assert repr(request) == "HttpRequest(GET http://h/k)"
    s3 = S3Request("PUT", "b", "k", headers=(("x-amz-key", "secret"),), body=b"hidden")
    assert "secret" not in repr(s3)
    assert "hidden" not in repr(s3)


@pytest.mark.parametrize("name", ["x-amz-meta-a", "X-Name!#$%&'*+.^_`|~-", "1"])
@pytest.mark.parametrize("value", ["", "plain", "with a\ttab", "~"])
def test_what_can_be_sent(name: str, value: str) -> None:
    check_headers(((name, value),))


@pytest.mark.parametrize("name", ["", "with space", "ä", "a:b", "a\r\nb", "a(b)"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="not a name of a header"):
        check_headers((("good", "1"), (name, "value")))


@pytest.mark.parametrize("value", ["two\nlines", "two\rlines", "null\0", "ä", "del\x7f"])
def test_values_that_would_end_a_header_or_are_not_ascii(value: str) -> None:
    with pytest.raises(UsageError, match="plain ASCII on one line"):
        check_headers((("x-amz-meta-a", value),))


@pytest.mark.parametrize("name", sorted(UTF8_HEADERS))
def test_headers_that_s3_keeps_in_utf8(name: str) -> None:
    check_headers(((name.upper(), "für ä"),))
    with pytest.raises(UsageError, match="one line"):
        check_headers(((name, "ä\n"),))


def test_a_long_name_is_shown_in_part() -> None:
    with pytest.raises(UsageError) as caught:
        check_headers(((" " * 61, ""),))
    assert repr(" " * 60) in str(caught.value)
    assert repr(" " * 61) not in str(caught.value)
