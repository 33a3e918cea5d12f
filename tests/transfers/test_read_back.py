"""The content of what is stored, as a checksum; or the word that it can't be had."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.checksums import Crc, crc
from s3amfs.core.locations import S3Location
from s3amfs.core.parts import Part, Plan
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.connect import S3Client
from s3amfs.errors import BadCredentials
from s3amfs.transfers import read_back
from s3amfs.transfers.read_back import content_crc
from s3amfs.transfers.speed import Speed
from s3amfs.wire.messages import Reply
from tests.support import faults
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.proxy import FaultProxy
from tests.support.scripted import refusal, reply, scripted


def test_it_is_the_checksum_of_all_of_it(
    through: S3Client, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_back, "READ_BYTES", 100_000)
    for data in (b"", b"a" * 1000, b"xyz" * 50_000):
        etag = boto.put_object(Bucket=bucket, Key="k", Body=data)["ETag"].strip('"')
        whole = Crc("crc64nvme")
        whole.update(data)
        assert content_crc(through, S3Location(bucket, "k"), etag, None, "crc64nvme") == whole.value


def test_another_object_is_not_read(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    assert content_crc(through, S3Location(bucket, "k"), "0" * 32, None, "crc64nvme") is None
    assert content_crc(through, S3Location(bucket, "absent"), "0" * 32, None, "crc64nvme") is None
    assert proxy.count("GetRange") == 0


def test_what_may_not_be_read_is_not_judged(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str) -> None:
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"mine")["ETag"].strip('"')
    proxy.rules.append(Rule(("Head", "GetRange", "Get"), faults.error(403, "AccessDenied")))
    assert content_crc(through, S3Location(bucket, "k"), etag, None, "crc64nvme") is None


# -- without a server ------------------------------------------------------------------------------------------------

DATA = content(2500, 4)
KEY = CustomerKey(bytes(32))


class Ranges:
    """What is read of DATA, and how: parts arrive last first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts: list[Part] = []
        self.speed: Speed | None = None
        monkeypatch.setattr(read_back, "READ_BYTES", 1000)
        monkeypatch.setattr(read_back, "make_transfer", self._make)
        monkeypatch.setattr(read_back, "move_all", self._move)

    def _make(self, client: object, move: object, url: str, speed: Speed, report: object, **more: Any) -> object:
        self.speed, self._on_part = speed, more["on_part"]
        return None

    def _move(self, transfer: object, plan: Plan) -> None:
        self.parts = list(plan)
        for part in reversed(self.parts):
            piece = DATA[part.offset : part.end]
            self._on_part(PartResult(part.number, part.length, crc=crc("crc32c", piece)))


@pytest.mark.parametrize(
    ("answer", "size", "lengths"),
    [
        (reply(etag='"e"', content_length="2500"), 2500, [1000, 1000, 500]),
        (reply(etag='"e"', content_length="999"), 999, [999]),
        (reply(etag='"e"', content_length="1"), 1, [1]),
        (reply(etag='"e"', content_length="0"), 0, []),
        (reply(etag='"f"', content_length="2500"), None, []),
        (refusal(404), None, []),
        (refusal(403, "AccessDenied"), None, []),
    ],
)
def test_what_is_read_of_which_object(
    monkeypatch: pytest.MonkeyPatch, answer: Reply, size: int | None, lengths: list[int]
) -> None:
    ranges = Ranges(monkeypatch)
    client, engine = scripted(lambda asked: answer)
    found = content_crc(client, S3Location("box", "k"), "e", KEY, "crc32c")
    assert found == (crc("crc32c", DATA[:size]) if size is not None else None)
    assert [part.length for part in ranges.parts] == lengths
    if lengths:
        assert ranges.speed == Speed(slots=2, bucket="box")
    assert any(name.endswith("customer-key") for name in engine.asked[0].headers)


def test_credentials_that_are_wrong_are_an_error() -> None:
    client, _ = scripted(lambda asked: refusal(403, "InvalidAccessKeyId"))
    with pytest.raises(BadCredentials):
        content_crc(client, S3Location("box", "k"), "e", None, "crc32c")
