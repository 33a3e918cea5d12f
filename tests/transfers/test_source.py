"""Sources: how each is read, what identifies it, and which cannot be read at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.checksums import Crc
from s3amfs.core.events import Event, Warned
from s3amfs.core.http import origin
from s3amfs.core.locations import LocalPath, S3Location, Stdin, Url
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.sources import RangedSource
from s3amfs.engine.url_source import Probe, UrlSource
from s3amfs.errors import AccessDenied, InvalidSource, NotFound, SourceChanged
from s3amfs.transfers import source as module
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import Report
from s3amfs.transfers.source import (
    EmptyUpload,
    FileUpload,
    RangedUpload,
    StreamUpload,
    UploadSource,
    hash_file_part,
    open_source,
    require_readable,
)
from s3amfs.wire.messages import Reply
from tests.support.scripted import refusal, reply, scripted

DATA = b"0123456789"


def crc_of(data: bytes) -> int:
    crc = Crc("crc32c")
    crc.update(data)
    return crc.value


class Opened:
    """Opens sources with a client that gives one answer to everything."""

    def __init__(self, answer: Reply | None = None) -> None:
        self.client, self.engine = scripted(lambda asked: answer or refusal(500))
        self.events: list[Event] = []
        self.report = Report("upload", "from", "to", self.events.append)

    def open(self, source: Any, **more: Any) -> UploadSource:
        return open_source(source, self.client, UploadOptions(), report=self.report, **more)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.txt"
    path.write_bytes(DATA)
    return path


# -- local ---------------------------------------------------------------------------------------------------------


def test_a_file_has_parts_and_an_identity(file: Path) -> None:
    found = Opened().open(LocalPath(str(file)))
    assert isinstance(found, FileUpload)
    assert (found.ranged, found.remote, found.endpoint, found.size) == (True, False, None, 10)
    assert found.content_type == "text/plain"
    stream = found.stream()
    assert stream.read(100) == DATA
    found.check()
    found.close()


def test_a_file_that_changed_is_named(file: Path) -> None:
    found = Opened().open(LocalPath(str(file)))
    file.write_bytes(b"other content")
    with pytest.raises(SourceChanged, match=r"f\.txt"):
        found.check()
    found.close()


def test_hashes_are_those_of_the_parts(file: Path) -> None:
    found = Opened().open(LocalPath(str(file)))
    client: Any = None
    parts = [Part(1, 0, 4), Part(3, 4, 6)]
    hashes = found.hashes(parts, "crc32c", client, client)
    assert hashes == {
        1: (crc_of(DATA[:4]), hashlib.md5(DATA[:4]).hexdigest()),
        3: (crc_of(DATA[4:]), hashlib.md5(DATA[4:]).hexdigest()),
    }
    found.close()


def test_a_part_behind_the_end_of_a_file_is_shorter(file: Path) -> None:
    with file.open("rb") as opened:
        found = hash_file_part(opened.fileno(), Part(2, 8, 5), "crc32c")
    assert found == (crc_of(DATA[8:]), hashlib.md5(DATA[8:]).hexdigest())


def test_an_empty_file_is_a_file_and_one_that_only_says_so_a_stream(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert isinstance(Opened().open(LocalPath(str(tmp_path / "empty"))), FileUpload)
    found = Opened().open(LocalPath("/proc/self/status"))
    assert isinstance(found, StreamUpload) and not found.ranged
    assert found.stream().read(5) == b"Name:"
    found.close()


def test_a_pipe_is_a_stream_and_is_not_opened_before_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = Opened().open(LocalPath(str(tmp_path / "pipe")))
    assert isinstance(found, StreamUpload)
    assert found.identity == SourceIdentity(url=f"file://{tmp_path}/pipe")
    found.close()


def test_what_cannot_be_read(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="check the spelling"):
        require_readable(LocalPath(str(tmp_path / "none")))
    with pytest.raises(NotFound, match="a part of the path is not a directory"):
        require_readable(LocalPath(str(file / "below")))
    with pytest.raises(InvalidSource, match="is a directory"):
        require_readable(LocalPath(str(tmp_path)))
    assert require_readable(LocalPath(str(file))).st_size == 10
    monkeypatch.setattr(module.os, "access", lambda path, mode: mode != os.R_OK)  # root may read everything
    with pytest.raises(AccessDenied, match="may not be read"):
        require_readable(LocalPath(str(file)))


# -- streams -------------------------------------------------------------------------------------------------------


def test_standard_input_is_read_and_stays_open() -> None:
    stdin = io.BytesIO(DATA)
    found = Opened().open(Stdin(), stdin=stdin)
    assert (found.size, found.identity, found.ranged) == (None, SourceIdentity(url="-"), False)
    found.stream()
    found.close()
    assert not stdin.closed
    with pytest.raises(InvalidSource, match="no standard input"):
        Opened().open(Stdin())


@pytest.mark.parametrize("owned", [True, False])
def test_a_stream_is_closed_by_its_owner_only(owned: bool) -> None:
    stream = io.BytesIO(DATA)
    found = StreamUpload(SourceIdentity(url="x"), lambda: stream, owned=owned)
    found.close()
    assert not stream.closed, "it was not opened yet"
    assert found.stream() is stream
    found.close()
    assert stream.closed is owned
    ours = io.BytesIO(DATA)
    opened = StreamUpload(SourceIdentity(url="x"), lambda: ours)
    opened.stream()
    opened.close()
    assert ours.closed, "what nobody else owns"


def test_the_check_of_a_stream_is_that_of_its_maker() -> None:
    def changed() -> None:
        raise SourceChanged("x changed")

    StreamUpload(SourceIdentity(url="x"), io.BytesIO).check()
    with pytest.raises(SourceChanged):
        StreamUpload(SourceIdentity(url="x"), io.BytesIO, check=changed).check()


def test_a_stream_has_no_parts() -> None:
    nothing: Any = None
    for call in (lambda s: s.move(nothing), lambda s: s.hashes([], "crc32c", nothing, nothing)):
        with pytest.raises(TypeError, match="no parts"):
            call(StreamUpload(SourceIdentity(url="x"), io.BytesIO))
    with pytest.raises(TypeError, match="in parts"):
        UploadSource(SourceIdentity(url="x")).stream()


# -- S3 ------------------------------------------------------------------------------------------------------------


def head(size: int) -> Reply:
    return reply(etag='"e"', content_length=str(size), content_type="text/csv; charset=utf-8")


def test_an_object_has_ranges_and_says_its_etag() -> None:
    opened = Opened(head(10))
    found = opened.open(S3Location("bbb", "k"))
    assert isinstance(found, RangedUpload)
    assert (found.size, found.ranged, found.remote, found.identity.etag) == (10, True, True, "e")
    assert found.endpoint == opened.client.endpoint("bbb")
    assert found.info is not None and found.info.size == 10
    found.check()
    found.close()
    assert [asked.method for asked in opened.engine.asked] == ["HEAD"], "each range says its ETag: no look at the end"


def test_an_empty_object_has_no_range_to_ask_for() -> None:
    found = Opened(head(0)).open(S3Location("bbb", "k"))
    assert isinstance(found, EmptyUpload) and found.ranged
    assert (found.stream().read(1), found.size) == (b"", 0)
    nothing: Any = None
    assert found.hashes([Part(1, 0, 0)], "crc32c", nothing, nothing) == {}


def test_what_is_empty_is_sent_as_one_part_without_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "send", lambda target, source, part: source.reader(part).read(1))
    target: Any = None
    sent: Any = EmptyUpload(SourceIdentity("s3://bbb/k", size=0)).move(target)(Part(1, 0, 0), 1)
    assert sent == b""


def test_an_object_is_read_with_the_client_of_its_service() -> None:
    opened, other = Opened(head(1)), Opened(head(7))
    found = opened.open(S3Location("bbb", "k"), source_client=other.client)
    assert (found.size, opened.engine.asked, len(other.engine.asked)) == (7, [], 1)


# -- URLs ----------------------------------------------------------------------------------------------------------

URL = Url("https://example.org/d/f.csv.gz?token=1", "https://example.org/d/f.csv.gz")


def probed(monkeypatch: pytest.MonkeyPatch, *seen: Probe) -> Opened:
    """Each look at the URL finds the next of `seen`."""
    looks = iter(seen)
    monkeypatch.setattr(module, "probe", lambda *_, **__: next(looks))
    return Opened()


def seen(size: int | None = 10, *, ranges: bool = True, etag: str | None = "e", **more: Any) -> Probe:
    return Probe(SourceIdentity(url=URL.display, size=size, etag=etag), ranges, **more)


def test_a_url_with_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    found = probed(monkeypatch, seen()).open(URL)
    assert isinstance(found, RangedUpload)
    assert (found.endpoint, found.content_type) == (origin(URL.url), "application/gzip")


@pytest.mark.parametrize(("later", "changed"), [(10, False), (11, True)])
def test_a_url_is_looked_at_again(later: int, changed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = probed(monkeypatch, seen(etag=None), seen(later, etag=None)).open(URL)
    if changed:
        with pytest.raises(SourceChanged, match="changed while it was read"):
            found.check()
    else:
        found.check()


@pytest.mark.parametrize(("modified", "waits"), [(1000.0, [1.5]), (900.0, [])])
def test_a_url_of_this_second_is_looked_at_when_it_is_over(
    modified: float, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is changed within the second of its time could not be seen."""
    waited: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 1000.5, sleep=waited.append))
    identities = [SourceIdentity(url=URL.display, size=size, last_modified=modified) for size in (10, 11)]
    found = probed(monkeypatch, *(Probe(identity, True) for identity in identities)).open(URL)
    assert (waited, found.size) == (waits, 11 if waits else 10)


def test_a_url_without_ranges_is_one_stream_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = probed(monkeypatch, seen(ranges=False))
    found = opened.open(URL)
    assert isinstance(found, StreamUpload)
    (warned,) = opened.events
    assert "no byte ranges" in cast(Warned, warned).message


def test_an_empty_url(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = probed(monkeypatch, seen(0, ranges=False))
    assert isinstance(opened.open(URL), EmptyUpload)
    assert opened.events == []


def test_what_the_server_says_of_the_content_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    said = seen(content_type="text/csv", digests={"md5": b"x"})
    found = probed(monkeypatch, said).open(URL)
    assert (found.content_type, found.digests) == ("text/csv", {"md5": b"x"})


def test_a_stream_that_was_opened_is_closed() -> None:
    class Stream:
        closed = False

        def close(self) -> None:
            self.closed = True

    stream: Any = Stream()
    ranges = cast(RangedSource, UrlSource(URL, seen()))
    found = RangedUpload(ranges, lambda: stream, None, endpoint="e")
    found.close()
    assert not stream.closed
    found.stream()
    found.close()
    assert stream.closed


# -- what is read, and what is looked at once more -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "looks", "changed"),
    [
        ({"etag": "e"}, {"etag": "e"}, 2, False),
        ({"etag": "e"}, {"etag": "f"}, 2, True),
        ({"last_modified": 5.0}, {"last_modified": 5.0}, 2, False),
        ({"last_modified": 5.0}, {"last_modified": 6.0}, 2, True),
        ({}, {}, 1, False),
    ],
    ids=["same ETag", "another ETag", "same time", "another time", "neither"],
)
def test_a_stream_of_a_url_is_looked_at_again_where_that_can_show_a_change(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any], now: dict[str, Any], looks: int, changed: bool
) -> None:
    states = [Probe(SourceIdentity(url=URL.display, size=10, **state), False) for state in (before, now)]
    monkeypatch.setattr(module, "probe", lambda *_, **__: states.pop(0))
    found = Opened().open(URL)
    with pytest.raises(SourceChanged) if changed else contextlib.nullcontext():
        found.check()
    assert len(states) == 2 - looks


def streams(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any, dict[str, Any]]]:
    """(loop, request, choices) of each stream that is opened."""
    found: list[tuple[int, Any, dict[str, Any]]] = []

    def make(loop: int, request: Any, **choices: Any) -> Any:
        found.append((loop, request, choices))
        return io.BytesIO(DATA)

    monkeypatch.setattr(module, "UrlStream", make)
    return found


@pytest.mark.parametrize("ranges", [True, False])
def test_the_stream_of_a_url_is_of_the_state_that_was_seen(monkeypatch: pytest.MonkeyPatch, ranges: bool) -> None:
    opened = probed(monkeypatch, seen(ranges=ranges))
    opened.engine.loop = lambda number: number  # type: ignore[attr-defined]
    found = streams(monkeypatch)
    source = opened.open(URL)
    assert source.stream().read(100) == DATA
    ((loop, request, choices),) = found
    assert (loop, request.url, choices["identity"]) == (1, URL.url, source.identity)
    assert (choices["describe"], choices["name"]) == (URL.display, "f.csv.gz")


def test_the_stream_of_an_object_is_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(head(10))
    opened.engine.loop = lambda number: number  # type: ignore[attr-defined]
    found = streams(monkeypatch)
    source = opened.open(S3Location("bbb", "k"))
    source.stream()
    ((loop, request, choices),) = found
    headers = {name.lower(): value for name, value in request.headers}
    assert (loop, headers["range"], choices["describe"]) == (1, "bytes=0-9", "s3://bbb/k")
    assert choices["identity"] == source.identity


def test_what_a_source_can_not_do_is_a_mistake_of_its_caller() -> None:
    source, nothing = UploadSource(SourceIdentity(url="x")), cast(Any, None)
    assert (source.holes([Part(1, 0, 5)]), source.ranged, source.remote, source.needs_look) == ([], False, False, False)
    with pytest.raises(TypeError):
        source.in_memory(nothing, nothing)
    source.check()
    source.close()


def test_holes_are_those_of_a_file_at_rest(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(4 << 20)
        file.seek(2 << 20)
        file.write(b"data")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    parts = [Part(number, (number - 1) << 20, 1 << 20) for number in (1, 2, 3, 4)]
    found = Opened().open(LocalPath(str(path)))
    assert [part.number for part in found.holes(parts)] == [1, 2, 4]
    found.close()
    os.utime(path)
    fresh = Opened().open(LocalPath(str(path)))
    assert fresh.holes(parts) == [], "its pages may not be on disk yet"
    fresh.close()


@pytest.mark.parametrize(("error", "raised"), [(FileNotFoundError, NotFound), (PermissionError, AccessDenied)])
def test_a_file_that_went_between_the_look_and_the_opening(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError], raised: type[Exception]
) -> None:
    def fails(path: str) -> Any:
        raise error

    monkeypatch.setattr(module, "FileUpload", fails)
    with pytest.raises(raised, match=r"f\.txt"):
        Opened().open(LocalPath(str(file)))
    monkeypatch.setattr(module.os, "stat", fails)
    with pytest.raises(raised, match=r"f\.txt"):
        require_readable(LocalPath(str(file)))


def test_ranges_are_received_by_number_and_over_their_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[Part], dict[str, Any]]] = []

    def receive(source: Any, parts: Any, sink: Any, client: Any, **more: Any) -> None:
        asked.append((list(parts), more))
        more["on_part"](PartResult(3, 5, "md5", 7))

    def receive_all(source: Any, size: int, client: Any, **more: Any) -> Any:
        asked.append(([Part(1, 0, size)], more))
        return "all of it"

    monkeypatch.setattr(module, "receive", receive)
    monkeypatch.setattr(module, "receive_all", receive_all)
    opened = probed(monkeypatch, seen(), seen(), seen(etag="f"))
    found = opened.open(URL)
    client: Any = opened.client
    assert found.needs_look
    assert found.hashes([Part(3, 20, 5)], "crc32c", client, opened.report) == {3: (7, "md5")}
    assert found.in_memory(client, opened.report) == "all of it"
    assert [parts for parts, _ in asked] == [[Part(3, 20, 5)], [Part(1, 0, 10)]]
    assert {more["endpoint"] for _, more in asked} == {origin(URL.url)}
    with pytest.raises(SourceChanged):
        found.in_memory(client, opened.report)
