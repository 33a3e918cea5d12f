"""Servers that are odd, slow, hostile or behind a wrong clock: served correctly, or refused with an error."""

from __future__ import annotations

import calendar
import json
import socket
import time
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults
from tests.support.cli import Cli, Result
from tests.support.faults import Answer, Headers, Recorded, Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy
from tests.wire.curl_helpers import RawServer, read_request

MIB = 1024 * 1024
PART = 5 * MIB
HOUR = 3600


class Odd:
    """A file of two and a half parts, and a server made odd by the proxy."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxy: FaultProxy) -> None:
        self.cli, self.boto, self.bucket, self.proxy = cli, boto, bucket, proxy
        self.file, self.out = folder / "f", folder / "out"
        make_file(self.file, 5 * PART // 2, 1)

    def run(self, *words: object, **environment: str) -> Result:
        return self.cli("-v", *words, env={"AWS_ENDPOINT_URL": self.proxy.endpoint_url, **environment}, timeout=100)

    def upload(self, *options: object) -> Result:
        return self.run("upload", "--part-size", "5M", *options, self.file, f"s3://{self.bucket}/k")

    def download(self, *options: object) -> Result:
        return self.run("download", "--part-size", "5M", *options, f"s3://{self.bucket}/k", self.out)

    def stored(self) -> bool:
        return bool(self.boto.list_objects_v2(Bucket=self.bucket, Prefix="k").get("Contents"))


@pytest.fixture
def odd(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Odd:
    return Odd(cli, boto, bucket, tmp_path, proxy)


def bare(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value.strip('"') if name.lower() == "etag" else value) for name, value in headers]


def test_etags_whose_quotes_come_and_go(odd: Odd) -> None:
    notice = "the server sends ETags without quotes"
    odd.proxy.rules.append(Rule("*", faults.edit_response(bare), nth=range(1, 1000, 2)))
    result = odd.upload()
    assert result.rc == 0, result.stderr
    odd.proxy.rules[:] = [Rule("*", faults.edit_response(bare), nth=range(1, 1000, 2))]
    result = odd.download("--verbose")
    assert (result.rc, result.stderr.count(notice)) == (0, 1), result.stderr
    assert digest(odd.out) == digest(odd.file)
    assert odd.proxy.parts_sent_again() == []


def nothing_listed(request: Recorded) -> Answer:
    body = (
        f"<ListMultipartUploadsResult><Bucket>{request.bucket}</Bucket>"
        "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
    )
    return Answer(200, body.encode(), (("Content-Type", "application/xml"),))


def test_listings_that_lag_behind(odd: Odd) -> None:
    """The manifest knows of an upload that the listing does not show yet."""
    odd.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    assert odd.upload("--upload-slots", "1").rc == 14
    odd.proxy.rules[:] = [Rule("ListUploads", faults.answer_by(nothing_listed))]
    assert odd.upload().rc == 4
    result = odd.upload("--resume")
    assert result.rc == 0, result.stderr
    assert odd.proxy.parts_sent_again() == []
    assert object_digest(odd.boto, odd.bucket, "k") == digest(odd.file)
    assert odd.boto.list_multipart_uploads(Bucket=odd.bucket).get("Uploads", []) == []


def claims_whole(line: str, headers: Headers) -> tuple[str, Headers]:
    return line.replace("206", "200"), [(n, v) for n, v in headers if n.lower() != "content-range"]


def shifted(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(n, "bytes 1-5242880/13107200" if n.lower() == "content-range" else v) for n, v in headers]


@pytest.mark.parametrize(
    ("change", "said"), [(claims_whole, "ignores byte ranges"), (shifted, "another byte range than was asked for")]
)
def test_ranges_that_are_not_what_was_asked_for(odd: Odd, change: Any, said: str) -> None:
    odd.boto.upload_file(str(odd.file), odd.bucket, "k")
    odd.proxy.rules.append(Rule("GetRange", faults.edit_response(change)))
    result = odd.download("--retry-budget", "2")
    assert result.rc != 0
    assert said in result.stderr
    assert not odd.out.exists()
    odd.proxy.clear()
    assert odd.download("--download-exists", "resume").rc == 0
    assert digest(odd.out) == digest(odd.file)


@pytest.mark.parametrize("where", ["request_head", "request_body", "before_response", "response_body"])
def test_a_stall_is_ended_and_tried_again(odd: Odd, where: Any) -> None:
    kind = "GetRange" if where == "response_body" else "UploadPart"
    odd.proxy.rules.append(Rule(kind, faults.stall(where), nth=2))
    if kind == "GetRange":
        odd.boto.upload_file(str(odd.file), odd.bucket, "k")
    result = odd.run("--timeout", "2", *self_words(odd, kind))
    assert result.rc == 0, result.stderr
    assert result.wall < 30
    if kind == "GetRange":
        assert digest(odd.out) == digest(odd.file)
    else:
        assert object_digest(odd.boto, odd.bucket, "k") == digest(odd.file)


def drip(connection: socket.socket, _number: int) -> None:
    """A source that answers at once, and then sends 20 bytes a second for ever."""
    size = 5 * PART // 2
    with connection, suppress(OSError):
        while "range: bytes=0-0" in (asked := read_request(connection)[0].decode().lower()):
            connection.sendall(_partial(0, 0, size) + b"x")
        if not asked:  # the one that looked is done with this connection
            return
        first, last = asked.partition("range: bytes=")[2].split("\r\n")[0].split("-")
        connection.sendall(_partial(int(first), int(last), size))
        send_drops(connection)


def send_drops(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)  # the rate is what is tested


def _partial(first: int, last: int, size: int) -> bytes:
    head = f'HTTP/1.1 206 Partial Content\r\nETag: "e"\r\nContent-Length: {last - first + 1}\r\n'
    return f"{head}Content-Range: bytes {first}-{last}/{size}\r\n\r\n".encode()


def test_a_source_that_drips_for_ever_is_given_up(odd: Odd) -> None:
    """Some bytes each second are no stall to curl, and no progress either."""
    source = RawServer(drip)
    try:
        patience = ("--timeout", "2", "--retry-budget", "1")
        result = odd.run(*patience, "upload", "--part-size", "5M", source.url + "f", f"s3://{odd.bucket}/k")
    finally:
        source.close()
    assert result.rc == 1
    assert "again in" in result.stderr, "it was tried again"
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not odd.stored()


def test_a_stream_of_known_length_that_drips_is_given_up(odd: Odd) -> None:
    source = RawServer(drip_without_ranges)
    try:
        patience = ("--timeout", "2", "--retry-budget", "1")
        result = odd.run(*patience, "upload", source.url + "f", f"s3://{odd.bucket}/k")
    finally:
        source.close()
    assert result.rc == 1
    assert "Operation too slow" in result.stderr
    assert not odd.stored()


def drip_without_ranges(connection: socket.socket, _number: int) -> None:
    with connection, suppress(OSError):
        while read_request(connection)[0]:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
            send_drops(connection)


def self_words(odd: Odd, kind: str) -> tuple[object, ...]:
    url = f"s3://{odd.bucket}/k"
    return (
        ("download", "--part-size", "5M", url, odd.out)
        if kind == "GetRange"
        else ("upload", "--part-size", "5M", odd.file, url)
    )


@pytest.mark.parametrize("kind", ["Head", "ListUploads", "Create", "Complete"])
def test_a_control_call_that_stalls_is_tried_again(odd: Odd, kind: str) -> None:
    odd.proxy.rules.append(Rule(kind, faults.stall("request_head"), nth=1))
    result = odd.run("--timeout", "2", *self_words(odd, "UploadPart"))
    assert result.rc == 0, result.stderr
    assert object_digest(odd.boto, odd.bucket, "k") == digest(odd.file)
    assert odd.boto.list_multipart_uploads(Bucket=odd.bucket).get("Uploads", []) == []


def test_a_name_that_is_unknown(odd: Odd) -> None:
    result = odd.run("--retry-budget", "1", "upload", "http://no-such-host.invalid/f", f"s3://{odd.bucket}/k")
    assert result.rc == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "check the network" in result.stderr
    assert not odd.stored()


class FastClock:
    """An S3 server whose clock is ahead: it refuses what is signed for another time, then stores a small object."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self.refused = 0

    def answer(self, request: Recorded) -> Answer:
        now = time.time() + self.ahead
        signed = time.strptime(request.headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ")
        headers = (("Date", formatdate(now, usegmt=True)),)
        if abs(_seconds(signed) - now) > 900:
            self.refused += 1
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
            return Answer(
                403, faults.xml_error("RequestTimeTooSkewed", extra=f"<ServerTime>{stamp}</ServerTime>"), headers
            )
        if request.kind == "Put":
            etag = "0" * 31 + "1"
            told = [(n, v) for n, v in request.headers.items() if n.startswith("x-amz-checksum-crc")]
            return Answer(200, b"", (*headers, ("ETag", f'"{etag}"'), *told))
        if request.kind == "ListUploads":
            listed = nothing_listed(request)
            return Answer(200, listed.body, (*headers, *listed.headers))
        if request.kind == "HeadBucket":
            return Answer(200, b"", headers)
        return Answer(404, b"" if request.method == "HEAD" else faults.xml_error("NoSuchKey"), headers)


def _seconds(moment: time.struct_time) -> float:
    return float(calendar.timegm(moment))


@pytest.mark.parametrize("ahead", [HOUR, -HOUR, 30 * 24 * HOUR])
def test_a_clock_that_is_wrong(odd: Odd, ahead: int) -> None:
    server = FastClock(ahead)
    odd.proxy.rules.append(Rule("*", faults.answer_by(server.answer)))
    make_file(odd.file, 0, 1)
    result = odd.run("upload", "--checksum", "none", odd.file, f"s3://{odd.bucket}/k")
    assert result.rc == 0, result.stderr
    assert server.refused <= 2, "the requests that were under way at once: then it is known"


def test_tokens_that_a_container_renews(odd: Odd, s3: Any) -> None:
    """Credentials from a container's endpoint: the server refuses the first token in mid-transfer."""

    def credentials() -> bytes:
        return json.dumps(
            {
                "AccessKeyId": s3.access_key,
                "SecretAccessKey": s3.secret_key,
                "Token": "",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ).encode()

    with HttpServer() as web:
        url = web.add("/credentials", credentials())
        odd.proxy.rules.append(Rule("UploadPart", faults.expired_token(), nth=2))
        result = odd.run(
            *self_words(odd, "UploadPart"),
            AWS_ACCESS_KEY_ID="",
            AWS_SECRET_ACCESS_KEY="",
            AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
        )
        assert result.rc == 0, result.stderr
        assert len(web.of("/credentials", "GET")) == 2
    assert object_digest(odd.boto, odd.bucket, "k") == digest(odd.file)
    assert odd.proxy.parts_sent_again() == []


def huge_error(request: Recorded) -> Answer:
    return Answer(403, faults.xml_error("AccessDenied") + b" " * (64 * MIB), (("Content-Type", "application/xml"),))


@pytest.mark.parametrize("kind", ["Head", "HeadBucket", "ListUploads", "Create", "UploadPart"])
def test_an_endless_error_does_not_fill_the_memory(odd: Odd, kind: str) -> None:
    plain = odd.run("upload", "--part-size", "5M", odd.file, f"s3://{odd.bucket}/other")
    odd.proxy.rules.append(Rule(kind, faults.answer_by(huge_error)))
    result = odd.upload()
    assert result.rc in (0, 14), result.stderr
    assert result.max_rss < plain.max_rss + 40 * MIB
