"""A process that has imported everything, and forks for each command of the manual and each case.

    python -m tests.support.warm SOCKET MODULE…  imports the package and these, serves until its standard input ends
    python client.py SOCKET s3am ls              runs 's3am ls' there, with its own descriptors, folder, environment
    python client.py SOCKET python 'print(1)'    the same with code
    python client.py SOCKET script PATH          the same with a file

The client forwards signals and ends with the exit status of the command. If the client is killed, so is the command.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from botocore.session import Session

from tests.support.botocore_data import load_authorities_once, make_shared, read_data_once

ROOT = Path(__file__).resolve().parents[2]

CLIENT = """\
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    asked = json.dumps({"words": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}).encode()
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    replies = server.makefile("r")
    pid = int(replies.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    sys.exit(int(replies.readline()) % 256)
"""


def preload(names: list[str]) -> None:
    import s3amfs

    for module in pkgutil.walk_packages(s3amfs.__path__, "s3amfs."):
        if not module.name.startswith(("s3amfs.mount", "s3amfs.demo")):
            importlib.import_module(module.name)
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    read_data_once()
    make_shared()
    if "aiobotocore.session" in names:
        load_authorities_once()
    # Scripts make clients of botocore, which s3am does not: the first one spends its time on reading files.
    Session().create_client("s3", region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")
    assert threading.active_count() == 1, "a fork copies one thread only"


def read(client: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length and (more := client.recv(length - len(found))):
        found += more
    return found


def serve(path: str) -> None:
    """Serves clients until standard input ends; returns in the forked children, too, with the command done."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            client, _ = listener.accept()
            if os.fork() == 0:
                break
            client.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass
    with client:
        length, descriptors, _, _ = socket.recv_fds(client, 4, 3)
        asked = json.loads(read(client, int.from_bytes(length, "big")))
        child = os.fork()
        if child:
            for descriptor in descriptors:
                os.close(descriptor)
            client.sendall(f"{child}\n".encode())
            ended = os.pidfd_open(child)
            if ended not in select.select([client, ended], [], [])[0]:  # the client never says more: it is gone
                os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            with contextlib.suppress(ConnectionError):
                client.sendall(f"{status if status >= 0 else 128 - status}\n".encode())
            os._exit(0)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(asked["words"])


def run(words: list[str]) -> None:
    """['s3am', argument, …], ['python', code] or ['script', path]."""
    if words[0] == "s3am":
        from s3amfs.cli.main import script

        sys.argv = words
        script()
    elif words[0] == "script":
        sys.argv = words[1:]
        sys.path[0] = str(Path(words[1]).parent)
        sys.path.extend(os.environ.get("PYTHONPATH", "").split(os.pathsep))
        runpy.run_path(words[1], run_name="__main__")
    else:
        scope = {"__name__": "__main__"}
        exec(compile(words[1], "block", "exec"), scope)  # the manual's own code


def client(folder: Path) -> Path:
    """Writes the client's source to `folder` and returns its path."""
    path = folder / "client.py"
    path.write_text(CLIENT, encoding="utf-8")
    return path


@contextlib.contextmanager
def serving(folder: Path, *names: str, environment: dict[str, str] | None = None) -> Iterator[list[str]]:
    """Starts such a process that imports the modules `names`. Yields the words that are put before a command."""
    words = [sys.executable, "-ISs", str(client(folder)), f"{folder}/socket"]
    command = [sys.executable, "-W", "error::ResourceWarning", "-m", "tests.support.warm", f"{folder}/socket", *names]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None and server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield words
        server.stdin.close()


if __name__ == "__main__":
    preload(sys.argv[2:])
    print("ready", flush=True)
    serve(sys.argv[1])
