"""The five writers of multipart uploads before servers that answer oddly: all publish, or all refuse alike."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location, Stdin
from s3amfs.engine.client import S3Client
from s3amfs.engine.spool import Spool
from s3amfs.objects.appender import Appender
from s3amfs.objects.ranges import Pinned
from s3amfs.objects.spooled_file import SpooledFile
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.copy import copy
from s3amfs.verbs.upload import upload
from tests.support.clients import PART, Events
from tests.support.faults import Recorded, Rule, error
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")
BASE = os.urandom(PART * 5 // 2)
MORE = os.urandom(PART * 3 // 2)


@dataclass
class Site:
    """Where a writer works: `k` is what it writes, `base` what it copies from; both are there already."""

    client: S3Client
    boto: Any
    bucket: str
    folder: Path
    events: Events

    def at(self, key: str) -> S3Location:
        return S3Location(self.bucket, key)

    def content(self) -> bytes:
        found: bytes = self.boto.get_object(Bucket=self.bucket, Key="k")["Body"].read()
        return found

    @property
    def pinned(self) -> Pinned:
        return Pinned(self.client, self.at("k"), self.client.head(self.bucket, "k"))


def put(site: Site) -> bytes:
    (site.folder / "f").write_bytes(MORE)
    upload(LocalPath(str(site.folder / "f")), site.at("k"), site.client, OPTIONS, on_event=site.events)
    return MORE


def stream(site: Site) -> bytes:
    upload(Stdin(), site.at("k"), site.client, OPTIONS, stdin=io.BytesIO(MORE), on_event=site.events)
    return MORE


def copied(site: Site) -> bytes:
    copy(site.at("base"), site.at("k"), site.client, OPTIONS, on_event=site.events)
    return BASE


def append(site: Site) -> bytes:
    writer = Appender(site.pinned, OPTIONS, on_event=site.events)
    writer.write(MORE)
    writer.close()
    return BASE + MORE


def patch(site: Site) -> bytes:
    spool = Spool(str(site.folder))
    pinned = site.pinned
    spooled = SpooledFile(site.client, pinned.location, pinned.info, spool, len(BASE), len(BASE))
    try:
        spooled.write(b"changed", 10)
        spooled.publish(OPTIONS, on_event=site.events)
    finally:
        spool.close()
    return BASE[:10] + b"changed" + BASE[17:]


Writer = Callable[[Site], bytes]
WRITERS: dict[str, Writer] = {"put": put, "stream": stream, "copy": copied, "append": append, "patch": patch}


@pytest.fixture
def site(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path, events: Events) -> Site:
    boto.put_object(Bucket=bucket, Key="k", Body=BASE)
    boto.put_object(Bucket=bucket, Key="base", Body=BASE)
    return Site(through, boto, bucket, tmp_path, events)


def with_trailer(request: Recorded) -> bool:
    return "x-amz-trailer" in request.headers


def check_published(site: Site, expected: bytes) -> None:
    assert site.content() == expected
    assert site.boto.list_multipart_uploads(Bucket=site.bucket).get("Uploads", []) == []


@pytest.mark.parametrize("writer", [put, stream, copied, patch])
@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (400, "MalformedTrailerError"), (403, "SignatureDoesNotMatch")]
)
def test_servers_without_trailers(site: Site, proxy: FaultProxy, writer: Writer, status: int, code: str) -> None:
    proxy.rules.append(Rule(with_trailer, error(status, code)))
    check_published(site, writer(site))
