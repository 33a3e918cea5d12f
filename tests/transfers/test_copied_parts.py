"""What failures of parts mean that S3 was to copy by itself."""

from __future__ import annotations

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.errors import SourceChanged, TransferError, Unsupported
from s3amfs.transfers.copied_parts import raise_of_copy

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
