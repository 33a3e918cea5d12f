"""Output of a command: results on stdout, the rest on stderr; with --json, one object a line on stdout.

Without a terminal and without --verbose nothing but the result is said. Errors are one line, `error: …`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from ..errors import S3AMError
from .streams import give_up_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.events import Event, LimitedBy, TransferStarted
    from ..core.failures import Failure
    from ..core.tree_events import EntryDone, Listed, PrefixTotal
    from ..core.trees.tree_progress import TreeProgress
    from ..engine.client import S3Client
    from ..jobs.check import Checked
    from ..wire.aws.config import S3Config
    from .progress import Progress
    from .progress_lines import ProgressLines
    from .report_file import ReportFile

FLUSH_SECONDS = 0.2
LINE_SECONDS = 10.0
"""Between two lines of progress of a job over a tree."""
LIMIT_SECONDS = 5.0


class Output:
    """json, verbose: as the options say. progress: None: where stderr is a terminal."""

    def __init__(self, *, json: bool, verbose: bool, progress: bool | None) -> None:
        self._json = json
        self._verbose = verbose
        on_terminal = sys.stderr.isatty() and not verbose
        self._progress_wanted = on_terminal if progress is None else progress
        self._progress: Progress | ProgressLines | None = None
        self._waits: set[str] = set()
        self._last_status = "nothing has begun"
        self._moved = "nothing"
        self._flushed = 0.0
        self._held = False
        """Lines wait to be written out."""
        self._progress_at = time.monotonic()
        self._limit_due = 0.0
        self.clients: dict[S3Config, S3Client] | None = None
        """Clients that several commands share (`s3am run`)."""
        self.report: ReportFile | None = None
        """Gets whatever a program would get by --json."""

    def on_event(self, event: Event) -> None:
        """Shows one event of a transfer."""
        from ..core.events import BytesMoved, TransferResult, TransferStarted, Warned

        if isinstance(event, BytesMoved):
            self._moved = event.text()
        else:
            self._last_status = event.text()
        self._event_line(event.json)
        if isinstance(event, Warned):
            if not self._json:
                self._say(event.text())
            return
        if isinstance(event, TransferStarted) and self._progress_wanted:
            self._begin_progress(event)
        if self._progress is not None:
            self._progress.show(event)
        if isinstance(event, TransferResult):
            self._end_progress()
            if not self._json:
                self._print(event.text())
        elif self._verbose and not isinstance(event, BytesMoved) and not self._json:
            self._say(event.text())

    def result(self, text: str, fields: Mapping[str, Any]) -> None:
        """The result of a command that is no transfer."""
        self._event_line(lambda: fields)
        if not self._json:
            self._print(text)

    def entry(self, entry: EntryDone | Listed | PrefixTotal | Checked, *, shown: bool = True) -> None:
        """One of many lines: written out at least every fifth of a second, not each by itself.

        shown: False: for the report only.
        """
        if self.report is not None:
            self.report.add(entry.json())
        self._say_limit()
        if not shown:
            return
        text = json.dumps(entry.json()) if self._json else entry.text()
        now = time.monotonic()
        flush, self._flushed = (True, now) if now - self._flushed > FLUSH_SECONDS else (False, self._flushed)
        self._held = not flush
        self._print(text, flush=flush)

    def _say_limit(self) -> None:
        """For programs: what limits a job over many objects, every few seconds."""
        if not self._json and self.report is None:
            return
        now = time.monotonic()
        if not self._limit_due:
            self._limit_due = now + LIMIT_SECONDS
        if now < self._limit_due or (found := _recent_limit()) is None:
            return
        self._limit_due = now + LIMIT_SECONDS
        self._event_line(found.json)

    def tree_progress(self, progress: TreeProgress) -> None:
        """The progress of a job over a tree: at most every second for programs, every ten seconds for people."""
        self._last_status = progress.text()
        now = time.monotonic()
        if self._held and now - self._flushed > FLUSH_SECONDS:
            self._held, self._flushed = False, now
            self._flush()
        if now - self._progress_at < (1.0 if self._json else LINE_SECONDS):
            return
        self._progress_at = now
        if self._json:
            self._line(progress.json())
        elif self._progress_wanted:
            self._say(progress.text())

    def note(self, fields: Mapping[str, Any]) -> None:
        """Events for programs only: people see that it has worked."""
        if self._json:
            self._line(fields)

    def warn(self, message: str) -> None:
        self._event_line(lambda: {"event": "warning", "message": message})
        if not self._json:
            self._say(f"warning: {message}")

    def waiting(self, message: str) -> None:
        """Something takes long: said once, whatever the options; lines that differ in numbers only are one."""
        self._last_status = message
        kind = re.sub(r"\d+", "", message)
        if kind in self._waits:
            return
        self._waits.add(kind)
        if self._json:
            self._line({"event": "waiting", "message": message})
        self._say(message)

    def status(self) -> None:
        """Says on stderr what happened last (SIGUSR1). In a signal handler: `print` may be in the middle of a line."""
        limit = _recent_limit()
        more = f"; {limit.text()}" if limit is not None else ""
        text = f"status: {self._moved} moved; {self._last_status}{more}\n"
        with contextlib.suppress(OSError):
            os.write(2, text.encode(errors="backslashreplace"))

    def control_retried(self, failure: Failure, delay: float) -> None:
        """A control call is tried again."""
        self._last_status = f"trying again in {delay:.1f} s: {failure.message}"
        self.detail(self._last_status)

    def detail(self, message: str) -> None:
        """Events that are printed with --verbose only."""
        if self._verbose and not self._json:
            self._say(message)

    def error(self, error: S3AMError) -> int:
        """Prints the one line of `error`; returns its exit code."""
        self._end_progress()
        if self.report is not None:
            self.report.add({"event": "error", "exit_code": error.exit_code, "message": str(error)})
        if self._json:
            with contextlib.suppress(OSError):  # it is said on stderr, too
                self._line({"event": "error", "exit_code": error.exit_code, "message": str(error)})
        self._say(f"error: {' '.join(str(error).split())}")
        return error.exit_code

    def close(self) -> None:
        self._end_progress()
        with contextlib.suppress(OSError):
            sys.stdout.flush()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _begin_progress(self, started: TransferStarted) -> None:
        if sys.stderr.isatty():
            from .progress import Progress

            self._progress = Progress(started)
        else:
            from .progress_lines import ProgressLines

            self._progress = ProgressLines(started, self._say_plainly)

    def _end_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.close()

    def _print(self, text: str, *, flush: bool = True) -> None:
        self._write(lambda: print(text, flush=flush))

    def _flush(self) -> None:
        self._write(sys.stdout.flush)

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            give_up_on(1)
            if isinstance(error, BrokenPipeError):
                raise
            raise S3AMError(f"nothing can be written to standard output ({error.strerror})") from None

    def _say(self, text: str) -> None:
        """An output that can't be written to is no reason to stop."""
        try:
            if self._progress is not None:
                self._progress.line(text)
            else:
                self._say_plainly(text)
        except OSError:
            give_up_on(2)

    def _say_plainly(self, text: str) -> None:
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            give_up_on(2)

    def _event_line(self, fields: Callable[[], Mapping[str, Any]]) -> None:
        """For programs: a line with --json, and of the report."""
        if self.report is not None:
            self.report.add(fields())
        if self._json:
            self._line(fields())

    def _line(self, fields: Mapping[str, Any]) -> None:
        self._print(json.dumps(fields))


def _recent_limit() -> LimitedBy | None:
    """The limit of this process in the last seconds; None while nothing moves."""
    from ..core.events import LimitedBy

    loop = sys.modules.get("s3amfs.engine.loop")
    found = loop.recent_limit() if loop is not None else None
    return LimitedBy(found.cause.value, round(found.share, 3)) if found is not None else None
