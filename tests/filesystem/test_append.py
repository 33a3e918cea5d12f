"""`ab`: what is there is copied inside S3, what is new is sent, what the object was stored with stays."""

from __future__ import annotations

import os
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from tests.support.faults import Rule, answer
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def content(boto: Any, bucket: str) -> bytes:
    found: bytes = boto.get_object(Bucket=bucket, Key="k")["Body"].read()
    return found


@pytest.mark.parametrize(("old", "new"), [(0, 3), (100, 100), (5 * MIB, 6 * MIB), (6 * MIB, 1), (6 * MIB, 11 * MIB)])
def test_appends(fs: S3AMFileSystem, boto: Any, bucket: str, old: int, new: int) -> None:
    first, second = os.urandom(old), os.urandom(new)
    boto.put_object(Bucket=bucket, Key="k", Body=first, ContentType="text/x-log", Metadata={"colour": "blue"})
    with fs.open(f"{bucket}/k", "ab") as file:
        assert file.tell() == old
        for at in range(0, new, MIB):
            file.write(second[at : at + MIB])
    assert content(boto, bucket) == first + second
    head = boto.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-log", {"colour": "blue"})
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_what_is_there_does_not_pass_through_here(
    watched: S3AMFileSystem, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=bytes(20 * MIB))
    with watched.open(f"{bucket}/k", "ab") as file:
        file.write(b"more")
    assert content(boto, bucket) == bytes(20 * MIB) + b"more"
    assert proxy.count("CopyPart") == 1
    assert sum(request.body_length for request in proxy.of("UploadPart", "Put")) < 1000


def test_servers_that_copy_no_parts(watched: S3AMFileSystem, proxy: FaultProxy, boto: Any, bucket: str) -> None:
    first = os.urandom(12 * MIB)
    boto.put_object(Bucket=bucket, Key="k", Body=first)
    proxy.rules.append(Rule("CopyPart", answer(501, b"<Error><Code>NotImplemented</Code></Error>"), times=100))
    with watched.open(f"{bucket}/k", "ab") as file:
        file.write(b"b" * 9 * MIB)
    assert content(boto, bucket) == first + b"b" * 9 * MIB
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_new_and_unchanged_objects(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    with fs.open(f"{bucket}/k", "ab") as file:
        file.write(b"new")
    before = boto.head_object(Bucket=bucket, Key="k")["LastModified"], content(boto, bucket)
    fs.open(f"{bucket}/k", "ab").close()
    assert (boto.head_object(Bucket=bucket, Key="k")["LastModified"], content(boto, bucket)) == (before[0], b"new")


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_what_somebody_else_wrote_meanwhile_stays(fs: S3AMFileSystem, boto: Any, bucket: str, size: int) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=bytes(size))
    file = fs.open(f"{bucket}/k", "ab")
    file.write(b"mine")
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    with pytest.raises(OSError, match="changed"):
        file.close()
    assert content(boto, bucket) == b"theirs"


def test_two_that_append_to_a_new_object_do_not_replace_each_other(fs: S3AMFileSystem, bucket: str) -> None:
    first, second = fs.open(f"{bucket}/new", "ab"), fs.open(f"{bucket}/new", "ab")
    first.write(b"first")
    second.write(b"second")
    first.close()
    with pytest.raises(FileExistsError):
        second.close()
    assert fs.cat(f"{bucket}/new") == b"first"
