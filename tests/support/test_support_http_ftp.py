"""The HTTP and FTP servers do what their switches say, seen with plain curl."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.files import content, make_file
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer
from tests.support.tls import Certificates

SIZE = 3_000_000
DATA = content(SIZE, "served")


def curl(*args: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["curl", "-sS", "-q", "--max-time", "20", *map(str, args)], capture_output=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make_file(tmp_path / "data", SIZE, "served")


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with HttpServer() as web:
        yield web


@pytest.mark.parametrize("tls", [False, True])
def test_whole_and_ranges(file: Path, certs: Certificates, tls: bool) -> None:
    with HttpServer(tls=certs.server_context() if tls else None) as web:
        url = web.add("/a b", file).replace(" ", "%20")
        assert curl("--cacert", certs.ca, url).stdout == DATA
        assert curl("--cacert", certs.ca, "-r", "10-99", url, "-r", "100-199", url).stdout == DATA[100:200] * 2
        assert curl("--cacert", certs.ca, "-r", "-5", url).stdout == DATA[-5:]
        assert b" 416 " in curl("--cacert", certs.ca, "-i", "-r", f"{SIZE}-", url).stdout
        assert [r.status for r in web.of("/a b")] == [200, 206, 206, 206, 416]
        assert web.of("/a b")[1].connection == web.of("/a b")[2].connection


def test_length_and_lies(web: HttpServer, file: Path) -> None:
    assert curl(web.add("/chunked", file, length=False)).stdout == DATA
    short = curl(web.add("/short", file, lie_length=SIZE + 10))
    assert short.returncode == 18 and short.stdout == DATA
    assert curl(web.add("/long", file, lie_length=10)).stdout == DATA[:10]
    assert curl("--compressed", web.add("/zip", file, gzip=True)).stdout == DATA


def test_ranges_ignored(web: HttpServer, file: Path) -> None:
    for switches in ({"ranges": False}, {"whole_for_range": True}):
        assert curl("-r", "5-9", web.add("/all", file, **switches)).stdout == DATA
    assert "bytes 6-10/" in curl("-i", "-r", "5-9", web.add("/off", file, wrong_range=1)).stdout.decode("latin-1")


def test_conditions_and_change(web: HttpServer) -> None:
    url = web.add("/page", DATA, change_after=100, changed_to=b"new")
    tag = web.pages["/page"].tag()
    assert curl("-H", f"If-Match: {tag}", "-r", "0-99", url).stdout == DATA[:100]
    assert b" 412 " in curl("-i", "-H", f"If-Match: {tag}", "-r", "100-199", url).stdout
    assert curl("-H", f"If-Range: {tag}", "-r", "0-0", url).stdout == b"new"
    old = "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"
    assert b" 412 " in curl("-i", "-H", old, url).stdout


def test_redirect_login_failure_cut(web: HttpServer) -> None:
    with HttpServer(host="localhost") as other:
        target = other.add("/there", DATA, user_password=("u", "p"))
        url = web.add("/here", b"", redirect=target)
        assert b" 401 " in curl("-i", "-L", "-u", "u:p", url).stdout  # curl does not carry them to another host
        assert curl("-L", "--location-trusted", "-u", "u:p", url).stdout == DATA
        assert "authorization" not in other.requests[0].headers
    url = web.add("/bad", DATA, fail=[503], cut_after=1000, cuts=1)
    assert curl(url).stdout == b"503\n"
    cut = curl(url)
    assert cut.returncode in (18, 56) and len(cut.stdout) <= 1000
    assert curl(url).stdout == DATA


def test_put_is_kept(web: HttpServer) -> None:
    curl("--data-binary", "hello", "-X", "PUT", web.url("/put"))
    assert web.of("/put")[-1].body == b"hello"


@pytest.mark.parametrize("mode", ["user", "anonymous", "explicit", "implicit"])
def test_ftp(file: Path, certs: Certificates, mode: str) -> None:
    secure = {"certificate": certs.both, "implicit": mode == "implicit"} if mode in ("explicit", "implicit") else {}
    flags = ("--cacert", certs.ca, *(("--ssl-reqd",) if mode == "explicit" else ()))
    with FtpServer(file.parent, user=None if mode == "anonymous" else "user", **secure) as ftp:
        got = curl(*flags, ftp.url("/data"))
        assert got.stdout == DATA, got.stderr
        assert curl(*flags, "-r", "1000-1999", ftp.url("/data")).stdout == DATA[1000:2000]
        assert ftp.count("RETR") == 2 and ftp.count("REST") == 1 and ("SIZE", "data") in ftp.commands
    assert curl(ftp.url("/data")).returncode == 7


def test_ftp_switches(file: Path) -> None:
    with FtpServer(file.parent, without=("REST",)) as ftp:
        assert curl("-C", "100", ftp.url("/data")).returncode == 31
        ftp.cut_after, ftp.cuts = 1_000_000, 1
        cut = curl(ftp.url("/data"))
        assert cut.returncode and 1_000_000 <= len(cut.stdout) < SIZE
        assert curl(ftp.url("/data")).stdout == DATA
        assert curl(ftp.url("/data", credentials=False)).returncode == 67
