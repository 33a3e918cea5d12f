"""Open files: reading at any place, writing in order, commit and discard."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from s3amfs import S3AMFileSystem

MIB = 1024 * 1024


def test_reads_like_a_file(fs: S3AMFileSystem, bucket: str) -> None:
    data = os.urandom(12 * MIB)
    fs.pipe(f"{bucket}/k", data)
    how = random.Random(1)
    with fs.open(f"{bucket}/k", "rb") as file:
        assert file.read(10) == data[:10]
        assert file.read() == data[10:]
        for _ in range(50):
            at, length = how.randrange(len(data)), how.randrange(1, MIB)
            file.seek(at)
            assert file.read(length) == data[at : at + length]
        file.seek(0)
        while chunk := file.read(300_000):
            at = file.tell()
            assert chunk == data[at - len(chunk) : at]


def test_a_reader_stays_on_one_version(fs: S3AMFileSystem, bucket: str) -> None:
    fs.pipe(f"{bucket}/k", b"a" * 40 * MIB)
    with fs.open(f"{bucket}/k", "rb") as file:
        assert file.read(1) == b"a"
        fs.pipe(f"{bucket}/k", b"b" * 40 * MIB)
        file.seek(39 * MIB)
        with pytest.raises(OSError, match="changed"):
            file.read(10)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 12 * MIB + 1])
def test_writes(fs: S3AMFileSystem, boto: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    with fs.open(f"{bucket}/k", "wb") as file:
        for at in range(0, size, 100_000):
            file.write(data[at : at + 100_000])
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == data
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_text_and_compression(fs: S3AMFileSystem, bucket: str) -> None:
    with fs.open(f"{bucket}/t.gz", "wt", compression="gzip") as file:
        file.write("zeile ü\n" * 1000)
    with fs.open(f"{bucket}/t.gz", "rt", compression="gzip") as file:
        assert file.read() == "zeile ü\n" * 1000


def test_append(fs: S3AMFileSystem, bucket: str) -> None:
    fs.pipe(f"{bucket}/k", b"a" * 6 * MIB)
    with fs.open(f"{bucket}/k", "ab") as file:
        file.write(b"b" * MIB)
    assert fs.cat(f"{bucket}/k") == b"a" * 6 * MIB + b"b" * MIB


def test_transactions(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    with fs.transaction, fs.open(f"{bucket}/k", "wb") as file:
        file.write(b"x" * 11 * MIB)
    assert fs.info(f"{bucket}/k")["size"] == 11 * MIB
    with pytest.raises(RuntimeError), fs.transaction:
        with fs.open(f"{bucket}/no", "wb") as file:
            file.write(b"x" * 11 * MIB)
        raise RuntimeError("not to be")
    assert not fs.exists(f"{bucket}/no")
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_transaction_publishes_all_of_a_file_that_was_not_closed(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    with fs.transaction:
        file = fs.open(f"{bucket}/k", "wb")
        file.write(b"all of it")
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"all of it"


def test_a_transaction_publishes_no_text_that_was_not_closed(fs: S3AMFileSystem, bucket: str) -> None:
    with pytest.raises(ValueError, match="was not closed"), fs.transaction:
        file = fs.open(f"{bucket}/k", "wt")
        file.write("text that is still in a buffer")
    assert not fs.exists(f"{bucket}/k")
