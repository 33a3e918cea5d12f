"""`s3am` as a process of its own: run it, measure it, kill it at a point.

Its environment is built from nothing (no AWS_*, no proxy variables, HOME in the test's folder), so that a test never
depends on what the developer's machine is set to.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """What a run left: exit status (negative: signal), outputs, wall and CPU seconds, peak resident bytes."""

    rc: int
    stdout: str
    stderr: str
    wall: float
    cpu: float
    max_rss: int

    def json_lines(self) -> list[dict[str, Any]]:
        """Every line of stdout parsed as JSON (for `--json`)."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.strip()]


class Running:
    """A started command. `wait()` gives its Result; `kill()` and `interrupt()` send a signal to it."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path, started: float) -> None:
        self.process = process
        self.pid = process.pid
        self._out, self._err, self._started = out, err, started

    def stdout(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(errors="replace")

    def stderr(self) -> str:
        return self._err.read_text(errors="replace")

    def send(self, number: int) -> None:
        if self.process.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def interrupt(self) -> None:
        self.send(signal.SIGINT)

    def wait(self, timeout: float = 300.0) -> Result:
        """Waits for its end and reads its resource use from the kernel; after `timeout` kills it: TimeoutError."""
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            self.kill()

        watch = threading.Timer(timeout, give_up)
        watch.start()
        try:
            _, status, usage = os.wait4(self.pid, 0)
        finally:
            watch.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.stdin:
            self.process.stdin.close()
        result = Result(
            self.process.returncode,
            self.stdout(),
            self.stderr(),
            time.monotonic() - self._started,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024,
        )
        if timed_out.is_set():
            raise TimeoutError(f"s3am ran for more than {timeout} s; it said: {result.stdout!r} {result.stderr!r}")
        return result

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> bool:
        """Waits until `condition()` holds; False when the command ended first or `timeout` passed."""
        deadline = time.monotonic() + timeout
        while not condition():
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return False
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def kill_when(self, condition: Callable[[], bool], number: int = signal.SIGKILL, timeout: float = 60.0) -> bool:
        """Sends `number` as soon as `condition()` holds; False when it was not sent."""
        reached = self.wait_until(condition, timeout)
        if reached:
            self.send(number)
        return reached


class Cli:
    """Runs `s3am` with an environment made for one test. `cli("upload", src, dst)` -> Result."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.command = [sys.executable, "-c", "from s3amfs.cli.main import script; script()"]
        """What `start` puts before its arguments."""
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    def forget_state(self) -> None:
        """Wipes HOME: what is known of unfinished transfers is gone."""
        shutil.rmtree(self.home)
        self.home.mkdir()

    def start(
        self,
        *args: object,
        stdin: bytes | int | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Running:
        """Starts `s3am ARGS` and returns at once. stdin: bytes to feed, a descriptor, or None for an empty one
        (`subprocess.PIPE`: write to `running.process.stdin` yourself)."""
        out, err = _new_file(self.home), _new_file(self.home)
        feed = stdin if isinstance(stdin, bytes) else None
        source = subprocess.PIPE if feed is not None else subprocess.DEVNULL if stdin is None else stdin
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            process = subprocess.Popen(
                [*self.command, *map(str, args)],
                stdin=source,  # type: ignore[arg-type]
                stdout=stdout,
                stderr=stderr,
                env={**self.environment, **(env or {})},
                cwd=cwd,
            )
        started = time.monotonic()
        if feed is not None:
            threading.Thread(target=_feed, args=(process, feed), daemon=True).start()
        return Running(process, out, err, started)

    def __call__(
        self,
        *args: object,
        stdin: bytes | int | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 300.0,
    ) -> Result:
        """Runs `s3am ARGS` to its end."""
        return self.start(*args, stdin=stdin, env=env, cwd=cwd).wait(timeout)

    def ok(self, *args: object, **keywords: Any) -> Result:
        """As a call, and fails the test unless the exit status is 0."""
        result = self(*args, **keywords)
        assert result.rc == 0, f"s3am {args} exited {result.rc}: {result.stderr or result.stdout}"
        return result


def _new_file(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="s3am-", dir=folder)
    os.close(descriptor)
    return Path(name)


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        return  # the command did not want all of it; its exit status tells
