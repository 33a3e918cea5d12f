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


def attempt(source: str, target: str, job: str, count: int) -> int:
    if not os.path.exists(job):
        # An earlier attempt may have been killed before its job was written: what it left is known by its name alone.
        again = ("--force",) if target.startswith("s3:") else ("--download-exists", "discard")
        process = begin("start", "--part-size", "5M", *again, source, target, "-o", job)
        text = process.communicate()[1]
        if process.returncode:
            print(error_of(text), file=sys.stderr)
            return process.returncode
    movers = [begin("move", job, f"{index}/{count}") for index in range(1, count + 1)]
    ended = [(mover.communicate()[1], mover.returncode) for mover in movers]
    for text, code in ended:
        if code not in (0, -9):
            print(error_of(text), file=sys.stderr)
            return code
    process = begin("finish", job)
    text = process.communicate()[1]
    if process.returncode:
        print(error_of(text), file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(attempt(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
