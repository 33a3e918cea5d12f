"""`SpooledFile`: a changed object becomes what base and changes make, or stays what it was."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.engine.spool import Spool
from s3amfs.errors import SourceChanged
from s3amfs.objects.spooled_file import SpooledFile
from s3amfs.transfers.options import UploadOptions
from tests.support.clients import PART
from tests.support.faults import Rule, error
from tests.support.files import content
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
BASE = content(3 * PART, 9)
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")
Opens = Callable[[bytes], SpooledFile]


@pytest.fixture
def opens(through: S3Client, boto: Any, bucket: str, tmp_path: Path) -> Iterator[Opens]:
    spools: list[Spool] = []

    def make(base: bytes) -> SpooledFile:
        boto.put_object(Bucket=bucket, Key="k", Body=base)
        spools.append(Spool(str(tmp_path)))
        location = S3Location(bucket, "k")
        return SpooledFile(through, location, through.head(bucket, "k"), spools[-1], len(base), len(base))

    yield make
    for spool in spools:
        spool.close()


def stored(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_changes_of_a_small_object(opens: Opens, boto: Any, bucket: str, seed: int) -> None:
    draw = random.Random(seed)
    expected = bytearray(BASE[:2000])
    file = opens(bytes(expected))
    for _ in range(20):
        if draw.random() < 0.3:
            size = draw.randrange(1, 3000)
            file.resize(size)
            expected = expected[:size] + bytes(max(0, size - len(expected)))
        else:
            at, data = draw.randrange(3000), draw.randbytes(draw.randrange(1, 300))
            file.write(data, at)
            expected += bytes(max(0, at + len(data) - len(expected)))
            expected[at : at + len(data)] = data
        at = draw.randrange(3000)
        assert file.read(at, 500) == bytes(expected[at : at + 500])
    file.publish(OPTIONS)
    assert stored(boto, bucket) == bytes(expected)


def test_a_large_object_is_patched(opens: Opens, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    file = opens(BASE)
    file.write(b"changed", 2 * PART + 5)
    file.publish(OPTIONS)
    assert stored(boto, bucket) == BASE[: 2 * PART + 5] + b"changed" + BASE[2 * PART + 12 :]
    assert proxy.count("CopyPart", status=200) >= 1


def test_a_server_that_copies_no_parts_gets_all_of_it(opens: Opens, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("CopyPart", error(501, "NotImplemented")))
    file = opens(BASE)
    file.write(b"changed", 0)
    file.publish(OPTIONS)
    assert stored(boto, bucket) == b"changed" + BASE[7:]


@pytest.mark.parametrize("base", [b"small", BASE], ids=["small", "large"])
def test_a_base_that_was_replaced_stays(opens: Opens, boto: Any, bucket: str, base: bytes) -> None:
    file = opens(base)
    file.write(b"x" * 3, 0)
    boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
    with pytest.raises(SourceChanged):
        file.publish(OPTIONS)
    assert stored(boto, bucket) == b"by somebody else"


def test_a_new_content_needs_no_base(opens: Opens, boto: Any, bucket: str) -> None:
    file = opens(b"old")
    file.resize(0)
    file.write(b"new", 2)
    assert file.kept is None
    file.publish(OPTIONS)
    assert stored(boto, bucket) == b"\0\0new"
