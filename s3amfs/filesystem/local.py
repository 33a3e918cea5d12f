"""This machine's side of put and get: what a source is, and a small file's way to the disk."""

from __future__ import annotations

import itertools
import os
import stat
from contextlib import suppress
from typing import Any

from ..core.locations import LocalPath, Url, parse_source

_numbers = itertools.count()


def put_source(lpath: Any) -> LocalPath | Url | None:
    """What `put` reads; None if it is nothing for the engine."""
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
    with open(path, "rb", buffering=0) as file:
        return file.read()


def write_file(path: str, data: bytes) -> None:
    """Makes `path` hold `data`, whole or not at all; what is no regular file (a pipe, a link) is written to."""
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        regular = True
    if not regular:
        with open(path, "wb", buffering=0) as file:
            _write_all(file.fileno(), data)
        return
    folder = os.path.dirname(path)
    # Not a name from the file's own: that may be as long as the file system allows.
    beside = os.path.join(folder, f".s3am-{os.getpid()}-{next(_numbers)}.partial")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)
        os.replace(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
