"""S3 servers of several daemons, with keys that they give out themselves: Garage and Ceph's gateway."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from s3amfs.demo.seaweed import free_ports
from tests.servers.program import READY_SECONDS, Server


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
