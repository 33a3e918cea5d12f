"""`s3am` as a process of its own: run it, measure it, kill it at a point.

Its environment is built from nothing (no AWS_*, no proxy variables, HOME in the test's folder), so that a test never
depends on what the developer's machine is set to.
"""

from __future__ import annotations

import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.support import fork_server

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from s3amfs.cli.main import script; script()"]


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


class Spawned:
    """A command that was started as a program."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.stdin = process.stdin
        self.returncode: int | None = None

    def has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def collect(self) -> tuple[float, int]:
        """Waits for its end. Returns CPU seconds and peak memory in KiB."""
        _, status, usage = os.wait4(self.pid, 0)
        self.returncode = self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


class Forked:
    """A command that the fork server started."""

    def __init__(self, pid: int, ended: socket.socket, stdin: IO[bytes] | None) -> None:
        self.pid = pid
        self.stdin = stdin
        self.returncode: int | None = None
        self._ended = ended

    def has_ended(self) -> bool:
        return bool(select.select([self._ended], [], [], 0)[0])

    def collect(self) -> tuple[float, int]:
        """Waits for its end. Returns CPU seconds and peak memory in KiB."""
        status, cpu, peak = fork_server.collect(self._ended)
        self.returncode = os.waitstatus_to_exitcode(status)
        return cpu, peak


class Running:
    """A started command. `wait()` gives its Result; `kill()` and `interrupt()` send a signal to it."""

    def __init__(self, process: Spawned | Forked, out: Path, err: Path, started: float) -> None:
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
            cpu, peak = self.process.collect()
        finally:
            watch.cancel()
        assert self.process.returncode is not None
        if self.process.stdin:
            self.process.stdin.close()
        seconds = time.monotonic() - self._started
        result = Result(self.process.returncode, self.stdout(), self.stderr(), seconds, cpu, peak * 1024)
        if timed_out.is_set():
            raise TimeoutError(f"s3am ran for more than {timeout} s; it said: {result.stdout!r} {result.stderr!r}")
        return result

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> bool:
        """Waits until `condition()` holds; False when the command ended first or `timeout` passed."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self.process.has_ended():
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

    def __init__(self, home: Path, environment: dict[str, str], *, forks: bool = True) -> None:
        self.home = home
        self.command = list(COMMAND)
        """What `start` puts before its arguments."""
        self._forks = forks
        """Starts by a fork of a process that has imported everything, as far as that makes no difference."""
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
        stdin: bytes | int | IO[bytes] | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Running:
        """Starts `s3am ARGS` and returns at once. stdin: bytes to feed, a descriptor, or None for an empty one
        (`subprocess.PIPE`: write to `running.process.stdin` yourself)."""
        out, err = _new_file(self.home), _new_file(self.home)
        feed = stdin if isinstance(stdin, bytes) else None
        source = subprocess.PIPE if feed is not None else subprocess.DEVNULL if stdin is None else stdin
        environment = {**self.environment, **(env or {})}
        words = list(map(str, args))
        process: Spawned | Forked
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            if self._forks and self.command == COMMAND and _is_plain(environment):
                process = _fork(words, environment, cwd, source, stdout.fileno(), stderr.fileno())
            else:
                process = Spawned(
                    subprocess.Popen(
                        [*self.command, *words], stdin=source, stdout=stdout, stderr=stderr, env=environment, cwd=cwd
                    )
                )
        started = time.monotonic()
        if feed is not None:
            threading.Thread(target=_feed, args=(process, feed), daemon=True).start()
        return Running(process, out, err, started)

    def __call__(
        self,
        *args: object,
        stdin: bytes | int | IO[bytes] | None = None,
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


def _is_plain(environment: dict[str, str]) -> bool:
    """Whether no variable is for the interpreter itself, which reads it as it starts."""
    ours = {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG", "LD_"))}
    return ours == {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


@functools.cache
def _server() -> fork_server.ForkServer:
    return fork_server.ForkServer()


def _fork(
    words: list[str], env: dict[str, str], cwd: Path | None, stdin: int | IO[bytes], stdout: int, stderr: int
) -> Forked:
    feed: IO[bytes] | None = None
    if stdin == subprocess.PIPE:
        source, target = os.pipe()
        feed = open(target, "wb")  # noqa: SIM115 - the caller closes it
    elif stdin == subprocess.DEVNULL:
        source = os.open(os.devnull, os.O_RDONLY)
    else:
        source = os.dup(stdin if isinstance(stdin, int) else stdin.fileno())
    try:
        pid, ended = _server().start(words, env, str(cwd or os.getcwd()), [source, stdout, stderr])
    finally:
        os.close(source)
    return Forked(pid, ended, feed)


def _feed(process: Spawned | Forked, data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        return  # the command did not want all of it; its exit status tells
