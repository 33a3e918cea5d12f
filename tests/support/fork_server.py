"""Starts `s3am` by a fork of a process that has imported it: no import for each of some thousand commands.

The command is a process as any other: with its own arguments, environment, directory, descriptors, exit status and
resource use. What differs: /proc/PID/cmdline and /proc/PID/environ are those of the server, and modules and botocore's
own files are there before they are asked for. Tests that look at one of these start the interpreter
(`Cli(forks=False)`); so do tests/demo and all that bring a command or PYTHON* variables of their own.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from tests.support.botocore_data import make_shared, read_data_once

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1 << 17
DESCRIPTORS = 4
PRELOADED = ("s3amfs.cli", "s3amfs.verbs", "s3amfs.jobs", "s3amfs.wire")


class ForkServer:
    """One such server. It ends with the process that made it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = f"from tests.support.fork_server import serve; serve({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)},
            )

    def start(
        self, words: list[str], env: dict[str, str], cwd: str, descriptors: list[int]
    ) -> tuple[int, socket.socket]:
        """Starts `s3am WORDS`. descriptors: its stdin, stdout, stderr.

        Returns its pid and a socket that is readable as soon as it has ended (`collect` then).
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            message = json.dumps([words, env, cwd]).encode("utf-8", "surrogateescape")
            socket.send_fds(self._control, [message], [*descriptors, theirs.fileno()])
        return int(ours.recv(64)), ours


def collect(ended: socket.socket) -> tuple[int, float, int]:
    """Waits until the command has ended. Returns its status as of wait4(2), CPU seconds and peak memory in KiB."""
    with ended:
        ended.recv(1)
        ended.send(b"c")
        status, cpu, peak = json.loads(ended.recv(256))
    return status, cpu, peak


def serve(number: int) -> NoReturn:
    """The server: forks until its maker is gone."""
    for package in PRELOADED:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
            importlib.import_module(module.name)
    importlib.import_module("platformdirs")
    read_data_once()
    make_shared()
    control = socket.socket(fileno=number)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # of its own children nobody asks for a status
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, DESCRIPTORS)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _mind(json.loads(message.decode("utf-8", "surrogateescape")), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _mind(what: list[Any], descriptors: list[int]) -> NoReturn:
    """The parent of one command: the only one that can wait for it, so that its pid stays its own until then."""
    pid = os.fork()
    if pid == 0:
        os.close(descriptors.pop())
        _run(*what, descriptors)
    maker = socket.socket(fileno=descriptors.pop())
    for descriptor in descriptors:
        os.close(descriptor)
    maker.send(str(pid).encode())
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        maker.send(b"e")
        maker.recv(1)
        _, status, usage = os.wait4(pid, 0)
        maker.send(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]).encode())
    except ConnectionError:
        os._exit(1)  # the test process is gone
    os._exit(0)


def _run(words: list[str], env: dict[str, str], cwd: str, descriptors: list[int]) -> NoReturn:
    """Becomes the command, as the interpreter does."""
    for place, (descriptor, stream) in enumerate(zip(descriptors, (sys.stdin, sys.stdout, sys.stderr), strict=True)):
        os.dup2(descriptor, place)
        os.close(descriptor)
        assert stream.fileno() == place
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv = ["-c", *words]
    try:
        from s3amfs.cli.main import script

        script()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
    except BaseException:  # noqa: BLE001 - as the interpreter does with all that reaches it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
