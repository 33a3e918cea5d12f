"""The entry point of `s3am`: parses, runs one command, and turns what went wrong into one line and an exit code.

Commands are one file each; their verbs are imported when they run, so that `s3am --help` stays light.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from .. import __version__
from ..engine import waiting
from ..errors import Interrupted, S3AMError
from . import streams
from .help import EXIT_CODES
from .options import Parser, add_common
from .output import Output
from .seen import reported, traced
from .signals import Interruption

COMMANDS = (
    "upload",
    "download",
    "cancel",
    "verify",
    "pending",
    "ls",
    "du",
    "rm",
    "sync",
    "check",
    "run",
    "split",
    "doctor",
    "report",
    "generate-sse-key",
    "mount",
    "umount",
    "demo",
    "completion",
)

_STARTED_AFTER = 20_000
"""Objects. To collect garbage after each 700, as Python does, costs 15 ms at the start, and finds next to none."""


def command_module(name: str) -> ModuleType:
    """Imports the module of a command: 'generate-sse-key' -> cli/generate_sse_key.py."""
    return importlib.import_module(f"s3amfs.cli.{name.replace('-', '_')}")


def build_parser(names: Sequence[str] = COMMANDS) -> Parser:
    """The command line of the commands `names`; completion and the manual page are made from the whole of it.

    Nineteen commands have 600 options: to build them all takes a third of the time in which `s3am` starts.
    """
    parser = Parser(
        prog="s3am",
        description="Moves large objects into, across and out of S3: parallel, checked end to end, resumable.",
        epilog="'s3am COMMAND --help' explains a command and shows examples. Send a running command\n"
        "SIGUSR1 to print its progress on stderr, SIGUSR2 to reread its --bwlimit-file.\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"s3am {__version__}")
    common = Parser(add_help=False)
    add_common(common, top=True)
    parser.add_arguments_of(common)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name in names:
        module = command_module(name)
        sub = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES + "\n\n" + EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        add_common(sub, top=False)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `s3am` with `arguments` (None: those of the process) and returns its exit code."""
    streams.prepare()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        names = words[:1] if words and words[0] in COMMANDS else COMMANDS
        args = build_parser(names).parse_args(words)
    except S3AMError as error:
        return Output(json="--json" in words, verbose=False, progress=False).error(error)
    interruption = Interruption()
    output = Output(json=args.json, verbose=args.verbose or args.debug, progress=args.progress)
    signal.signal(signal.SIGUSR1, lambda _signal, _frame: output.status())
    signal.signal(signal.SIGUSR2, lambda _signal, _frame: _read_limits_again(output))
    waiting.listen(output.waiting)
    code = 1
    try:
        code = run_command(args, output)
    except KeyboardInterrupt:
        code = output.error(Interrupted("interrupted" + _how_to_resume(args.command)))
    except BrokenPipeError:
        code = 1  # the reader of our output has gone: no message would reach it
    finally:
        interruption.over()
        output.close()
    return code


def run_command(args: argparse.Namespace, output: Output) -> int:
    """Runs the command of `args`, prints the one line of what went wrong, and returns the exit code."""
    try:
        with (
            traced(getattr(args, "trace", None), args.command, output),
            reported(getattr(args, "report", None), output),
        ):
            code: int = command_module(args.command).run(args, output)
        return code
    except BrokenPipeError:
        raise
    except S3AMError as error:
        _raise_if(args.debug)
        return output.error(error)
    except OSError as error:
        _raise_if(args.debug)
        return output.error(S3AMError(_one_line(error)))
    except Exception as error:  # noqa: BLE001 - a bug of ours: reported as every error is, and --debug shows where
        _raise_if(args.debug)
        return output.error(S3AMError(f"{type(error).__name__}: {error}: a bug; --debug shows where, please report it"))


def script() -> NoReturn:
    """The program: `main`, then an end that does not take the interpreter apart (40 ms), nor waits for threads that
    other people's file systems left."""
    _collect_after_the_start()
    code = main()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # it says what could not be written
    os._exit(code)


def _collect_after_the_start() -> None:
    """Garbage is collected first after the start, and from then on as Python does.

    Rarer than that it must not be: what a writer that failed leaves is 100 objects, and parts of megabytes in them.
    """
    usual = gc.get_threshold()

    def restore(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(restore)
        gc.set_threshold(*usual)

    gc.callbacks.append(restore)
    gc.set_threshold(_STARTED_AFTER)


def _raise_if(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()


def _one_line(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}: check the disk and its permissions"


def _how_to_resume(command: str) -> str:
    """Only what a server has got can stay there."""
    hint = {
        "upload": ": what was sent stays; run the same command with --resume to go on, or 's3am cancel' to remove it",
        "download": ": what was fetched stays; run the same command with --download-exists resume to go on",
        "sync": ": what was moved stays; run the same command again, with --resume to list nothing twice",
    }
    loop = sys.modules.get("s3amfs.engine.loop")
    if command in hint and (loop is None or not loop.get_engine().reached):
        return ": no server was reached, nothing was moved"
    return hint.get(command, "")


def _read_limits_again(output: Output) -> None:
    from ..engine.bwlimit import reload_limits

    try:
        reload_limits()
    except S3AMError as error:
        output.warn(f"the limit stays as it is: {error}")


if __name__ == "__main__":
    script()
