"""Header lines of hostile servers: whatever they are, the reply stays one that the rest can judge."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.wire.curl.exchange import Exchange
from s3amfs.wire.failures import find_failure
from s3amfs.wire.messages import HttpRequest, Reply

LINE = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=40).map(lambda rest: b"HTTP/" + rest),
    st.tuples(
        st.sampled_from([b"HTTP/1.1 ", b"HTTP/2\t", b"HTTP/"]),
        st.integers(-10, 10**6).map(lambda number: str(number).encode()),
        st.binary(max_size=9),
    ).map(b"".join),
    st.tuples(st.sampled_from([b"ETag", b"Retry-After", b"Date", b"x-amz-error-code"]), st.binary(max_size=60)).map(
        b":".join
    ),
)


def reply_to(lines: list[bytes], *, is_http: bool = True) -> Reply:
    exchange = Exchange(HttpRequest("GET", "http://host/"), lambda _: None)
    exchange.reply.is_http = is_http
    for line in lines:
        exchange._on_header(line)
    return exchange.reply


@given(st.lists(LINE, max_size=30), st.booleans())
@example([b"HTTP/1.1 " + b"9" * 5000 + b" many"], True)
@example([b"HTTP/1.1 \xb2\xb2\xb2 no digits of ours"], True)
@example([b"HTTP/"], True)
@example([b"ETag:\x1c", b"\xc0\xa0: \x85"], True)  # white space and capitals to Python's text, but not to HTTP
@example([b"HTTP/1.1 -200 OK", b": no name", b"\xff\xfe: \xfd", b"a:b:c", b":"], True)
def test_any_lines(lines: list[bytes], is_http: bool) -> None:
    reply = reply_to(lines, is_http=is_http)
    assert reply.status == 0 or 100 <= reply.status <= 999
    assert len(reply.headers) <= len(lines)
    for name, value in reply.headers.items():
        assert name.encode("latin-1") == name.encode("latin-1").strip().lower()
        assert value.encode("latin-1") == value.encode("latin-1").strip()
        assert ":" not in name
    find_failure(reply)


@given(st.lists(LINE, max_size=20), st.sampled_from([100, 200, 206, 404, 503]))
def test_a_status_line_forgets_what_came_before(lines: list[bytes], status: int) -> None:
    """After 100 Continue or a redirect nothing of the earlier reply counts."""
    reply = reply_to([*lines, b"HTTP/1.1 %d So\r\n" % status, b'ETag: \t"x" \r\n', b"\r\n"])
    assert (reply.status, reply.headers) == (status, {"etag": '"x"'})


@pytest.mark.parametrize("said", [b".1 20", b".1 2000 OK", b".1 +20 OK", b".1 0200 OK", b".1", b" OK 200"])
def test_what_is_no_status(said: bytes) -> None:
    assert reply_to([b"HTTP/1" + said]).status == 0


def test_ftp_has_neither_status_lines_nor_headers() -> None:
    reply = reply_to([b"HTTP/1.1 200 OK\r\n", b"ETag: x\r\n", b"220 hello\r\n"], is_http=False)
    assert (reply.status, reply.headers) == (0, {})
