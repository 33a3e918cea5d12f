"""Ranges of an S3 object: of one version, and failures that name it."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import S3Location
from s3amfs.core.parts import Part
from s3amfs.engine.part_problem import PartProblem
from s3amfs.errors import SourceChanged
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.s3_source import S3Source, look_at_source
from s3amfs.wire.failures import to_error
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.model import ObjectInfo
from tests.support.scripted import reply, scripted

INFO = ObjectInfo(size=100, etag="abc")


def source() -> S3Source:
    return S3Source(cast("Any", None), S3Location("bkt", "k"), INFO, UploadOptions())


def test_a_range_of_another_version_is_refused() -> None:
    judge = source().accept(Part(1, 0, 10))
    judge(Reply(206, {"etag": '"abc"', "content-range": "bytes 0-9/100"}))
    with pytest.raises(PartProblem) as caught:
        judge(Reply(206, {"etag": '"other"', "content-range": "bytes 0-9/100"}))
    assert caught.value.failure.kind is Kind.CHANGED


@pytest.mark.parametrize(("etag", "changed"), [("", False), ("abc", False), ("other", True)])
def test_the_object_that_was_compared_before(etag: str, changed: bool) -> None:
    client, _ = scripted(lambda asked: reply(etag='"abc"', content_length="3"))
    options = UploadOptions(source_etag=etag)
    with pytest.raises(SourceChanged) if changed else nullcontext():
        assert look_at_source(client, S3Location("bkt", "k"), options).etag == "abc"


def test_a_failure_names_the_object_and_its_credentials_are_ours() -> None:
    explained = source().explain(Failure(Kind.EXPIRED, "ExpiredToken (HTTP 400)", 400, "ExpiredToken"))
    assert explained.retryable, "other credentials may be found"
    said = str(to_error(explained, "upload to s3://other/k"))
    assert "source s3://bkt/k" in said
    assert "fresh URL" not in said


@pytest.mark.parametrize("fresh", [True, False])
def test_it_is_ready_while_its_credentials_are_fresh(fresh: bool) -> None:
    client = SimpleNamespace(session=SimpleNamespace(credentials_fresh=lambda: fresh))
    assert S3Source(cast("Any", client), S3Location("bkt", "k"), INFO, UploadOptions()).is_ready is fresh
