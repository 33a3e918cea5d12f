"""What failures of parts mean that S3 was to copy by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.errors import SourceChanged, TransferError, Unsupported
from s3amfs.transfers.copied_parts import check_lengths, raise_of_copy
from s3amfs.wire.messages import Reply
from tests.support.scripted import refusal
from tests.support.upload_site import UploadSite

REFUSED = Failure(Kind.FATAL, "Bad Request (HTTP 400)", status=400)
SOURCE, WHAT = "s3://b/source", "copy of s3://b/source"


@pytest.mark.parametrize("kind", [Kind.CONDITION, Kind.MISSING])
def test_the_source_is_not_what_it_was(kind: Kind) -> None:
    with pytest.raises(SourceChanged, match="s3://b/source"):
        raise_of_copy(Failure(kind, "no"), SOURCE, WHAT, has_copied=True)


def test_a_server_that_copies_no_parts() -> None:
    with pytest.raises(Unsupported, match="Bad Request"):
        raise_of_copy(REFUSED, SOURCE, WHAT, has_copied=False)


def test_where_others_were_copied_they_stay() -> None:
    with pytest.raises(TransferError, match="--resume"):
        raise_of_copy(REFUSED, SOURCE, WHAT, has_copied=True)


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.SERVER, Kind.NETWORK])
def test_the_rest_means_what_it_says(kind: Kind) -> None:
    raise_of_copy(Failure(kind, "no"), SOURCE, WHAT, has_copied=False)


def test_a_bucket_that_is_missing_is_no_change_of_the_source() -> None:
    raise_of_copy(Failure(Kind.MISSING, "no", code="NoSuchBucket"), SOURCE, WHAT, has_copied=False)


@pytest.mark.parametrize(
    ("lengths", "right"), [({1: 10}, True), ({1: 10, 2: 10}, True), ({1: 11}, False), ({3: 10}, False), ({}, True)]
)
def test_parts_have_the_lengths_of_the_ranges_that_were_asked_for(
    tmp_path: Path, lengths: dict[int, int], right: bool
) -> None:
    site = UploadSite(tmp_path)
    upload = site.multipart(journal=False).begin(10).upload
    for number in (1, 2):
        site.send(upload, number)
    if right:
        check_lengths(site.job(), WHAT, upload, lengths)
    else:
        with pytest.raises(Unsupported, match="copied other ranges"):
            check_lengths(site.job(), WHAT, upload, lengths)
    assert site.can.copies_ranges is (True if right else None)


@pytest.mark.parametrize("answer", [refusal(501, "NotImplemented"), refusal(403, "AccessDenied")])
def test_where_parts_cannot_be_listed_their_lengths_stay_open(tmp_path: Path, answer: Reply) -> None:
    site = UploadSite(tmp_path)
    upload = site.multipart(journal=False).begin(10).upload
    site.service.refused["GET uploadId"] = answer
    check_lengths(site.job(), WHAT, upload, {1: 10})
    assert site.can.copies_ranges is None
