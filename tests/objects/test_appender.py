"""What is appended continues the very object it began with, or nothing is stored."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.parts import Part, copy_part_size
from s3amfs.engine.connect import S3Client
from s3amfs.errors import SourceChanged, Unsupported
from s3amfs.objects import appender
from s3amfs.objects.appender import Appender
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.options import ObjectInfo, UploadOptions
from s3amfs.transfers.send_parts import Copied
from tests.support.clients import PART
from tests.support.faults import Recorded, Rule, delay, error
from tests.support.files import content
from tests.support.kept_parts import KeepingServer, keeping
from tests.support.proxy import FaultProxy
from tests.support.scripted import reply, scripted

__all__ = ["keeping"]

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")
LARGE = content(PART * 3 // 2, 5)
MORE = b"more"
MIB = 1024 * 1024


def pin(client: S3Client, boto: Any, bucket: str, data: bytes) -> Pinned:
    boto.put_object(Bucket=bucket, Key="k", Body=data, ContentType="text/x-log", Metadata={"mine": "kept"})
    return Pinned(client, S3Location(bucket, "k"), client.head(bucket, "k"))


def stored(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


@pytest.mark.parametrize("base", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_the_object_continues_and_keeps_its_description(through: S3Client, boto: Any, bucket: str, base: bytes) -> None:
    writer = Appender(pin(through, boto, bucket, base), OPTIONS)
    assert writer.position == len(base)
    writer.write(MORE)
    writer.close()
    assert stored(boto, bucket) == base + MORE
    head = boto.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-log", {"mine": "kept"})
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_nothing_appended_is_nothing_stored(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    writer = Appender(pin(through, boto, bucket, LARGE), OPTIONS)
    writer.copy_base()
    writer.close()
    assert stored(boto, bucket) == LARGE
    assert proxy.count("Complete") == proxy.count("Put") == 0
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("base", [b"small", LARGE], ids=["small", "large"])
def test_the_commit_is_on_the_condition_that_the_base_is_still_there(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, base: bytes
) -> None:
    pinned = pin(through, boto, bucket, base)
    writer = Appender(pinned, OPTIONS)
    writer.write(MORE)
    writer.close()
    (commit,) = [request for request in proxy.of("Put", "Complete") if request.key == "k" and request.status == 200]
    assert commit.headers["if-match"].strip('"') == pinned.info.etag.strip('"')


@pytest.mark.parametrize("base", [b"small", LARGE], ids=["small", "large"])
def test_what_somebody_else_stored_meanwhile_stays(through: S3Client, boto: Any, bucket: str, base: bytes) -> None:
    writer = Appender(pin(through, boto, bucket, base), OPTIONS)
    writer.write(MORE)
    boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
    with pytest.raises(SourceChanged):
        writer.close()
    assert stored(boto, bucket) == b"by somebody else"
    writer.abort()
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("base", [b"small", LARGE], ids=["small", "large"])
def test_a_look_at_the_base_goes_before_the_commit_where_conditions_are_not_known(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, base: bytes
) -> None:
    """The server refuses conditions; another writer comes between the copy and the commit."""
    proxy.rules.append(Rule(has_condition, error(501, "NotImplemented")))
    writer = Appender(pin(through, boto, bucket, base), OPTIONS)
    writer.copy_base()
    writer.write(MORE)
    boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
    with pytest.raises(SourceChanged):
        writer.close()
    assert stored(boto, bucket) == b"by somebody else"


def has_condition(request: Recorded) -> bool:
    return request.kind in ("Put", "Complete") and "if-match" in request.headers


def test_a_server_that_copies_no_parts_gets_the_bytes(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    proxy.rules.append(Rule("CopyPart", error(501, "NotImplemented")))
    writer = Appender(pin(through, boto, bucket, LARGE), OPTIONS)
    writer.write(MORE)
    writer.close()
    assert stored(boto, bucket) == LARGE + MORE


def test_a_small_object_that_is_overwritten_after_it_was_read_stays(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    writer = Appender(pin(through, boto, bucket, b"small"), OPTIONS)
    writer.write(MORE)

    def overwrites(request: Recorded) -> bool:
        if request.kind == "Head":
            boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
        return request.kind == "Head"

    proxy.rules.append(Rule(overwrites, delay(0.0), times=1))
    with pytest.raises(SourceChanged):
        writer.close()
    assert stored(boto, bucket) == b"by somebody else"


def test_a_base_is_copied_again_where_parts_are_refused_as_the_upload_was_begun(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    """As Garage does it: parts without a checksum are refused where one was declared, and trailers are not answered."""

    def declared(request: Recorded) -> bool:
        return request.kind == "UploadPart" and proxy.count("Create") == 1

    pinned = pin(through, boto, bucket, LARGE)
    proxy.rules.append(Rule(declared, error(400, "InvalidRequest")))
    writer = Appender(pinned, OPTIONS)
    writer.write(MORE)
    writer.close()
    assert stored(boto, bucket) == LARGE + MORE
    assert proxy.count("Create") == 2
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


# -- without a server: parts are kept in the process ------------------------------------------------------------------

KEPT = UploadOptions(part_size=PART, unfinished="continue")


class Base:
    """An object of `size` bytes, and its appender. etag: of what stands there now. reads: ranges that were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int, **more: Any) -> None:
        self.size, self.etag, self.reads = size, "e", list[tuple[int, int]]()
        client, self.engine = scripted(lambda asked: reply(etag=f'"{self.etag}"', content_length=str(size)))
        info = ObjectInfo(size, "e", checksums={"crc32c": "x"}, checksum_type="COMPOSITE", version_id="v")
        self.pinned = Pinned(client, S3Location("box", "k"), info)
        monkeypatch.setattr(appender, "read_to_keep", self.read)
        self.writer = Appender(self.pinned, KEPT, **more)

    @cached_property
    def data(self) -> bytes:
        return content(self.size, 6)

    def read(self, pinned: Pinned, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return self.data[start:end]


COPY_OF_7 = f"move [(1, {7 * PART})]"


@pytest.mark.parametrize(("size", "copied"), [(PART + 1, f"move [(1, {PART + 1})]"), (7 * PART, COPY_OF_7)])
def test_what_is_larger_than_a_part_is_copied_and_continued(
    keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch, size: int, copied: str
) -> None:
    base = Base(monkeypatch, size)
    assert base.writer.position == size
    assert base.writer.parts_sent == 0
    base.writer.write(b"more")
    result = base.writer.finish()
    upload = keeping.upload
    assert upload.steps == ["find", f"begin {PART}", copied, "open", "finish", f"complete {size + 4}"]
    assert upload.parts == [Part(2, size, 4)]
    assert (result.size, result.parts, base.reads) == (size + 4, 2, [])
    assert upload.expected == base.pinned.info.expected
    assert upload.content.copied == Copied("s3://box/k", size, {"crc32c": "x"})
    assert upload.content.identity.url.startswith("more of s3://box/k: ")


def test_the_source_of_a_copy_is_looked_at_again(keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Base(monkeypatch, 2 * PART)
    base.writer.write(b"more")
    base.writer.send_rest()
    check = keeping.upload.content.check
    check(None)
    base.etag = "f"
    with pytest.raises(SourceChanged, match="while it was appended to"):
        check(None)


@pytest.mark.parametrize("size", [1, PART])
def test_what_is_no_larger_than_a_part_is_read_and_stored_again(
    keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    base = Base(monkeypatch, size)
    base.writer.copy_base()
    assert keeping.uploads == []
    base.writer.write(b"more")
    base.writer.close()
    stored = keeping.objects or [b"".join(keeping.upload.stored.values())]
    assert stored == [base.data + b"more"]
    assert base.reads == [(0, size)]
    changed = Base(monkeypatch, 1)
    changed.writer.write(b"more")
    changed.etag = "f"
    with pytest.raises(SourceChanged):
        changed.writer.close()


def test_what_is_appended_in_full_parts_follows_a_small_object(
    keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, more = Base(monkeypatch, 5), content(2 * PART, 7)
    base.writer.write(more)
    base.writer.close()
    upload = keeping.upload
    assert upload.steps[:3] == ["find", f"begin {PART}", "begin again"]
    assert b"".join(upload.stored[number] for number in (1, 2, 3)) == base.data + more
    assert upload.parts == [Part(1, 0, PART), Part(2, PART, PART), Part(3, 2 * PART, 5)]


def test_where_no_part_is_copied_all_is_sent_in_order(keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Base(monkeypatch, 2 * PART + 1)
    keeping.trouble = Unsupported("no copies")
    base.writer.write(b"more")
    base.writer.close()
    upload = keeping.upload
    assert upload.steps[2:4] == [f"move [(1, {2 * PART + 1})]", "begin again"]
    assert b"".join(upload.stored[number] for number in (1, 2, 3)) == base.data + b"more"
    assert base.reads == [(0, 8 * MIB), (8 * MIB, 2 * PART + 1)]


def test_a_base_is_copied_before_anything_is_written_and_once(
    keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Base(monkeypatch, 2 * PART)
    base.writer.copy_base()
    assert keeping.upload.steps == ["find", f"begin {PART}", f"move [(1, {2 * PART})]"]
    base.writer.copy_base()
    assert len(keeping.upload.steps) == 3
    assert base.writer.parts_sent == 1
    stored = base.writer.close()
    assert (stored.etag, stored.checksums, stored.checksum_type, stored.version_id) == (
        *("e", {"crc32c": "x"}),
        *("COMPOSITE", "v"),
    )
    assert keeping.upload.steps[3:] == ["stop", "abort"], "nothing was appended: it stays as it is"
    assert base.writer.closed


def test_an_empty_object_is_a_new_one(keeping: KeepingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Base(monkeypatch, 0)
    base.writer.copy_base()
    base.writer.write(b"more")
    base.writer.close()
    assert (keeping.objects, keeping.uploads, base.reads) == ([b"more"], [], [])
    parts = Base(monkeypatch, 0)
    parts.writer.write(bytes(PART))
    assert keeping.upload.steps == ["find", f"begin {PART}", "open"]


@pytest.mark.parametrize("size", [PART + 1, 8 * PART, 10_000 * PART + 7, 3 << 40])
def test_a_base_is_copied_in_parts_of_nearly_one_size(size: int) -> None:
    """None is the last of the object, so each is of 5 MiB at least and 5 GiB at most."""
    parts = appender._equal_parts(size)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert (parts[0].offset, parts[-1].end) == (0, size)
    assert all(before.end == after.offset for before, after in pairwise(parts))
    lengths = {part.length for part in parts}
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= min(size, copy_part_size(size)) and max(lengths) <= 5 << 30
