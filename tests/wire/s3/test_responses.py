"""Answers of S3, as AWS and others write them; those that make no sense are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from s3amfs.errors import TransferError
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import responses as r
from s3amfs.wire.s3.xml import MalformedXml


def head(status: int = 200, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()})


def body(text: str, **headers: str) -> Reply:
    return Reply(200, head(**headers).headers, text.encode())


# -- one object ------------------------------------------------------------------------------------------------------


def test_what_head_object_says() -> None:
    found = r.parse_object(
        head(
            content_length="7",
            etag='"abc"',
            last_modified="Thu, 01 Jan 1970 00:01:40 GMT",
            x_amz_version_id="v1",
            x_amz_meta_owner="me",
            x_amz_checksum_crc64nvme=" AAAA ",
            x_amz_checksum_type="FULL_OBJECT",
            x_amz_mp_parts_count="3",
            x_amz_tagging_count="2",
            accept_ranges="Bytes",
            content_encoding="aws-chunked,gzip",
            x_amz_server_side_encryption_bucket_key_enabled="True",
        )
    )
    assert (found.size, found.etag, found.weak_etag, found.last_modified) == (7, "abc", False, 100.0)
    assert (found.version_id, found.metadata, found.checksums) == ("v1", {"owner": "me"}, {"crc64nvme": "AAAA"})
    assert (found.checksum_type, found.parts_count, found.tags_count) == ("FULL_OBJECT", 3, 2)
    assert (found.accept_ranges, found.content_encoding, found.bucket_key) == (True, "gzip", True)
    assert (found.first, found.length) == (0, 7)


def test_what_it_does_not_say() -> None:
    found = r.parse_object(head(content_length="0", etag='W/"abc"', x_amz_version_id="null"))
    assert (found.weak_etag, found.version_id, found.last_modified) == (True, None, None)
    assert (found.parts_count, found.tags_count, found.accept_ranges, found.bucket_key) == (None, 0, False, None)
    assert (found.content_encoding, found.checksums, found.metadata) == (None, {}, {})


@pytest.mark.parametrize(
    ("coding", "kept"),
    [(None, None), ("", None), ("aws-chunked", None), ("AWS-Chunked, gzip", " gzip"), ("gzip,br", "gzip,br")],
)
def test_framing_is_no_encoding_of_the_object(coding: str | None, kept: str | None) -> None:
    given = {} if coding is None else {"content_encoding": coding}
    assert r.parse_object(head(content_length="1", **given)).content_encoding == kept


def test_a_range_names_the_size_of_the_whole() -> None:
    found = r.parse_object(head(206, content_range="bytes 5-9/100", content_length="5"))
    assert (found.first, found.length, found.size) == (5, 5, 100)
    whole = r.parse_object(head(200, content_range="bytes 5-9/100", content_length="5"))
    assert (whole.first, whole.length, whole.size) == (0, 5, 5)


@pytest.mark.parametrize("value", ["bytes 5-9/*", "bytes */100", "nonsense"])
def test_ranges_that_make_no_sense(value: str) -> None:
    with pytest.raises(TransferError, match="Content-Range"):
        r.parse_object(head(206, content_range=value))


def test_a_size_that_only_curl_knows() -> None:
    reply = head(etag='"a"')
    with pytest.raises(TransferError, match="how large"):
        r.parse_object(reply)
    reply.content_length = 0
    assert r.parse_object(reply).size == 0


@pytest.mark.parametrize("length", ["-1", "ten", "1" * 21, "²"])
def test_lengths_that_are_none(length: str) -> None:
    with pytest.raises(TransferError, match="how large"):
        r.parse_object(head(content_length=length))


def test_metadata_beyond_ascii_is_kept_in_the_form_of_rfc_2047() -> None:
    as_latin = "ä".encode().decode("latin-1")
    found = r.parse_object(head(content_length="1", x_amz_meta_a=as_latin, x_amz_meta_b="plain", content_type=as_latin))
    assert found.metadata == {"a": "=?UTF-8?B?w6Q=?=", "b": "plain"}
    assert found.content_type == "ä"
    assert r.parse_object(head(content_length="1", content_type="\xe4")).content_type == "ä", "latin-1, and no UTF-8"


# -- stored ----------------------------------------------------------------------------------------------------------


def test_what_was_stored() -> None:
    stored = r.parse_stored(head(etag='"e"', x_amz_checksum_crc32c="AA", x_amz_version_id="v"))
    assert (stored.etag, stored.checksums, stored.version_id) == ("e", {"crc32c": "AA"}, "v")
    with pytest.raises(TransferError, match="no ETag"):
        r.parse_stored(head())


def test_what_was_copied() -> None:
    text = "<CopyPartResult><ETag>&quot;e&quot;</ETag><ChecksumCRC32C>AA</ChecksumCRC32C></CopyPartResult>"
    stored = r.parse_copied(body(text, x_amz_version_id="v", x_amz_copy_source_version_id="s"))
    assert (stored.etag, stored.checksums, stored.version_id, stored.source_version_id) == (
        ("e", {"crc32c": "AA"}, "v", "s")
    )
    by_header = r.parse_copied(body("<CopyObjectResult/>", etag='"h"', x_amz_checksum_sha1="S"))
    assert (by_header.etag, by_header.checksums) == ("h", {"sha1": "S"})
    with pytest.raises(MalformedXml, match="no ETag"):
        r.parse_copied(body("<CopyObjectResult/>"))


def test_an_upload_that_was_created() -> None:
    text = "<InitiateMultipartUploadResult><UploadId> id </UploadId>{}</InitiateMultipartUploadResult>"
    found = r.parse_created(body(text.format(""), x_amz_checksum_algorithm="CRC32C"), "b", "k")
    assert (found.bucket, found.key, found.upload_id, found.checksum_algorithm, found.checksum_type) == (
        ("b", "k", "id", "crc32c", None)
    )
    inside = text.format("<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>")
    found = r.parse_created(body(inside), "b", "k")
    assert (found.checksum_algorithm, found.checksum_type) == ("crc64nvme", "FULL_OBJECT")
    with pytest.raises(MalformedXml, match="no UploadId"):
        r.parse_created(body("<InitiateMultipartUploadResult/>"), "b", "k")


@pytest.mark.parametrize(
    ("reply", "bare"),
    [
        (head(etag='"e"'), False),
        (head(etag="e"), True),
        (head(), False),
        (body("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"), True),
        (body("<CopyObjectResult><ETag> &quot;e&quot;</ETag></CopyObjectResult>"), False),
        (body('<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>'), False),
        (body("<GetObjectAttributesResponse><ETag>e</ETag></GetObjectAttributesResponse>"), False),
        (body("<ListBucketResult><ETag></ETag></ListBucketResult>"), False),
    ],
)
def test_etags_without_quotes(reply: Reply, bare: bool) -> None:
    assert r.has_bare_etag(reply) is bare


# -- listings --------------------------------------------------------------------------------------------------------


def test_pages_of_objects() -> None:
    page = r.parse_objects(
        body(
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
            "<EncodingType>url</EncodingType><Contents><Key>a%20b+c</Key><Size>3</Size><ETag>e</ETag>"
            "<LastModified>1970-01-01T00:00:01.5Z</LastModified></Contents>"
            "<CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes></ListBucketResult>"
        )
    )
    (found,) = page.objects
    assert (found.key, found.size, found.etag, found.last_modified, found.storage_class) == ("a b c", 3, "e", 1.5, None)
    assert (page.prefixes, page.next_token) == (("p/",), "t")


def test_keys_are_escaped_only_where_the_server_says_so() -> None:
    text = "<ListBucketResult><Contents><Key>a%20b</Key><Size>0</Size></Contents></ListBucketResult>"
    assert r.parse_objects(body(text)).objects[0].key == "a%20b"


TRUNCATED = "<IsTruncated>true</IsTruncated>"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (r.parse_objects, f"<ListBucketResult>{TRUNCATED}</ListBucketResult>"),
        (
            r.parse_objects,
            f"<ListBucketResult>{TRUNCATED}<ContinuationToken>t</ContinuationToken>"
            "<NextContinuationToken>t</NextContinuationToken></ListBucketResult>",
        ),
        (r.parse_parts, f"<ListPartsResult>{TRUNCATED}</ListPartsResult>"),
        (
            r.parse_parts,
            f"<ListPartsResult>{TRUNCATED}<PartNumberMarker>5</PartNumberMarker>"
            "<NextPartNumberMarker>5</NextPartNumberMarker></ListPartsResult>",
        ),
        (r.parse_uploads, f"<ListMultipartUploadsResult>{TRUNCATED}</ListMultipartUploadsResult>"),
        (
            r.parse_uploads,
            f"<ListMultipartUploadsResult>{TRUNCATED}<KeyMarker>k</KeyMarker><UploadIdMarker>u</UploadIdMarker>"
            "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker></ListMultipartUploadsResult>",
        ),
    ],
)
def test_a_page_that_says_that_more_follows_but_not_where(parse: Callable[[Reply], Any], text: str) -> None:
    with pytest.raises(MalformedXml, match="more follows, but not where"):
        parse(body(text))


def test_parts_go_on_after_the_last_one() -> None:
    text = f"<ListPartsResult>{TRUNCATED}<Part><PartNumber>7</PartNumber><Size>1</Size></Part></ListPartsResult>"
    page = r.parse_parts(body(text))
    assert (page.next_marker, page.checksum_algorithm, page.checksum_type) == (7, None, None)


def test_uploads_with_their_owner_and_where_they_go_on() -> None:
    upload = "<Upload><Key>k</Key><UploadId>u</UploadId><Initiator><ID>me</ID></Initiator></Upload>"
    text = f"<ListMultipartUploadsResult>{TRUNCATED}<NextUploadIdMarker>u</NextUploadIdMarker>{upload}"
    page = r.parse_uploads(body(text + "</ListMultipartUploadsResult>"))
    assert (page.uploads[0].initiator, page.uploads[0].initiated, page.next_markers) == ("me", None, ("", "u"))


def test_deletions_that_failed() -> None:
    text = (
        "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>"
        "<Message>no</Message><VersionId>null</VersionId></Error></DeleteResult>"
    )
    (failure,) = r.parse_deleted(body(text))
    assert (failure.key, failure.code, failure.message, failure.version_id) == ("b", "AccessDenied", "no", None)


def test_attributes_of_an_object() -> None:
    text = (
        "<GetObjectAttributesResponse><ETag>e</ETag><ObjectSize>9</ObjectSize>"
        "<Checksum><ChecksumCRC32>AA</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></Checksum>"
        f"<ObjectParts>{TRUNCATED}<NextPartNumberMarker>1</NextPartNumberMarker><PartsCount>2</PartsCount>"
        "<Part><PartNumber>1</PartNumber><Size>5</Size></Part></ObjectParts></GetObjectAttributesResponse>"
    )
    found = r.parse_attributes(body(text, last_modified="Thu, 01 Jan 1970 00:00:02 GMT", x_amz_version_id="v"))
    assert (found.size, found.etag, found.checksums, found.checksum_type) == (9, "e", {"crc32": "AA"}, "COMPOSITE")
    assert (found.parts_count, found.next_marker, found.version_id, found.last_modified) == (2, 1, "v", 2.0)
    assert [(part.number, part.size) for part in found.parts] == [(1, 5)]
    plain = r.parse_attributes(body("<GetObjectAttributesOutput/>"))
    assert (plain.size, plain.parts, plain.parts_count, plain.checksums, plain.checksum_type) == (
        None,
        (),
        None,
        {},
        None,
    )


def test_where_a_bucket_is() -> None:
    assert r.parse_location(body("<LocationConstraint> EU </LocationConstraint>")) == "EU"
    inner = "<CreateBucketConfiguration><LocationConstraint>eu-west-3</LocationConstraint></CreateBucketConfiguration>"
    assert r.parse_location(body(inner)) == "eu-west-3"
    assert r.parse_region(head(x_amz_bucket_region="eu-west-3")) == "eu-west-3"
    assert r.parse_region(head()) is None


def test_tags_and_buckets() -> None:
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value/></Tag></TagSet></Tagging>"
    assert r.parse_tags(body(tags)) == {"a": "1", "b": ""}
    buckets = "<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>"
    page = r.parse_buckets(body(buckets))
    assert (page.buckets, page.next_token) == ((("b", None),), None)


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10.000Z", 10.0),
        (" 1970-01-01T00:00:10Z ", 10.0),
        ("1970-01-01T00:00:10.25z", 10.25),
        ("1970-01-01T00:00:10.1234567Z", 10.123456),
        ("1970-01-01T01:00:10+01:00", 10.0),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_as_s3_writes_them(text: str, seconds: float | None) -> None:
    assert r.iso_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Thu, 01 Jan 1970 00:00:10 GMT", 10.0), (None, None), ("", None), ("yesterday", None)],
)
def test_times_of_http(text: str | None, seconds: float | None) -> None:
    assert r.http_time(text) == seconds
