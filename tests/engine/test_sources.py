"""What a reply says of its source is compared with the first look; a file that changes is noticed before its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3amfs.core.failures import Kind
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.parts import Part
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.sources import FileSource, range_judge
from s3amfs.engine.upload_body import PartChecks, UploadBody
from s3amfs.wire.messages import Reply

JANUARY = "Mon, 05 Jan 2026 10:00:00 GMT"
LATER = "Tue, 06 Jan 2026 10:00:00 GMT"
AT = 1767607200.0
RANGE = {"content-range": "bytes 0-9/100"}


def judged(identity: SourceIdentity, reply: Reply) -> Kind | None:
    try:
        range_judge(Part(1, 0, 10), identity)(reply)
    except PartProblem as problem:
        return problem.failure.kind
    return None


@pytest.mark.parametrize(
    ("etag", "time", "headers", "kind"),
    [
        ('"a"', None, {"etag": '"a"'}, None),
        ('"a"', None, {"etag": '"b"'}, Kind.CHANGED),
        ('W/"a"', None, {"etag": 'W/"b"'}, Kind.CHANGED),
        ('"a"', AT, {"etag": '"a"', "last-modified": LATER}, None),
        (None, AT, {"last-modified": JANUARY}, None),
        (None, AT, {"last-modified": LATER}, Kind.CHANGED),
        ('"a"', AT, {"last-modified": LATER}, Kind.CHANGED),
        (None, AT, {}, None),
        (None, None, {"last-modified": LATER}, None),
    ],
)
def test_a_range_is_of_the_state_first_seen(
    etag: str | None, time: float | None, headers: dict[str, str], kind: Kind | None
) -> None:
    identity = SourceIdentity(url="http://h/f", size=100, etag=etag, last_modified=time)
    assert judged(identity, Reply(206, {**headers, **RANGE})) is kind


@pytest.mark.parametrize(("filetime", "kind"), [(int(AT), None), (int(AT) + 1, Kind.CHANGED), (-1, None)])
def test_over_ftp_the_time_of_each_range_is_that_of_the_first(filetime: int, kind: Kind | None) -> None:
    identity = SourceIdentity(url="ftp://h/f", size=100, last_modified=AT)
    assert judged(identity, Reply(150, filetime=filetime, is_http=False)) is kind


def test_a_range_of_a_whole_of_another_size_is_of_another_state() -> None:
    identity = SourceIdentity(url="http://h/f", size=101)
    assert judged(identity, Reply(206, RANGE)) is Kind.CHANGED


def test_a_file_that_grows_is_noticed_before_its_last_byte_leaves(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100)
    source = FileSource(path)
    body = UploadBody(source.reader(Part(1, 0, 100)), 1, 100, PartChecks(trailer=None))
    assert body.read(60) == b"x" * 60
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(PartProblem) as caught:
        body.read(60)
    assert caught.value.failure.kind is Kind.CHANGED
    source.close()


def test_a_time_that_was_set_back_does_not_hide_a_change(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"AAAA")
    source = FileSource(path, by_ctime=True)
    before = os.stat(path)
    path.write_bytes(b"BBBB")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(PartProblem):
        source.check()
    source.close()


def read_all(source: FileSource, part: Part, size: int) -> bytes:
    reader, found = source.reader(part), bytearray()
    while len(found) < part.length:
        data = reader.read(min(size, part.length - len(found)))
        assert data
        found += data
    return bytes(found)


@pytest.mark.parametrize("size", [1000, 4096, 65536, 1 << 20])
def test_holes_are_found_and_not_read(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for at in (0, 1 << 20, (3 << 20) + 5, (7 << 20) - 100):
            file.seek(at)
            file.write(b"data" * 1000)
        file.truncate(10 << 20)
    os.utime(path, (1e9, 1e9))
    source = FileSource(path)
    if not source.is_sparse:
        pytest.skip("this file system has no holes")
    asked: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, at: asked.append(count) or pread(fd, count, at))
    whole = path.read_bytes()
    for part in (
        Part(1, 0, 10 << 20),
        Part(2, (1 << 20) + 1, 3 << 20),
        Part(3, (7 << 20) - 5000, 4901),
        Part(4, 9 << 20, 1),
    ):
        assert read_all(source, part, size) == whole[part.offset : part.end]
    assert sum(asked) < 1 << 20
    source.close()


def test_a_file_that_was_just_written_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 20)
    source = FileSource(path)
    assert not source.is_sparse
    assert read_all(source, Part(1, 0, 1 << 20), 65536) == bytes(1 << 20)
    source.close()
