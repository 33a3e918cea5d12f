"""A process that has imported everything, and forks for each command of the manual: most of a short command is imports.

    python -m tests.docs.warm SOCKET             serves until its standard input ends
    python client.py SOCKET s3am ls              runs 's3am ls' there, with its own descriptors, folder, environment
    python client.py SOCKET python 'print(1)'    the same with code

The client forwards signals and ends with the exit status of the command.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
from pathlib import Path

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
HEAVY = ("aiobotocore.session", "dask.dataframe", "fsspec", "pandas", "pyarrow.parquet", "s3fs", "xarray", "zarr")


def preload() -> None:
    import s3amfs

    for module in pkgutil.walk_packages(s3amfs.__path__, "s3amfs."):
        if not module.name.startswith(("s3amfs.mount", "s3amfs.demo")):
            importlib.import_module(module.name)
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
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
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
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
    """['s3am', argument, …] or ['python', code]."""
    if words[0] == "s3am":
        from s3amfs.cli.main import script

        sys.argv = words
        script()
    else:
        scope = {"__name__": "__main__"}
        exec(compile(words[1], "block", "exec"), scope)  # the manual's own code


def client(folder: Path) -> Path:
    """Writes the client's source to `folder` and returns its path."""
    path = folder / "client.py"
    path.write_text(CLIENT, encoding="utf-8")
    return path


if __name__ == "__main__":
    preload()
    print("ready", flush=True)
    serve(sys.argv[1])
