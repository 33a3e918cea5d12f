"""`--report FILE`: what a command did, as JSON lines or as one HTML page.

The file appears when the command ends, whole, also after a failure; until then it lies beside it as FILE.new. Of a
command that was killed its JSON lines are there, up to the last second: `s3am report` makes the page of them.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from ..core.report_data import Story

FLUSH_SECONDS = 0.5
MOST_LINE_BYTES = 1 << 20


class ReportFile:
    """A report that is being written. Any thread."""

    def __init__(self, path: str, file: IO[str], story: Story | None) -> None:
        """story: gathers what the page shows; None: JSON lines are written."""
        self._path = path
        self._file = file
        self._story = story
        self._flushed = 0.0
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str) -> ReportFile:
        """Raises UsageError for a name of another kind, and where the file can't be written."""
        if not path.endswith((".jsonl", ".html")):
            raise UsageError(f"--report {path}: give a name that ends in .jsonl or .html")
        try:
            file = open(path + ".new", "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - see `finish`
        except OSError as error:
            raise UsageError(f"the report {path} can't be written: {error.strerror}") from None
        if path.endswith(".jsonl"):
            return cls(path, file, None)
        from ..core.report_data import Story

        return cls(path, file, Story())

    def add(self, fields: Mapping[str, Any]) -> None:
        """One line, with the time at which it was added."""
        line = {**fields, "time": round(time.time(), 3)}
        with self._lock:
            if self._story is not None:
                self._story.add(line)
                return
            self._file.write(json.dumps(line) + "\n")
            now = time.monotonic()
            if now - self._flushed > FLUSH_SECONDS:
                self._flushed = now
                self._file.flush()

    def finish(self) -> None:
        """The file appears. Raises OSError."""
        with self._lock, self._file:
            if self._story is not None:
                from ..core.report_page import page

                self._file.write(page([self._story]))
            self._file.flush()
            os.fsync(self._file.fileno())
        os.replace(self._path + ".new", self._path)


def read_story(path: str) -> Story:
    """The lines of a `.jsonl` file, or of a command's `--json`. Raises UsageError."""
    from ..core.report_data import Story

    story = Story(os.path.basename(path))
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            while line := file.readline(MOST_LINE_BYTES):
                if line.strip():
                    _add_line(story, line)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    return story


def _add_line(story: Story, line: str) -> None:
    try:
        fields = json.loads(line)
    except ValueError:  # such as the last line of a process that was killed
        story.nonsense += 1
        return
    if isinstance(fields, dict):
        story.add(fields)
    else:
        story.nonsense += 1
