"""At which path each open file is; at one path several may be, each of another version. The caller holds a lock."""

from __future__ import annotations

from collections.abc import Iterator

from .open_file import OpenFile


class OpenPaths:
    def __init__(self) -> None:
        self._paths: dict[OpenFile, str] = {}
        self._files: dict[str, list[OpenFile]] = {}

    def __iter__(self) -> Iterator[OpenFile]:
        return iter(self._paths)

    def put(self, file: OpenFile, path: str) -> None:
        """`file` is at `path` from now on."""
        self.take(file)
        self._paths[file] = path
        self._files.setdefault(path, []).append(file)

    def take(self, file: OpenFile) -> str | None:
        """Removes `file`; returns where it was, if anywhere."""
        path = self._paths.pop(file, None)
        if path is not None:
            self._files[path].remove(file)
            if not self._files[path]:
                del self._files[path]
        return path

    def of(self, file: OpenFile) -> str:
        """Raises KeyError for a file that is closed."""
        return self._paths[file]

    def at(self, path: str) -> list[OpenFile]:
        return list(self._files.get(path, ()))

    def move(self, old: str, new: str) -> list[tuple[str, str]]:
        """All at `old` and below it are at `new` and below it from now on. Returns the paths of before and of now."""
        below = old + "/"
        moved = [(path, new + path[len(old) :]) for path in self._files if path == old or path.startswith(below)]
        for before, now in moved:
            for file in self.at(before):
                self.put(file, now)
        return moved
