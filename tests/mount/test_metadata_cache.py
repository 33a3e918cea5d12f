"""The entry at a path: asked once within its TTL, and by several threads at once. No server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.errors import NotFound
from s3amfs.mount import metadata_cache
from s3amfs.mount.listings import AHEAD
from s3amfs.mount.metadata_cache import Lookup
from s3amfs.mount.missing_names import STREAK
from s3amfs.transfers import pages_ahead
from s3amfs.transfers.options import ObjectInfo


class Client:
    """A bucket in memory: keys and their ETags."""

    def __init__(self, **objects: str) -> None:
        self.objects = {name.replace("__", "/"): etag for name, etag in objects.items()}
        self.asked: list[str] = []
        self.lists = True
        """Whether a listing that nobody waits for succeeds."""
        self.folders_last = False
        """Whether they are on a page of their own."""
        self.gate: threading.Event | None = None

    def info(self, key: str) -> ObjectInfo:
        return ObjectInfo(size=1, etag=self.objects[key], last_modified=1.0)

    def head(self, bucket: str, key: str) -> ObjectInfo:
        self.asked.append(f"head {key}")
        if self.gate is not None:
            self.gate.wait(30)
        if key not in self.objects:
            raise NotFound(key)
        return self.info(key)

    def begin_head(self, bucket: str, key: str, on_info: Callable[[ObjectInfo | None], None]) -> None:
        self.asked.append(f"ahead {key}")
        on_info(self.info(key) if key in self.objects else None)

    def list_page(
        self,
        bucket: str,
        prefix: str,
        *,
        delimiter: str | None = None,
        token: str | None = None,
        max_keys: int | None = None,
    ) -> Any:
        if delimiter is None:
            self.asked.append(f"list {prefix}")
            found = sorted(key for key in self.objects if key.startswith(prefix))[:max_keys]
            return SimpleNamespace(objects=[SimpleNamespace(key=key) for key in found])
        return self.pages(prefix)[1 if token else 0]

    def list_pages(self, bucket: str, prefix: str, delimiter: str) -> list[Any]:
        return self.pages(prefix)

    def pages(self, prefix: str) -> list[Any]:
        self.asked.append(f"list all of {prefix}")
        below = [key[len(prefix) :] for key in sorted(self.objects) if key.startswith(prefix)]
        objects = [
            SimpleNamespace(key=prefix + name, etag=self.objects[prefix + name], size=1, last_modified=1.0)
            for name in below
            if "/" not in name
        ]
        folders = sorted({prefix + name.partition("/")[0] + "/" for name in below if "/" in name})
        if not self.folders_last:
            return [SimpleNamespace(objects=objects, prefixes=folders, next_token=None)]
        return [
            SimpleNamespace(objects=objects, prefixes=[], next_token="more"),
            SimpleNamespace(objects=[], prefixes=folders, next_token=None),
        ]


@pytest.fixture(autouse=True)
def listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin_list(client: Client, bucket: str, prefix: str, done: Callable[[Any], None], **more: Any) -> Any:
        done(client.list_page(bucket, prefix, **more) if client.lists else None)
        return pytest.fail  # it has ended: nothing to cut

    monkeypatch.setattr(pages_ahead, "begin_list", begin_list)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def lookup(client: Client, pool: ThreadPoolExecutor, ttl: float = 1000.0) -> Lookup:
    given: Any = client
    return Lookup(given, "b", "root/", ttl, pool)


def test_what_is_at_a_path(pool: ThreadPoolExecutor) -> None:
    found = lookup(Client(root__a="1", root__d__x="2", root__m__="3"), pool)
    entries = {path: found.entry(path) for path in ("/a", "/d", "/m", "/")}
    assert [(each.key, each.directory) for each in entries.values()] == [
        ("root/a", False),
        ("root/d/", True),
        ("root/m/", True),
        ("root/", True),
    ]
    marker = entries["/m"].info
    assert marker is not None
    assert marker.etag == "3"
    assert entries["/d"].info is None
    with pytest.raises(NotFound):
        found.entry("/none")


def test_a_listing_that_did_not_come_is_asked_for_again(pool: ThreadPoolExecutor) -> None:
    client = Client(root__d__x="2")
    client.lists = False
    assert lookup(client, pool).entry("/d").directory
    with pytest.raises(NotFound):
        lookup(client, pool).entry("/none")


def test_an_answer_is_used_until_its_ttl_or_a_change(pool: ThreadPoolExecutor) -> None:
    client = Client(root__a="1")
    found = lookup(client, pool)
    found.entry("/a")
    asked = len(client.asked)
    found.entry("/a")
    assert len(client.asked) == asked
    for forget in (lambda: found.forget("/a"), lambda: found.forget_key("root/a"), lambda: found.forget_below("/a")):
        forget()
        found.entry("/a")
        assert len(client.asked) > asked
        asked = len(client.asked)
    expired = lookup(client, pool, ttl=0.0)
    expired.entry("/a")
    asked = len(client.asked)
    expired.entry("/a")
    assert len(client.asked) > asked


def test_threads_that_ask_at_once_share_one_answer(pool: ThreadPoolExecutor) -> None:
    client = Client(root__a="1")
    client.gate = threading.Event()
    found = lookup(client, pool)
    asking = [pool.submit(found.entry, "/a") for _ in range(4)]
    client.gate.set()
    assert {each.result(30).key for each in asking} == {"root/a"}
    assert client.asked.count("head root/a") == 1


@pytest.mark.parametrize("forgets", ["forget", "forget_key", "forget_below"])
@pytest.mark.parametrize("before", ["1", None])
def test_an_answer_of_before_a_change_is_not_used(pool: ThreadPoolExecutor, forgets: str, before: str | None) -> None:
    """This mount stores another version while its reply is on the way."""
    client = Client(root__a=before or "1")
    if before is None:
        client.objects.clear()
    found = lookup(client, pool)
    looks = client.head
    late: list[str] = []

    def head(bucket: str, key: str) -> ObjectInfo:
        try:
            return looks(bucket, key)
        finally:
            if not late:
                late.append(key)
                client.objects[key] = "2"
                getattr(found, forgets)("root/a" if forgets == "forget_key" else "/a")

    client.head = head  # type: ignore[method-assign]
    info = found.entry("/a").info
    assert info is not None
    assert info.etag == "2"


@pytest.mark.parametrize("forgets", ["forget", "forget_key", "forget_below", "remember"])
def test_a_listing_of_before_a_change_is_no_news_of_it(pool: ThreadPoolExecutor, forgets: str) -> None:
    """This mount stores another version, or removes it, while a page with the one before is on the way."""
    client = Client(root__d__a="1")
    found = lookup(client, pool)
    assert found.entry("/d/a").info is not None
    names = found.names("/d", "root/d/")
    before = client.pages

    def pages(prefix: str) -> list[Any]:
        found_before = before(prefix)
        client.pages = before  # type: ignore[method-assign]
        del client.objects["root/d/a"]
        if forgets == "remember":
            client.objects["root/d/a"] = "2"
            found.remember("/d/a", "root/d/a", client.info("root/d/a"))
        else:
            getattr(found, forgets)({"forget_key": "root/d/a", "forget_below": "/d"}.get(forgets, "/d/a"))
        return found_before

    client.pages = pages  # type: ignore[method-assign]
    assert list(names) == ["a"]
    if forgets == "remember":
        info = found.entry("/d/a").info
        assert info is not None
        assert info.etag == "2"
    else:
        with pytest.raises(NotFound):
            found.entry("/d/a")


def test_a_path_that_changes_at_every_look_is_what_was_seen_last(pool: ThreadPoolExecutor) -> None:
    client = Client(root__a="1")
    found = lookup(client, pool)
    looks = client.head

    def head(bucket: str, key: str) -> ObjectInfo:
        found.forget("/a")
        return looks(bucket, key)

    client.head = head  # type: ignore[method-assign]
    assert found.entry("/a").key == "root/a"
    client.objects.clear()
    with pytest.raises(NotFound):
        found.entry("/a")
    assert client.asked.count("head root/a") == 2 * metadata_cache.MOST_LOOKS


def test_many_new_names_share_a_listing(pool: ThreadPoolExecutor) -> None:
    client = Client(root__d__x="1")
    found = lookup(client, pool)
    for number in range(30):
        with pytest.raises(NotFound):
            found.entry(f"/new{number}")
    heads = sum(each.startswith("head ") for each in client.asked)
    lists = sum(each.startswith("list root/") for each in client.asked)
    assert (heads, lists, client.asked.count("list all of root/")) == (STREAK, STREAK, 1)
    assert found.entry("/d").directory
    client.objects["root/new20"] = "1"
    with found.changing("root/new20"):
        assert found.entry("/new20").key == "root/new20"
    client.objects["root/new21"] = "1"
    found.forget("/new21")
    assert found.entry("/new21").key == "root/new21"
    client.objects["root/e/x"] = "1"
    found.made_folder("root/e/")
    assert found.entry("/e").directory


def test_an_object_that_was_just_stored_is_not_asked_for(pool: ThreadPoolExecutor) -> None:
    client = Client()
    found = lookup(client, pool)
    found.remember("/new", "root/new", ObjectInfo(size=1, etag="9"))
    assert found.entry("/new").key == "root/new"
    assert client.asked == []
    assert not found.answered.is_news("/new", "9")
    assert found.answered.is_news("/new", "8")


def test_files_of_a_listed_directory_are_looked_at_ahead(pool: ThreadPoolExecutor) -> None:
    client = Client(root__d__a="1", root__d__b="2", root__d__c="3", root__d__e__x="4")
    found = lookup(client, pool)
    assert sorted(found.names("/d", "root/d/")) == ["a", "b", "c", "e"]
    for name in "abc":
        assert found.entry(f"/d/{name}").key == f"root/d/{name}"
    assert {f"ahead root/d/{name}" for name in "abc"} == {each for each in client.asked if each.startswith("ahead")}


def test_a_directory_that_an_earlier_page_has_shown_as_an_object(pool: ThreadPoolExecutor) -> None:
    """As S3 sorts, many keys (`a-1`) lie between `a` and `a/x`."""
    client = Client(root__d__a="1", root__d__a__x="2", root__d__b="3")
    client.folders_last, client.lists = True, False  # the next page comes late
    found = lookup(client, pool)
    names = found.names("/d", "root/d/")
    assert [next(names), next(names)] == ["a", "b"]
    assert not found.entry("/d/a").directory, "nothing else can be known yet"
    assert list(names) == ["a@s3am.object"]
    assert found.known("/d/a") is None
    assert found.entry("/d/a").directory
    assert found.entry("/d/a@s3am.object").key == "root/d/a"


def test_the_next_page_comes_while_names_of_the_one_before_are_looked_at(pool: ThreadPoolExecutor) -> None:
    client = Client(root__d__a="1", root__d__b="2", root__d__c__x="3")
    client.folders_last = True
    names = lookup(client, pool).names("/d", "root/d/")
    assert next(names) == "a"
    assert client.asked.count("list all of root/d/") == 2
    assert list(names) == ["b", "c"]


def two_pages() -> Client:
    """Of /d: names that are looked at before the last one, x, and x alone."""
    client = Client(**{f"root__d__{number:03}": "1" for number in range(2 * AHEAD)}, root__d__x="1")
    everything = client.pages

    def pages(prefix: str) -> list[Any]:
        (page,) = everything(prefix)
        last = SimpleNamespace(objects=page.objects[-1:], prefixes=[], next_token=None)
        return [SimpleNamespace(objects=page.objects[:-1], prefixes=[], next_token="more"), last]

    client.pages = pages  # type: ignore[method-assign]
    return client


def test_a_page_that_came_long_ago_says_nothing_of_what_is_there_now(pool: ThreadPoolExecutor) -> None:
    """A program may take any time for the names of the page before."""
    client = two_pages()
    found = lookup(client, pool, ttl=0.2)
    assert found.entry("/d/x").info is not None, "it would be recognised in a listing"
    names = found.names("/d", "root/d/")
    assert next(names) == "000"
    time.sleep(0.3)
    client.objects["root/d/x"] = "2"
    assert len(list(names)) == 2 * AHEAD
    info = found.entry("/d/x").info
    assert info is not None
    assert info.etag == "2"


def test_a_page_is_no_news_of_what_was_looked_at_since_it_came(pool: ThreadPoolExecutor) -> None:
    client = two_pages()
    found = lookup(client, pool)
    found._infos["root/d/x"] = client.info("root/d/x")  # it was seen, longer ago than the TTL
    names = found.names("/d", "root/d/")
    assert next(names) == "000"
    client.info = lambda key: ObjectInfo(size=1, etag="2", last_modified=time.time())  # type: ignore[method-assign]
    assert found.entry("/d/x").info is not None
    assert len(list(names)) == 2 * AHEAD
    info = found.entry("/d/x").info
    assert info is not None
    assert info.etag == "2"


def test_a_directory_of_long_names_is_none_of_their_objects(pool: ThreadPoolExecutor) -> None:
    client = Client(**{"root__d__" + "x" * 200: "1", "root__d__" + "x" * 300: "2"})
    found = lookup(client, pool)
    assert list(found.names("/d", "root/d/")) == ["x" * 200, "x" * 200 + "@s3am.more"]
    assert found.entry("/d/" + "x" * 200 + "@s3am.more").directory
    assert not found.entry("/d/" + "x" * 200).directory
