"""Sources that only fsspec can read: its memory file system, and one that fails as foreign code does."""

from __future__ import annotations

import uuid
from typing import Any

import fsspec
import pytest

from s3amfs.core.locations import Url
from s3amfs.engine.fsspec_source import FsspecStream
from s3amfs.errors import AccessDenied, InvalidSource, NotFound, SourceChanged, TransferError

DATA = bytes(range(256)) * 100


@pytest.fixture
def path() -> Any:
    memory, path = fsspec.filesystem("memory"), f"/{uuid.uuid4()}/f"
    memory.pipe(path, DATA)
    yield path
    memory.rm(path.rpartition("/")[0], recursive=True)


def read(stream: FsspecStream, size: int) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


def test_a_file_is_read_in_order(path: str) -> None:
    stream = FsspecStream(Url(f"memory:/{path}", "memory://f"))
    try:
        assert (stream.size, read(stream, 777)) == (len(DATA), DATA)
        stream.check()
    finally:
        stream.close()


def test_a_file_that_changes_is_noticed(path: str) -> None:
    stream = FsspecStream(Url(f"memory:/{path}", "memory://f"))
    try:
        fsspec.filesystem("memory").pipe(path, DATA + b"more")
        with pytest.raises(SourceChanged):
            stream.check()
    finally:
        stream.close()


class Failing:
    """A file system whose files are `size` bytes; what is read of them is `answer`."""

    async_impl = True

    def __init__(self, answer: Any, size: int = 10) -> None:
        self._answer = answer
        self._size = size

    def info(self, path: str) -> dict[str, Any]:
        return {"size": self._size, "type": "file"}

    def ukey(self, path: str) -> str:
        raise NotImplementedError

    def invalidate_cache(self) -> None:
        """Nothing is kept."""

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        if isinstance(self._answer, Exception):
            raise self._answer
        return bytes(self._answer[start:end])


def failing(monkeypatch: pytest.MonkeyPatch, answer: Any) -> FsspecStream:
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url: (Failing(answer), "f"))
    return FsspecStream(Url("fake://f", "fake://f"))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FileNotFoundError("f"), NotFound),
        (PermissionError("f"), AccessDenied),
        (IsADirectoryError("f"), InvalidSource),
        (RuntimeError("two\nlines"), TransferError),
        (b"short", TransferError),
    ],
)
def test_trouble_of_another_library_is_one_of_our_errors(
    raised: Any, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = failing(monkeypatch, raised)
    try:
        with pytest.raises(expected) as caught:
            read(stream, 4)
        assert "\n" not in str(caught.value)
    finally:
        stream.close()


def test_ranges_come_in_order_and_without_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3amfs.engine.fsspec_source.RANGE_BYTES", 3)
    stream = failing(monkeypatch, b"0123456789")
    try:
        assert (read(stream, 2), stream.version) == (b"0123456789", None)
        stream.check()
    finally:
        stream.close()


def test_no_file_and_no_such_protocol() -> None:
    with pytest.raises(NotFound):
        FsspecStream(Url("memory://not/there", "memory://not/there"))
    with pytest.raises(InvalidSource, match="neither libcurl nor fsspec"):
        FsspecStream(Url("nosuch://f", "nosuch://f"))
