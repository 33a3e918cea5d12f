"""`--trace FILE`: the requests of one command, recorded while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output


@contextmanager
def traced(path: str | None, command: str, output: Output) -> Iterator[None]:
    """Around a command. path: the trace; None: none is wanted. Raises UsageError where it can't be written."""
    if path is None:
        yield
        return
    from ..engine import trace

    recorder = trace.Recorder(path, f"s3am {command}", output.warn)
    trace.record(recorder)
    try:
        yield
    finally:
        trace.record(None)
        recorder.close()
