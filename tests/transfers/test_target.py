"""Decisions about the new object: whether it is made at all, its type, and what it keeps of its source."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.ssec import CustomerKey
from s3amfs.errors import AccessDenied, BadCredentials, NotFound, ObjectExists
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.transfers.target import (
    changes_headers,
    skips_existing,
    tags_of,
    with_content_type,
    with_kept,
    with_relayed,
)
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from tests.support.scripted import Asked, refusal, reply, scripted

TARGET = S3Location("b", "k")
REFUSED_KEY = refusal(400, "InvalidSSECustomerKey")
THERE = reply(content_length="1", etag='"e"')
INFO = s3api.ObjectInfo(
    size=1, etag="e", content_type="text/x", metadata={"a": "1", "md5chksum": "m"}, storage_class="GLACIER_IR"
)
TAGGING = reply(body="<Tagging><TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet></Tagging>")


def skips(exists: Literal["refuse", "overwrite", "skip"], answer: Reply) -> tuple[bool, int]:
    """(whether it is left as it is, requests)"""
    client, engine = scripted(lambda asked: answer)
    return skips_existing(client, TARGET, UploadOptions(exists=exists)), len(engine.asked)


def test_overwriting_asks_nothing() -> None:
    assert skips("overwrite", THERE) == (False, 0)


def test_an_object_that_is_there() -> None:
    assert skips("skip", THERE) == (True, 1)
    with pytest.raises(ObjectExists, match="--exists overwrite"):
        skips("refuse", THERE)


@pytest.mark.parametrize("exists", ["refuse", "skip"])
def test_an_object_that_is_not_there(exists: Literal["refuse", "skip"]) -> None:
    def answer(asked: Asked) -> Reply:
        return refusal(404) if asked.path.endswith("/k") else reply()

    client, _ = scripted(answer)
    assert not skips_existing(client, TARGET, UploadOptions(exists=exists))


def test_the_bucket_is_not_asked_for_where_the_next_request_shows_it() -> None:
    def requests(options: UploadOptions) -> list[str]:
        client, engine = scripted(lambda asked: refusal(404) if asked.path.endswith("/k") else reply())
        assert not skips_existing(client, TARGET, options, checks_bucket=False)
        return [asked.method for asked in engine.asked]

    assert requests(UploadOptions()) == ["HEAD"]
    assert requests(UploadOptions(dry_run=True)) == ["HEAD", "HEAD"]


@pytest.mark.parametrize("exists", ["refuse", "skip"])
def test_who_may_not_read_may_still_write(exists: Literal["refuse", "skip"]) -> None:
    assert skips(exists, refusal(403, "AccessDenied"))[0] is False


def test_an_object_under_another_key_is_an_object() -> None:
    assert skips("skip", refusal(400, "InvalidSSECustomerKey"))[0] is True


@pytest.mark.parametrize(
    ("without_key", "there"),
    [(THERE, True), (refusal(404), False), (REFUSED_KEY, True), (refusal(403, "AccessDenied"), True)],
)
def test_a_key_that_is_refused_says_nothing_of_the_object(without_key: Reply, there: bool) -> None:
    """Some servers refuse the key itself; without it they show whether there is an object."""

    def answer(asked: Asked) -> Reply:
        if any(name.endswith("customer-key") for name in asked.headers):
            return REFUSED_KEY
        return without_key if asked.path.endswith("/k") else reply()

    client, _ = scripted(answer)
    keyed = UploadOptions(exists="skip", object=ObjectOptions(customer_key=CustomerKey(bytes(32))))
    assert skips_existing(client, TARGET, keyed) is there


def test_what_is_no_answer_about_the_object() -> None:
    with pytest.raises(BadCredentials):
        skips("skip", refusal(403, "InvalidAccessKeyId"))
    with pytest.raises(NotFound, match="bucket b"):
        skips("skip", refusal(404, "NoSuchBucket"))


def test_a_guessed_type_gives_way_to_a_given_one() -> None:
    plain, typed = UploadOptions(), UploadOptions(object=ObjectOptions(content_type="a/b"))
    assert with_content_type(plain, "text/x").object.content_type == "text/x"
    assert with_content_type(typed, "text/x") is typed
    assert with_content_type(plain, None) is plain


def kept(info: s3api.ObjectInfo = INFO, *, other_content: bool = False, **given: object) -> ObjectOptions:
    client, _ = scripted(lambda asked: TAGGING)
    options = UploadOptions(object=ObjectOptions(**given))  # type: ignore[arg-type]
    return with_kept(client, TARGET, info, options, other_content=other_content).object


def test_what_the_object_has_is_kept_unless_something_else_is_said() -> None:
    found = kept()
    assert (found.content_type, found.metadata, found.storage_class) == ("text/x", INFO.metadata, "GLACIER_IR")
    said = kept(content_type="a/b", metadata={"b": "2"}, storage_class="STANDARD")
    assert (said.content_type, said.metadata, said.storage_class) == ("a/b", {"b": "2"}, "STANDARD")


def test_digests_do_not_outlive_the_content() -> None:
    assert kept(other_content=True).metadata == {"a": "1"}


def test_tags_are_asked_for_where_there_are_any() -> None:
    assert kept().tags is None
    assert kept(replace(INFO, tags_count=1)).tags == {"t": "1"}
    assert kept(replace(INFO, tags_count=1), tags={}).tags == {}, "they were given: none"


def test_encryption_that_is_given_replaces_what_was_there() -> None:
    info = replace(INFO, sse="aws:kms", sse_kms_key_id="old", bucket_key=True)
    assert (kept(info).sse, kept(info).sse_kms_key_id) == ("aws:kms", "old")
    other = kept(info, sse_kms_key_id="new")
    assert (other.sse, other.sse_kms_key_id, other.bucket_key) == ("aws:kms", "new", None)
    plain = kept(info, sse="AES256")
    assert (plain.sse, plain.sse_kms_key_id, plain.bucket_key) == ("AES256", None, None)


def test_tags_that_may_not_be_read_are_named() -> None:
    tagged = replace(INFO, tags_count=1)
    client, _ = scripted(lambda asked: refusal(403, "AccessDenied"))
    with pytest.raises(AccessDenied, match="s3:GetObjectTagging"):
        tags_of(client, TARGET, tagged)
    client, _ = scripted(lambda asked: refusal(403, "InvalidAccessKeyId"))
    with pytest.raises(BadCredentials):
        tags_of(client, TARGET, tagged)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_classes_and_keys_of_another_service_stay_there(elsewhere: bool) -> None:
    client, _ = scripted(lambda asked: TAGGING)
    info = replace(INFO, sse="aws:kms", sse_kms_key_id="old", bucket_key=True)
    found = with_relayed(client, TARGET, info, UploadOptions(), elsewhere=elsewhere).object
    kept_here = ("GLACIER_IR", "aws:kms", "old", True)
    assert (found.storage_class, found.sse, found.sse_kms_key_id, found.bucket_key) == (
        (None, None, None, None) if elsewhere else kept_here
    )
    assert found.metadata == INFO.metadata


def test_which_options_are_headers() -> None:
    assert not changes_headers(ObjectOptions(storage_class="STANDARD"))
    assert changes_headers(ObjectOptions(content_type="a/b"))
    assert changes_headers(ObjectOptions(metadata={"a": "1"}))


def test_a_copy_without_the_metadata_of_its_source() -> None:
    client, _ = scripted(lambda asked: reply())
    info = replace(INFO, sse="aws:kms", sse_kms_key_id="mine")
    options = UploadOptions(object=ObjectOptions(metadata={"b": "2"}), copy_metadata=False)
    kept = with_kept(client, TARGET, info, options).object
    assert (kept.content_type, kept.metadata) == (None, {"b": "2"})
    assert (kept.storage_class, kept.sse, kept.sse_kms_key_id) == ("GLACIER_IR", "aws:kms", "mine")
