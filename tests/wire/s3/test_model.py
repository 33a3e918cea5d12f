"""Options of new objects as headers: what is given travels, and nothing else."""

from __future__ import annotations

import pytest

from s3amfs.core.expected import NOTHING, WHATEVER, Expected
from s3amfs.core.ssec import CustomerKey
from s3amfs.wire.s3.model import (
    CONTENT_HEADERS,
    Body,
    ObjectOptions,
    bare_etag,
    condition_headers,
    is_weak_etag,
    key_headers,
    quote_etag,
    source_key_headers,
)


@pytest.mark.parametrize(
    ("sent", "bare", "weak"), [('"abc-2"', "abc-2", False), ("abc", "abc", False), (' W/"abc"', "abc", True)]
)
def test_etags_lose_their_quotes(sent: str, bare: str, weak: bool) -> None:
    assert (bare_etag(sent), is_weak_etag(sent)) == (bare, weak)
    assert bare_etag(quote_etag(bare)) == bare
    assert quote_etag("*") == "*"


def test_an_object_without_options_has_no_headers() -> None:
    options = ObjectOptions()
    assert (*options.content_headers(), *options.storage_headers(), *options.tag_headers()) == ()


@pytest.mark.parametrize("name", CONTENT_HEADERS)
def test_each_description_has_its_header(name: str) -> None:
    assert ObjectOptions(**{name: "value"}).content_headers() == ((CONTENT_HEADERS[name], "value"),)  # type: ignore[arg-type]


def test_metadata_and_tags() -> None:
    options = ObjectOptions(metadata={"mode": "33188"}, tags={"a b": "1&2"})
    assert options.content_headers() == (("x-amz-meta-mode", "33188"),)
    assert options.tag_headers() == (("x-amz-tagging", "a+b=1%262"),)
    assert ObjectOptions(tags={}).tag_headers() == ()


def test_storage_and_encryption() -> None:
    options = ObjectOptions(
        storage_class="GLACIER", sse="aws:kms", sse_kms_key_id="key", bucket_key=False, extra_headers=(("x-a", "b"),)
    )
    assert dict(options.storage_headers()) == {
        "x-amz-storage-class": "GLACIER",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key",
        "x-amz-server-side-encryption-bucket-key-enabled": "false",
        "x-a": "b",
    }


def test_customer_keys_are_headers_and_no_text() -> None:
    key = CustomerKey(b"hunter2-" * 4)
    prefix = "x-amz-server-side-encryption-customer-"
    assert {name.lower() for name, _ in key_headers(key)} == {prefix + end for end in ("algorithm", "key", "key-md5")}
    copied = {name.lower() for name, _ in source_key_headers(key)}
    assert copied == {
        f"x-amz-copy-source-server-side-encryption-customer-{end}" for end in ("algorithm", "key", "key-md5")
    }
    assert (key_headers(None), source_key_headers(None)) == ((), ())
    assert "hunter2" not in repr(ObjectOptions(customer_key=key, extra_headers=(("x", "hunter2"),)))


@pytest.mark.parametrize(
    ("expected", "headers"),
    [
        (NOTHING, (("If-None-Match", "*"),)),
        (WHATEVER, ()),
        (Expected("etag", "abc"), (("If-Match", '"abc"'),)),
    ],
)
def test_conditions(expected: Expected, headers: tuple[tuple[str, str], ...]) -> None:
    assert condition_headers(expected) == headers


def test_a_body_is_signed_as_it_is_sent() -> None:
    assert Body(b"abc").payload == "body"
    streamed, trailed = Body(length=10), Body(length=10, trailer="crc64nvme")
    assert (streamed.payload, streamed.wire_length) == ("unsigned", 10)
    assert trailed.payload == "trailer"
    assert trailed.wire_length is not None and trailed.wire_length > 10
