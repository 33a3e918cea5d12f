"""The standard streams of the commands."""

from __future__ import annotations

import subprocess
import sys

SHOW = """
import os, sys
from s3amfs.cli.streams import prepare
prepare()
print("one", "\\u00e4\\ud800")
os.write(1, b"two\\n")
print(type(sys.stdout.buffer).__name__)
"""


def test_lines_are_written_together_also_where_python_is_to_buffer_nothing() -> None:
    """PYTHONUNBUFFERED is set in many containers."""
    shown = subprocess.run([sys.executable, "-u", "-X", "utf8", "-c", SHOW], capture_output=True, check=True).stdout
    assert shown.decode().splitlines() == ["two", "one ä\\ud800", "BufferedWriter"]
