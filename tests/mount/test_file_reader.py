"""What an open file reads when its object has gone."""

from __future__ import annotations

import errno

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.client import S3Client
from s3amfs.engine.limits import ByteBudget
from s3amfs.mount.context import Service
from s3amfs.mount.file_reader import FileReader
from s3amfs.mount.options import MountOptions
from s3amfs.mount.reader_pool import Readers
from s3amfs.objects.writer import WriterMemory
from tests.support.clients import client

__all__ = ["client"]


@pytest.fixture
def service(client: S3Client, bucket: str) -> Service:
    return Service(client, client, bucket, MountOptions(), WriterMemory(ByteBudget(2**20)), Readers(2**20))


def test_what_was_read_stays_and_the_rest_is_stale(service: Service) -> None:
    where = S3Location(service.bucket, "k")
    service.client.put(where.bucket, where.key, bytes(10))
    reader = FileReader(service)
    opened = reader.open(where, service.client.head(where.bucket, where.key))
    assert b"".join(reader.read(opened, 0, 10)) == bytes(10)
    service.client.delete(where.bucket, where.key)
    assert b"".join(reader.read(opened, 0, 10)) == bytes(10)
    assert reader.is_of(opened)
    reader.close()
    assert not reader.is_of(opened)


def test_what_was_not_read_is_stale(service: Service) -> None:
    where = S3Location(service.bucket, "k")
    service.client.put(where.bucket, where.key, bytes(10))
    reader = FileReader(service)
    opened = reader.open(where, service.client.head(where.bucket, where.key))
    service.client.delete(where.bucket, where.key)
    with pytest.raises(OSError, match="removed") as error:
        reader.read(opened, 0, 10)
    assert error.value.errno == errno.ESTALE
