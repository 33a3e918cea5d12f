"""Proxies come from the environment; credentials stay with the host they were given for."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3amfs.core.failures import Kind
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.session import S3Session
from s3amfs.wire.curl.options import source_options, tls_options
from s3amfs.wire.failures import classify
from s3amfs.wire.s3.api import get_object
from tests.support.httpserver import HttpServer, basic
from tests.support.tls import Certificates
from tests.wire.exchange import fetch
from tests.wire.forwarder import Forwarder


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_plain_request_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer() as web, Forwarder() as proxy:
        url = web.add("/data", b"hello")
        monkeypatch.setenv("http_proxy", proxy.url)
        assert fetch(url).body == b"hello"
        assert proxy.asked == [f"GET {url} HTTP/1.1"]


def test_tls_goes_through_a_tunnel_and_shows_the_proxy_nothing(
    monkeypatch: pytest.MonkeyPatch, certs: Certificates
) -> None:
    with HttpServer(tls=certs.server_context()) as web, Forwarder() as proxy:
        web.add("/b/secret-name", b"hello")
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        session = S3Session(
            S3Config(endpoint_url=web.base_url, access_key="AKID", secret_key="s", verify_tls=str(certs.ca))
        )
        request = session.prepare(get_object("b", "secret-name"))
        assert fetch(request.url, request.options, request.headers).body == b"hello"
        assert proxy.asked == [f"CONNECT localhost:{web.server_address[1]} HTTP/1.1"]
        assert "AKID" not in proxy.heads[0]
        assert "secret-name" not in proxy.heads[0]


@pytest.mark.parametrize("exempt", ["localhost,127.0.0.1", "127.0.0.0/8", "*"])
def test_some_hosts_need_no_proxy(exempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer() as web, Forwarder() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", exempt)
        assert fetch(web.add("/data", b"hello")).body == b"hello"
        assert proxy.asked == []


def test_the_password_of_a_proxy(monkeypatch: pytest.MonkeyPatch, certs: Certificates) -> None:
    with HttpServer(tls=certs.server_context()) as web, Forwarder(basic("user", "pass")) as proxy:
        url = web.add("/data", b"hello")
        trust = tls_options(str(certs.ca))
        monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://user:pass@"))
        assert fetch(url, trust).body == b"hello"
        monkeypatch.setenv("https_proxy", proxy.url)
        failure = classify(fetch(url, trust))
        assert failure.kind is Kind.FATAL
        assert "proxy refused" in failure.message


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
    failure = classify(fetch("http://example.invalid/"))
    assert failure.kind is Kind.NETWORK
    assert "secret" not in failure.message


@pytest.mark.parametrize("how", ["url", "header"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_takes_no_credentials_to_another_host(how: str, status: int) -> None:
    with HttpServer() as one, HttpServer(host="localhost") as other:
        target = other.add("/there", b"hello")
        url = one.add("/here", b"", redirect=target, redirect_status=status, user_password=("user", "pass"))
        headers: tuple[tuple[str, str], ...] = (("Authorization", basic("user", "pass")), ("Cookie", "secret=1"))
        if how == "url":
            headers, url = (), url.replace("http://", "http://user:pass@")
        reply = fetch(url, source_options(url, verify_tls=True), headers)
        assert (reply.body, reply.url) == (b"hello", target)
        assert one.requests[-1].headers["authorization"] == basic("user", "pass")
        (asked,) = other.requests
        assert "authorization" not in asked.headers
        assert "cookie" not in asked.headers


def test_a_redirect_on_the_same_host_keeps_them() -> None:
    with HttpServer() as web:
        web.add("/there", b"hello", user_password=("user", "pass"))
        url = web.add("/here", b"", redirect="/there").replace("http://", "http://user:pass@")
        assert fetch(url, source_options(url, verify_tls=True)).body == b"hello"


@pytest.mark.parametrize("how", ["url", "header"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_out_of_tls_takes_no_credentials(how: str, status: int, certs: Certificates) -> None:
    """From https to http on the same host: who listens there may not be the one that TLS proved."""
    with HttpServer(tls=certs.server_context()) as safe, HttpServer(host="localhost") as open_to_all:
        target = open_to_all.add("/there", b"hello")
        url = safe.add("/here", b"", redirect=target, redirect_status=status, user_password=("user", "pass"))
        assert (url.split(":")[:2], target.split(":")[:2]) == (["https", "//localhost"], ["http", "//localhost"])
        headers: tuple[tuple[str, str], ...] = (("Authorization", basic("user", "pass")), ("Cookie", "secret=1"))
        if how == "url":
            headers, url = (), url.replace("https://", "https://user:pass@")
        reply = fetch(url, source_options(url, verify_tls=str(certs.ca)), headers)
        assert (reply.body, reply.url) == (b"hello", target)
        assert safe.requests[-1].headers["authorization"] == basic("user", "pass")
        (asked,) = open_to_all.requests
        assert "authorization" not in asked.headers
        assert "cookie" not in asked.headers
        assert "pass" not in str(asked.headers)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://localhost/x", "sftp://localhost/x", "dict://localhost/"]
)
def test_a_redirect_leads_to_http_only(target: str) -> None:
    with HttpServer() as web:
        url = web.add("/here", b"", redirect=target)
        reply = fetch(url, source_options(url, verify_tls=True))
        assert reply.curl_code == 1  # CURLE_UNSUPPORTED_PROTOCOL
        assert classify(reply, role="source").kind is Kind.FATAL


def test_redirects_end() -> None:
    with HttpServer() as web:
        url = web.add("/round", b"", redirect="/round")
        assert classify(fetch(url, source_options(url, verify_tls=True)), role="source").kind is Kind.FATAL
        assert len(web.requests) == 11


def test_a_request_to_s3_follows_no_redirect(tmp_path: Path) -> None:
    with HttpServer() as web, HttpServer(host="localhost") as other:
        web.add("/b/k", b"", redirect=other.add("/b/k", b"hello"), redirect_status=307)
        session = S3Session(S3Config(endpoint_url=web.base_url, access_key="AKID", secret_key="s"))
        request = session.prepare(get_object("b", "k"))
        assert fetch(request.url, request.options, request.headers).status == 307
        assert other.requests == []
