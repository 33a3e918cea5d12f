"""Pages of a listing that come while the caller does something else."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.errors import S3AMError
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


def pages_of(client: Client) -> PagesAhead:
    given: Any = client
    return PagesAhead(given, "b", "d/")


def test_each_page_asks_for_the_next_one() -> None:
    client = Client("1", "2", None)
    pages = pages_of(client)
    assert client.ahead == []
    assert not pages.came
    for token in (None, "1", "2"):
        assert key_of(pages.take()) == token
        assert not pages.came
        if token != "2":
            client.answer()
            assert pages.came
    assert (pages.take(), pages.take()) == (None, None)
    assert client.asked == [None], "the others came by themselves"
    assert [token for token, _ in client.ahead] == ["1", "2"]


def test_a_page_that_did_not_come_is_asked_for_by_who_needs_it() -> None:
    client = Client("1", None)
    pages = pages_of(client)
    pages.take()
    client.answer(comes=False)
    assert not pages.came, "to take it would take a while"
    assert key_of(pages.take()) == "1"
    assert client.asked == [None, "1"]


def test_what_nobody_waits_for_is_cut() -> None:
    client = Client("1", None)
    pages = pages_of(client)
    pages.stop()
    pages.take()
    pages.stop()
    assert client.cut == ["1"]
    client.answer()
    pages.stop()
    assert client.cut == ["1"]


def test_a_server_that_names_the_same_page_again() -> None:
    client = Client("1", "1")
    client.following = {None: "1", "1": "1"}
    pages = pages_of(client)
    pages.take()
    client.answer()
    with pytest.raises(S3AMError, match="not where"):
        pages.take()


def test_one_page() -> None:
    client = Client("1", None)
    given: Any = client
    page = PageAhead(given, "b", "d/", token="1")
    client.answer()
    assert key_of(page.result()) == "1"
    assert client.asked == []
