"""`s3am run`: many commands in one process, several at a time."""

from __future__ import annotations

import argparse
import contextlib
import queue
import shlex
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import S3AMError, UsageError
from .options import add_seen
from .output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

SUMMARY = "run many s3am commands from a file, in parallel in one process"
DESCRIPTION = """\
Reads s3am commands from FILE, or from standard input if FILE is -, and runs
them in parallel, in no particular order. Each line is one command, quoted as
in a shell, with or without a leading 's3am'. Blank lines and lines that begin
with # are skipped. General options given to 'run' apply to every line that
does not give its own. Errors name the line; exit code 1 if any line failed."""
EXAMPLES = """\
examples:
  s3am run commands.txt
  printf 'upload %s s3://bucket/\\n' *.bam | s3am run -"""

AT_A_TIME = 16
ALONE = ("run", "mount", "umount", "demo", "completion")
"""Commands that make no sense among others."""
INHERITED = (
    "verbose",
    "debug",
    "json",
    "profile",
    "region",
    "endpoint_url",
    "requester_pays",
    "no_sign_request",
    "no_verify_tls",
    "ca_bundle",
    "timeout",
    "retry_budget",
)


class LineOutput(Output):
    """Output of one line of the list: whole lines, and errors that name its number."""

    _lock = threading.Lock()

    def __init__(self, number: int, parent: Output, *, json: bool, verbose: bool) -> None:
        super().__init__(json=json, verbose=verbose, progress=False)
        self._number = number
        self.clients = parent.clients

    def error(self, error: S3AMError) -> int:
        super().error(_Named(f"line {self._number}: {error}"))
        return error.exit_code

    def warn(self, message: str) -> None:
        super().warn(f"line {self._number}: {message}")

    def _print(self, text: str, *, flush: bool = True) -> None:
        with self._lock:
            super()._print(text, flush=flush)

    def _flush(self) -> None:
        with self._lock:
            super()._flush()

    def _say(self, text: str) -> None:
        with self._lock:
            super()._say(text)

    def result(self, text: str, fields: Mapping[str, Any]) -> None:
        super().result(text, {**fields, "line": self._number})


class _Named(S3AMError):
    """An error with its line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|-", help="file of commands; -: standard input")
    add_seen(parser, report=False)


def run(args: argparse.Namespace, output: Output) -> int:
    lines: queue.Queue[tuple[int, str] | None] = queue.Queue(AT_A_TIME)
    failed: list[int] = []
    done = [0]
    crashed: list[BaseException] = []
    output.clients = {}

    def work() -> None:
        while (item := lines.get()) is not None and not crashed:
            try:
                code = run_line(*item, args, output)
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                crashed.append(error)
                return
            done[0] += 1
            if code:
                failed.append(item[0])

    threads = [threading.Thread(target=work, name="s3am-run", daemon=True) for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for item in read_lines(args.file):
        _put(lines, item, crashed)
    for _ in threads:
        _put(lines, None, crashed)
    if crashed:  # what is running comes to its end, and nothing more is begun
        _replace_by_ends(lines, len(threads))
    for thread in threads:
        thread.join()
    if crashed:
        raise crashed[0]
    if failed or args.json:
        text = f"{len(failed)} of {done[0]} commands failed: lines {', '.join(map(str, sorted(failed)[:20]))}"
        fields = {"event": "result", "verb": "run", "commands": done[0], "failed": sorted(failed)}
        output.result(text, {**fields, "exit_code": int(bool(failed))})
    return 1 if failed else 0


def _put(
    lines: queue.Queue[tuple[int, str] | None], item: tuple[int, str] | None, crashed: list[BaseException]
) -> None:
    while not crashed:
        try:
            lines.put(item, timeout=0.5)
            return
        except queue.Full:
            continue


def _replace_by_ends(lines: queue.Queue[tuple[int, str] | None], count: int) -> None:
    """Drops what waits in `lines`, which has room for `count`; each of so many threads gets its end instead."""
    with contextlib.suppress(queue.Empty):
        while True:
            lines.get_nowait()
    for _ in range(count):
        lines.put(None)


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    """Number and text of each command. Raises UsageError."""
    try:
        file = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"the list of commands {path} can't be read: {error.strerror}") from None
    try:
        for number, line in enumerate(file, start=1):
            text = line.decode("utf-8", "surrogateescape").strip()
            if text and not text.startswith("#"):
                yield number, text
    finally:
        if path != "-":
            file.close()


def run_line(number: int, text: str, outer: argparse.Namespace, output: Output) -> int:
    """Runs one command. Returns its exit code; errors are printed."""
    from .main import build_parser, run_command

    errors = LineOutput(number, output, json=outer.json, verbose=outer.verbose)
    try:
        words = shlex.split(text, comments=False)
        if words and words[0] == "s3am":
            words = words[1:]
        parser = build_parser()
        parser.set_defaults(**{name: getattr(outer, name) for name in INHERITED})
        args = parser.parse_args(words)
        if args.command in ALONE:
            raise UsageError(f"{args.command!r} cannot be run from a file of commands")
        if getattr(args, "trace", None) is not None:
            raise UsageError("--trace covers the whole run: give it to 's3am run'")
    except S3AMError as error:
        return errors.error(error)
    except ValueError as error:
        return errors.error(UsageError(f"{error}: check the quotes"))
    except SystemExit as ended:  # --help, --version
        return int(ended.code or 0)
    own = LineOutput(number, output, json=args.json, verbose=args.verbose or args.debug)
    try:
        return run_command(args, own)
    finally:
        own.close()
