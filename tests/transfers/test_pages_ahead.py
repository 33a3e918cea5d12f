"""Pages of a listing that come while the caller does something else."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.engine.interruptible import asking
from s3amfs.errors import Interrupted, S3AMError
from s3amfs.transfers import pages_ahead
from s3amfs.transfers.pages_ahead import PageAhead, PagesAhead


class Client:
    """following: what each page names as the next one. The key on a page is the token with which it was asked for."""

    def __init__(self, *following: str | None) -> None:
        self.following = dict(zip((None, *following), following, strict=False))
        self.asked: list[str | None] = []
        self.ahead: list[tuple[str | None, Callable[[Any], None]]] = []
        self.cut: list[str | None] = []

    def page(self, token: str | None) -> Any:
        return SimpleNamespace(objects=[SimpleNamespace(key=token)], next_token=self.following[token])

    def list_page(self, bucket: str, prefix: str, *, token: str | None = None, **_: object) -> Any:
        self.asked.append(token)
        return self.page(token)

    def answer(self, *, comes: bool = True) -> None:
        """The newest request ends."""
        token, done = self.ahead[-1]
        done(self.page(token) if comes else None)


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin_list(client: Client, bucket: str, prefix: str, done: Callable[[Any], None], **more: Any) -> Any:
        client.ahead.append((more["token"], done))
        return lambda: client.cut.append(more["token"])

    monkeypatch.setattr(pages_ahead, "begin_list", begin_list)


def key_of(page: Any) -> str | None:
    return page.objects[0].key if page is not None else "none"


def pages_of(client: Client, most_age: float = 1000.0) -> PagesAhead:
    given: Any = client
    return PagesAhead(given, "b", "d/", most_age)


def test_the_next_page_comes_while_something_else_is_done() -> None:
    client = Client("1", "2", None)
    pages = pages_of(client)
    pages.begin()
    assert client.ahead == [], "the first one is asked for when it is taken"
    for token in (None, "1", "2"):
        assert not pages.came
        if token is not None:
            client.answer()
            assert pages.came
        began = time.monotonic()
        assert key_of(pages.take()) == token
        assert pages.taken_at <= time.monotonic()
        assert (pages.taken_at >= began) is (token is None), "when it came"
        for _ in range(2):
            pages.begin()
    assert (pages.take(), pages.take()) == (None, None)
    assert client.asked == [None], "the others came by themselves"
    assert [token for token, _ in client.ahead] == ["1", "2"]


def test_a_page_that_nobody_asked_for_ahead() -> None:
    client = Client("1", None)
    pages = pages_of(client)
    assert [key_of(pages.take()), key_of(pages.take()), pages.take()] == [None, "1", None]
    assert (client.asked, client.ahead) == ([None, "1"], [])


@pytest.mark.parametrize("most_age", [0.0, 1e-9])
def test_a_page_that_waited_for_long_is_asked_for_again(most_age: float) -> None:
    client = Client("1", None)
    pages = pages_of(client, most_age)
    pages.take()
    pages.begin()
    assert len(client.ahead) == (1 if most_age else 0)
    if most_age:
        client.answer()
    assert not pages.came
    assert key_of(pages.take()) == "1"
    assert client.asked == [None, "1"]


def test_a_page_that_did_not_come_is_asked_for_by_who_needs_it() -> None:
    client = Client("1", None)
    pages = pages_of(client)
    pages.take()
    pages.begin()
    client.answer(comes=False)
    assert not pages.came, "to take it would take a while"
    assert key_of(pages.take()) == "1"
    assert client.asked == [None, "1"]


def test_what_nobody_waits_for_is_cut() -> None:
    client = Client("1", None)
    pages = pages_of(client)
    pages.stop()
    pages.take()
    pages.begin()
    pages.stop()
    assert client.cut == ["1"]
    client.answer()
    pages.stop()
    assert client.cut == ["1"]


def test_what_a_caller_that_has_gone_waited_for_is_cut() -> None:
    client = Client("1", None)
    pages = pages_of(client)
    pages.take()
    pages.begin()
    with asking(lambda: True), pytest.raises(Interrupted):
        pages.take()
    pages.stop()
    assert client.cut == ["1"]


def test_a_server_that_names_the_same_page_again() -> None:
    client = Client("1", "1")
    client.following = {None: "1", "1": "1"}
    pages = pages_of(client)
    assert [key_of(pages.take()), key_of(pages.take())] == [None, "1"]
    pages.begin()
    assert client.ahead == []
    with pytest.raises(S3AMError, match="not where"):
        pages.take()


def test_one_page() -> None:
    client = Client("1", None)
    given: Any = client
    page = PageAhead(given, "b", "d/", token="1")
    client.answer()
    assert key_of(page.result()) == "1"
    assert client.asked == []
