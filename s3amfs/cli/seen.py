"""`--trace FILE` and `--report FILE`, around one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .report_file import ReportFile

if TYPE_CHECKING:
    from .output import Output


@contextmanager
def traced(path: str | None, command: str, output: Output) -> Iterator[None]:
    """Around a command. path: the trace; None: none is wanted. Raises UsageError where it can't be written."""
    if path is None:
        yield
        return
    from ..engine import trace

    with trace.recording(path, f"s3am {command}", output.warn):
        yield


@contextmanager
def reported(path: str | None, output: Output) -> Iterator[None]:
    """Around a command. path: its report; None: none is wanted. Raises UsageError where it can't be written."""
    if path is None:
        yield
        return
    output.report = report = ReportFile.open(path)
    try:
        yield
    except BaseException as error:
        message = str(error) or type(error).__name__
        report.add({"event": "error", "exit_code": getattr(error, "exit_code", 1), "message": message})
        raise
    finally:
        output.report = None
        report.finish()
