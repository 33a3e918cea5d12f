"""A file behind a server is changed in place while the last range of it is on its way: nothing becomes visible."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import S3Location, parse_source
from s3amfs.engine.connect import S3Client
from s3amfs.errors import SourceChanged
from s3amfs.transfers import source
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from s3amfs.verbs.verify import verify_against
from tests.support import faults
from tests.support.clients import PART, client, through
from tests.support.faults import Recorded, Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

__all__ = ["client", "through"]
MIB = 1024 * 1024


def test_the_last_range_was_under_way(
    through: S3Client, proxy: FaultProxy, bucket: str, boto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each range said the same ETag; only a look at the end sees another one."""
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    file = make_file(tmp_path / "f", 2 * PART, 1)
    asked: list[str] = []

    def change(request: Recorded) -> bool:
        asked.append(request.kind)
        if request.kind == "UploadPart" and asked.count("UploadPart") == 2:
            file.write_bytes(bytes(2 * PART))
        return False

    options = UploadOptions(part_size=PART, upload_slots=1, download_slots=1)
    with HttpServer() as web:
        source = parse_source(web.add("/f", file))
        proxy.rules.append(Rule(change, faults.delay(0.0)))
        with pytest.raises(SourceChanged):
            upload(source, S3Location(bucket, "k"), through, options)
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)


def test_a_stream_that_has_begun(
    through: S3Client, bucket: str, boto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without ranges: its one answer said the old ETag, and the file changes before its last byte."""
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    old, new = (make_file(tmp_path / name, 2 * PART, seed) for seed, name in enumerate(("old", "new")))
    with HttpServer() as web:
        source = parse_source(web.add("/f", old, ranges=False, change_after=2 * PART - 1, changed_to=new))
        with pytest.raises(SourceChanged):
            upload(source, S3Location(bucket, "k"), through, UploadOptions(part_size=PART, upload_slots=1))
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("etag", [None, ""])
@pytest.mark.parametrize("size", [PART, 11 * MIB])
def test_what_one_request_would_have_stored(
    through: S3Client,
    proxy: FaultProxy,
    bucket: str,
    boto: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    etag: str | None,
) -> None:
    """The one range was on its way when the content changed: the PUT waits for a look at the source."""
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    old, new = (make_file(tmp_path / name, size, seed) for seed, name in enumerate(("old", "new")))
    for seconds, file in ((3600, old), (1800, new)):
        os.utime(file, (time.time() - seconds,) * 2)
    with HttpServer() as web:
        source = parse_source(web.add("/f", old, etag=etag, change_after=size // 2, changed_to=new))
        with pytest.raises(SourceChanged):
            upload(source, S3Location(bucket, "k"), through, UploadOptions(part_size=16 * MIB))
        assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
        assert proxy.count("Put") == 0
        options = UploadOptions(part_size=16 * MIB, unfinished="restart")
        result = upload(source, S3Location(bucket, "k"), through, options)
    assert (result.parts, result.size) == (1, size)
    assert object_digest(boto, bucket, "k") == digest(new)


def test_a_file_that_changes_while_it_is_compared(
    client: S3Client, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file(tmp_path / "f", 100, 1)
    client.put(bucket, "k", path.read_bytes())
    hashed = source.hash_file_part

    def hashed_before_a_change(*given: Any) -> tuple[int, str]:
        found = hashed(*given)
        path.write_bytes(b"other")
        return found

    monkeypatch.setattr(source, "hash_file_part", hashed_before_a_change)
    with pytest.raises(SourceChanged):
        verify_against(S3Location(bucket, "k"), parse_source(str(path)), client)
