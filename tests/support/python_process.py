"""Small Python programs as processes of their own."""

from __future__ import annotations

import subprocess
import sys


def python(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A process that runs `code`; it says a line when it is ready, and is told to go on by another."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=60)
    return process.returncode
