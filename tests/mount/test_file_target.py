"""How an open file is stored."""

from __future__ import annotations

from typing import Any, cast

from s3amfs.core.expected import NOTHING, WHATEVER, this_etag
from s3amfs.mount.context import Service
from s3amfs.mount.file_target import published_info, upload_options
from s3amfs.mount.options import MountOptions
from s3amfs.transfers.options import ObjectInfo, StoredInfo

SERVICE = cast(Service, type("Service", (), {"options": MountOptions(part_size=7), "client": None, "bucket": "b"}))


def options(base: ObjectInfo | None, *, goes_on: bool = False, replaces: bool = True) -> Any:
    metadata = {"mode": "33188", "md5chksum": "of the old content"}
    return upload_options(SERVICE, "a.json", base, metadata, goes_on=goes_on, replaces=replaces)


def test_a_new_content_is_described_by_its_name() -> None:
    found = options(None)
    assert (found.object.content_type, found.part_size) == ("application/json", 7)
    assert found.object.metadata == {"mode": "33188"}
    assert found.expected == WHATEVER


def test_a_changed_content_goes_on_as_it_was_and_only_there() -> None:
    found = options(ObjectInfo(size=1, etag="1", content_type="x/y", cache_control="no-store"), goes_on=True)
    assert (found.object.content_type, found.object.cache_control) == ("x/y", "no-store")
    assert found.expected == this_etag("1")


def test_a_content_that_replaces_another_keeps_what_describes_the_object() -> None:
    base = ObjectInfo(
        size=1,
        etag="1",
        content_type="x/y",
        content_encoding="gzip",
        cache_control="no-store",
        sse="aws:kms",
        sse_kms_key_id="key",
    )
    found = options(base)
    assert (found.object.content_type, found.object.content_encoding) == ("application/json", None)
    assert (found.object.cache_control, found.object.sse, found.object.sse_kms_key_id) == ("no-store", "aws:kms", "key")
    assert found.expected == WHATEVER


def test_only_what_was_seen_is_replaced_without_o_trunc() -> None:
    assert options(None, replaces=False).expected == NOTHING
    assert options(ObjectInfo(size=0, etag="1"), replaces=False).expected == this_etag("1")


def test_what_stands_there_now() -> None:
    kept = ObjectInfo(size=1, etag="1", content_type="x/y", checksums={"crc32": "old"})
    found = published_info("k", kept, 5, StoredInfo("2", version_id="v"), {"mode": "1"}, goes_on=True)
    assert (found.size, found.etag, found.version_id, found.content_type) == (5, "2", "v", "x/y")
    assert (found.checksums, found.metadata) == ({}, {"mode": "1"})
    assert published_info("k.json", None, 0, StoredInfo("2"), {}, goes_on=False).content_type == "application/json"
