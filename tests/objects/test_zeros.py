"""Holes: S3 copies them from a temporary object of zeros, which is removed; where it can't, zeros are sent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.events import Warned
from s3amfs.core.expected import NOTHING
from s3amfs.core.holes import Digests, digests_of_zeros
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.parts import DEFAULT_PART, Part
from s3amfs.engine.connect import S3Client
from s3amfs.engine.targets import MultipartTarget
from s3amfs.errors import AccessDenied, SourceChanged, TransferError, Unsupported
from s3amfs.objects import writer
from s3amfs.objects.zeros import copy_zeros
from s3amfs.transfers.job import stream_job
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.transfers.send_parts import Movement, SendParts
from s3amfs.transfers.speed import Speed
from s3amfs.verbs.upload import upload
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.model import CopySource, MultipartUpload
from tests.support.clients import PART, Events
from tests.support.faults import Rule, answer, error
from tests.support.kept_parts import KeepingServer, keeping
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted

__all__ = ["keeping"]

MIB = 1024 * 1024
pytestmark = pytest.mark.usefixtures("state")
SIZE = 14 * PART - 3
BEGINNING, END = b"a" * 100, b"z" * 7


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """Data in the first and the last part; 12 parts between them are holes."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(BEGINNING)
        file.seek(SIZE - len(END))
        file.write(END)
    os.utime(path, (1_700_000_000, 1_700_000_000))  # at rest: its holes are trusted
    return path


CONTENT = BEGINNING + bytes(SIZE - len(BEGINNING) - len(END)) + END


def send(client: S3Client, bucket: str, path: Path, **options: Any) -> list[str]:
    """Returns the warnings."""
    said: list[str] = []
    options = {"part_size": PART, "upload_slots": 2, **options}
    upload(
        LocalPath(str(path)),
        S3Location(bucket, "k"),
        client,
        UploadOptions(**options),
        on_event=lambda event: said.append(event.text()) if isinstance(event, Warned) else None,
    )
    return said


def stored(boto: Any, bucket: str) -> bytes:
    assert [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]  # nothing temporary
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


def test_holes_are_copied_and_not_sent(
    through: S3Client, boto: Any, bucket: str, sparse: Path, proxy: FaultProxy
) -> None:
    assert not send(through, bucket, sparse)
    assert stored(boto, bucket) == CONTENT
    assert (proxy.count("CopyPart"), proxy.count("UploadPart")) == (12, 2)
    assert sum(request.body_length for request in proxy.of("UploadPart", "Put")) < 3 * PART + 4096


def test_a_server_that_copies_no_parts_gets_zeros(
    through: S3Client, boto: Any, bucket: str, sparse: Path, proxy: FaultProxy
) -> None:
    proxy.rules.append(Rule("CopyPart", error(501, "NotImplemented"), times=100))
    (said,) = send(through, bucket, sparse)
    assert "holes are sent as zeros" in said
    assert stored(boto, bucket) == CONTENT
    assert proxy.count("UploadPart", status=200) == 14


def test_an_answer_that_proves_nothing_is_no_part(
    through: S3Client, boto: Any, bucket: str, sparse: Path, proxy: FaultProxy
) -> None:
    said = b'<CopyPartResult><ETag>"0123"</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></CopyPartResult>'
    proxy.rules.append(Rule("CopyPart", answer(200, said), times=100))
    (warning,) = send(through, bucket, sparse)
    assert "does not prove" in warning
    assert stored(boto, bucket) == CONTENT


def test_a_second_run_copies_only_what_is_missing(
    through: S3Client, boto: Any, bucket: str, sparse: Path, proxy: FaultProxy
) -> None:
    refused = Rule("UploadPart", error(403, "AccessDenied"), times=100)
    proxy.rules.append(refused)
    with pytest.raises(AccessDenied):
        send(through, bucket, sparse)
    copied = proxy.count("CopyPart", status=200)
    assert copied == 12
    proxy.rules.remove(refused)
    send(through, bucket, sparse, unfinished="resume")
    assert stored(boto, bucket) == CONTENT
    assert proxy.count("CopyPart", status=200) == copied


LOCKED = b"""<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>
<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"""


@pytest.mark.parametrize(("body", "copies"), [(LOCKED, 0), (b"<ListBucketResult></ListBucketResult>", 12)])
def test_nothing_temporary_is_stored_under_a_default_retention(
    through: S3Client, boto: Any, bucket: str, sparse: Path, proxy: FaultProxy, body: bytes, copies: int
) -> None:
    """A server that answers something else has none."""
    proxy.rules.append(Rule(lambda request: "object-lock" in request.query, answer(200, body)))
    said = send(through, bucket, sparse)
    assert stored(boto, bucket) == CONTENT
    assert proxy.count("CopyPart") == copies
    assert len(said) == (copies == 0)


# -- without a server: the object of zeros is kept in the process ------------------------------------------------------


class Sending:
    """Stands in for the loop for parts. moved: what it was to copy. trouble: the copy ends with that."""

    def __init__(self, algorithm: str | None = "crc64nvme", trouble: Exception | None = None) -> None:
        upload = MultipartUpload("box", "k", "id", algorithm)
        self.begun: Any = SimpleNamespace(upload=upload)
        self.moved: list[Part] = []
        self.trouble = trouble

    def move_all(self, parts: Sequence[Part], movement: Movement) -> None:
        self.moved, self.movement = list(parts), movement
        if self.trouble is not None:
            raise self.trouble


class Holes:
    """Parts of zeros of the object `k`. locked: new versions are. deletes: the answer to Delete."""

    def __init__(self, *, locked: bool = False, deletes: Reply | None = None) -> None:
        def answered(asked: Asked) -> Reply:
            if "object-lock" in asked.query:
                return reply(200, LOCKED.decode()) if locked else refusal(404)
            return deletes or reply(204)

        client, self.engine = scripted(answered)
        self.events = Events()
        options = UploadOptions(
            upload_slots=3, object=ObjectOptions(content_type="text/x", sse="AES256", storage_class="GLACIER")
        )
        self.job = stream_job(client, S3Location("box", "k"), options, on_event=self.events)

    def copy(self, sending: Sending, lengths: Sequence[int] = (PART,) * 8) -> None:
        ends = [*accumulate(lengths)]
        parts = [Part(n, end - length, length) for n, (end, length) in enumerate(zip(ends, lengths, strict=True), 1)]
        copy_zeros(cast(SendParts, sending), self.job, parts)

    @property
    def deleted(self) -> list[str]:
        return [asked.path for asked in self.engine.asked if asked.method == "DELETE"]


def test_the_longest_part_is_stored_once_copied_and_removed(keeping: KeepingServer) -> None:
    holes, sending = Holes(), Sending()
    holes.copy(sending, (PART, PART + 7, *[PART] * 6))
    assert keeping.objects == [bytes(PART + 7)]
    assert [part.number for part in sending.moved] == list(range(1, 9))
    movement = sending.movement
    assert (movement.optional, movement.repeatable) == (True, False)
    assert movement.speed == Speed(slots=3, direction="copy", bucket="box")
    (deleted,) = holes.deleted
    assert deleted.startswith("/box/k.s3am-zeros-")
    assert holes.events.warnings == []

    class Target:
        def copy(self, part: Part, source: CopySource, start: int, digests: Digests) -> Any:
            return part.number, f"/{source.bucket}/{source.key}", source.if_match, start, digests

    work = movement.move(cast(MultipartTarget, Target()))
    assert work(sending.moved[1], 1) == (2, deleted, "of one", 0, digests_of_zeros(PART + 7))  # type: ignore[comparison-overlap]
    assert work(sending.moved[0], 1)[4] == digests_of_zeros(PART)  # type: ignore[index]


def test_the_object_of_zeros_is_encrypted_as_its_target_and_described_by_nothing(keeping: KeepingServer) -> None:
    holes = Holes()
    holes.copy(Sending(), (9 * MIB,) * 5)
    job = keeping.upload.job
    assert job.options.object == ObjectOptions(sse="AES256")
    assert (job.options.expected, job.options.unfinished, job.options.upload_slots) == (NOTHING, "continue", 3)
    assert keeping.upload.parts[0].length == DEFAULT_PART
    assert sum(part.length for part in keeping.upload.parts) == 9 * MIB


@pytest.mark.parametrize("algorithm", ["crc32c", "sha256"])
def test_nothing_is_copied_where_the_upload_declares_another_checksum(keeping: KeepingServer, algorithm: str) -> None:
    """The digests of the zeros are of CRC64NVME."""
    holes, sending = Holes(), Sending(algorithm)
    holes.copy(sending)
    assert (sending.moved, keeping.objects, holes.engine.asked) == ([], [], [])
    holes.copy(Sending(None))
    assert len(keeping.objects) == 1


def test_nothing_is_copied_where_that_does_not_pay_or_is_known_to_fail(keeping: KeepingServer) -> None:
    holes, sending = Holes(), Sending()
    holes.copy(sending, (PART,) * 3)
    holes.copy(sending, ())
    holes.job.can.copies_ranges = False
    holes.copy(sending)
    holes.job.can.copies_ranges = None
    sending.begun = None
    holes.copy(sending)
    assert (sending.moved, keeping.objects, holes.engine.asked) == ([], [], [])


@pytest.mark.parametrize("trouble", [Unsupported("no copies"), SourceChanged("gone")])
def test_a_copy_that_fails_is_a_warning_and_leaves_nothing(keeping: KeepingServer, trouble: Exception) -> None:
    holes = Holes()
    holes.copy(Sending(trouble=trouble))
    (warning,) = holes.events.warnings
    assert warning.startswith("s3://box/k: holes are sent as zeros") and str(trouble) in warning
    assert len(holes.deleted) == 1


def test_other_trouble_ends_the_transfer_and_leaves_nothing(keeping: KeepingServer) -> None:
    holes = Holes()
    with pytest.raises(TransferError, match="lost"):
        holes.copy(Sending(trouble=TransferError("lost")))
    assert len(holes.deleted) == 1
    assert holes.events.warnings == []


def test_an_object_of_zeros_that_stays_is_named(keeping: KeepingServer) -> None:
    holes = Holes(deletes=refusal(403, "AccessDenied"))
    holes.copy(Sending())
    (warning,) = holes.events.warnings
    assert "could not be removed" in warning and "s3://box/k.s3am-zeros-" in warning


def test_where_versions_are_locked_nothing_is_stored(keeping: KeepingServer) -> None:
    holes, sending = Holes(locked=True), Sending()
    holes.copy(sending)
    assert "default retention" in holes.events.warnings[0]
    assert (sending.moved, keeping.objects, holes.deleted) == ([], [], [])


@pytest.mark.parametrize(("trouble", "ends"), [(AccessDenied("no"), False), (TransferError("lost"), True)])
def test_where_the_object_of_zeros_can_not_be_stored(
    keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch, trouble: Exception, ends: bool
) -> None:
    def fails(*_: object) -> Any:
        raise trouble

    monkeypatch.setattr(writer, "put_single", fails)
    holes, sending = Holes(), Sending()
    with pytest.raises(TransferError) if ends else contextlib.nullcontext():
        holes.copy(sending)
    assert len(holes.events.warnings) == (not ends)
    assert (sending.moved, holes.deleted) == ([], [])
