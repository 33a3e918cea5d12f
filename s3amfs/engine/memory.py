"""Small files of the state folder that remember something for later runs: read whole, replaced at once.

Another process sees the old text or the new one. A file that can't be read counts as empty: nothing depends on it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable

from ..core import remembered
from ..core.findings import Finding
from .file_io import make_private
from .journal import state_dir

MOST_BYTES = 1 << 20
_SERVICES = "services.json"


def read_text(path: str) -> str:
    """The text of a file; '' where there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(MOST_BYTES)
    except (OSError, UnicodeDecodeError):
        return ""


def write_text(path: str, text: str) -> None:
    """Replaces the file. Raises OSError."""
    folder = os.path.dirname(path)
    make_private(folder)
    fd, temporary = tempfile.mkstemp(prefix=".remembered-", dir=folder)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def recall_service(endpoint: str, bucket: str | None, identity: str) -> dict[str, bool]:
    """Capability -> whether `s3am doctor` found it there within the last 30 days; {} where nothing is known."""
    text = read_text(os.path.join(state_dir(), _SERVICES))
    return remembered.parse(text, remembered.name_of(endpoint, bucket, identity), time.time()) if text else {}


def remember_service(endpoint: str, bucket: str | None, identity: str, findings: Iterable[Finding]) -> None:
    """Keeps findings for 30 days. Raises OSError."""
    path = os.path.join(state_dir(), _SERVICES)
    name = remembered.name_of(endpoint, bucket, identity)
    write_text(path, remembered.with_findings(read_text(path), name, findings, time.time()))
