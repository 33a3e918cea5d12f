"""Small objects, one request each: what succeeds at once is an answer, all else is None."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.checksums import crc, encode
from s3amfs.core.expected import NOTHING
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import S3AMError
from s3amfs.transfers import one_request
from s3amfs.transfers.one_request import begin_get, begin_list, begin_put
from s3amfs.transfers.options import ObjectOptions
from tests.support.faults import Rule, internal_error
from tests.support.proxy import FaultProxy
from tests.support.scripted import reply


@pytest.fixture(autouse=True)
def has_credentials(request: pytest.FixtureRequest) -> None:
    """They are looked for by the first call that is waited for."""
    if "through" in request.fixturenames:
        through, bucket = request.getfixturevalue("through"), request.getfixturevalue("bucket")
        through.check_bucket(bucket)


def answer(begin: Callable[[Callable[[Any], None]], object]) -> Any:
    """All that `begin` ends with."""
    found: list[Any] = []
    came = threading.Event()

    def done(result: Any) -> None:
        found.append(result)
        came.set()

    begin(done)
    assert came.wait(60)
    return found[0]


def test_an_object_goes_and_comes(through: S3Client, bucket: str) -> None:
    where = S3Location(bucket, "k")
    stored = answer(lambda done: begin_put(through, where, b"abc", ObjectOptions(), None, done, NOTHING))
    fetched = answer(lambda done: begin_get(through, where, done, limit=100))
    assert (fetched.data, fetched.info.etag) == (b"abc", stored.etag)
    part = answer(lambda done: begin_get(through, where, done, limit=100, span=(1, 9)))
    assert part.data == b"bc"
    assert answer(lambda done: begin_get(through, S3Location(bucket, "none"), done, limit=100)) is None


def test_the_first_keys_of_a_prefix(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    for key in ("d/a", "d/b", "e"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"")
    page = answer(lambda done: begin_list(through, bucket, "d/", done, max_keys=1))
    assert [each.key for each in page.objects] == ["d/a"]
    assert answer(lambda done: begin_list(through, bucket, "none/", done, max_keys=1)).objects == ()
    proxy.rules.append(Rule("List", internal_error()))
    assert answer(lambda done: begin_list(through, bucket, "d/", done, max_keys=1)) is None


@pytest.mark.parametrize(("endpoint", "loops"), [("https://s3.test", {0, 1}), ("http://s3.test", {0})])
def test_bytes_take_turns_on_the_loops_where_tls_costs_cpu(
    through: S3Client, monkeypatch: pytest.MonkeyPatch, endpoint: str, loops: set[int]
) -> None:
    used: list[int] = []

    def begin(*_: Any, loop: int = 0, **__: Any) -> Any:
        used.append(loop % 2)
        return SimpleNamespace(cut=None)

    monkeypatch.setattr(through, "begin", begin)
    monkeypatch.setattr(through.session, "uses_tls", lambda bucket: endpoint.startswith("https"))
    where = S3Location("b", "k")
    for _ in range(2):
        begin_get(through, where, lambda _: None, limit=100)
    assert set(used) == loops
    for _ in range(2):
        begin_put(through, where, b"", ObjectOptions(), None, lambda _: None, NOTHING)
    assert (set(used), len(used)) == (loops, 4)


# -- judgements of answers, without a server ------------------------------------------------------------------------

DATA = b"content"
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
CRC = encode("crc64nvme", crc("crc64nvme", DATA))
WRONG = encode("crc64nvme", crc("crc64nvme", b"another"))


def said(**headers: str) -> Any:
    return reply(etag='"e"', **headers)


@pytest.mark.parametrize(
    ("answer", "algorithm", "options", "taken"),
    [
        (said(), None, ObjectOptions(), True),
        (reply(), None, ObjectOptions(), False),
        (said(x_amz_checksum_crc64nvme=CRC), "crc64nvme", ObjectOptions(), True),
        (said(x_amz_checksum_crc64nvme=WRONG), "crc64nvme", ObjectOptions(), False),
        (said(x_amz_checksum_crc64nvme=WRONG), None, ObjectOptions(), True),
        (reply(etag=f'"{MD5}"'), "crc64nvme", ObjectOptions(), True),
        (reply(etag=f'"{"0" * 32}"'), "crc64nvme", ObjectOptions(), False),
        (reply(etag=f'"{"0" * 32}"'), "crc64nvme", ObjectOptions(sse="aws:kms"), True),
        (said(), "crc64nvme", ObjectOptions(), True),
    ],
)
def test_what_is_stored_is_what_was_sent(answer: Any, algorithm: str | None, options: Any, taken: bool) -> None:
    found = one_request._stored(answer, DATA, options, algorithm, CRC)
    assert (found is not None) is taken
    if found is not None:
        assert found.etag == answer.headers["etag"].strip('"')


def fetched(answer: Any, data: bytes, span: tuple[int, int] | None) -> Any:
    """An error is no answer (engine/one_shot.py)."""
    try:
        return one_request._fetched(answer, data, span)
    except S3AMError:
        return None


def whole(**headers: str) -> Any:
    return reply(200, content_length=str(len(DATA)), **headers)


@pytest.mark.parametrize(
    ("answer", "data", "taken"),
    [
        (whole(etag='"e-2"'), DATA, True),
        (whole(etag='"e-2"'), DATA[:-1], False),
        (whole(etag='"e-2"'), DATA + b"x", False),
        (reply(203, content_length="7", etag='"e-2"'), DATA, False),
        (whole(etag=f'"{MD5}"'), DATA, True),
        (whole(etag=f'"{MD5}"'), b"damaged", False),
        (whole(etag='"e"', x_amz_checksum_crc64nvme=CRC, x_amz_checksum_type="FULL_OBJECT"), DATA, True),
        (whole(etag='"e"', x_amz_checksum_crc64nvme=CRC, x_amz_checksum_type="FULL_OBJECT"), b"damaged", False),
    ],
)
def test_an_object_is_whole_and_as_it_is_stored(answer: Any, data: bytes, taken: bool) -> None:
    found = fetched(answer, data, None)
    assert (found is not None) is taken
    if found is not None:
        assert (found.data, found.info.size) == (data, len(DATA))


def part(range_: str, status: int = 206) -> Any:
    return reply(status, content_range=range_, etag='"e"')


@pytest.mark.parametrize(
    ("answer", "data", "taken"),
    [
        (part("bytes 2-4/7"), b"nte", True),
        (part("bytes 2-4/7", 200), b"nte", False),
        (part("bytes 2-4/*"), b"nte", False),
        (part("bytes 1-3/7"), b"ont", False),
        (part("bytes 2-3/7"), b"nt", False),
        (part("bytes 2-4/7"), b"nt", False),
        (part("bytes 2-3/4"), b"nt", True),
        (part("bytes 2-4/5"), b"nte", True),
        (part("nonsense"), b"nte", False),
        (reply(200, etag='"e"'), b"nte", False),
    ],
)
def test_a_range_is_exactly_what_was_asked_for_as_far_as_the_object_goes(answer: Any, data: bytes, taken: bool) -> None:
    found = fetched(answer, data, (2, 5))
    assert (found is not None) is taken
    assert found is None or found.data == data


class Began:
    """A client of which every request ends with one answer."""

    def __init__(self, answer: Any, **can: bool) -> None:
        self.asked: list[Any] = []
        self.answer = answer
        capabilities = SimpleNamespace(**{"takes_checksums": True, "needs_digest": False, **can})
        self.session = SimpleNamespace(capabilities=lambda bucket: capabilities, uses_tls=lambda bucket: False)

    def begin(self, request: Any, ended: Callable[[Any], None], *_: Any, **__: Any) -> Any:
        self.asked.append(request)
        ended(self.answer)
        return SimpleNamespace(cut="cuts")


@pytest.mark.parametrize(
    ("checksum", "can", "header"),
    [
        (None, {}, "x-amz-checksum-crc64nvme"),
        (None, {"takes_checksums": False}, ""),
        (None, {"takes_checksums": False, "needs_digest": True}, "Content-MD5"),
        ("crc32c", {}, "x-amz-checksum-crc32c"),
        ("md5", {}, "Content-MD5"),
        ("none", {"needs_digest": True}, ""),
    ],
)
def test_the_checksum_that_goes_with_an_object(checksum: Any, can: dict[str, bool], header: str) -> None:
    client: Any = Began(said(), **can)
    found: list[Any] = []
    cut = begin_put(client, S3Location("box", "k"), DATA, ObjectOptions(), checksum, found.append)
    assert cut == "cuts"  # type: ignore[comparison-overlap]
    (request,) = client.asked
    sums = {name: value for name, value in request.headers if "checksum-c" in name or name == "Content-MD5"}
    assert list(sums) == ([header] if header else [])
    assert request.body == DATA
    if header == "Content-MD5":
        assert base64.b64decode(sums[header]).hex() == MD5
    assert [each.etag for each in found] == ["e"]


def test_what_failed_is_none() -> None:
    client: Any = Began(None)
    found: list[Any] = []
    where = S3Location("box", "k")
    begin_put(client, where, DATA, ObjectOptions(), None, found.append)
    begin_get(client, where, found.append, limit=9)
    begin_list(client, "box", "", found.append, max_keys=1)
    client.answer = reply(body="<html/>")
    begin_list(client, "box", "", found.append, max_keys=1)
    assert found == [None] * 4
