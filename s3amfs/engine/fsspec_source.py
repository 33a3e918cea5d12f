"""Sources that libcurl does not know but fsspec does (gs://, az://, hf://, zip://, …), read from beginning to end.

File systems that are made for many requests at a time (fsspec's async ones: object stores) are read by ranges, some
ahead in parallel; all others (archives, sync ones, which may not be thread-safe) by the one open file that fsspec
gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ..core.locations import Url
from ..errors import AccessDenied, InvalidSource, NotFound, S3AMError, SourceChanged, TransferError
from ..wire.failures import clean

RANGE_BYTES = 8 * 1024 * 1024
AHEAD = 4
"""Ranges under way at a time; they are in memory."""

T = TypeVar("T")


class FsspecStream:
    """A file of fsspec. size: bytes, None where nobody says; version: changes with the file, None likewise."""

    def __init__(self, url: Url) -> None:
        """Looks at `url`. Raises NotFound, AccessDenied, InvalidSource (no such protocol, or no package for it)."""
        self._display = url.display
        self._fs, self._path = _file_system(url)
        info: dict[str, Any] = self._ask(lambda: self._fs.info(self._path))
        if info.get("type") == "directory":
            raise InvalidSource(f"{url.display} is a directory: give a file")
        size = info.get("size")
        self.size = int(size) if size is not None else None
        self.version = self._version()
        self._file: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._ranges: deque[Future[bytes]] = deque()
        self._next = 0
        self._rest = b""
        if self._fs.async_impl and self.size is not None:
            self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="s3am-fsspec")
        else:
            self._file = self._ask(lambda: self._fs.open(self._path, "rb"))

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b'' at the end. Raises TransferError."""
        if self._pool is None:
            return bytes(self._ask(lambda: self._file.read(size)))
        if not self._rest:
            self._rest = self._next_range(self._pool)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def check(self) -> None:
        """Raises SourceChanged if the file is no longer what it was."""
        self._fs.invalidate_cache()
        if self.version is not None and self._version() != self.version:
            raise SourceChanged(f"{self._display} changed while it was read: use --force to start over")

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._file is not None:
            self._file.close()

    def _next_range(self, pool: ThreadPoolExecutor) -> bytes:
        assert self.size is not None
        while len(self._ranges) < AHEAD and self._next < self.size:
            start, end = self._next, min(self._next + RANGE_BYTES, self.size)
            self._ranges.append(pool.submit(self._range, start, end))
            self._next = end
        return self._ranges.popleft().result() if self._ranges else b""

    def _range(self, start: int, end: int) -> bytes:
        """Bytes of a range. These file systems try again by themselves."""
        data = bytes(self._ask(lambda: self._fs.cat_file(self._path, start=start, end=end)))
        if len(data) != end - start:
            raise TransferError(f"{self._display}: of {end - start} bytes {len(data)} came; try again")
        return data

    def _version(self) -> str | None:
        try:
            return str(self._fs.ukey(self._path))
        except NotImplementedError:
            return None

    def _ask(self, function: Callable[[], T]) -> T:
        return _translating(self._display, function)


def _file_system(url: Url) -> tuple[Any, str]:
    """The file system and the path in it. Raises InvalidSource, and what the file system's login says."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(url.url)  # type: ignore[no-any-return]
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        raise InvalidSource(f"{url.display}: neither libcurl nor fsspec can read this here ({_said(error)})") from None
    except Exception as error:  # noqa: BLE001  (see _translating)
        raise TransferError(f"{url.display}: {_said(error)}; try again") from None


def _translating(display: str, function: Callable[[], T]) -> T:
    """Runs `function` of a foreign file system; whatever it raises becomes one of our errors, one line."""
    try:
        return function()
    except S3AMError:
        raise
    except FileNotFoundError:
        raise NotFound(f"{display} does not exist: check the spelling") from None
    except PermissionError:
        raise AccessDenied(f"{display} may not be read: check the credentials") from None
    except IsADirectoryError:
        raise InvalidSource(f"{display} is a directory: give a file") from None
    except Exception as error:  # noqa: BLE001  (every file system of fsspec has errors of its own)
        raise TransferError(f"{display}: {_said(error)}; try again") from None


def _said(error: Exception) -> str:
    return clean(str(error) or type(error).__name__)
