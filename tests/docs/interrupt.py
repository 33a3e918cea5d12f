"""`timeout -s SIGNAL SECONDS COMMAND…` for the manual's examples: it waits for progress instead of for the clock.

The signal is sent as soon as a manifest has records of parts, so that a loaded machine changes nothing. Exit
status: that of timeout(1), 124, or 137 after KILL.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

DEADLINE = 60.0
RECORDS = 3
"""Lines of a manifest with the transfer's header and at least one part."""


def has_parts(begun: float) -> bool:
    """Whether a manifest that was written since `begun` (seconds since 1970) has records of parts."""
    state = Path(os.environ["HOME"], ".local", "state", "s3amfs", "uploads")
    for path in itertools.chain(state.glob("*.manifest"), Path().glob(".*.progress")):
        if path.stat().st_mtime >= begun and path.read_bytes().count(b"\n") >= RECORDS:
            return True
    return False


def main(name: str, command: list[str]) -> int:
    begun = time.time()
    program = Path(sys.executable).with_name(command[0])  # not the warm one: KILL is to hit the command itself
    child = subprocess.Popen([program, *command[1:]])
    while child.poll() is None and not has_parts(begun):
        if time.time() > begun + DEADLINE:
            child.kill()
            raise SystemExit(f"no part was recorded within {DEADLINE:.0f} s")
        time.sleep(0.02)
    if child.poll() is None:
        child.send_signal(signal.Signals[f"SIG{name}"])
    child.wait()
    return 137 if name == "KILL" else 124


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], sys.argv[4:]))
