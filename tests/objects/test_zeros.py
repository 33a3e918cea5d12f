"""Holes: S3 copies them from a temporary object of zeros, which is removed; where it can't, zeros are sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.events import Warned
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import AccessDenied
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from tests.support.clients import PART
from tests.support.faults import Rule, answer, error
from tests.support.proxy import FaultProxy

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
