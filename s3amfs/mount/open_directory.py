"""The names of an open directory, read as far as they were asked for. Threads may share it.

Once a program has asked for attributes of names, as `ls -l` does, the kernel asks for them with further names
(READDIRPLUS), and sends no request of its own for each name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from ..errors import Interrupted, NotFound
from .attributes import Attributes

Show = Callable[[str, "Attributes | None", int], bool]
"""Takes a name, its attributes and the number of the next name; returns whether there was room for it."""


class DirectoryNames:
    """path: of the directory, as it is called now. begin: starts reading the names in a path."""

    def __init__(self, path: str, begin: Callable[[str], Iterator[str]]) -> None:
        self.path = path
        self._begin = begin
        self._lock = threading.Lock()
        self._names: list[str] = []
        self._rest: Iterator[str] = iter(())
        self._error: BaseException | None = None

    def show(self, offset: int, show: Show, look: Callable[[str], Attributes] | None = None) -> str | None:
        """Shows the names from number `offset` on. Returns the path that was looked at and found no room, if any.

        look: returns the attributes of what is at a path; None: nobody asks for them.
        """
        if offset == 0:
            with self._lock:
                self._names, self._rest, self._error = [], self._begin(self.path), None
        while (name := self._at(offset)) is not None:
            offset += 1
            attributes: Attributes | None = None
            if look is not None and name not in (".", ".."):
                try:
                    attributes = look(f"{self.path.rstrip('/')}/{name}")
                except Interrupted:
                    raise
                except NotFound:
                    attributes = None  # it has gone: the kernel asks for it itself
                except OSError:
                    look = None  # each may take as long to fail: the kernel asks for one itself, and gets the reason
            if not show(name, attributes, offset):
                return f"{self.path.rstrip('/')}/{name}" if attributes is not None else None
        return None

    def renamed(self, old: str, new: str) -> None:
        """A rename of `old` to `new`: this directory, or one that it is in, may be it."""
        if f"{self.path}/".startswith(f"{old}/"):
            self.path = new + self.path[len(old) :]

    def _at(self, number: int) -> str | None:
        with self._lock:
            while len(self._names) <= number:
                if self._error is not None:
                    raise self._error
                try:
                    name = next(self._rest, None)
                except BaseException as error:
                    self._error = error  # who asks again must not take it for the end
                    raise
                if name is None:
                    return None
                self._names.append(name)
            return self._names[number]
