"""Small copies: when CopyObject alone does, what the copy is compared with, and what is left to the verb."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.expected import NOTHING
from s3amfs.core.locations import S3Location
from s3amfs.transfers.copy_object import keeps_all
from s3amfs.transfers.options import ObjectOptions, StoredInfo
from s3amfs.transfers.small_copy import CopyOrder, begin_copy
from s3amfs.wire.messages import Reply, S3Request
from s3amfs.wire.s3.api import ObjectInfo
from tests.support.scripted import Asked, refusal, reply, scripted

COPIED = "<CopyObjectResult><ETag>{}</ETag><ChecksumCRC32>{}</ChecksumCRC32></CopyObjectResult>"
WITH_CRC = {"x_amz_checksum_crc32": "AAAAAA==", "x_amz_checksum_type": "FULL_OBJECT"}


@dataclass
class Copied:
    """The answers to HEAD of the source, CopyObject and HEAD of the copy; what became of it."""

    source: Reply
    copy: Reply = field(default_factory=lambda: reply(200, COPIED.format("e", "")))
    found: Reply = field(default_factory=lambda: refusal(500))
    options: ObjectOptions = field(default_factory=ObjectOptions)
    etag: str = ""
    warnings: list[str] = field(default_factory=list)

    def run(self) -> StoredInfo | None:
        done: list[StoredInfo | None] = []

        def answer(asked: Asked) -> Reply:
            if asked.method == "PUT":
                return self.copy
            return self.source if asked.path == "/from/k" else self.found

        client, self.engine = scripted(answer)
        source, target = S3Location("from", "k"), S3Location("to", "k")
        order = CopyOrder(source, target, self.options, etag=self.etag, expected=NOTHING)
        begin_copy(client, order, done.append, self.warnings.append)
        (outcome,) = done
        return outcome

    @property
    def asked(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.engine.asked]


def source(**headers: str) -> Reply:
    return reply(200, etag='"e"', content_length="3", **headers)


def test_a_look_and_one_request_with_both_conditions() -> None:
    copied = Copied(source())
    stored = copied.run()
    assert stored is not None
    assert stored.etag == "e"
    assert copied.asked == ["HEAD /from/k", "PUT /to/k"]
    headers = copied.engine.asked[1].headers
    assert (headers["x-amz-copy-source-if-match"], headers["if-none-match"]) == ('"e"', "*")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (Copied(refusal(403)), 1),
        (Copied(source(), etag="another"), 1),
        (Copied(source(x_amz_server_side_encryption="aws:kms")), 1),
        (Copied(source(x_amz_storage_class="STANDARD_IA")), 1),
        (Copied(source(), copy=refusal(501)), 2),
        (Copied(source(), copy=reply(200, "no XML")), 2),
        (Copied(source(**WITH_CRC), copy=reply(200, COPIED.format("f", "AAAAAQ=="))), 2),
        (
            Copied(
                source(), copy=reply(200, COPIED.format("f", "")), found=reply(200, etag='"f"', content_length="12")
            ),
            3,
        ),
    ],
    ids=["unseen", "replaced", "kms", "class", "refused", "odd", "damaged", "four times the size"],
)
def test_left_to_the_verb(given: Copied, asked: int) -> None:
    assert given.run() is None
    assert len(given.asked) == asked


@pytest.mark.parametrize(
    ("copy", "found", "asked"),
    [
        (reply(200, COPIED.format("f", "AAAAAA==")), refusal(500), 2),
        (reply(200, COPIED.format("f", "")), reply(200, etag='"f"', content_length="3"), 3),
        (reply(200, COPIED.format("f", "")), reply(200, etag='"theirs"', content_length="9"), 3),
        (reply(200, COPIED.format("f", "")), refusal(403), 3),
    ],
    ids=["checksum", "size", "another writer", "may not be read"],
)
def test_a_copy_under_another_etag_is_compared(copy: Reply, found: Reply, asked: int) -> None:
    copied = Copied(source(**WITH_CRC), copy, found)
    stored = copied.run()
    assert stored is not None
    assert stored.etag == "f"
    assert len(copied.asked) == asked


@pytest.mark.parametrize(
    ("has", "options", "metadata", "keeps"),
    [
        ({}, {}, True, True),
        ({"sse": "AES256"}, {}, True, True),
        ({"sse": "aws:kms"}, {}, True, False),
        ({"sse": "aws:kms:dsse"}, {}, True, False),
        ({"sse": "aws:kms"}, {"sse": "AES256"}, True, True),
        ({"sse": "aws:kms"}, {"sse_kms_key_id": "mine"}, True, True),
        ({"website_redirect": "/there"}, {}, True, False),
        ({"website_redirect": "/there"}, {}, False, True),
        ({"storage_class": "STANDARD_IA"}, {}, True, False),
        ({"storage_class": "STANDARD_IA"}, {"storage_class": "GLACIER_IR"}, True, True),
        ({"storage_class": "GLACIER"}, {}, True, True),
    ],
)
def test_what_copy_object_keeps(has: dict[str, Any], options: dict[str, Any], metadata: bool, keeps: bool) -> None:
    assert keeps_all(ObjectInfo(3, "e", **has), ObjectOptions(**options), metadata=metadata) is keeps


def test_a_copy_that_is_cut_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = scripted(lambda asked: refusal(500))
    begun: list[tuple[S3Request, Any]] = []
    cuts: list[int] = []
    done: list[StoredInfo | None] = []

    def begin(_: object, request: S3Request, on_reply: Any) -> Any:
        begun.append((request, on_reply))
        return SimpleNamespace(cut=lambda: cuts.append(len(begun)))

    monkeypatch.setattr(type(client), "begin", begin)
    order = CopyOrder(S3Location("from", "k"), S3Location("to", "k"), ObjectOptions())
    cut = begin_copy(client, order, done.append, lambda _: None)
    assert (len(begun), done) == (1, [])
    cut()
    assert cuts == [1], "the request that is under way"
    begun[0][1](source())
    assert (len(begun), done) == (1, [None])


@pytest.mark.parametrize(
    ("choices", "name", "value"),
    [
        ({}, "x-amz-metadata-directive", None),
        ({"copy_metadata": False}, "x-amz-metadata-directive", "REPLACE"),
        ({}, "x-amz-checksum-algorithm", None),
        ({"checksum": "crc32c"}, "x-amz-checksum-algorithm", "CRC32C"),
        ({}, "x-amz-copy-source-if-match", None),
    ],
)
def test_what_is_asked_of_the_copy(choices: dict[str, Any], name: str, value: str | None) -> None:
    order = CopyOrder(S3Location("from", "k"), S3Location("to", "k"), ObjectOptions(), **choices)
    headers = {key.lower(): text for key, text in order.request(NOTHING, None).headers}
    assert headers.get(name) == value
