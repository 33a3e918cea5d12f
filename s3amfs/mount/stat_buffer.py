"""struct stat written at once: mfusepy sets its fields one by one, which takes four times as long."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from typing import Any

_TIMES = ("st_atime", "st_mtime", "st_ctime")
_NUMBERS = ("st_mode", "st_size", "st_nlink", "st_uid", "st_gid", "st_blocks", "st_blksize")
_CODES = {2: "h", 4: "i", 8: "q"}


class StatWriter:
    """Writes structures of the ctypes class `c_stat`, whose times are of the class `c_timespec`."""

    def __init__(self, c_stat: Any, c_timespec: Any) -> None:
        kinds, times = dict(c_stat._fields_), dict(c_timespec._fields_)
        places: list[tuple[int, str, int, bool]] = []
        for name in _NUMBERS:
            signed = kinds[name](-1).value < 0
            places.append((getattr(c_stat, name).offset, name, ctypes.sizeof(kinds[name]), signed))
        for name in _TIMES:
            start = getattr(c_stat, f"{name}spec").offset
            for part in ("tv_sec", "tv_nsec"):
                offset = start + getattr(c_timespec, part).offset
                places.append((offset, f"{name} {part}", ctypes.sizeof(times[part]), True))
        self._size = ctypes.sizeof(c_stat)
        self._memory = ctypes.c_char * self._size
        self._order = tuple(name for _, name, _, _ in sorted(places))
        self._struct = struct.Struct(_format(sorted(places), self._size))

    def write(self, buffer: Any, attributes: Mapping[str, int]) -> None:
        """Fills the `struct stat *` at `buffer`. attributes: as `Operations.getattr` returns them, times in ns."""
        values = dict(attributes)
        for name in _TIMES:
            values[f"{name} tv_sec"], values[f"{name} tv_nsec"] = divmod(values[name], 10**9)
        memory = self._memory.from_address(ctypes.addressof(buffer.contents))
        self._struct.pack_into(memory, 0, *[values[name] for name in self._order])


def _format(places: list[tuple[int, str, int, bool]], size: int) -> str:
    """Of `struct`. places: (offset, name, bytes, whether it has a sign)."""
    text, at = "=", 0
    for offset, _, width, signed in places:
        code = _CODES[width]
        text += f"{offset - at}x{code if signed else code.upper()}"
        at = offset + width
    return f"{text}{size - at}x"
