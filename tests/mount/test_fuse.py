"""What the kernel's requests become before they reach the operations: no mount."""

from __future__ import annotations

import ctypes
import errno
import itertools
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.errors import Unsupported

fuse: Any = pytest.importorskip("s3amfs.mount.fuse", exc_type=OSError)


class Operations:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.given: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any) -> int:
            self.asked.append((name, *arguments))
            return 0

        return ask

    def read(self, path: str, size: int, offset: int, handle: Any) -> list[bytes]:
        self.asked.append(("read", path, size, offset, handle))
        return self.given

    def write(self, path: str, data: memoryview, offset: int, handle: Any) -> int:
        self.asked.append(("write", path, bytes(data), offset, handle))
        return len(data)


class Made(fuse._Fuse):  # type: ignore[misc]
    """Without the mount that its base makes."""

    encoding, errors = "utf-8", "surrogateescape"

    def __init__(self) -> None:
        self.operations = Operations()


@pytest.fixture
def made() -> Made:
    return Made()


FILE = SimpleNamespace(contents="handle")


def memory(data: bytes) -> Any:
    return ctypes.pointer(ctypes.create_string_buffer(data, len(data)))


def test_pieces_are_put_behind_each_other(made: Made) -> None:
    made.operations.given = [b"ab", memoryview(b"cde")]  # type: ignore[list-item]
    buffer = memory(bytes(8))
    assert made.read(b"/n\xff", buffer, 8, 100, FILE) == 5
    assert buffer.contents.raw == b"abcde\0\0\0"
    assert made.operations.asked == [("read", "/n\udcff", 8, 100, "handle")]


def test_names_come_with_their_attributes_if_they_have_some(made: Made) -> None:
    names = ("st_mode", "st_size", "st_mtime", "st_ctime", "st_atime", "st_nlink", "st_uid", "st_gid")
    attributes = {**dict.fromkeys((*names, "st_blocks", "st_blksize"), 7), "st_size": 10**12}
    given: list[tuple[bytes, int | None, int, int]] = []

    def filler(buffer: str, name: bytes, found: Any, following: int, flags: int) -> int:
        assert buffer == "buffer"
        given.append((name, found.contents.st_size if found is not None else None, following, flags))
        return int(len(given) == 2)

    def names_after(path: str | None, offset: int, number: int, plus: bool, show: Any) -> int:
        assert (path, offset, number) == (None, 5, 3)
        assert show("a\udcff", attributes if plus else None, 6)
        assert not show("b", None, 7), "the buffer is full"
        return 0

    made.operations.readdir_with_offset = names_after  # type: ignore[attr-defined]
    handle = SimpleNamespace(contents=SimpleNamespace(fh=3))
    for flags in (fuse.READDIR_PLUS, 0):
        assert made.readdir_fuse_3(None, "buffer", filler, 5, handle, flags) == 0
        plus = [(b"a\xff", 10**12, 6, fuse.FILL_DIR_PLUS)] if flags else [(b"a\xff", None, 6, 0)]
        assert given == [*plus, (b"b", None, 7, 0)]
        given.clear()


def test_what_is_written(made: Made) -> None:
    assert made.write(None, memory(b"abcdef"), 4, 7, FILE) == 4
    assert made.operations.asked == [("write", None, b"abcd", 7, "handle")]


def test_attributes_of_others_are_not_asked_for(made: Made) -> None:
    assert made.getxattr(b"/k", b"user.md5", None, 0) == -errno.ENODATA
    for name in (b"security.selinux", b"system.posix_acl_access", b"trusted.x", b"com.apple.quarantine"):
        assert made.getxattr(b"/k", name, None, 0) == -errno.EOPNOTSUPP, "ENODATA makes ls ask for each file"
    assert made.operations.asked == []


def test_changes_know_the_open_file_or_none(made: Made) -> None:
    made.chmod_fuse_3(b"/k", 0o600, None)
    made.truncate_fuse_3(None, 5, FILE)
    made.chown_fuse_3(b"/k", 2**32 - 1, 7, None)
    made.chown_fuse_3(b"/k", 0, -1, FILE)
    assert made.operations.asked == [
        ("chmod", "/k", 0o600, None),
        ("truncate", None, 5, "handle"),
        ("chown", "/k", -1, 7, None),
        ("chown", "/k", 0, -1, "handle"),
    ]


def times(accessed: int, modified: int) -> Any:
    """Each 10 s and nanoseconds, or what stands in their place."""
    both = (SimpleNamespace(tv_sec=10, tv_nsec=given) for given in (accessed, modified))
    return SimpleNamespace(contents=SimpleNamespace(**dict(zip(("actime", "modtime"), both, strict=True))))


@pytest.mark.parametrize(
    ("given", "mtime", "atime"),
    [
        (times(3, 5), 10**10 + 5, 10**10 + 3),
        (times(3, fuse.UTIME_OMIT), None, 10**10 + 3),
        (times(fuse.UTIME_OMIT, 5), 10**10 + 5, None),
        (times(fuse.UTIME_NOW, fuse.UTIME_NOW), 42, 42),
        (None, 42, 42),
    ],
)
def test_times(made: Made, given: Any, mtime: int | None, atime: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse.time, "time_ns", lambda: 42)
    made.utimens_fuse_3(b"/k", given, None)
    assert made.operations.asked == [("utimens", "/k", mtime, atime, None)]


def test_renames(made: Made) -> None:
    assert made.rename_fuse_3(b"/a", b"/b", 0) == 0
    assert made.rename_fuse_3(b"/a", b"/b", fuse.RENAME_NOREPLACE) == 0
    assert made.rename_fuse_3(b"/a", b"/b", 2) == -errno.EINVAL, "an exchange"
    assert made.operations.asked == [("rename", "/a", "/b", False), ("rename", "/a", "/b", True)]


@pytest.mark.parametrize(("version", "limited"), [((3, 11), False), ((3, 12), True), ((3, 16), True)])
def test_a_limit_of_threads_where_libfuse_knows_one(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], limited: bool
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(fuse.mfusepy, "fuse_version_major", version[0])
    monkeypatch.setattr(fuse.mfusepy, "fuse_version_minor", version[1])
    monkeypatch.setattr(fuse, "_Fuse", lambda operations, directory, **options: given.update(options))
    fuse.serve(None, "/m", {"ro": True})
    assert given.pop("max_threads", None) == (fuse.MOST_THREADS if limited else None)
    assert given == {"raw_fi": True, "foreground": True, "max_idle_threads": fuse.THREADS, "ro": True}


def test_libfuse_2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse.mfusepy, "fuse_version_major", 2)
    with pytest.raises(Unsupported, match="FUSE_LIBRARY_PATH"):
        fuse.serve(None, "/m", {})


@pytest.mark.parametrize(("code", "raises"), [(fuse.LOOP_ENDED, False), (1, True)])
def test_a_signal_that_unmounts_is_no_error(monkeypatch: pytest.MonkeyPatch, code: int, raises: bool) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise RuntimeError(code)

    monkeypatch.setattr(fuse, "_Fuse", end)
    monkeypatch.setattr(fuse.mfusepy, "fuse_version_major", 3)
    if raises:
        with pytest.raises(RuntimeError):
            fuse.serve(None, "/m", {})
    else:
        fuse.serve(None, "/m", {})


def test_the_state_of_a_thread_is_kept_once_and_of_so_many_threads_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setattr(fuse, "_ensure", lambda: kept.append(threading.get_ident()))
    monkeypatch.setattr(fuse, "_kept", itertools.count())
    monkeypatch.setattr(fuse, "_thread", fuse._Thread())
    monkeypatch.setattr(fuse, "MOST_KEPT", 2)
    together = threading.Barrier(3)

    def answer() -> None:
        together.wait(30)
        for _ in range(3):
            fuse.keep_thread()
        together.wait(30)  # a thread that has ended may leave its number to the next one

    threads = [threading.Thread(target=answer) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == len(set(kept)) == 2


@pytest.mark.skipif(not hasattr(ctypes.pythonapi, "PyGILState_Check"), reason="CPython only")
def test_a_thread_whose_state_is_kept_goes_on_as_before() -> None:
    """It runs Python, lets others run, and ends."""
    outcome: list[int] = []

    def answer() -> None:
        for _ in range(2):
            fuse.keep_thread()
            threading.Event().wait(0)
            outcome.append(ctypes.pythonapi.PyGILState_Check())

    thread = threading.Thread(target=answer)
    thread.start()
    thread.join(30)
    assert outcome == [1, 1]
