"""Listings of servers with an order of their own: each object once, none left out, in `rm -r`, `du` and `ls -r`."""

from __future__ import annotations

from typing import cast

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.tree_events import EntryDone, PrefixTotal
from s3amfs.engine.client import S3Client
from s3amfs.errors import TransferError
from s3amfs.jobs.inventory import disk_usage
from s3amfs.jobs.object_pages import object_pages
from s3amfs.jobs.remove import RemoveOptions, remove
from tests.jobs.test_listing import KEYS, Service


def names(service: Service) -> list[str]:
    pages = object_pages(cast(S3Client, service), "bucket", "root/")
    return [item.key for page in pages for item in page]


def test_in_order_nothing_is_asked_for_twice() -> None:
    service = Service(KEYS)
    assert names(service) == KEYS
    assert len({query.get("start-after") for query in service.asked}) == len(service.asked)


@pytest.mark.parametrize("cut", [10, 1000, 2500])
def test_in_another_order_each_key_is_there_once(cut: int) -> None:
    found = names(Service([*KEYS[cut:], *KEYS[:cut]]))
    assert len(found) == len(KEYS)
    assert set(found) == set(KEYS)


def test_a_listing_that_is_not_whole_raises() -> None:
    service = Service([*KEYS[2500:], *KEYS[:2500]])
    service.keys.insert(3000, service.keys[0])
    with pytest.raises(TransferError, match="keys twice"):
        names(service)


def test_du_and_rm_count_each_once() -> None:
    client = cast(S3Client, Service([*KEYS[2500:], *KEYS[:2500]]))
    where = S3Location("bucket", "root/")
    assert list(disk_usage(where, client)) == [PrefixTotal("root/", 3500, 3500, total=True)]
    seen: list[EntryDone] = []
    remove(where, client, RemoveOptions(recursive=True, dry_run=True), seen.append)
    assert sorted(entry.key for entry in seen) == KEYS
