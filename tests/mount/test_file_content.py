"""The content of an open file in its states."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from s3amfs.engine.client import S3Client
from s3amfs.engine.limits import ByteBudget
from s3amfs.errors import SourceChanged
from s3amfs.mount.context import Service
from s3amfs.mount.file_content import FileContent
from s3amfs.mount.open_file import OpenFile
from s3amfs.mount.options import MountOptions
from s3amfs.mount.reader_pool import Readers
from s3amfs.mount.states import Clean, GivenUp, Spooled, Streaming, Unlinked
from s3amfs.objects.writer import WriterMemory
from tests.support.clients import client, state

__all__ = ["client", "state"]


@pytest.fixture
def service(client: S3Client, bucket: str, state: Path) -> Service:
    return Service(client, client, bucket, MountOptions(), WriterMemory(ByteBudget(2**20)), Readers(2**20))


def read(file: OpenFile, size: int = 100) -> bytes:
    return b"".join(file.read(0, size))


def test_from_new_to_stored_to_changed(service: Service) -> None:
    file = OpenFile(service, "k", None, {})
    assert isinstance(file.state, Streaming)
    file.write(b"hello", 0, 1)
    assert file.publish()
    assert isinstance(file.state, Clean)
    assert not file.publish()
    file.write(b"J", 0, 1)
    assert isinstance(file.state, Spooled)
    assert read(file) == b"Jello"
    assert file.publish()
    assert service.client.get(service.bucket, "k")[1] == b"Jello"
    file.truncate_to_nothing()
    assert isinstance(file.state, Streaming)
    file.close()
    assert service.client.get(service.bucket, "k")[1] == b"Jello"


def test_a_copy_of_another_version_is_not_its_content(service: Service) -> None:
    service.client.put(service.bucket, "k", b"old")
    file = OpenFile(service, "k", service.client.head(service.bucket, "k"), {})
    seen = file.published
    assert seen is not None
    file.stored_again("another", "its copy")
    assert file.published is seen
    file.stored_again(seen.etag, "its copy")
    assert file.published.etag == "its copy"


def test_a_change_that_fails_changes_nothing(service: Service) -> None:
    service.client.put(service.bucket, "k", b"old")
    file = OpenFile(service, "k", service.client.head(service.bucket, "k"), {})

    def fail(spooled: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        FileContent._change(file, "write", fail)
    assert isinstance(file.state, Clean)
    assert not file.changed


def test_an_unlinked_file_goes_on_and_is_not_published(service: Service) -> None:
    service.client.put(service.bucket, "k", b"old")
    file = OpenFile(service, "k", service.client.head(service.bucket, "k"), {})
    assert read(file) == b"old"
    file.unlink()
    assert isinstance(file.state, Unlinked)
    file.write(b"OLDER", 0, 1)
    assert read(file) == b"OLDER"
    assert not file.publish()
    assert service.client.get(service.bucket, "k")[1] == b"old"
    file.close()


def test_a_killed_writer_publishes_nothing(service: Service) -> None:
    file = OpenFile(service, "k", None, {})
    file.write(b"half", 0, 1)
    file.give_up()
    assert isinstance(file.state, GivenUp)
    with pytest.raises(OSError, match="killed"):
        file.publish()
    assert service.client.find(service.bucket, "k") is None


@pytest.mark.parametrize("seen", [None, b"", b"old"])
@pytest.mark.parametrize("replaces", [False, True])
def test_only_o_trunc_replaces_what_was_not_seen(service: Service, seen: bytes | None, replaces: bool) -> None:
    """An append to a new or empty file, and a content that is written again after ftruncate, expect what was there."""
    if seen is not None:
        service.client.put(service.bucket, "k", seen)
    base = service.client.find(service.bucket, "k")
    file = OpenFile(service, "k", base, {}, replaces=replaces)
    file.resize(0)
    file.write(b"mine", 0, 1)
    service.client.put(service.bucket, "k", b"theirs")
    if replaces:
        file.publish()
    else:
        with pytest.raises(FileExistsError if seen is None else SourceChanged):
            file.publish()
    assert service.client.get(service.bucket, "k")[1] == (b"mine" if replaces else b"theirs")
    file.close()


def test_a_truncated_file_replaces_what_was_not_seen_once(service: Service) -> None:
    service.client.put(service.bucket, "k", b"old")
    file = OpenFile(service, "k", service.client.find(service.bucket, "k"), {})
    file.truncate_to_nothing()
    service.client.put(service.bucket, "k", b"theirs")
    file.write(b"mine", 0, 1)
    file.publish()
    file.resize(0)
    service.client.put(service.bucket, "k", b"theirs")
    with pytest.raises(SourceChanged):
        file.publish()
    file.close()
