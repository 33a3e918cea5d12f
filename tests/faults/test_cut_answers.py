"""A server that cuts each of its answers: what came is kept, and nothing of another state of the source joins it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli, Result
from tests.support.faults import Headers, Recorded, Rule, edit_request, edit_response, truncate
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 11 * MIB
CUT = truncate(share=0.6)


def is_long(request: Recorded) -> bool:
    """An answer of more than 100 kB."""
    first, _, last = request.headers.get("range", "").removeprefix("bytes=").partition("-")
    return request.kind == "GetRange" and int(last) - int(first) > 100_000


class Cut:
    """An object of two and a bit parts behind a proxy that cuts."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxy: FaultProxy) -> None:
        self.cli, self.boto, self.bucket, self.proxy = cli, boto, bucket, proxy
        self.file, self.out = make_file(folder / "f", SIZE, 1), folder / "out"
        self.url = f"s3://{bucket}/k"
        boto.upload_file(str(self.file), bucket, "k")

    def download(self) -> Result:
        env = {"AWS_ENDPOINT_URL": self.proxy.endpoint_url}
        return self.cli("--retry-budget", "3", "download", "--part-size", "5M", self.url, self.out, env=env)

    @property
    def received(self) -> int:
        return sum(request.response_length for request in self.proxy.of("GetRange"))


@pytest.fixture
def cut(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Cut:
    return Cut(cli, boto, bucket, tmp_path, proxy)


def test_a_download_receives_hardly_a_byte_twice(cut: Cut) -> None:
    cut.proxy.rules.append(Rule(is_long, CUT))
    result = cut.download()
    assert result.rc == 0, result.stderr
    assert digest(cut.out) == digest(cut.file)
    assert SIZE < cut.received <= 1.05 * SIZE
    etag = {request.headers.get("if-match") for request in cut.proxy.of("GetRange")}
    assert len(etag) == 1, "each request for a rest has the condition of the whole"


def without_condition(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if name.lower() != "if-match"]


@pytest.mark.parametrize("obeys", [True, False])
def test_an_object_that_is_replaced_between_two_answers_is_never_mixed(cut: Cut, tmp_path: Path, obeys: bool) -> None:
    """obeys: the server knows If-Match; else only its answer shows another ETag."""

    def replaces(request: Recorded) -> bool:
        if request.kind == "GetRange" and len(cut.proxy.of("GetRange")) == 5:
            other = make_file(tmp_path / "other", SIZE, 2)
            cut.boto.upload_file(str(other), cut.bucket, "k")
        return False

    cut.proxy.rules.append(Rule(replaces, CUT))
    cut.proxy.rules.append(Rule("GetRange", CUT if obeys else edit_request(without_condition), nth=range(6, 1000)))
    cut.proxy.rules.append(Rule("GetRange", CUT))
    result = cut.download()
    assert result.rc == 15, result.stderr
    assert not cut.out.exists()


def without_marks(status: str, headers: Headers) -> tuple[str, Headers]:
    return status, [(name, value) for name, value in headers if name.lower() not in ("etag", "last-modified")]


def test_what_does_not_say_what_it_is_of_is_not_joined(cut: Cut) -> None:
    """A rest whose answer has neither ETag nor time: the part is received whole."""
    cut.proxy.rules.append(Rule(is_first, CUT, nth=1))  # not the last part, which is short
    cut.proxy.rules.append(Rule(lambda request: request.kind == "GetRange" and is_rest(request), NAMELESS))
    result = cut.download()
    assert result.rc == 0, result.stderr
    assert digest(cut.out) == digest(cut.file)
    assert cut.received > 1.2 * SIZE


NAMELESS = edit_response(without_marks)


def is_first(request: Recorded) -> bool:
    return request.kind == "GetRange" and request.headers["range"].startswith("bytes=0-")


def is_rest(request: Recorded) -> bool:
    return int(request.headers["range"].removeprefix("bytes=").partition("-")[0]) % (5 * MIB) != 0


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with HttpServer() as web:
        yield web


def test_a_relay_receives_hardly_a_byte_twice_and_sends_none_twice(cut: Cut, web: HttpServer) -> None:
    web.add("/b/f", cut.file)
    with FaultProxy(web.base_url) as source:
        source.rules.append(Rule(is_long, CUT))
        env = {"AWS_ENDPOINT_URL": cut.proxy.endpoint_url}
        target = f"s3://{cut.bucket}/relayed"
        cut.cli.ok("--retry-budget", "3", "upload", "--part-size", "5M", f"{source.endpoint_url}/b/f", target, env=env)
        received = sum(request.response_length for request in source.of("GetRange"))
    assert object_digest(cut.boto, cut.bucket, "relayed") == digest(cut.file)
    assert SIZE < received <= 1.05 * SIZE
    parts = cut.proxy.of("UploadPart")
    assert sorted(request.part_number or 0 for request in parts) == [1, 2, 3], "no part was begun twice"
