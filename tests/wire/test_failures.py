"""What a reply means, as tables: status, code and curl's number -> kind; and what the user is told."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs import errors
from s3amfs.core.failures import Failure, Kind
from s3amfs.wire.failures import MESSAGE_LENGTH, classify, clean, find_failure, naming_encryption, to_error
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api


def reply(status: int, code: str = "", message: str = "", more: str = "", **headers: str) -> Reply:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode() if code else b""
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


TABLE: list[tuple[Reply, Kind]] = [
    (reply(503, "SlowDown"), Kind.THROTTLE),
    (reply(503), Kind.SERVER),
    (reply(429), Kind.THROTTLE),
    (reply(400, "ThrottlingException"), Kind.THROTTLE),
    (reply(400, "SomeThrottlingThing"), Kind.THROTTLE),
    (reply(500, "InternalError"), Kind.SERVER),
    (reply(502), Kind.SERVER),
    (reply(520), Kind.SERVER),
    (reply(400, "RequestTimeout"), Kind.SERVER),
    (reply(409, "OperationAborted"), Kind.SERVER),
    (reply(400, "ExpiredToken"), Kind.EXPIRED),
    (reply(403, "RequestTimeTooSkewed"), Kind.SKEW),
    (reply(301, "PermanentRedirect"), Kind.REDIRECT),
    (reply(307), Kind.REDIRECT),
    (reply(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"), Kind.REDIRECT),
    (reply(400, "AuthorizationHeaderMalformed"), Kind.DENIED),
    (reply(400, x_amz_bucket_region="eu-west-1"), Kind.REDIRECT),
    (reply(400, "BadDigest"), Kind.CORRUPT),
    (reply(400, "XAmzContentChecksumMismatch"), Kind.CORRUPT),
    (reply(404, "NoSuchKey"), Kind.MISSING),
    (reply(404), Kind.MISSING),
    (reply(405, "MethodNotAllowed", x_amz_delete_marker="true"), Kind.MISSING),
    (reply(404, "NoSuchUpload"), Kind.GONE),
    (reply(412, "PreconditionFailed"), Kind.CONDITION),
    (reply(501, "NotImplemented"), Kind.UNSUPPORTED),
    (reply(403, "AccessDenied"), Kind.DENIED),
    (reply(403, "SignatureDoesNotMatch"), Kind.DENIED),
    (reply(400, "InvalidRequest", "Server Side Encryption must be made over a secure connection."), Kind.FATAL),
    (reply(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption."), Kind.KEY),
    (reply(400, "InvalidRequest", "Bad request: Object is encrypted"), Kind.KEY),
    (reply(400, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash"), Kind.KEY),
    (reply(400, "InvalidRequest", "Bad request: Invalid encryption key, could not decrypt"), Kind.KEY),
    (reply(403, "AccessDenied", "not authorized to perform kms:Decrypt on this encryption key, SSE-KMS"), Kind.DENIED),
    (reply(400, "InvalidArgument"), Kind.FATAL),
    (reply(400), Kind.FATAL),
    (reply(507), Kind.FATAL),
    (Reply(0, curl_code=7, curl_error="refused"), Kind.NETWORK),
    (Reply(0, curl_code=6, curl_error="no such host"), Kind.NETWORK),
    (Reply(0, curl_code=28, curl_error="timed out"), Kind.TIMEOUT),
    (Reply(0, curl_code=36, curl_error="Offset (10) was beyond file size (8)"), Kind.CHANGED),
    (Reply(0, curl_code=0), Kind.NETWORK),
    (Reply(200, curl_code=18, curl_error="partial"), Kind.NETWORK),
    (Reply(0, curl_code=60, curl_error="certificate"), Kind.FATAL),
    (Reply(0, curl_code=35, curl_error="wrong version number"), Kind.FATAL),
    (Reply(0, curl_code=23, curl_error="write"), Kind.LOCAL),
    (Reply(550, curl_code=78, is_http=False), Kind.MISSING),
    (Reply(530, curl_code=67, is_http=False), Kind.DENIED),
    (Reply(421, curl_code=8, is_http=False), Kind.THROTTLE),
    (Reply(426, curl_code=18, is_http=False), Kind.NETWORK),
    (Reply(226, curl_code=19, curl_error="RETR response: 421", is_http=False), Kind.THROTTLE),
    (Reply(226, curl_code=19, curl_error="RETR response: 451", is_http=False), Kind.SERVER),
    (Reply(226, curl_code=19, curl_error="RETR response: 553", is_http=False), Kind.MISSING),
    (Reply(0, curl_code=60, is_http=False, url="sftp://host/x"), Kind.FATAL),
]


@pytest.mark.parametrize(("answer", "kind"), TABLE, ids=lambda value: str(getattr(value, "status", value)))
def test_what_it_means(answer: Reply, kind: Kind) -> None:
    failure = classify(answer)
    assert failure.kind is kind
    assert "\n" not in failure.message
    assert str(to_error(failure, "upload of s3://b/k"))


def test_a_refused_file_has_the_status_of_the_refusal_not_that_of_the_abort_that_follows() -> None:
    """libcurl sends ABOR then, whose reply is the last one."""
    assert classify(Reply(226, curl_code=19, curl_error="RETR response: 554", is_http=False)).status == 554


def test_an_early_refusal_says_more_than_the_reset_that_follows() -> None:
    answer = reply(403, "AccessDenied")
    answer.curl_code, answer.curl_error = 55, "send failure: broken pipe"
    assert classify(answer).kind is Kind.DENIED


@pytest.mark.parametrize("status", [412, 416])
def test_a_source_that_changed(status: int) -> None:
    assert classify(reply(status), role="source").kind is Kind.CHANGED
    assert classify(reply(status)).kind is (Kind.CONDITION if status == 412 else Kind.FATAL)


@pytest.mark.parametrize(
    "body",
    [
        b"<Error><Code>InternalError</Code></Error>",
        b'<?xml version="1.0"?>\n\n  <Error xmlns="x"><Code>SlowDown</Code></Error>',
        b" \n" * 100 + b"<Error><Code>InternalError</Code></Error>",
    ],
)
def test_an_error_inside_a_success(body: bytes) -> None:
    failure = find_failure(Reply(200, {}, body))
    assert failure is not None
    assert failure.retryable


@pytest.mark.parametrize("body", [b"", b"<CompleteMultipartUploadResult/>", b"text about <Errors>"])
def test_a_success_is_none(body: bytes) -> None:
    assert find_failure(Reply(200, {}, body)) is None


def test_retry_after() -> None:
    assert classify(reply(503, retry_after="7")).retry_after == 7
    dated = reply(503, retry_after="Wed, 21 Oct 2015 07:28:30 GMT", date="Wed, 21 Oct 2015 07:28:00 GMT")
    assert classify(dated).retry_after == 30
    for nonsense in ("-1", "soon", "1e9", "9" * 30):
        assert classify(reply(503, retry_after=nonsense)).retry_after is None


def test_what_a_skewed_clock_and_a_redirect_teach() -> None:
    more = "<ServerTime>2026-01-31T12:00:00Z</ServerTime>"
    assert classify(reply(403, "RequestTimeTooSkewed", more=more)).server_time == 1769860800.0
    assert classify(reply(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")).region == "eu-west-3"


@pytest.mark.parametrize(
    ("code", "status", "error", "exit_code"),
    [
        ("NoSuchBucket", 404, errors.NotFound, 17),
        ("AccessDenied", 403, errors.AccessDenied, 14),
        ("PreconditionFailed", 412, errors.ObjectExists, 3),
        ("InvalidBucketName", 400, errors.InvalidS3Url, 7),
        ("InvalidEncryptionAlgorithmError", 400, errors.EncryptionKeyError, 10),
        ("BadDigest", 400, errors.ChecksumMismatch, 16),
        ("SlowDown", 503, errors.TransferError, 1),
    ],
)
def test_errors_and_exit_codes(code: str, status: int, error: type[errors.S3AMError], exit_code: int) -> None:
    raised = to_error(classify(reply(status, code)), "s3://b/k")
    assert type(raised) is error
    assert raised.exit_code == exit_code
    assert code in str(raised)


def test_messages_hold_no_secret_and_no_novel() -> None:
    said = "see https://user:pass@host/path?X-Amz-Signature=abc#frag and\n\x1b[31m" + "x" * 1000
    line = clean(said)
    assert len(line) <= MESSAGE_LENGTH
    for part in ("pass", "Signature", "frag", "\n", "\x1b"):
        assert part not in line
    assert "https://host/path" in line


@given(st.integers(0, 999), st.binary(max_size=100), st.integers(0, 100), st.booleans())
def test_every_answer_means_something(status: int, body: bytes, code: int, is_http: bool) -> None:
    failure = classify(Reply(status, {"retry-after": "x"}, b"<Error>" + body, curl_code=code, is_http=is_http))
    assert isinstance(failure, Failure)
    assert failure.message


# -- successes ---------------------------------------------------------------------------------------------------------


def test_an_object_and_a_range_of_one() -> None:
    headers = {
        "content-length": "10",
        "etag": '"abc"',
        "x-amz-meta-a": "1",
        "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
        "x-amz-version-id": "null",
        "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT",
    }
    whole = s3api.parse_object(Reply(200, headers))
    assert (whole.size, whole.etag, whole.metadata, whole.version_id) == (10, "abc", {"a": "1"}, None)
    assert (whole.checksums, whole.last_modified) == ({"crc64nvme": "AAAAAAAAAAA="}, 1445412480.0)
    part = s3api.parse_object(Reply(206, {**headers, "content-range": "bytes 5-14/100"}))
    assert (part.size, part.first, part.length) == (100, 5, 10)
    for nonsense in ("bytes 5-4/100", "bytes 0-100/100", "bytes */100", "5-14/100"):
        with pytest.raises(errors.TransferError):
            s3api.parse_object(Reply(206, {**headers, "content-range": nonsense}))
    with pytest.raises(errors.TransferError):
        s3api.parse_object(Reply(200, {}))


def test_listings_are_decoded_and_must_advance() -> None:
    body = b"""<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%b</IsTruncated>
        <Contents><Key>a+b%%2F%%C3%%BC</Key><Size>5</Size><ETag>"e"</ETag></Contents>%b</ListBucketResult>"""
    page = s3api.parse_objects(Reply(200, {}, body % (b"false", b"")))
    assert [(item.key, item.size, item.etag) for item in page.objects] == [("a b/ü", 5, "e")]
    assert page.next_token is None
    more = s3api.parse_objects(Reply(200, {}, body % (b"true", b"<NextContinuationToken>t</NextContinuationToken>")))
    assert more.next_token == "t"
    with pytest.raises(errors.TransferError, match="more follows"):
        s3api.parse_objects(Reply(200, {}, body % (b"true", b"")))


def test_parts_and_uploads() -> None:
    parts = s3api.parse_parts(
        Reply(
            200,
            {},
            b"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>7</NextPartNumberMarker><Part>"
            b"<PartNumber>7</PartNumber><Size>9</Size><ETag>e</ETag><ChecksumCRC64NVME>AA=</ChecksumCRC64NVME></Part>"
            b"</ListPartsResult>",
        )
    )
    assert parts.next_marker == 7
    assert parts.parts == (s3api.PartInfo(7, 9, "e", {"crc64nvme": "AA="}),)
    endless = b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>"
    with pytest.raises(errors.TransferError, match="more follows"):
        s3api.parse_uploads(Reply(200, {}, endless))


def test_a_store_without_etag_is_no_success() -> None:
    with pytest.raises(errors.TransferError, match="no ETag"):
        s3api.parse_stored(Reply(200, {}))


@pytest.mark.parametrize(
    ("body", "location"),
    [
        (b"<LocationConstraint/>", ""),
        (b"<LocationConstraint>EU</LocationConstraint>", "EU"),
        (b'<LocationConstraint xmlns="x">eu-west-3</LocationConstraint>', "eu-west-3"),
    ],
)
def test_locations(body: bytes, location: str) -> None:
    assert s3api.parse_location(Reply(200, {}, body)) == location


@pytest.mark.parametrize(
    ("header", "body", "bare"),
    [
        ('"abc"', b"", False),
        ('W/"abc"', b"", False),
        (" abc ", b"", True),
        ("", b"<A><ETag>abc-2</ETag></A>", True),
        ("", b'<A><ETag>"abc-2"</ETag></A>', False),
        ("", b"<A><ETag>\n  &quot;abc&quot;</ETag></A>", False),
        ("", b"<A><ETag>&#34;abc&#34;</ETag><ETag>&#x22;abc&#x22;</ETag></A>", False),
        ("", b"<A><ETag></ETag></A>", False),
        ("", b"<GetObjectAttributesResponse><ETag>abc</ETag></GetObjectAttributesResponse>", False),
        ("", b"", False),
    ],
)
def test_etags_without_quotes_are_noticed(header: str, body: bytes, bare: bool) -> None:
    assert s3api.has_bare_etag(Reply(200, {"etag": header} if header else {}, body=body)) == bare


def test_a_full_disk_says_that_resuming_goes_on() -> None:

    failure = Failure(Kind.LOCAL, "[Errno 28] No space left on device", errno=errno.ENOSPC)
    error = to_error(failure, "download of s3://bkt/k")
    assert "make room, then resume" in str(error)
    assert error.errno == errno.ENOSPC


def test_a_500_to_a_request_for_encryption_names_it() -> None:
    failure = classify(reply(500, "InternalError"))
    headers = (("Content-Type", "text/plain"), ("x-amz-server-side-encryption", "AES256"))
    named = naming_encryption(failure, headers)
    assert named is not None
    assert "AES256" in named.message
    assert "--sse" in named.message
    assert (named.kind, named.code) == (failure.kind, failure.code)
    assert naming_encryption(failure, headers[:1]) is failure
    assert naming_encryption(None, headers) is None
    throttled = classify(reply(503, "SlowDown"))
    assert naming_encryption(throttled, headers) is throttled


def test_errors_of_single_keys_are_no_failure_of_the_batch() -> None:
    """DeleteObjects answers 200 with an <Error> for each key that stays, also for the first one."""
    body = b"<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    assert find_failure(Reply(200, body=body)) is None
    whole = find_failure(Reply(200, body=b"<Error><Code>InternalError</Code></Error>"))
    assert whole is not None
