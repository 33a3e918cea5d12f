"""Bits that flip on the way to a reader: found when all of an object is read, and never stored again."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 13 * MIB + 1


@pytest.fixture
def fs(s3: SeaweedServer, proxy: FaultProxy) -> S3AMFileSystem:
    return S3AMFileSystem(
        key=s3.access_key,
        secret=s3.secret_key,
        endpoint_url=proxy.endpoint_url,
        multipart_threshold="5MiB",
        skip_instance_cache=True,
    )


@pytest.fixture
def data(boto: Any, bucket: str) -> bytes:
    """Stored with its CRC64NVME, as S3 does with every object."""
    made = content(SIZE, 1)
    boto.put_object(Bucket=bucket, Key="k", Body=made, ChecksumAlgorithm="CRC64NVME")
    return made


@pytest.fixture
def mount(cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Iterator[Mount]:
    env = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    made = Mount(cli, f"s3://{bucket}", tmp_path / "mnt", "--part-size", "5M", env=env)
    yield made
    made.close()


def test_cat_reads_it_again(fs: S3AMFileSystem, bucket: str, data: bytes, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("GetRange", faults.flip("response"), nth=3))
    assert fs.cat_file(f"{bucket}/k") == data
    assert proxy.rules[0].fired == 1


def test_cat_gives_up_on_a_wire_that_always_damages(
    fs: S3AMFileSystem, bucket: str, data: bytes, proxy: FaultProxy
) -> None:
    proxy.rules.append(Rule("GetRange", faults.flip("response")))
    with pytest.raises(OSError, match="not those that are stored") as failed:
        fs.cat_file(f"{bucket}/k")
    assert failed.value.errno == errno.EIO


@pytest.mark.parametrize("piece", [SIZE, 1000 * 1000])
def test_an_open_file(fs: S3AMFileSystem, bucket: str, data: bytes, proxy: FaultProxy, piece: int) -> None:
    with fs.open(f"{bucket}/k", "rb") as file:
        assert b"".join(iter(lambda: file.read(piece), b"")) == data
    proxy.rules.append(Rule("GetRange", faults.flip("response"), nth=2))
    with pytest.raises(OSError, match="not those that are stored"), fs.open(f"{bucket}/k", "rb") as file:
        while file.read(piece):
            pass


def test_a_mount(mount: Mount, data: bytes, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("GetRange", faults.flip("response"), nth=2))
    with pytest.raises(OSError, match="Input/output error") as failed:
        (mount / "k").read_bytes()
    assert proxy.rules[0].fired == 1
    assert failed.value.errno == errno.EIO
    assert (mount / "k").read_bytes() == data


def test_what_is_read_to_be_stored_again(mount: Mount, boto: Any, bucket: str, data: bytes, proxy: FaultProxy) -> None:
    """A changed byte: its part is read, changed and sent. S3 tells no checksum of what is read for it."""
    proxy.rules.append(Rule("GetRange", faults.flip("response"), nth=1))
    with open(mount / "k", "r+b", buffering=0) as file:
        file.seek(7 * MIB)
        file.write(b"changed")
    wanted = data[: 7 * MIB] + b"changed" + data[7 * MIB + 7 :]
    assert proxy.rules[0].fired == 1
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == wanted


def test_verify_goes_on_after_a_broken_connection(cli: Cli, bucket: str, data: bytes, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(("Get", "GetRange"), faults.reset("response_body"), nth=2))
    env = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    assert cli.ok("verify", f"s3://{bucket}/k", env=env).stdout == hashlib.md5(data).hexdigest() + "\n"
    assert proxy.rules[0].fired == 1
    sent = sum(asked.response_length for asked in proxy.of("Get", "GetRange"))
    assert sent < SIZE + 5 * MIB  # what had arrived was not fetched again


def test_verify_says_when_the_bytes_are_not_those_stored(cli: Cli, bucket: str, data: bytes, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("GetRange", faults.flip("response"), nth=2))
    assert cli("verify", f"s3://{bucket}/k", env={"AWS_ENDPOINT_URL": proxy.endpoint_url}).rc == 16
