"""Text and compressed files over an object open for writing: closed with it, and discarded with it.

`io.TextIOWrapper` and compressors publish what they have when a block fails or they are collected, or leave the object
under them open: these do as `files.WriteFile` does.
"""

from __future__ import annotations

import io
from typing import Any

from fsspec.compression import compr
from fsspec.core import get_compression

_TEXT_ARGUMENTS = ("encoding", "errors", "newline")


def text_arguments(mode: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments in `given` that say how text is encoded, taken out of it; None if `mode` is binary."""
    if "b" in mode:
        return None
    return {name: given.pop(name) for name in _TEXT_ARGUMENTS if name in given}


def as_wanted(file: Any, compression: str | None, text: dict[str, Any] | None) -> Any:
    """`file`, open for writing bytes, as one that takes text (`text`: how it is encoded) or compresses."""
    if compression is not None or text is not None:
        file.is_wrapped = True
    if compression is not None:
        file = CompressedWriter(file, compression)
    return TextWriter(file, **text) if text is not None else file


class TextWriter(io.TextIOWrapper):
    """Text into an object that is published by `close`, not by the end of a block that fails."""

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            discard(self.buffer)

    def __del__(self) -> None:
        """Closes nothing: the object under it warns that it was not closed."""


class CompressedWriter(io.BufferedIOBase):
    """Bytes that `compression` makes smaller, into the object `file`; `close` ends both."""

    def __init__(self, file: Any, compression: Any) -> None:
        self._file = file
        self._target = _Target(file)
        self._compressor = compr[compression](self._target, mode="w")
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        """Some compressors can go forward; text asks for it, to know whether it is at the beginning."""
        able: bool = self._compressor.seekable()
        return able

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place: int = self._compressor.seek(offset, whence)
        return place

    def tell(self) -> int:
        place: int = self._compressor.tell()
        return place

    def write(self, data: Any) -> int:
        if self._closed:
            raise ValueError("write to a closed file")
        taken: int | None = self._compressor.write(data)
        return taken if taken is not None else len(data)

    def flush(self) -> None:
        if not self._closed:
            self._compressor.flush()

    def close(self) -> None:
        """Makes the object visible; raises what went wrong."""
        if self._closed:
            return
        self._closed = True
        try:
            self._compressor.close()
        except BaseException:
            self.discard()
            raise
        self._file.close()

    def discard(self) -> None:
        """Makes nothing visible."""
        self._closed = self._target.dropped = True
        discard(self._file)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        """Closes nothing: the object under it warns that it was not closed."""


def discard(file: Any) -> None:
    """Makes nothing of `file` visible; s3fs's own files would be published when they are collected."""
    file.discard()
    if not file.closed:
        file.closed = True


class _Target(io.RawIOBase):
    """The file that a compressor writes to, also when it is collected after its object was discarded."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.dropped = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.dropped or self._file.closed:
            return len(data)
        taken: int = self._file.write(data)
        return taken


def compression_of(path: str, compression: str | None) -> str | None:
    """The name of a compression, where 'infer' goes by the path; None for none. Raises ValueError."""
    found: str | None = get_compression(path, compression)
    return found
