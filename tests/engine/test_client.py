"""`S3Client`: control calls. What each needs is asked for once."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.engine.connect import S3Client
from s3amfs.errors import NotFound
from tests.support.proxy import FaultProxy


def test_a_bucket_is_looked_for_once(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    """A 404 of HeadObject does not say whether the key or the bucket is missing."""
    boto.put_object(Bucket=bucket, Key="there", Body=b"1")
    assert [through.find(bucket, key) for key in ("a", "b", "c")] == [None, None, None]
    assert proxy.count("HeadBucket") == 1
    found = through.find(bucket, "there")
    assert found is not None
    assert found.size == 1


def test_a_missing_bucket_is_not_an_absent_object(through: S3Client, bucket: str) -> None:
    for _ in range(2):
        with pytest.raises(NotFound, match="bucket"):
            through.find(f"{bucket}-missing", "k")
