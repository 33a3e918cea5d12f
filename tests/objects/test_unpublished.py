"""Changes that no mount has published: what is said of them, and on which object they may still be published."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from s3amfs.core import unpublished as u
from s3amfs.core.expected import NOTHING, WHATEVER
from s3amfs.core.locations import SPOOL_PREFIX, S3Location, parse_s3_url
from s3amfs.core.sizes import format_size
from s3amfs.engine.client import S3Client
from s3amfs.engine.spool import SpoolRecord, left_records
from s3amfs.errors import ObjectExists, SourceChanged, TransferError, TransferLocked, UsageError
from s3amfs.objects.spooled_file import SpooledFile
from s3amfs.objects.unpublished import UnpublishedChanges, discard, left_changes, publish_left
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import ignore
from s3amfs.wire.s3.api import StoredInfo
from tests.support.scripted import Asked, refusal, reply, scripted

OTHER = "http://elsewhere.test"
TARGET = S3Location("box", "d/k")


def changes(path: str) -> UnpublishedChanges:
    return UnpublishedChanges("box", "d/k", path, size=2048, bytes=10, age=90)


def answered(request: Asked) -> Any:
    """The object is there as it was changed."""
    return reply(etag='"base"', content_length="8")


def absent(request: Asked) -> Any:
    """The bucket has no such object."""
    return refusal(404) if request.path.endswith("k") else reply()


class Left:
    """Records in a state folder, each with the file that it speaks of."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, str(folder / "state")

    def add(
        self, key: str, *, endpoint: str, base: str = "base", size: int = 8, bucket: str = "box", began: float = 0.0
    ) -> str:
        data = b"new"
        path = self.folder / f"{SPOOL_PREFIX}{key.replace('/', '-')}"
        path.write_bytes(data)
        header = u.Header(
            f"s3://{bucket}/{key}", endpoint, str(path), base, size, size if base else 0, {"mode": "1"}, began
        )
        record = SpoolRecord.create(header, self.state)
        record.append(u.encode_written(0, len(data)))
        record.close()
        return str(path)

    def count(self) -> int:
        return sum(1 for record, _ in left_records(self.state) if record.close() is None)


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def endpoint_of(client: Any) -> str:
    return cast(str, client.session.endpoint_id("box"))


def test_what_is_said(tmp_path: Path) -> None:
    file = tmp_path / "spool"
    file.write_bytes(b"")
    here, away = changes(str(file)), changes("/away/spool")
    assert here.url == "s3://box/d/k"
    assert f"{format_size(10)} written of {format_size(2048)}" in here.text()
    assert f"s3am upload --resume {file} s3://box/d/k" in here.text()
    assert "'s3am cancel s3://box/d/k'" in away.text()
    assert here.json()["event"] == "unpublished"
    assert here.json()["bytes"] == 10
    assert here.cancelled() == {**here.json(), "event": "discarded"}
    assert str(file) in here.what


def test_those_of_this_service_below_a_prefix(left: Left) -> None:
    client, _ = scripted(answered)
    for key in ("d/k", "d/l", "e/k"):
        left.add(key, endpoint=endpoint_of(client))
    left.add("d/other", endpoint=OTHER)

    def keys(bucket: str | None, prefix: str) -> list[str]:
        return sorted(found.key for found in left_changes(client, bucket, prefix, left.state))

    assert keys("box", "d/") == ["d/k", "d/l"]
    assert keys(None, "") == ["d/k", "d/l", "e/k"]
    assert keys("c", "") == []
    (found,) = left_changes(client, "box", "e/", left.state)
    assert (found.size, found.bytes, found.bucket) == (8, 3, "box")
    assert found.age > 10**9, "began in 1970"


@pytest.mark.parametrize(("now", "age"), [(130.0, 30.0), (100.0, 0.0), (95.0, 0.0)])
def test_the_age_is_since_it_began_and_never_less_than_nothing(
    left: Left, monkeypatch: pytest.MonkeyPatch, now: float, age: float
) -> None:
    """As after a clock was set back."""
    client, _ = scripted(answered)
    left.add("d/k", endpoint=endpoint_of(client), began=100.0)
    monkeypatch.setattr(time, "time", lambda: now)
    assert [found.age for found in left_changes(client, "box", "", left.state)] == [age]


def test_one_is_discarded_with_its_file(left: Left) -> None:
    client, _ = scripted(answered)
    kept = left.add("d/l", endpoint=endpoint_of(client))
    path = left.add("d/k", endpoint=endpoint_of(client))
    discard(client, changes(path), left.state)
    assert not Path(path).exists()
    assert Path(kept).exists()
    assert left.count() == 1
    Path(kept).unlink()
    discard(client, changes(kept), left.state)
    assert left.count() == 0, "also where its disk is away"


def publishing(left: Left, path: str, answer: Callable[[Asked], Any] = answered, **options: Any) -> Any:
    client, engine = scripted(answer)
    given = UploadOptions(**{"unfinished": "resume", "state_dir": left.state, **options})
    try:
        return publish_left(path, options.pop("target", TARGET), client, given, ignore)
    finally:
        left.asked = engine.asked  # type: ignore[attr-defined]


def test_it_has_to_be_asked_for(left: Left) -> None:
    with pytest.raises(UsageError, match="--resume"):
        publishing(left, "/x", unfinished="continue")
    with pytest.raises(UsageError, match="nothing is known"):
        publishing(left, "/x")


def test_those_of_another_service_are_not_published(left: Left) -> None:
    path = left.add("d/k", endpoint=OTHER)
    with pytest.raises(TransferLocked):
        publishing(left, path)


@pytest.mark.parametrize(
    ("key", "base", "answer", "raises"),
    [
        ("other", "base", answered, UsageError),
        ("d/k", "base", lambda asked: reply(etag='"newer"', content_length="8"), SourceChanged),
        ("d/k", "base", absent, SourceChanged),
        ("d/k", "", answered, ObjectExists),
    ],
)
def test_on_another_object_nothing_is_published(
    left: Left, key: str, base: str, answer: Any, raises: type[Exception]
) -> None:
    client, _ = scripted(answer)
    path = left.add(key, endpoint=endpoint_of(client), base=base)
    with pytest.raises(raises):
        publishing(left, path, answer)
    assert Path(path).exists()
    assert left.count() == 1
    assert {asked.method for asked in left.asked} <= {"HEAD"}  # type: ignore[attr-defined]


def test_a_new_file_is_published_and_nothing_of_it_is_left(
    client: S3Client, boto: Any, bucket: str, left: Left
) -> None:
    url = f"s3://{bucket}/d/k"
    path = left.add("d/k", endpoint=client.session.endpoint_id(bucket), base="", size=3, bucket=bucket)
    options = UploadOptions(unfinished="resume", state_dir=left.state)
    result = publish_left(path, parse_s3_url(url), client, options, ignore)
    head = boto.head_object(Bucket=bucket, Key="d/k")
    assert (result.size, head["ContentLength"], head["Metadata"]) == (3, 3, {"mode": "1"})
    assert not Path(path).exists()
    assert left.count() == 0


@pytest.mark.parametrize("fails", [False, True])
def test_changes_of_an_object_are_published_as_its_mount_would_have_done(
    left: Left, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """With the description and tags of the object, and the metadata that the mount had for it."""
    files: list[tuple[SpooledFile, UploadOptions, list[tuple[int, int]], list[tuple[int, int]]]] = []

    def publish(file: SpooledFile, options: UploadOptions, **_: object) -> StoredInfo:
        files.append((file, options, list(file.spool.dirty), list(file.spool.present)))
        if fails:
            raise TransferError("lost")
        return StoredInfo("new", version_id="v")

    def answer(asked: Asked) -> Any:
        if "tagging" in asked.query:
            return reply(200, "<Tagging><TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet></Tagging>")
        return reply(etag='"base"', content_length="8", content_type="text/x", x_amz_tagging_count="1")

    monkeypatch.setattr(SpooledFile, "publish", publish)
    path = left.add("d/k", endpoint=endpoint_of(scripted(answer)[0]))
    if fails:
        with pytest.raises(TransferError):
            publishing(left, path, answer)
    else:
        result = publishing(left, path, answer)
        assert (result.size, result.etag, result.version_id, result.source) == (8, "new", "v", path)
    assert (Path(path).exists(), left.count()) == (fails, fails)
    ((file, options, dirty, present),) = files
    assert (file.size, file.valid, dirty, present) == (8, 8, [(0, 3)], [(0, 3)])
    assert file.kept is not None and file.kept.etag == "base"
    assert (options.unfinished, options.exists, options.expected) == ("continue", "overwrite", NOTHING)
    described = options.object
    assert (described.content_type, described.metadata, described.tags) == ("text/x", {"mode": "1"}, {"t": "1"})


def test_a_new_file_is_of_the_type_that_its_name_says(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[UploadOptions] = []
    monkeypatch.setattr(SpooledFile, "publish", lambda file, options, **_: given.append(options) or StoredInfo("new"))
    path = left.add("d/f.txt", endpoint=endpoint_of(scripted(absent)[0]), base="")
    target = S3Location("box", "d/f.txt")

    def nothing_there(asked: Asked) -> Any:
        return refusal(404) if asked.path.endswith("txt") else reply()

    client, _ = scripted(nothing_there)
    publish_left(path, target, client, UploadOptions(unfinished="resume", state_dir=left.state), ignore)
    assert given[0].object.content_type == "text/plain"
    again = left.add("d/f.txt", endpoint=endpoint_of(client), base="")
    there, _ = scripted(answered)
    options = UploadOptions(unfinished="resume", exists="overwrite", state_dir=left.state)
    publish_left(again, target, there, options, ignore)
    assert given[1].expected == WHATEVER
