"""The mounts that `benchmarks.mount` compares: ours, the peers that are here, each in one bucket, and no S3 at all.

`null` is a file system in C that forgets what is written and gives zeros (`null_mount.c`; needs gcc and libfuse 3's
headers): what the kernel and libfuse cost. `disk` is a plain folder beside the mounts' own caches.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.mount.daemon import _read_ahead_more

BUCKET = "bench"
TICKS = os.sysconf("SC_CLK_TCK")
NULL = Path(__file__).with_name("null_mount.c")


PEERS = {"rclone": "rclone", "s3fs": "s3fs", "geesefs": "geesefs", "mount-s3": "mount-s3"}
"""Names, and their programs."""


@dataclass
class Daemon:
    name: str
    folder: Path
    pid: int
    walls_in: list[float] = field(default_factory=list)
    walls_out: list[float] = field(default_factory=list)
    cpus_in: list[float] = field(default_factory=list)
    cpus_out: list[float] = field(default_factory=list)
    walls_warm: list[float] = field(default_factory=list)
    """The kernel has its pages."""
    walls_again: list[float] = field(default_factory=list)
    """The kernel has none of it, the mount's own cache may."""
    small: str = ""
    untar: str = ""

    @property
    def stores(self) -> bool:
        """Whether what is written to it is in S3 some time."""
        return self.name not in ("null", "disk")

    def key(self, name: str) -> str:
        return name if self.name == "s3fs" else f"{self.name}/{name}"

    def cpu(self) -> float:
        """Seconds so far."""
        if not self.pid:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self) -> float:
        """MiB."""
        if not self.pid:
            return 0.0
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class Mounts:
    """The file systems that are here, each on a folder of the same bucket."""

    def __init__(self, server: SeaweedServer, work: Path) -> None:
        self.environment = {**os.environ, **server.environment(), "S3AM_STATE_DIR": str(work / "state")}
        self.environment.pop("AWS_CA_BUNDLE", None)
        self.server, self.work = server, work

    @staticmethod
    def here() -> list[str]:
        """Their names."""
        peers = [name for name, program in PEERS.items() if shutil.which(program)]
        null = ["null"] if subprocess.run(["pkg-config", "--exists", "fuse3"], check=False).returncode == 0 else []
        return ["s3am", "s3am-cached", "s3am-write-back", *peers, *null, "disk"]

    def s3am(self, folder: Path, *options: str) -> None:
        prefix = f"s3://{BUCKET}/{folder.name}"
        self._run(sys.executable, "-m", "s3amfs.cli.main", "mount", prefix, str(folder), *options)

    def s3am_cached(self, folder: Path) -> None:
        self.s3am(folder, "--cache-dir", str(self.work / "cache"), "--cache-disk", "10GiB")

    def s3am_write_back(self, folder: Path) -> None:
        self.s3am(folder, "--write-back", "5")

    def rclone(self, folder: Path) -> None:
        remote = f":s3,provider=Other,env_auth,endpoint='{self.server.endpoint_url}',region=us-east-1:{BUCKET}/rclone"
        cache = ("--vfs-cache-mode", "writes", "--vfs-write-back", "0s", "--cache-dir", str(self.work / "rclone-cache"))
        self._run("rclone", "mount", remote, str(folder), *cache, "--daemon")

    def s3fs(self, folder: Path) -> None:
        secret = self.work / "s3fs-password"
        secret.touch(0o600)
        secret.write_text(f"{self.server.access_key}:{self.server.secret_key}")
        options = f"url={self.server.endpoint_url},passwd_file={secret},use_path_request_style,endpoint=us-east-1"
        self._run("s3fs", f"{BUCKET}:/", str(folder), "-o", options)

    def geesefs(self, folder: Path) -> None:
        self._run("geesefs", "--endpoint", self.server.endpoint_url, f"{BUCKET}:geesefs", str(folder))

    def mount_s3(self, folder: Path) -> None:
        options = ("--endpoint-url", self.server.endpoint_url, "--region", "us-east-1", "--force-path-style")
        allowed = ("--prefix", "mount-s3/", "--allow-delete", "--allow-overwrite")
        self._run("mount-s3", BUCKET, str(folder), *options, *allowed)

    def null(self, folder: Path) -> None:
        program = str(self.work / "null-mount")
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "fuse3"], check=True, capture_output=True, text=True
        )
        self._run("gcc", "-O2", "-o", program, str(NULL), *flags.stdout.split())
        self._run(program, str(folder))

    def disk(self, folder: Path) -> None:
        """A folder it is already."""

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self, name: str) -> Daemon:
        folder = self.work / name
        folder.mkdir()
        before = set(_processes())
        getattr(self, name.replace("-", "_"))(folder)
        if name == "disk":
            return Daemon(name, folder, 0)
        while not os.path.ismount(folder):
            time.sleep(0.05)
        if name == "null":
            _read_ahead_more(str(folder))
        return Daemon(name, folder, max(set(_processes()) - before, key=_size))


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _size(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
