"""Standard streams as a command may find them: closed, full, or in an encoding that cannot say every name."""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """Every stream is there afterwards. Output to a closed one goes nowhere; reading a closed one fails."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # Left closed, its number would be that of the next file that is opened.
            _redirect(number, os.O_RDWR if number else os.O_WRONLY)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - as long as we live
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # PYTHONUNBUFFERED, as containers set it: two system calls a line, each of which stops the engine's threads.
        # What has to be seen at once is flushed (output.py).
        fd, encoding = sys.stdout.fileno(), sys.stdout.encoding
        sys.stdout = open(fd, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def give_up_on(number: int) -> None:
    """From now on what is printed there goes nowhere: not even at the exit does it fail again."""
    _redirect(number, os.O_RDWR)


def _redirect(number: int, flags: int) -> None:
    null = os.open(os.devnull, flags)
    if null != number:
        os.dup2(null, number)
        os.close(null)
