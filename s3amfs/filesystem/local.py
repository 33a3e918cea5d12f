"""This machine's side of put and get: the kind of a source, and writing a small file to disk."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..core.locations import LocalPath, Url, parse_source
from ..engine.file_io import write_all
from ..engine.file_state import state_of
from ..errors import SourceChanged
from ..transfers.local_files import keep_access

_numbers = itertools.count()


def put_source(lpath: Any) -> LocalPath | Url | None:
    """Returns the source that `put` reads; None if the engine can't read it."""
    if not isinstance(lpath, str | os.PathLike):
        return None
    text = os.fspath(lpath)
    if not isinstance(text, str):
        return None
    location = parse_source(text) if "://" in text and not os.path.exists(text) else LocalPath(text)
    return location if isinstance(location, LocalPath | Url) else None


def size_of(source: LocalPath | Url) -> int | None:
    """Bytes of a regular file; None for what has no size, or none that is known. Raises OSError."""
    if isinstance(source, Url):
        return None
    there = os.stat(source.path)
    return there.st_size if stat.S_ISREG(there.st_mode) else None


def is_writable_object(lpath: Any) -> bool:
    """Whether it is an open file, not a path."""
    return not isinstance(lpath, str | os.PathLike) and hasattr(lpath, "write")


def read_file(path: str) -> bytes:
    """Returns the content of a file. Raises OSError, SourceChanged if it was written to meanwhile."""
    with open(path, "rb", buffering=0) as file:
        before = state_of(os.fstat(file.fileno()))
        data = file.read()
        if state_of(os.fstat(file.fileno())) != before:
            raise SourceChanged(f"{path} changed while it was read")
        return data


@contextmanager
def unchanged(path: str) -> Iterator[None]:
    """Raises SourceChanged if the file at `path` was written to while the block sent it; OSError."""
    before = state_of(os.stat(path))
    yield
    if state_of(os.stat(path)) != before:
        raise SourceChanged(f"{path} changed while it was sent: the object may mix both versions: send it again")


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """The name of a file to write: it becomes `path` if the block succeeds, and is gone if it fails.

    A link is written through, a pipe or device written to as it is. A file that is replaced leaves its mode, owner and
    group to the new one. Raises OSError.
    """
    if os.path.islink(path):
        path = os.path.realpath(path)
    try:
        there: os.stat_result | None = os.lstat(path)
    except FileNotFoundError:
        there = None
    if there is not None and not stat.S_ISREG(there.st_mode):
        yield path
        return
    folder = os.path.dirname(path)
    # Not a name from the file's own: that may be as long as the file system allows.
    beside = os.path.join(folder, f".s3am-{os.getpid()}-{next(_numbers)}.partial")
    mode = 0o600 if os.path.exists(path) else 0o666
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:  # of a file that nobody has asked for
        raise OSError(error.errno, error.strerror, path) from None
    try:
        keep_access(fd, path, also=0o600)
        yield beside
        keep_access(fd, path)
        os.replace(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    finally:
        os.close(fd)


def write_file(path: str, data: bytes, before_publishing: Callable[[], None] = lambda: None) -> None:
    """Makes `path` hold `data`, whole or not at all; not if `before_publishing` raises. Raises OSError."""
    with replacing(path) as beside:
        with open(beside, "wb", buffering=0) as file:
            write_all(file.fileno(), data)
        before_publishing()


def check_folder_of(path: str) -> None:
    """Raises FileNotFoundError, as opening `path` for writing does, if its folder is missing."""
    folder = os.path.dirname(path)
    if folder and not os.path.exists(folder):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
