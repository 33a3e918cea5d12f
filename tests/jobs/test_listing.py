"""Entries of a listing: what servers get wrong ends it, sorts it, or is passed over; no key is lost."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable
from typing import cast

import pytest

from s3amfs.core.entries import Kind
from s3amfs.core.merge import OutOfOrder
from s3amfs.engine.client import S3Client
from s3amfs.jobs.listing import Listing, ListOptions, clock_offset
from s3amfs.wire.messages import Reply, S3Request

KEYS = [f"root/{number:04d}" for number in range(3500)]


class Service:
    """Stands for a client: answers listings of `keys`, in their order, by pages of 1,000."""

    def __init__(self, keys: list[str], *, ignores: bool = False) -> None:
        self.keys, self.ignores = keys, ignores
        self.asked: list[dict[str, str]] = []

    def call(self, request: S3Request, _subject: str) -> Reply:
        query = {name: str(value) for name, value in dict(request.query).items()}
        self.asked.append(query)
        after = query.get("continuation-token") or ("" if self.ignores else query.get("start-after", ""))
        at = self.keys.index(after) + 1 if after in self.keys else bisect_right(self.keys, after)
        keys = self.keys[at : at + 1000]
        more = at + 1000 < len(self.keys)
        contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
        token = f"<NextContinuationToken>{keys[-1]}</NextContinuationToken>" if more else ""
        text = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{contents}{token}</ListBucketResult>"
        return Reply(200, {}, text.encode())

    def begin(self, request: S3Request, on_reply: Callable[[Reply | None], None]) -> None:
        threading.Thread(target=lambda: on_reply(self.call(request, ""))).start()


def listing(service: Service, bucket: str = "bucket", **options: object) -> Listing:
    return Listing(cast(S3Client, service), bucket, ListOptions(root="root/", **options))  # type: ignore[arg-type]


def names(found: Listing) -> list[str]:
    return [entry.key for entry in found]


def test_keys_are_relative_to_the_root() -> None:
    assert names(listing(Service(KEYS))) == [key[5:] for key in KEYS]


@pytest.mark.parametrize("ignores", [False, True])
def test_a_run_that_goes_on_sees_only_what_lies_behind(ignores: bool) -> None:
    """Also where StartAfter is taken no notice of: keys before it would look like extra ones at the target."""
    assert names(listing(Service(KEYS, ignores=ignores), after="1999")) == [key[5:] for key in KEYS[2000:]]


def test_a_directory_bucket_is_sorted_and_listed_by_tokens() -> None:
    service = Service(KEYS[::-1])
    assert names(listing(service, bucket="b--usw2-az1--x-s3")) == [key[5:] for key in KEYS]
    assert all("start-after" not in query for query in service.asked)


def test_another_order_is_noticed_and_sorted_on_request() -> None:
    keys = [*KEYS[1000:], *KEYS[:1000]]
    with pytest.raises(OutOfOrder):
        names(listing(Service(keys)))
    assert names(listing(Service(keys), sort=True)) == [key[5:] for key in KEYS]


def test_a_key_of_another_prefix_is_no_answer() -> None:
    from s3amfs.wire.s3.xml import MalformedXml

    with pytest.raises(MalformedXml, match="names 'other/x'"):
        listing(Service(["other/x"]))


def test_a_listing_that_breaks_off_ends_in_an_unknown() -> None:
    service = Service(KEYS)
    found = listing(service)
    service.keys = [*KEYS[:2000], "stray"]
    *entries, end = found
    assert end.kind is Kind.END
    assert [entry.key for entry in entries] == [key[5:] for key in KEYS[: len(entries)]]


def test_the_difference_of_clocks_is_what_a_date_proves() -> None:
    reply = Reply(200, {"date": "Sat, 31 Jan 2026 12:00:00 GMT"})
    at = 1769860800.0
    assert clock_offset(reply, at, at + 0.2) == 0
    assert clock_offset(reply, at + 10, at + 10.5) == -9 * 10**9
    assert clock_offset(reply, at - 10, at - 9) == 9 * 10**9
    assert clock_offset(Reply(200), at, at) == 0
