"""Small objects, one request each: what succeeds at once is an answer, all else is None."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.expected import NOTHING
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.transfers.one_request import begin_get, begin_list, begin_put
from s3amfs.transfers.options import ObjectOptions
from tests.support.faults import Rule, internal_error
from tests.support.proxy import FaultProxy


@pytest.fixture(autouse=True)
def has_credentials(through: S3Client, bucket: str) -> None:
    """They are looked for by the first call that is waited for."""
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
