"""Signatures equal the published examples; requests equal what a real botocore client sends."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.expected import NOTHING
from s3amfs.core.ssec import CustomerKey
from s3amfs.errors import UsageError
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.endpoints import Endpoint
from s3amfs.wire.aws.session import S3Session
from s3amfs.wire.aws.signing import sign
from s3amfs.wire.messages import HttpRequest, S3Request
from s3amfs.wire.s3 import api as s3api
from tests.wire.oracle import ACCESS, SECRET, Oracle, Sent

KEY = CustomerKey(bytes(range(32)))
KEY_ARGUMENTS = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
UPLOAD = s3api.MultipartUpload("bucket", "key", "upload/id+1")
WHO = {"Bucket": "bucket", "Key": "key"}
OPTIONS = s3api.ObjectOptions(
    content_type="text/plain",
    cache_control="no-cache",
    metadata={"one": "1", "two": "a b"},
    storage_class="STANDARD_IA",
    tags={"a": "b c", "ü": "&="},
    sse="aws:kms",
    sse_kms_key_id="id",
    bucket_key=True,
    acl="private",
)
THEIR_OPTIONS = {
    "ContentType": "text/plain",
    "CacheControl": "no-cache",
    "Metadata": {"one": "1", "two": "a b"},
    "StorageClass": "STANDARD_IA",
    "Tagging": "a=b+c&%C3%BC=%26%3D",
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "id",
    "BucketKeyEnabled": True,
    "ACL": "private",
}
PARTS = [s3api.PartInfo(1, 5, "e1"), s3api.PartInfo(2, 5, "e2", {"crc64nvme": "AAAAAAAAAAA="})]
THEIR_PARTS = [
    {"ETag": '"e1"', "PartNumber": 1},
    {"ETag": '"e2"', "PartNumber": 2, "ChecksumCRC64NVME": "AAAAAAAAAAA="},
]

# Ours, the operation of botocore, its arguments.
REQUESTS: dict[str, tuple[S3Request, str, dict[str, Any]]] = {
    "head": (s3api.head_object("bucket", "key"), "head_object", {**WHO, "ChecksumMode": "ENABLED"}),
    "head version": (
        s3api.head_object("bucket", "key", version_id="v/1+", if_match="tag", customer_key=KEY),
        "head_object",
        {**WHO, "VersionId": "v/1+", "IfMatch": '"tag"', "ChecksumMode": "ENABLED", **KEY_ARGUMENTS},
    ),
    "get range": (
        s3api.get_object("bucket", "key", offset=5, length=10),
        "get_object",
        {**WHO, "Range": "bytes=5-14", "ChecksumMode": "ENABLED"},
    ),
    "get to the end": (
        s3api.get_object("bucket", "key", offset=5),
        "get_object",
        {**WHO, "Range": "bytes=5-", "ChecksumMode": "ENABLED"},
    ),
    "put": (
        s3api.put_object("bucket", "key", s3api.Body(b"data", md5="jXd/OF09/siBXSD3SWAm3A=="), OPTIONS),
        "put_object",
        {**WHO, "Body": b"data", "ContentMD5": "jXd/OF09/siBXSD3SWAm3A==", **THEIR_OPTIONS},
    ),
    "put if none": (
        s3api.put_object("bucket", "key", options=s3api.ObjectOptions(customer_key=KEY), expected=NOTHING),
        "put_object",
        {**WHO, "Body": b"", "IfNoneMatch": "*", **KEY_ARGUMENTS},
    ),
    "create": (
        s3api.create_multipart_upload("bucket", "key", OPTIONS, checksum_algorithm="crc64nvme"),
        "create_multipart_upload",
        {**WHO, "ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT", **THEIR_OPTIONS},
    ),
    "part": (
        s3api.upload_part(UPLOAD, 7, s3api.Body(b"data"), customer_key=KEY),
        "upload_part",
        {**WHO, "UploadId": "upload/id+1", "PartNumber": 7, "Body": b"data", **KEY_ARGUMENTS},
    ),
    "complete": (
        s3api.complete_multipart_upload(
            UPLOAD, PARTS, checksum=("crc64nvme", "AAAAAAAAAAA="), size=10, expected=NOTHING
        ),
        "complete_multipart_upload",
        {
            **WHO,
            "UploadId": "upload/id+1",
            "MultipartUpload": {"Parts": THEIR_PARTS},
            "ChecksumCRC64NVME": "AAAAAAAAAAA=",
            "ChecksumType": "FULL_OBJECT",
            "MpuObjectSize": 10,
            "IfNoneMatch": "*",
        },
    ),
    "abort": (s3api.abort_multipart_upload(UPLOAD), "abort_multipart_upload", {**WHO, "UploadId": "upload/id+1"}),
    "copy": (
        s3api.copy_object("bucket", "key", s3api.CopySource("other", "a b/ü+~", "v1", "tag", KEY)),
        "copy_object",
        {
            **WHO,
            "CopySource": {"Bucket": "other", "Key": "a b/ü+~", "VersionId": "v1"},
            "CopySourceIfMatch": '"tag"',
            "CopySourceSSECustomerAlgorithm": "AES256",
            "CopySourceSSECustomerKey": bytes(range(32)),
        },
    ),
    "copy replacing": (
        s3api.copy_object("bucket", "key", s3api.CopySource("other", "k"), OPTIONS, replace_metadata=True),
        "copy_object",
        {
            **WHO,
            "CopySource": {"Bucket": "other", "Key": "k"},
            "MetadataDirective": "REPLACE",
            "TaggingDirective": "REPLACE",
            **THEIR_OPTIONS,
        },
    ),
    "part copy": (
        s3api.upload_part_copy(UPLOAD, 3, s3api.CopySource("other", "k"), offset=10, length=5),
        "upload_part_copy",
        {
            **WHO,
            "UploadId": "upload/id+1",
            "PartNumber": 3,
            "CopySource": {"Bucket": "other", "Key": "k"},
            "CopySourceRange": "bytes=10-14",
        },
    ),
    "list parts": (
        s3api.list_parts(UPLOAD, after=5, max_parts=10),
        "list_parts",
        {**WHO, "UploadId": "upload/id+1", "PartNumberMarker": 5, "MaxParts": 10},
    ),
    "list uploads": (
        s3api.list_multipart_uploads("bucket", prefix="a b", after=("k", "u"), escaped=True),
        "list_multipart_uploads",
        {"Bucket": "bucket", "Prefix": "a b", "KeyMarker": "k", "UploadIdMarker": "u", "EncodingType": "url"},
    ),
    "list": (
        s3api.list_objects("bucket", prefix="ü/", delimiter="/", token="t=", start_after="s", max_keys=5),
        "list_objects_v2",
        {
            "Bucket": "bucket",
            "Prefix": "ü/",
            "Delimiter": "/",
            "ContinuationToken": "t=",
            "StartAfter": "s",
            "MaxKeys": 5,
        },
    ),
    "delete": (s3api.delete_object("bucket", "key", version_id="v"), "delete_object", {**WHO, "VersionId": "v"}),
    "head bucket": (s3api.head_bucket("bucket"), "head_bucket", {"Bucket": "bucket"}),
    "location": (s3api.get_bucket_location("bucket"), "get_bucket_location", {"Bucket": "bucket"}),
    "tags": (s3api.get_object_tagging("bucket", "key"), "get_object_tagging", WHO),
    "attributes": (
        s3api.get_object_attributes("bucket", "key", after=3, max_parts=4),
        "get_object_attributes",
        {
            **WHO,
            "ObjectAttributes": ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"],
            "MaxParts": 4,
            "PartNumberMarker": 3,
        },
    ),
}
THEIRS_ONLY = re.compile(
    r"user-agent|amz-sdk-.*|authorization|x-amz-date|expect|content-length|host|x-amz-content-sha256"
)


def session(**choices: Any) -> S3Session:
    return S3Session(S3Config(region="eu-west-1", access_key=ACCESS, secret_key=SECRET, **choices))


def told(headers: dict[str, str]) -> dict[str, str]:
    """Headers that carry meaning: no signature, nothing that names the client."""
    kept = {name.lower(): value for name, value in headers.items() if not THEIRS_ONLY.fullmatch(name.lower())}
    if "x-amz-tagging" in kept:
        kept["x-amz-tagging"] = str(parse_qsl(kept["x-amz-tagging"]))
    if "x-amz-object-attributes" in kept:
        kept["x-amz-object-attributes"] = str(sorted(kept["x-amz-object-attributes"].split(",")))
    kept.pop("content-type" if kept.get("content-type") == "application/xml" else "", None)
    kept.pop("x-amz-sdk-checksum-algorithm", None)
    return kept


def pieces(request: HttpRequest | Sent) -> tuple[object, ...]:
    url = urlsplit(request.url)
    query = sorted(pair for pair in parse_qsl(url.query, keep_blank_values=True))
    return request.method, url.netloc, url.path, query


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(region="eu-west-1")


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_those_of_botocore(name: str, oracle: Oracle) -> None:
    ours, operation, arguments = REQUESTS[name]
    prepared, sent = session().prepare(ours), oracle.send(operation, **arguments)
    assert pieces(prepared) == pieces(sent)
    theirs = told(dict(sent.headers))
    if name == "part copy" or operation == "copy_object":
        theirs["x-amz-copy-source"] = theirs["x-amz-copy-source"].lstrip("/")
    assert told(dict(prepared.headers)) == theirs
    if operation != "complete_multipart_upload":
        assert prepared.body == sent.body
    else:
        assert sorted(re.findall(rb"<(\w+)>([^<]*)", prepared.body)) == sorted(
            re.findall(rb"<(\w+)>([^<]*)", sent.body)
        )
    assert signature_by_the_book(prepared) in dict(prepared.headers)["Authorization"]


def signature_by_the_book(request: HttpRequest) -> str:
    """SigV4 as the S3 API reference describes it ("Authenticating Requests"), from the request as it is sent."""
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers}
    authorization = headers["authorization"]
    url = urlsplit(request.url)
    headers["host"] = url.netloc
    signed = re.search(r"SignedHeaders=([^,]+)", authorization)
    scope = re.search(r"Credential=[^/]+/([^,]+)", authorization)
    assert signed is not None
    assert scope is not None
    pairs = parse_qsl(url.query, keep_blank_values=True)
    query = "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs))
    lines = [request.method, url.path or "/", query]
    lines += [f"{name}:{headers[name]}" for name in signed[1].split(";")]
    lines += ["", signed[1], headers["x-amz-content-sha256"]]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope[1], digest])
    key = b"AWS4" + SECRET.encode()
    for step in scope[1].split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


# S3 API reference, "Signature Calculations for the Authorization Header", its own examples and keys.
EXAMPLE = ReadOnlyCredentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
MOMENT = calendar.timegm((2013, 5, 24, 0, 0, 0))


@pytest.mark.parametrize(
    ("path", "headers", "signature"),
    [
        ("/test.txt", (("Range", "bytes=0-9"),), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/?lifecycle", (), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", (), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_published_examples(path: str, headers: tuple[tuple[str, str], ...], signature: str) -> None:
    endpoint = Endpoint("https://examplebucket.s3.amazonaws.com", "us-east-1", "s3", "sigv4")
    request = S3Request("GET", "examplebucket")
    signed = dict(sign(request, endpoint.url + path, headers, endpoint, EXAMPLE, MOMENT))
    assert signed["X-Amz-Date"] == "20130524T000000Z"
    assert f"Signature={signature}" in signed["Authorization"]


def test_keys_are_escaped_and_signed_as_sent(oracle: Oracle) -> None:
    for key in ("a b", "a+b", "a%b", "a#b", "a?b=c", "/lead", "a//b", "../up", "ü/é", "~tilde", "'quote'", "x" * 1024):
        ours = session().prepare(s3api.get_object("bucket", key, checksums=False))
        theirs = oracle.send("get_object", Bucket="bucket", Key=key)
        assert urlsplit(ours.url).path == urlsplit(theirs.url).path, key
        assert signature_by_the_book(ours) in dict(ours.headers)["Authorization"], key


def test_what_is_kept_of_a_signature_belongs_to_one_key_day_and_host() -> None:
    """Signed one after the other and again: always the same."""
    day = 86400
    choices = [(SECRET, 0, "us-east-1", "a.test"), (SECRET + "x", 0, "us-east-1", "a.test")]
    choices += [(SECRET, day, "us-east-1", "a.test"), (SECRET, 0, "eu-west-1", "a.test"), (SECRET, 0, "us-east-1", "b")]

    def signed(secret: str, now: int, region: str, host: str) -> str:
        endpoint = Endpoint(f"https://{host}", region, "s3", "sigv4", ())
        headers = sign(
            S3Request("GET", "bucket"),
            f"https://{host}/k",
            (),
            endpoint,
            ReadOnlyCredentials(ACCESS, secret, None),
            now,
        )
        return dict(headers)["Authorization"].rpartition("=")[2]

    first = [signed(*choice) for choice in choices]
    assert len(set(first)) == len(choices)
    assert [signed(*choice) for choice in reversed(choices)] == first[::-1]


def test_a_session_token_is_sent_and_signed() -> None:
    headers = dict(session(token="TOKEN").prepare(s3api.head_bucket("bucket")).headers)
    assert headers["X-Amz-Security-Token"] == "TOKEN"
    assert "x-amz-security-token" in headers["Authorization"]


def test_payloads_are_declared_as_they_are_sent() -> None:
    def declared(body: s3api.Body) -> str:
        return dict(session().prepare(s3api.upload_part(UPLOAD, 1, body)).headers)["X-Amz-Content-SHA256"]

    assert declared(s3api.Body(b"data")) == hashlib.sha256(b"data").hexdigest()
    assert declared(s3api.Body()) == hashlib.sha256(b"").hexdigest()
    assert declared(s3api.Body(length=5)) == "UNSIGNED-PAYLOAD"
    assert declared(s3api.Body(length=5, trailer="crc64nvme")) == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def test_anonymous_requests_have_no_signature() -> None:
    anonymous = S3Session(S3Config(region="eu-west-1", anonymous=True))
    assert "Authorization" not in dict(anonymous.prepare(s3api.head_object("bucket", "key")).headers)


def test_requester_pays_is_said_of_every_object() -> None:
    paying = session(requester_pays=True)
    assert dict(paying.prepare(s3api.head_object("bucket", "key")).headers)["x-amz-request-payer"] == "requester"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "ü"])
def test_a_header_cannot_be_smuggled_in(value: str) -> None:
    with pytest.raises(UsageError, match="x-amz-meta-m"):
        session().prepare(s3api.put_object("bucket", "key", options=s3api.ObjectOptions(metadata={"m": value})))


def test_nothing_secret_in_repr() -> None:
    prepared = session(token="TOKEN").prepare(s3api.head_object("bucket", "key", customer_key=KEY))
    shown = repr(prepared) + repr(session(token="TOKEN")) + repr(OPTIONS) + repr(s3api.ObjectOptions(customer_key=KEY))
    for secret in (SECRET, "TOKEN", dict(KEY.headers())["x-amz-server-side-encryption-customer-key"]):
        assert secret not in shown


NAMES = st.text("abcXYZ019-_", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
QUERIES = st.lists(st.tuples(st.text("abz-", min_size=1, max_size=6), KEYS | st.just("")), max_size=5)


@cache
def session_at(endpoint_url: str | None) -> S3Session:
    return session(endpoint_url=endpoint_url)


@given(
    st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]),
    KEYS,
    QUERIES,
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.sampled_from(["bucket", "with.dots"]),
    st.sampled_from(["http://127.0.0.1:8333", "https://store.test/prefix", "https://store.test:443", None]),
    st.sampled_from([None, "TOKEN/+="]),
    st.binary(max_size=40),
)
def test_a_signature_is_that_of_botocores_signer(
    method: str,
    key: str,
    query: list[tuple[str, str]],
    extra: dict[str, str],
    bucket: str,
    endpoint_url: str | None,
    token: str | None,
    body: bytes,
) -> None:
    names = {name.lower(): name for name in extra}
    headers = tuple((f"x-{name}", extra[name]) for name in names.values())
    ours = S3Request(method, bucket, key, tuple(query), headers, body)
    url = session_at(endpoint_url).prepare(ours).url
    endpoint = Endpoint(url, "eu-west-1", "s3", "sigv4")
    credentials = ReadOnlyCredentials(ACCESS, SECRET, token)
    theirs = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    S3SigV4Auth(credentials, "s3", endpoint.region).add_auth(theirs)
    now = calendar.timegm(time.strptime(theirs.headers["X-Amz-Date"], SIGV4_TIMESTAMP))
    assert sorted(sign(ours, url, headers, endpoint, credentials, now)) == sorted(theirs.headers.items())
