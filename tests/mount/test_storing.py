"""What the mount changes under a key, beside writing files: never what somebody else has stored."""

from __future__ import annotations

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.client import S3Client
from s3amfs.errors import ObjectExists, S3AMError, SourceChanged
from s3amfs.mount.deferred_metadata import Waiting
from s3amfs.mount.storing import Store
from s3amfs.transfers.options import ObjectInfo, ObjectOptions
from tests.support.clients import client

__all__ = ["client"]


@pytest.fixture
def store(client: S3Client, bucket: str) -> Store:
    return Store(client, bucket)


def put(store: Store, key: str, content: bytes, **options: str) -> ObjectInfo:
    store.client.put(store.bucket, key, content, ObjectOptions(**options))  # type: ignore[arg-type]
    return store.client.head(store.bucket, key)


def content_of(store: Store, key: str) -> bytes:
    return store.client.get(store.bucket, key)[1]


def waiting(base: ObjectInfo) -> Waiting:
    return Waiting(base, {"mode": "33152"}, 0)


def test_metadata_of_the_version_that_was_seen(store: Store) -> None:
    base = put(store, "k", b"one", content_type="text/x-mine")
    assert store.change_metadata("k", waiting(base)) is not None
    now = store.client.head(store.bucket, "k")
    assert (now.metadata["mode"], now.content_type) == ("33152", "text/x-mine")


def test_metadata_of_another_version_stays(store: Store) -> None:
    base = put(store, "k", b"one")
    put(store, "k", b"two")
    assert store.change_metadata("k", waiting(base)) is None
    assert "mode" not in store.client.head(store.bucket, "k").metadata


def test_a_move(store: Store) -> None:
    base = put(store, "a", b"{}", content_type="application/octet-stream")
    store.move("a", base, "b.json", None, {"mtime": "5"})
    assert content_of(store, "b.json") == b"{}"
    found = store.client.head(store.bucket, "b.json")
    assert (found.content_type, found.metadata["mtime"]) == ("application/json", "5")
    assert store.client.find(store.bucket, "a") is None


def test_a_content_type_that_was_given_moves_along(store: Store) -> None:
    base = put(store, "a.txt", b"x", content_type="text/x-mine")
    store.move("a.txt", base, "b.json", None, {})
    assert store.client.head(store.bucket, "b.json").content_type == "text/x-mine"


def test_a_move_takes_along_what_others_have_changed_beside_the_content(store: Store) -> None:
    base = put(store, "a", b"same", metadata={"mode": "33188"})  # type: ignore[arg-type]
    put(store, "a", b"same", metadata={"mode": "33152"})  # type: ignore[arg-type]
    store.move("a", base, "b", None, {})
    assert store.client.head(store.bucket, "b").metadata["mode"] == "33152"


def test_a_move_onto_what_came_meanwhile(store: Store) -> None:
    base = put(store, "a", b"mine")
    put(store, "b", b"theirs")
    with pytest.raises(S3AMError):
        store.move("a", base, "b", None, {})
    assert (content_of(store, "a"), content_of(store, "b")) == (b"mine", b"theirs")


def test_a_move_of_what_was_replaced_meanwhile(store: Store) -> None:
    base = put(store, "a", b"mine", metadata={"mtime": "1"})  # type: ignore[arg-type]
    put(store, "a", b"theirs")
    with pytest.raises(SourceChanged):
        store.move("a", base, "b", None, {"mode": "33152"})
    assert content_of(store, "a") == b"theirs"
    assert store.client.find(store.bucket, "b") is None


def test_only_what_was_seen_is_removed(store: Store) -> None:
    base = put(store, "k", b"one")
    put(store, "k", b"two")
    assert not store.remove("k", base)
    assert content_of(store, "k") == b"two"
    assert store.remove("k", store.client.head(store.bucket, "k"))
    assert store.client.find(store.bucket, "k") is None
    store.remove("k", base)


def test_something_new_replaces_nothing(store: Store) -> None:
    info = store.put_new("k", b"x", {"mode": "33188"})
    assert (info.size, info.etag) == (1, store.client.head(store.bucket, "k").etag)
    with pytest.raises(FileExistsError):
        store.put_new("k", b"y", {})
    assert content_of(store, "k") == b"x"


def test_a_marker_is_written(store: Store) -> None:
    store.put_marker("d/", {"mode": "16877"}, None)
    assert store.client.list_page(store.bucket, "d/").objects[0].key == "d/"
    store.move_marker("d/", "e/", {"mode": "16832"})
    assert [found.key for found in store.client.list_page(store.bucket).objects] == ["e/"]
    store.move_marker("nothing/", "else/", None)
    assert S3Location(store.bucket, "e/").key == "e/"


def test_a_folder_that_another_client_has_emptied_can_be_made(store: Store) -> None:
    put(store, "d/file", b"x")
    store.client.delete(store.bucket, "d/file")
    store.put_marker("d/", {"mode": "16877"}, None)
    assert [o.key for o in store.client.list_page(store.bucket, "d/", max_keys=2).objects] == ["d/"]
    with pytest.raises(ObjectExists):
        store.put_marker("d/", {}, None)
