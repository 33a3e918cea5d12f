"""A patch replaces the very object it was made for, or nothing; what did not change is copied inside S3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.parts import DEFAULT_PART, Part
from s3amfs.core.patch import PatchPart, PatchPlan, Ranges, plan_patch
from s3amfs.engine.connect import S3Client
from s3amfs.engine.targets import MultipartTarget
from s3amfs.errors import S3AMError, SourceChanged, TransferError, Unsupported
from s3amfs.objects import patch as module
from s3amfs.objects.patch import patch, store_sparse
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import ObjectInfo, UploadOptions
from s3amfs.transfers.send_parts import Content, Copied, Installed
from s3amfs.transfers.speed import Speed
from s3amfs.wire.s3.api import StoredInfo
from tests.support.clients import PART
from tests.support.faults import Recorded, Rule, delay, error
from tests.support.files import content
from tests.support.proxy import FaultProxy
from tests.support.scripted import refusal, reply, scripted

pytestmark = pytest.mark.usefixtures("state")
BASE = content(4 * PART, 6)
AT = 4 * PART - 100
NEW = BASE[:AT] + b"changed" + BASE[AT + 7 :]


class Change:
    """Seven bytes near the end of an object of 20 MiB, ready to be patched."""

    def __init__(self, client: S3Client, boto: Any, bucket: str, folder: Path) -> None:
        self.boto, self.bucket = boto, bucket
        boto.put_object(Bucket=bucket, Key="k", Body=BASE)
        self.pinned = Pinned(client, S3Location(bucket, "k"), client.head(bucket, "k"))
        self.plan = plan_patch(
            Ranges([(AT, AT + 7)]), base_size=len(BASE), base_valid=len(BASE), size=len(BASE), part_size=PART
        )
        self.spool = folder / "spool"
        self.spool.write_bytes(bytes(len(BASE)))
        with self.spool.open("r+b") as file:
            for start, end in self.plan.fills:
                file.seek(start)
                file.write(BASE[start:end])
            file.seek(AT)
            file.write(b"changed")

    def make(self) -> None:
        patch(self.pinned, str(self.spool), self.plan, UploadOptions(exists="overwrite", upload_slots=1))

    @property
    def stored(self) -> bytes:
        return bytes(self.boto.get_object(Bucket=self.bucket, Key="k")["Body"].read())

    @property
    def unfinished(self) -> list[str]:
        return [entry["Key"] for entry in self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]


@pytest.fixture
def change(through: S3Client, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Change:
    change = Change(through, boto, bucket, tmp_path)
    proxy.clear()
    return change


def test_one_part_is_sent_and_the_others_are_copied_from_this_version(change: Change, proxy: FaultProxy) -> None:
    change.make()
    assert change.stored == NEW
    assert proxy.count("UploadPart", status=200) == 1
    copies = proxy.of("CopyPart")
    assert len(copies) == len(change.plan.parts) - 1
    etag = change.pinned.info.etag.strip('"')
    assert {request.headers["x-amz-copy-source-if-match"].strip('"') for request in copies} == {etag}


def test_a_base_that_was_overwritten_stays(change: Change) -> None:
    change.boto.put_object(Bucket=change.bucket, Key="k", Body=b"by somebody else" * PART)
    with pytest.raises(SourceChanged):
        change.make()
    assert change.stored == b"by somebody else" * PART
    assert change.unfinished == []


def test_a_base_that_is_overwritten_after_the_last_copy_stays(change: Change, proxy: FaultProxy) -> None:
    """Every part has been moved from the right base; the look before the commit finds the other object."""

    def overwrites(request: Recorded) -> bool:
        change.boto.put_object(Bucket=change.bucket, Key="k", Body=b"x")
        return request.kind == "UploadPart"

    proxy.rules.append(Rule(lambda request: request.kind == "UploadPart" and overwrites(request), delay(0.0)))
    with pytest.raises(SourceChanged):
        change.make()
    assert proxy.count("CopyPart", status=200) == len(change.plan.parts) - 1
    assert change.stored == b"x"
    assert change.unfinished == []


def test_a_server_that_copies_no_parts_is_said_to_be_one(change: Change, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("CopyPart", error(501, "NotImplemented")))
    with pytest.raises(Unsupported):
        change.make()
    assert change.stored == BASE
    assert change.unfinished == []


def test_what_was_sent_is_removed_after_a_failure(change: Change, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("Complete", error(403, "AccessDenied")))
    with pytest.raises(S3AMError):
        change.make()
    assert change.stored == BASE
    assert change.unfinished == []


# -- without a server: which part comes from where --------------------------------------------------------------------

PLAN = PatchPlan(
    25, False, (PatchPart(1, 0, 10, "copy"), PatchPart(2, 10, 10, "upload"), PatchPart(3, 20, 5, "zeros")), ()
)


class Loop:
    """Stands in for the loop for parts: where each part comes from, and what was asked of it. fails: it ends so."""

    fails: Exception | None = None

    def __init__(self, job: Job, content: Content) -> None:
        self.job, self.content = job, content
        self.steps: list[str] = []
        self.origins: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.steps.append(" ".join([name, *map(str, given)]))

    def install(self, parts: Sequence[Part], size: int) -> Installed:
        if self.fails is not None:
            raise self.fails
        target = SimpleNamespace(copy=lambda part, source: (part.number, source.key, source.if_match))
        work = self.content.movement.move(cast(MultipartTarget, target))
        self.origins = [work(part, 1) for part in parts]
        self.steps.append(f"install {size}")
        return Installed(StoredInfo("new"), "", "")


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Loop]:
    made: list[Loop] = []

    def make(job: Job, content: Content) -> Loop:
        made.append(Loop(job, content))
        return made[-1]

    (tmp_path / "spool").write_bytes(bytes(25))
    monkeypatch.setattr(module, "SendParts", make)
    monkeypatch.setattr(
        module, "copy_zeros", lambda loop, job, parts: loop.steps.append(f"zeros {[part.number for part in parts]}")
    )
    monkeypatch.setattr(module, "send", lambda target, source, part: (part.number, "sent"))
    return made


def test_a_patch_copies_of_its_base_and_sends_the_rest(loops: list[Loop], tmp_path: Path) -> None:
    client, _ = scripted(lambda asked: reply(etag='"another"', content_length="25"))
    base = Pinned(client, S3Location("box", "k"), ObjectInfo(25, "e", checksums={"crc32c": "x"}))
    stored = patch(base, str(tmp_path / "spool"), PLAN, UploadOptions(upload_slots=3, bwlimit=9))
    (loop,) = loops
    assert stored.etag == "new"
    assert loop.origins == [(1, "k", "e"), (2, "sent"), (3, "sent")]
    assert loop.steps == ["find", f"begin {DEFAULT_PART}", "zeros [3]", "install 25", "leave"]
    assert loop.job.options.expected == base.info.expected
    assert loop.content.copied == Copied("s3://box/k", 25, {"crc32c": "x"})
    assert loop.content.movement.speed == Speed(3, 9, "copy", "box")
    with pytest.raises(SourceChanged, match="changed here"):
        loop.content.check(None)


def test_a_new_object_with_holes_copies_nothing(loops: list[Loop], tmp_path: Path) -> None:
    client, engine = scripted(lambda asked: refusal(404))
    store_sparse(client, S3Location("box", "k"), str(tmp_path / "spool"), PLAN, UploadOptions())
    (loop,) = loops
    assert loop.origins == [(1, "sent"), (2, "sent"), (3, "sent")]
    assert (loop.content.copied, loop.content.movement.speed.direction) == (None, "up")
    loop.content.check(None)
    assert engine.asked == []


def test_what_a_patch_has_sent_is_removed_after_any_failure(
    loops: list[Loop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loop, "fails", TransferError("lost"))
    client, _ = scripted(lambda asked: refusal(404))
    with pytest.raises(TransferError, match="lost"):
        store_sparse(client, S3Location("box", "k"), str(tmp_path / "spool"), PLAN, UploadOptions())
    assert loops[0].steps[-2:] == ["abort", "leave"]
