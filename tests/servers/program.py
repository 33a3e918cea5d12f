"""An S3 server that is a program of its own: started on loopback, asked until it answers, stopped."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar
from urllib.parse import urlsplit

from s3amfs.demo.seaweed import free_ports

READY_SECONDS = 60.0


def cache() -> Path:
    """The folder of tools/servers."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("S3AM_SERVERS") or f"{home}/s3amfs/servers")


class Server:
    """A server that is one program. folder: where it may keep everything."""

    name: ClassVar[str]
    style: ClassVar[str] = "path"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.access_key, self.secret_key = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
        self.region = "us-east-1"
        (self.port,) = free_ports(1)
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def binary(cls) -> Path:
        return cache() / cls.name

    @classmethod
    def why_not(cls) -> str:
        return "" if os.access(cls.binary(), os.X_OK) else f"tools/servers {cls.name} builds it"

    @classmethod
    def version(cls) -> str:
        """As tools/servers was asked for it."""
        try:
            known = Path(f"{cls.binary()}.version").read_text().strip()
        except OSError:
            return ""
        version = known.rpartition("@")[2].removeprefix("v")
        dated = re.fullmatch(r"0\.0\.0-(\d{4})(\d\d)(\d\d)\d*-\w+", version)  # of a Go module without a version
        return "-".join(dated.groups()) if dated else version

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        """Before the start."""

    def settle(self) -> None:
        """When it answers."""

    def run(self, command: list[str]) -> None:
        with open(self.folder / "log", "ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment()},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def __enter__(self) -> Server:
        (self.folder / "data").mkdir(parents=True)
        try:
            self.prepare()
            self.run(self.command())
            self.wait_until_ready()
            self.settle()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            ended = self._processes[-1].poll() is not None
            assert not ended and time.monotonic() < deadline, (
                f"{self.name}: {(self.folder / 'log').read_text()[-2000:]}"
            )
            time.sleep(0.05)  # nothing announces readiness, so it is asked

    def answers(self) -> bool:
        where = urlsplit(self.endpoint_url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
