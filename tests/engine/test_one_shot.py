"""One request for which no thread waits: whatever happens, `on_reply` is called and the slot is given back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from s3amfs.engine.limits import SlotGate
from s3amfs.engine.loop import Loop, get_engine
from s3amfs.engine.one_shot import OneShot
from s3amfs.errors import BadCredentials, TransferError
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.httpserver import HttpServer


class Bug(Exception):
    pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HttpServer() as web:
        yield web.add("/data", b"content")


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    seen: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_value))
    return seen


def bodies(prepare: Callable[[], HttpRequest | None], error: Exception | None = None) -> list[bytes | None]:
    """The bodies of the replies that `on_reply` got, which raises `error` for those that are one."""
    gate, seen, over = SlotGate(1), list[bytes | None](), threading.Event()
    loop: Loop = get_engine().loop()

    def on_reply(reply: Reply | None) -> None:
        seen.append(reply.body if reply is not None else None)
        if reply is not None and error is not None:
            raise error

    OneShot(loop, prepare, on_reply, gate=gate)
    gate.enter(over.set)  # the next holder gets in once the slot is free
    assert over.wait(20)
    passed = threading.Event()
    loop.submit(passed.set)
    assert passed.wait(20)
    return seen


def test_a_success(url: str) -> None:
    assert bodies(lambda: HttpRequest("GET", url)) == [b"content"]


def test_a_refusal(url: str) -> None:
    assert bodies(lambda: HttpRequest("GET", f"{url}-missing")) == [None]


def test_not_now() -> None:
    assert bodies(lambda: None) == [None]


def test_an_answer_that_makes_no_sense_is_for_the_fallback(url: str, crashes: list[BaseException | None]) -> None:
    assert bodies(lambda: HttpRequest("GET", url), TransferError("no length")) == [b"content", None]
    assert crashes == []


def test_a_bug_of_the_receiver_is_reported_and_ends_the_request(url: str, crashes: list[BaseException | None]) -> None:
    assert bodies(lambda: HttpRequest("GET", url), Bug()) == [b"content", None]
    assert [type(error) for error in crashes] == [Bug]


def test_a_request_that_cannot_be_signed(crashes: list[BaseException | None]) -> None:
    def prepare() -> HttpRequest:
        raise BadCredentials("none")

    assert bodies(prepare) == [None]
    assert crashes == []


def test_a_bug_in_the_making_of_a_request(crashes: list[BaseException | None]) -> None:
    def prepare() -> HttpRequest:
        raise Bug

    assert bodies(prepare) == [None]
    assert [type(error) for error in crashes] == [Bug]


@pytest.mark.parametrize("is_let_in", [True, False])
def test_a_cut_gives_the_slot_back(url: str, is_let_in: bool) -> None:
    gate, replies, free = SlotGate(1), list[Reply | None](), threading.Event()
    loop, held = get_engine().loop(), threading.Event()
    if not is_let_in:
        gate.enter(lambda: None)
    loop.submit(lambda: held.wait(10) and None)
    one = OneShot(loop, lambda: HttpRequest("GET", url), replies.append, gate=gate)
    one.cut()
    held.set()
    if not is_let_in:
        gate.leave()
    gate.enter(free.set)
    assert free.wait(20)
    assert len(replies) == 1
