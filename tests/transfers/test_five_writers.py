"""The five writers of multipart uploads before servers that answer oddly: all publish, or all refuse alike."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location, Stdin
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine.client import S3Client
from s3amfs.engine.spool import Spool
from s3amfs.errors import ObjectExists, SourceChanged, UploadGone
from s3amfs.objects.appender import Appender
from s3amfs.objects.ranges import Pinned
from s3amfs.objects.spooled_file import SpooledFile
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.copy import copy
from s3amfs.verbs.upload import upload
from tests.support.clients import PART, Events
from tests.support.faults import Fault, Recorded, Rule, error, lose_answer
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")
BASE = os.urandom(PART * 5 // 2)
MORE = os.urandom(PART * 3 // 2)


@dataclass
class Site:
    """Where a writer works: `k` is what it writes, and is there already, with the content `before`."""

    client: S3Client
    boto: Any
    bucket: str
    folder: Path
    events: Events
    before: bytes
    options: UploadOptions = OPTIONS

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
    upload(LocalPath(str(site.folder / "f")), site.at("k"), site.client, site.options, on_event=site.events)
    return MORE


def stream(site: Site) -> bytes:
    upload(Stdin(), site.at("k"), site.client, site.options, stdin=io.BytesIO(MORE), on_event=site.events)
    return MORE


def copied(site: Site) -> bytes:
    site.boto.put_object(Bucket=site.bucket, Key="base", Body=BASE)
    copy(site.at("base"), site.at("k"), site.client, site.options, on_event=site.events)
    return BASE


def append(site: Site) -> bytes:
    writer = Appender(site.pinned, site.options, on_event=site.events)
    writer.write(MORE)
    writer.close()
    return BASE + MORE


def patch(site: Site) -> bytes:
    spool = Spool(str(site.folder))
    pinned = site.pinned
    spooled = SpooledFile(site.client, pinned.location, pinned.info, spool, len(BASE), len(BASE))
    try:
        spooled.write(b"changed", 10)
        spooled.publish(site.options, on_event=site.events)
    finally:
        spool.close()
    return BASE[:10] + b"changed" + BASE[17:]


Writer = Callable[[Site], bytes]
WRITERS: dict[str, Writer] = {"put": put, "stream": stream, "copy": copied, "append": append, "patch": patch}
COPYING = (copied, append, patch)
"""Those of which S3 copies parts by itself; of the others it gets all bytes, so no answer to a copy reaches them."""
CHANGING = (append, patch)
"""Those that change an object which is there, and so never expect that none is."""


@pytest.fixture
def site(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path, events: Events, writer: Writer
) -> Site:
    before = BASE if writer in CHANGING else b"before"
    boto.put_object(Bucket=bucket, Key="k", Body=before)
    through.policy = RetryPolicy(base=0.02)  # as many tries as ever, with shorter waits between them
    return Site(through, boto, bucket, tmp_path, events, before)


def with_trailer(request: Recorded) -> bool:
    return "x-amz-trailer" in request.headers


def check_published(site: Site, expected: bytes) -> None:
    assert site.content() == expected
    assert site.boto.list_multipart_uploads(Bucket=site.bucket).get("Uploads", []) == []


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (400, "MalformedTrailerError"), (403, "SignatureDoesNotMatch")]
)
def test_servers_without_trailers(site: Site, proxy: FaultProxy, writer: Writer, status: int, code: str) -> None:
    proxy.rules.append(Rule(with_trailer, error(status, code)))
    check_published(site, writer(site))


def is_part(request: Recorded) -> bool:
    return request.kind in ("UploadPart", "CopyPart")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(("status", "code"), [(400, ""), (403, "SignatureDoesNotMatch"), (405, ""), (500, "")])
def test_one_odd_answer(site: Site, proxy: FaultProxy, writer: Writer, status: int, code: str) -> None:
    """It is that request's failure: nothing is concluded, and every part that is stored was checked."""
    proxy.rules.append(Rule(is_part, error(status, code), nth=1))
    check_published(site, writer(site))
    can = site.client.session.capabilities(site.bucket)
    assert can.trailers is not False
    assert can.copied_checksums is not False
    assert all("x-amz-trailer" in part.headers for part in proxy.of("UploadPart"))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("code", ["InvalidArgument", "InvalidRequest"])
def test_copied_parts_where_a_checksum_is_declared(site: Site, proxy: FaultProxy, writer: Writer, code: str) -> None:
    """As MinIO does it: begun again without, after which S3 copies; who copies no part notices nothing of it."""
    declared: set[str] = set()

    def is_refused(request: Recorded) -> bool:
        if request.kind == "Create" and "x-amz-checksum-algorithm" in request.headers:
            declared.add(request.path)
        elif request.kind == "Create":
            declared.clear()
        return request.kind == "CopyPart" and bool(declared)

    proxy.rules.append(Rule(is_refused, error(400, code)))
    check_published(site, writer(site))
    can = site.client.session.capabilities(site.bucket)
    copies = writer in COPYING
    assert (can.copied_checksums is False) is copies
    assert bool(proxy.count("CopyPart", status=200)) is copies
    assert (proxy.count("Create") > 1) is copies


@pytest.mark.parametrize("writer", [append, patch])
@pytest.mark.parametrize(
    "answer", [error(501, "NotImplemented"), error(400, "InvalidRequest"), error(405, "MethodNotAllowed")]
)
def test_servers_that_copy_no_parts(site: Site, proxy: FaultProxy, writer: Writer, answer: Fault) -> None:
    """What S3 does not copy is sent."""
    proxy.rules.append(Rule("CopyPart", answer))
    check_published(site, writer(site))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("kind", ["Create", "Complete"])
def test_a_500_before_and_after_the_parts(site: Site, proxy: FaultProxy, writer: Writer, kind: str) -> None:
    proxy.rules.append(Rule(kind, error(500, "InternalError"), nth=1))
    check_published(site, writer(site))
    assert proxy.count(kind) == 2


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_complete_whose_answer_is_lost(site: Site, proxy: FaultProxy, writer: Writer) -> None:
    proxy.rules.append(Rule("Complete", lose_answer(), nth=1))
    check_published(site, writer(site))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_an_upload_that_is_no_more(site: Site, proxy: FaultProxy, writer: Writer) -> None:
    """Parts answered with 500, while the server knows nothing of their upload any more: not waited for."""
    proxy.rules.append(Rule(is_part, error(500, "InternalError")))
    proxy.rules.append(Rule("ListParts", error(404, "NoSuchUpload")))
    began = time.monotonic()
    with pytest.raises(UploadGone):
        writer(site)
    assert time.monotonic() - began < 60  # the budget is 300 s
    assert site.content() == site.before


def intrude(site: Site, proxy: FaultProxy) -> None:
    """Somebody else stores `k` while the parts are under way."""

    def replaces(request: Recorded) -> bool:
        if request.kind == "Create":
            site.boto.put_object(Bucket=site.bucket, Key="k", Body=b"theirs")
        return False

    proxy.rules.append(Rule(replaces, error(500, "InternalError")))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_another_writer(site: Site, proxy: FaultProxy, writer: Writer) -> None:
    """A change of the object that was seen is refused where another one is there now; theirs stays."""
    seen = site.client.head(site.bucket, "k").expected
    site.options = replace(OPTIONS, expected=None if writer in CHANGING else seen)
    intrude(site, proxy)
    with pytest.raises(SourceChanged):
        writer(site)
    assert site.content() == b"theirs"


@pytest.mark.parametrize("writer", [writer for writer in WRITERS.values() if writer not in CHANGING])
def test_another_writer_where_no_object_was(site: Site, proxy: FaultProxy, writer: Writer) -> None:
    """A new object is refused where one has come meanwhile; theirs stays."""
    site.boto.delete_object(Bucket=site.bucket, Key="k")
    site.options = replace(OPTIONS, exists="refuse")
    intrude(site, proxy)
    with pytest.raises(ObjectExists):
        writer(site)
    assert site.content() == b"theirs"
