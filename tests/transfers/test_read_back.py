"""The content of what is stored, as a checksum; or the word that it can't be had."""

from __future__ import annotations

from typing import Any

from s3amfs.core.checksums import Crc
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.transfers.read_back import READ_BYTES, content_crc
from tests.support import faults
from tests.support.faults import Rule
from tests.support.proxy import FaultProxy


def test_it_is_the_checksum_of_all_of_it(through: S3Client, boto: Any, bucket: str) -> None:
    for data in (b"", b"a" * 1000, b"xyz" * (READ_BYTES // 2)):
        etag = boto.put_object(Bucket=bucket, Key="k", Body=data)["ETag"].strip('"')
        crc = Crc("crc64nvme")
        crc.update(data)
        assert content_crc(through, S3Location(bucket, "k"), etag, None, "crc64nvme") == crc.value


def test_another_object_is_not_read(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    assert content_crc(through, S3Location(bucket, "k"), "0" * 32, None, "crc64nvme") is None
    assert content_crc(through, S3Location(bucket, "absent"), "0" * 32, None, "crc64nvme") is None
    assert proxy.count("GetRange") == 0


def test_what_may_not_be_read_is_not_judged(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str) -> None:
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"mine")["ETag"].strip('"')
    proxy.rules.append(Rule(("Head", "GetRange", "Get"), faults.error(403, "AccessDenied")))
    assert content_crc(through, S3Location(bucket, "k"), etag, None, "crc64nvme") is None
