"""Copies inside one service: onto themselves, of other classes, and what they cost where versions are kept."""

from __future__ import annotations

import random
from typing import Any

import pytest

from s3amfs.core.expected import this_etag
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import SourceChanged
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.verbs.copy import copy
from s3amfs.wire.messages import Reply
from tests.support.clients import Events
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted

MIB = 1024 * 1024
pytestmark = pytest.mark.usefixtures("state")


def other_metadata(**more: Any) -> UploadOptions:
    return UploadOptions(exists="overwrite", object=ObjectOptions(metadata={"a": "new"}), **more)


def test_a_change_of_metadata_says_once_what_versions_cost(
    client: S3Client, boto: Any, bucket: str, events: Events
) -> None:
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    boto.put_object(Bucket=bucket, Key="k", Body=b"content", Metadata={"a": "old"}, ContentLanguage="de")
    where = S3Location(bucket, "k")
    for _ in range(2):
        copy(where, where, client, other_metadata(), on_event=events)
    assert len([text for text in events.warnings if "keeps versions" in text]) == 1
    found = boto.head_object(Bucket=bucket, Key="k")
    assert (found["Metadata"], found["ContentLanguage"]) == ({"a": "new"}, "de")


def test_late_metadata_is_for_the_object_that_was_seen(client: S3Client, boto: Any, bucket: str) -> None:
    seen = boto.put_object(Bucket=bucket, Key="k", Body=b"content")["ETag"].strip('"')
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs", Metadata={"a": "theirs"})
    where = S3Location(bucket, "k")
    with pytest.raises(SourceChanged):
        copy(where, where, client, other_metadata(expected=this_etag(seen)))
    assert boto.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "theirs"}


@pytest.mark.parametrize("lock", [{"x_amz_object_lock_mode": "GOVERNANCE"}, {"x_amz_object_lock_legal_hold": "ON"}, {}])
def test_a_copy_that_loses_a_lock_says_so_once(lock: dict[str, str], events: Events) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD" and asked.path.startswith("/to"):
            return refusal(404)
        if asked.method == "HEAD":
            return reply(200, etag='"e"', content_length="3", **lock)
        if asked.method == "GET":
            return reply(200, "<ListMultipartUploadsResult/>")
        return reply(200, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")

    client, _ = scripted(answer)
    for key in ("k", "l"):
        copy(S3Location("from", key), S3Location("to", key), client, UploadOptions(exists="overwrite"), on_event=events)
    assert [text for text in events.warnings if "retention or a legal hold" in text] == events.warnings[: len(lock)]


@pytest.mark.parametrize("part_size", [None, 5 * 1024 * 1024])
def test_headers_and_metadata_that_are_not_to_be_kept(
    client: S3Client, boto: Any, bucket: str, part_size: int | None
) -> None:
    described: dict[str, Any] = {"Metadata": {"a": "old"}, "ContentLanguage": "de", "Tagging": "t=1"}
    boto.put_object(Bucket=bucket, Key="k", Body=bytes(6 * 1024 * 1024), **described)
    for number, given in enumerate((ObjectOptions(), ObjectOptions(metadata={"b": "new"}))):
        options = UploadOptions(copy_metadata=False, object=given, part_size=part_size)
        result = copy(S3Location(bucket, "k"), S3Location(bucket, f"c{number}"), client, options)
        assert (result.bytes_sent, result.bytes_copied) == (0, 6 * 1024 * 1024)
        found = boto.head_object(Bucket=bucket, Key=f"c{number}")
        assert (found["Metadata"], found.get("ContentLanguage", "")) == (given.metadata, "")
        tags = boto.get_object_tagging(Bucket=bucket, Key=f"c{number}")["TagSet"]
        assert tags == [{"Key": "t", "Value": "1"}]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_copy_in_parts_has_the_crc_of_its_source_and_is_compared_with_it(
    client: S3Client, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, algorithm: str
) -> None:
    data = random.Random(1).randbytes(6 * MIB)
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm=algorithm)
    source = S3Location(bucket, "from")
    done = copy(source, S3Location(bucket, "to"), through, UploadOptions(part_size=5 * MIB))
    name = algorithm.lower()
    stored = {key: client.head(bucket, key).checksums[name] for key in ("from", "to")}
    assert stored["from"] == stored["to"]
    assert (done.parts, done.checksum) == (2, f"{name}:{stored['to']}")
    assert done.proof == f"{name} of the whole object, equal to the source's"
    completed = [r for r in proxy.requests if r.method == "POST" and "uploadId" in r.query]
    assert [r.headers.get(f"x-amz-checksum-{name}") for r in completed] == [stored["to"]]
