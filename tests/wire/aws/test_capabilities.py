"""Which headers a request can do without, and when they are left out."""

from __future__ import annotations

import pytest

from s3amfs.core.capabilities import Evidence
from s3amfs.core.failures import Failure, Kind
from s3amfs.wire.aws.capabilities import (
    Capabilities,
    Feature,
    may_be_left_out,
    optional_features,
    without,
    without_what_is_missing,
)
from s3amfs.wire.messages import S3Request
from s3amfs.wire.s3 import api as s3api

UPLOAD = s3api.MultipartUpload("b", "k", "id", "crc64nvme")
HEAD = s3api.head_object("b", "k")
CREATE = s3api.create_multipart_upload("b", "k", checksum_algorithm="crc64nvme")
COMPLETE = s3api.complete_multipart_upload(UPLOAD, [], checksum=("crc64nvme", "AAAA"), size=5)
PUT = s3api.put_object("b", "k", s3api.Body(b"x", checksum=("crc64nvme", "AAAA")))
STREAMED = s3api.upload_part(UPLOAD, 1, s3api.Body(length=5, trailer="crc64nvme"))


@pytest.mark.parametrize(
    ("request_", "features"),
    [
        (HEAD, ("checksum_mode",)),
        (s3api.get_object("b", "k"), ("checksum_mode",)),
        (CREATE, ("crc64nvme",)),
        (COMPLETE, ("object_size", "whole_checksum")),
        (PUT, ("checksum_headers",)),
        (STREAMED, ()),
        (s3api.list_parts(UPLOAD), ()),
        (s3api.delete_object("b", "k"), ()),
    ],
)
def test_optional_features(request_: S3Request, features: tuple[Feature, ...]) -> None:
    assert optional_features(request_) == features
    for feature in features:
        assert feature not in optional_features(without(request_, feature))


def test_only_what_is_known_to_be_missing_is_left_out() -> None:
    assert without_what_is_missing(HEAD, Capabilities()) is HEAD
    assert without_what_is_missing(HEAD, Capabilities(checksum_mode=True)) is HEAD
    assert optional_features(without_what_is_missing(HEAD, Capabilities(checksum_mode=False))) == ()
    plain = without_what_is_missing(COMPLETE, Capabilities(object_size=False))
    assert optional_features(plain) == ("whole_checksum",)
    assert plain.body == COMPLETE.body


def test_a_checksum_of_a_body_is_never_left_out_by_itself() -> None:
    assert without_what_is_missing(PUT, Capabilities(whole_checksum=False, checksum_headers=False)) is PUT


def test_a_check_that_failed_is_not_left_out() -> None:
    differs = Failure(Kind.FATAL, "InvalidRequest: the size does not match", status=400, code="InvalidRequest")
    assert not may_be_left_out("object_size", differs)
    assert may_be_left_out("checksum_mode", differs)
    assert may_be_left_out("object_size", Failure(Kind.UNSUPPORTED, "NotImplemented", status=501))


def test_the_latest_evidence_counts() -> None:
    can = Capabilities()
    assert can.note("trailers", Evidence.WORKED)
    assert not can.note("trailers", Evidence.WORKED)
    assert can.note("trailers", Evidence.WORKED_WITHOUT)
    assert can.trailers is False
