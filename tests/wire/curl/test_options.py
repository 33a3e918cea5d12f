"""Curl's numbers are curl's; which certificates are trusted; time-outs of the session reach the request."""

from __future__ import annotations

import os
from pathlib import Path

import pycurl
import pytest

from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.session import S3Session
from s3amfs.wire.curl import options as o
from s3amfs.wire.curl import ssh
from s3amfs.wire.messages import HttpRequest
from s3amfs.wire.s3 import api as s3api
from tests.support.httpserver import HttpServer
from tests.support.tls import Certificates
from tests.wire.exchange import fetch

NAMES = ["LOW_SPEED_TIME", "FOLLOWLOCATION", "SSL_VERIFYPEER", "MAXREDIRS", "SSL_VERIFYHOST", "CONNECTTIMEOUT_MS"]
NAMES += ["LOW_SPEED_LIMIT", "TIMEOUT_MS", "PATH_AS_IS", "RANGE", "CAINFO", "PROXY_CAINFO", "REDIR_PROTOCOLS"]
UPLOAD = s3api.MultipartUpload("bucket", "key", "id")


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_those_of_curl(name: str) -> None:
    assert getattr(o, name) == getattr(pycurl, name)
    assert pycurl.OPT_FILETIME == o.FILETIME


@pytest.mark.parametrize("name", ["SSH_KNOWNHOSTS", "SSH_PRIVATE_KEYFILE", "USERNAME"])
def test_the_numbers_for_ssh_are_those_of_curl(name: str) -> None:
    assert getattr(ssh, name) == getattr(pycurl, name)


def session(**choices: object) -> S3Session:
    return S3Session(S3Config(region="eu-west-1", access_key="a", secret_key="s", **choices))  # type: ignore[arg-type]


def options_of(request: HttpRequest) -> dict[int, object]:
    return dict(request.options)


def test_timeouts_of_the_session_reach_the_request() -> None:
    options = options_of(session(connect_timeout=2.5, stall_timeout=7).prepare(s3api.head_object("bucket", "key")))
    assert options[o.CONNECTTIMEOUT_MS] == 2500
    assert options[o.LOW_SPEED_TIME] == 7


@pytest.mark.parametrize(
    "request_",
    [
        s3api.copy_object("bucket", "key", s3api.CopySource("a", "b")),
        s3api.upload_part_copy(UPLOAD, 1, s3api.CopySource("a", "b")),
        s3api.complete_multipart_upload(UPLOAD, []),
    ],
)
def test_a_server_that_works_is_given_more_time(request_: s3api.ObjectInfo) -> None:
    assert options_of(session(stall_timeout=7).prepare(request_))[o.LOW_SPEED_TIME] == 70  # type: ignore[arg-type]


def test_a_stall_of_less_than_a_second_is_no_endless_one() -> None:
    assert dict(o.timeout_options(0.0001, 0.1)) == {o.CONNECTTIMEOUT_MS: 1, o.LOW_SPEED_TIME: 1}


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_the_session_trusts_what_aws_tools_trust(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/some/bundle.pem")
    assert options_of(session().prepare(s3api.head_bucket("b")))[o.CAINFO] == "/some/bundle.pem"
    assert options_of(session(verify_tls="/mine").prepare(s3api.head_bucket("b")))[o.CAINFO] == "/mine"


def test_verification_ends_only_by_an_explicit_false() -> None:
    assert o.SSL_VERIFYPEER not in options_of(session().prepare(s3api.head_bucket("b")))
    options = options_of(session(verify_tls=False).prepare(s3api.head_bucket("b")))
    assert (options[o.SSL_VERIFYPEER], options[o.SSL_VERIFYHOST]) == (0, 0)


def test_where_certificates_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import certifi

    for name in o.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    here = tmp_path / "bundle.pem"
    monkeypatch.setattr(o, "CA_PLACES", (str(tmp_path / "missing"), str(here)))
    assert o.ca_bundle() == certifi.where()
    here.touch()
    assert o.ca_bundle() == str(here)
    monkeypatch.setattr(o, "find_spec", lambda _name: None)
    monkeypatch.setattr(o, "CA_PLACES", ())
    assert o.ca_bundle() is None
    monkeypatch.setenv("SSL_CERT_FILE", "/not/there")  # named by the user: an error is better than trusting others
    assert o.ca_bundle() == "/not/there"
    monkeypatch.setenv("CURL_CA_BUNDLE", "/first")
    assert o.ca_bundle() == "/first"


def test_the_bundle_is_used(monkeypatch: pytest.MonkeyPatch, certs: Certificates) -> None:
    with HttpServer(tls=certs.server_context()) as web:
        url = web.add("/data", b"hello")
        monkeypatch.setenv("CURL_CA_BUNDLE", str(certs.ca))
        assert fetch(url).body == b"hello"
        monkeypatch.delenv("CURL_CA_BUNDLE")
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        assert fetch(url).curl_code == pycurl.E_PEER_FAILED_VERIFICATION
        assert fetch(url, o.tls_options(str(certs.ca))).body == b"hello"
        assert fetch(url, o.tls_options(False)).body == b"hello"


def test_the_default_does_not_depend_on_libcurl(monkeypatch: pytest.MonkeyPatch, certs: Certificates) -> None:
    """curl's code 77 is 'no usable CA file': what a wheel's libcurl says on Debian by itself."""
    for name in o.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with HttpServer(tls=certs.server_context()) as web:
        reply = fetch(web.add("/data", b"hello"))
    assert reply.curl_code == pycurl.E_PEER_FAILED_VERIFICATION != pycurl.E_SSL_CACERT_BADFILE


def test_an_sftp_source_must_be_a_known_host() -> None:
    checked = dict(o.source_options("sftp://host/file", verify_tls=True))
    assert checked[ssh.SSH_KNOWNHOSTS] == os.path.join(os.environ["HOME"], ".ssh/known_hosts")
    assert ssh.SSH_KNOWNHOSTS not in dict(o.source_options("sftp://host/file", verify_tls=False))


def test_a_range_is_an_option_for_ftp() -> None:
    assert o.ranged(((1, 2),), 10, 5) == ((1, 2), (o.RANGE, "10-14"))


@pytest.mark.parametrize(("limit_rate", "floor"), [(0, 64), (1, 1), (100, 25), (256, 64), (10**9, 64)])
def test_a_drip_is_less_than_what_bwlimit_leaves(limit_rate: int, floor: int) -> None:
    options = o.with_low_speed_limit(((o.LOW_SPEED_TIME, 7),), limit_rate=limit_rate)
    assert dict(options) == {o.LOW_SPEED_TIME: 7, o.LOW_SPEED_LIMIT: floor}
