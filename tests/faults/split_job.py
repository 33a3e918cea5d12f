"""One attempt at a split job: start (unless it is started), N movers at a time, finish. A process that can be killed.

python -m tests.faults.split_job SRC DST JOB N
"""

from __future__ import annotations

import os
import subprocess
import sys

S3AM = (sys.executable, "-m", "s3amfs.cli.main", "--timeout", "4", "split")


def begin(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*S3AM, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def error_of(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    return lines[-1] if lines else text


def failed(code: int, text: str) -> int:
    """Ends as the process that failed has ended: by the same signal, or with its error and exit code."""
    if code < 0:
        os.kill(os.getpid(), -code)
    print(error_of(text), file=sys.stderr)
    return code


def attempt(source: str, target: str, job: str, count: int) -> int:
    if not os.path.exists(job):
        # An earlier attempt may have been killed before its job was written: what it left is known by its name alone.
        again = ("--force",) if target.startswith("s3:") else ("--download-exists", "discard")
        process = begin("start", "--part-size", "5M", *again, source, target, "-o", job)
        text = process.communicate()[1]
        if process.returncode:
            return failed(process.returncode, text)
    movers = [begin("move", job, f"{index}/{count}") for index in range(1, count + 1)]
    ended = [(mover.communicate()[1], mover.returncode) for mover in movers]
    for text, code in ended:
        if code not in (0, -9):
            return failed(code, text)
    process = begin("finish", job)
    text = process.communicate()[1]
    return failed(process.returncode, text) if process.returncode else 0


if __name__ == "__main__":
    sys.exit(attempt(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
