"""Sources that libcurl does not know but fsspec does (gs://, az://, hf://, …), read as one stream."""

from __future__ import annotations

from typing import Any

from ..core.locations import Url
from ..errors import AccessDenied, InvalidSource, NotFound, TransferError


class FsspecStream:
    """An open file of fsspec, with its size where the file system tells it."""

    def __init__(self, url: Url) -> None:
        """Opens `url`. Raises NotFound, AccessDenied, InvalidSource (no such protocol, or its package is missing)."""
        import fsspec

        try:
            fs, path = fsspec.core.url_to_fs(url.url)
            self._file: Any = fs.open(path, "rb")
            self.size: int | None = fs.size(path)
        except FileNotFoundError:
            raise NotFound(f"{url.display} does not exist: check the spelling") from None
        except PermissionError:
            raise AccessDenied(f"{url.display} may not be read: check the credentials") from None
        except (ImportError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise InvalidSource(f"{url.display}: neither libcurl nor fsspec can read this here ({said})") from None
        self._display = url.display

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b'' at the end. Raises TransferError."""
        try:
            return bytes(self._file.read(size))
        except OSError as error:
            raise TransferError(f"{self._display}: {' '.join(str(error).split())[:200]}; try again") from None

    def close(self) -> None:
        self._file.close()
