"""`SpooledFile`: a changed object becomes what base and changes make, or stays what it was."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core import unpublished
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.engine.spool import Spool
from s3amfs.errors import InTheClear, SourceChanged, TransferError, Unsupported
from s3amfs.objects import spooled_file
from s3amfs.objects.spooled_file import FETCH_BYTES, SpooledFile
from s3amfs.transfers.options import ObjectInfo, UploadOptions
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import StoredInfo
from tests.support.clients import PART, Events
from tests.support.faults import Rule, error
from tests.support.files import content
from tests.support.kept_parts import KeepingServer, KeptParts, keeping
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, reply, scripted

__all__ = ["keeping"]

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


# -- without a server: what is here, and what is on record -----------------------------------------------------------


@contextlib.contextmanager
def alone(base: ObjectInfo | None, size: int, valid: int) -> Iterator[SpooledFile]:
    """Of a client that is asked for nothing."""

    def nothing(asked: Asked) -> Reply:
        raise AssertionError(asked.path)

    spool = Spool(None)
    try:
        yield SpooledFile(scripted(nothing)[0], S3Location("box", "folder/name.txt"), base, spool, size, valid)
    finally:
        spool.discard()


def record(state: Path) -> unpublished.Unpublished:
    (path,) = (state / "changes").iterdir()
    return unpublished.parse(path.read_bytes())


INFO = ObjectInfo(20, "etag")


def test_a_new_content_asks_for_nothing() -> None:
    with alone(None, 0, 0) as file:
        assert file.read(0, 10) == b""
        file.write(b"abc", 5)
        assert file.size == 8
        file.write(b"x", 0)
        assert file.size == 8, "a write inside makes it no smaller"
        assert file.read(0, 100) == b"x\0\0\0\0abc"
        assert (file.read(5, 2), file.read(7, 1), file.read(8, 1)) == (b"ab", b"c", b"")
        file.resize(6)
        assert (file.size, file.valid, file.read(0, 100)) == (6, 0, b"x\0\0\0\0a")
        file.fetch(0, 100)
        assert file.kept is None


def test_only_what_is_left_of_the_base_and_not_here_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    data = content(3 * FETCH_BYTES, 3)

    def read(pinned: Any, start: int, end: int) -> bytes:
        assert pinned.info.etag == INFO.etag
        asked.append((start, end))
        return data[start:end]

    monkeypatch.setattr(spooled_file, "read_to_keep", read)
    with alone(INFO, 20, 20) as file:
        assert file.kept is INFO
        file.write(b"new", 8)
        assert file.read(5, 10) == data[5:8] + b"new" + data[11:15]
        assert asked == [(5, 8), (11, 15)]
        assert file.read(6, 8) == data[6:8] + b"new" + data[11:14]
        assert len(asked) == 2, "it is here now"
        assert list(file.spool.dirty) == [(8, 11)], "what was fetched is no change"
        file.resize(16)
        file.resize(19)
        assert (file.size, file.valid) == (19, 16)
        assert file.read(14, 100) == data[14:16] + bytes(3)
        assert asked[2:] == [(15, 16)]
    asked.clear()
    with alone(INFO, len(data), len(data)) as file:
        assert file.read(1, 2 * FETCH_BYTES) == data[1 : 2 * FETCH_BYTES + 1]
        assert asked == [(1, FETCH_BYTES + 1), (FETCH_BYTES + 1, 2 * FETCH_BYTES + 1)]
    assert FETCH_BYTES == 8 * 1024 * 1024, "by two requests, and held once"


def test_what_differs_is_on_record(state: Path) -> None:
    with alone(INFO, 20, 20) as file:
        file.write(b"early", 1)
        file.keep_record({"a": "b"})
        file.keep_record({"not": "twice"})
        found = record(state)
        head = found.header
        assert (head.url, head.base_etag, head.size, head.base_valid) == ("s3://box/folder/name.txt", "etag", 20, 20)
        assert (head.metadata, head.endpoint) == ({"a": "b"}, file.client.session.endpoint_id("box"))
        assert "name.txt" in head.data and os.path.exists(head.data)
        assert list(found.dirty) == [(1, 6)]
        lines = len(next((state / "changes").iterdir()).read_bytes().splitlines())
        file.write(b"arl", 2)
        assert len(next((state / "changes").iterdir()).read_bytes().splitlines()) == lines, "known as changed"
        file.write(b"more", 18)
        file.write(b"x", 5)
        assert (list(record(state).dirty), record(state).size) == ([(1, 6), (18, 22)], 22)
        file.resize(4)
        assert (record(state).size, record(state).base_valid, list(record(state).dirty)) == (4, 4, [(1, 4)])
        file.rebase(ObjectInfo(4, "another"))
        assert record(state).base_etag == "another"
        file.rebase(None)
        assert (record(state).base_etag, file.kept) == ("another", None)
        file.forget_record()
        assert list((state / "changes").iterdir()) == []
        assert not os.path.exists(head.data)
        file.forget_record()
        file.write(b"x", 0)
        file.resize(2)
        file.rebase(INFO)


@pytest.mark.parametrize(("base", "valid", "etag"), [(INFO, 0, ""), (None, 0, ""), (INFO, 1, "etag")])
def test_a_base_of_which_nothing_is_left_is_not_on_record(
    state: Path, base: ObjectInfo | None, valid: int, etag: str
) -> None:
    with alone(base, 5, valid) as file:
        file.keep_record({})
        assert record(state).base_etag == etag
        file.forget_record()


def test_a_record_that_can_not_be_made_leaves_no_file(state: Path) -> None:
    state.parent.mkdir(exist_ok=True)
    state.write_text("no folder")
    with alone(None, 0, 0) as file:
        with pytest.raises(OSError):
            file.keep_record({})
        assert file.spool.name is None
        file.write(b"x", 0)


def test_what_is_published_is_the_base_and_no_change(state: Path) -> None:
    with alone(None, 0, 0) as file:
        file.write(b"hello", 0)
        file.keep_record({})
        file.published_as(INFO)
        assert list((state / "changes").iterdir()) == []
        assert (file.kept, file.valid, list(file.spool.dirty), file.read(0, 9)) == (INFO, 5, [], b"hello")


def test_a_close_keeps_what_is_on_record(state: Path) -> None:
    with alone(None, 0, 0) as file:
        file.write(b"hello", 0)
        file.keep_record({})
        name = file.spool.name
        file.close()
        file.close()
        assert name is not None and Path(name).read_bytes() == b"hello"
        assert list(record(state).dirty) == [(0, 5)]


# -- how it is published; parts are kept in the process ---------------------------------------------------------------


class Changed:
    """An object BASE that was changed. etag: of what stands there now. patches: the plans that were carried out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.etag = "etag"
        self.reads: list[tuple[int, int]] = []
        self.patches: list[tuple[str, Any, UploadOptions]] = []
        self.trouble: Exception | None = None
        self.client, self.engine = scripted(lambda asked: reply(etag=f'"{self.etag}"', content_length=str(len(BASE))))
        monkeypatch.setattr(spooled_file, "read_to_keep", self._read)
        monkeypatch.setattr(
            spooled_file, "patch", lambda base, path, plan, options, **_: self._patch("patch", plan, options)
        )
        monkeypatch.setattr(
            spooled_file, "store_sparse", lambda _, at, path, plan, options, **__: self._patch("new", plan, options)
        )

    def _read(self, pinned: Any, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return BASE[start:end]

    def _patch(self, kind: str, plan: Any, options: UploadOptions) -> StoredInfo:
        self.patches.append((kind, plan, options))
        if self.trouble is not None:
            raise self.trouble
        return StoredInfo(kind)

    @contextlib.contextmanager
    def open(self, size: int = len(BASE), valid: int | None = None) -> Iterator[SpooledFile]:
        """valid: bytes of the base that still count; -1: there is no base."""
        spool = Spool(None)
        valid = size if valid is None else valid
        base = ObjectInfo(len(BASE), "etag") if valid >= 0 else None
        try:
            yield SpooledFile(self.client, S3Location("box", "k"), base, spool, size, max(valid, 0))
        finally:
            spool.discard()


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Changed:
    return Changed(monkeypatch)


@pytest.mark.parametrize("valid", [-1, 0], ids=["no base", "nothing left of it"])
def test_a_new_content_is_written_as_a_whole(changed: Changed, keeping: KeepingServer, valid: int) -> None:
    with changed.open(0, valid) as file:
        file.write(b"hello", 3)
        file.size = 9
        assert file.publish(OPTIONS).etag == "of one"
    assert keeping.objects == [b"\0\0\0hello\0"]
    assert (changed.reads, changed.patches, changed.engine.asked) == ([], [], [])


def test_a_new_content_with_large_holes_is_stored_with_holes(changed: Changed, keeping: KeepingServer) -> None:
    with changed.open(0, -1) as file:
        file.write(b"end", 200 * PART)
        assert file.publish(OPTIONS).etag == "new"
    ((_, plan, options),) = changed.patches
    assert (plan.size, options) == (200 * PART + 3, OPTIONS)
    assert "zeros" in {part.kind for part in plan.parts}
    assert keeping.objects == keeping.uploads == []


@pytest.mark.parametrize("part_size", [PART, None])
def test_what_did_not_change_is_copied_of_this_very_base(
    changed: Changed, keeping: KeepingServer, part_size: int | None
) -> None:
    with changed.open() as file:
        file.write(b"changed", 2 * PART + 5)
        assert file.publish(replace(OPTIONS, part_size=part_size)).etag == "patch"
        assert all(file.spool.present.covers(start, end) for start, end in changed.patches[0][1].fills)
    ((_, plan, options),) = changed.patches
    assert [part.kind for part in plan.parts] == ["copy", "upload"]
    assert options.expected == ObjectInfo(1, "etag").expected
    assert changed.reads, "what is around the change is read"
    assert keeping.objects == keeping.uploads == []


def test_where_nothing_stayed_as_it_was_nothing_is_patched(changed: Changed, keeping: KeepingServer) -> None:
    new = content(3 * PART, 5)
    with changed.open() as file:
        file.write(new, 0)
        assert file.publish(OPTIONS).etag == "of parts"
    assert (changed.patches, changed.reads) == ([], [])
    assert b"".join(keeping.upload.stored.values()) == new


@pytest.mark.parametrize("etag", ["etag", "another"])
def test_where_no_part_can_be_copied_all_of_it_is_written_if_the_base_is_still_there(
    changed: Changed, keeping: KeepingServer, events: Events, etag: str
) -> None:
    changed.trouble, changed.etag = Unsupported("no copies"), etag
    with changed.open() as file:
        file.write(b"changed", 2 * PART + 5)
        with contextlib.nullcontext() if etag == "etag" else pytest.raises(SourceChanged, match="changed here"):
            assert file.publish(OPTIONS, on_event=events).etag == "of parts"
    assert len(events.warnings) == 1
    assert "can't copy parts (no copies)" in events.warnings[0]
    if etag == "etag":
        assert b"".join(keeping.upload.stored.values()) == BASE[: 2 * PART + 5] + b"changed" + BASE[2 * PART + 12 :]
        assert keeping.upload.job.options.unfinished == "continue"
        assert keeping.upload.expected == ObjectInfo(1, "etag").expected
        assert len(changed.reads) == len(set(changed.reads))
        assert max(end - start for start, end in changed.reads) <= FETCH_BYTES
    else:
        assert keeping.uploads == keeping.objects == []


def test_what_would_be_stored_in_the_clear_is_not_written_otherwise(changed: Changed, keeping: KeepingServer) -> None:
    changed.trouble = InTheClear("in the clear")
    with changed.open() as file:
        file.write(b"changed", 2 * PART + 5)
        with pytest.raises(InTheClear):
            file.publish(OPTIONS)
    assert keeping.uploads == keeping.objects == []


def test_a_small_object_is_written_as_a_whole_if_the_base_is_still_there(
    changed: Changed, keeping: KeepingServer
) -> None:
    with changed.open(2000) as file:
        file.write(b"changed", 10)
        file.publish(OPTIONS)
        assert keeping.objects == [BASE[:10] + b"changed" + BASE[17:2000]]
        assert changed.patches == []
        changed.etag = "another"
        with pytest.raises(SourceChanged, match="changed here"):
            file.publish(OPTIONS)
    assert len(keeping.objects) == 1


def test_what_was_sent_stays_where_the_writing_fails(
    changed: Changed, keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Any:
        raise TransferError("no")

    monkeypatch.setattr(KeptParts, "complete", fails)
    with changed.open(0, -1) as file:
        file.write(bytes(2 * PART), 0)
        with pytest.raises(TransferError):
            file.publish(OPTIONS)
    assert "abort" not in keeping.upload.steps
    assert keeping.upload.steps.count("leave") == 2
