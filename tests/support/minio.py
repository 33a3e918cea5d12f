"""MinIO as a second real S3 server, over TLS (else it takes no customer keys), where a `minio` binary is found.

Nothing in CI needs it: `go install github.com/minio/minio@latest` makes the binary; S3AM_TEST_MINIO names one that is
not on PATH.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from types import TracebackType

from s3amfs.demo.seaweed import free_ports

from .tls import Certificates


def find_minio() -> str | None:
    return os.environ.get("S3AM_TEST_MINIO") or shutil.which("minio")


class MinioServer:
    """`with MinioServer(folder, certs) as s3:` has what SeaweedServer has: endpoint_url, access_key, environment()."""

    def __init__(self, folder: Path, certs: Certificates) -> None:
        self.access_key, self.secret_key, self.region = "AK" + secrets.token_hex(8), secrets.token_hex(20), "us-east-1"
        self.port, self._console = free_ports(2)
        self._folder, self._certs = folder, certs
        (folder / "certs").mkdir(parents=True)
        shutil.copy(certs.certificate, folder / "certs" / "public.crt")
        shutil.copy(certs.key, folder / "certs" / "private.key")

    @property
    def endpoint_url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CA_BUNDLE": str(self._certs.ca),
        }

    def __enter__(self) -> MinioServer:
        binary = find_minio()
        assert binary is not None
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    binary,
                    "server",
                    f"--address=127.0.0.1:{self.port}",
                    f"--console-address=127.0.0.1:{self._console}",
                    f"--certs-dir={self._folder / 'certs'}",
                    str(self._folder / "data"),
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self._folder),
                    "MINIO_ROOT_USER": self.access_key,
                    "MINIO_ROOT_PASSWORD": self.secret_key,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert self._process.poll() is None and time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)
        return self

    def _is_ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self._certs.ca))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)
        try:
            connection.request("GET", "/minio/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
