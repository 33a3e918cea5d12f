"""`s3am mount` for tests: mounts, remounts, and takes the mount away whatever happened to it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path

from tests.support.cli import Cli, Result
from tests.support.kernel import require_fuse


class Mount:
    """A bucket (or `url`) on `directory`. options: of `s3am mount`. env: adds to the command's environment."""

    def __init__(
        self, cli: Cli, url: str, directory: Path, *options: object, env: dict[str, str] | None = None
    ) -> None:
        self.cli, self.url, self.directory, self.options, self.env = cli, url, directory, options, env
        self.log = directory.parent / f"{directory.name}.log"
        self.daemon = 0
        self.killed = False
        require_fuse()
        directory.mkdir(exist_ok=True)
        self.mount()

    def mount(self) -> None:
        command = ("mount", "--log-file", self.log, *self.options, self.url, self.directory)
        self.cli.ok(*command, env=self.env, timeout=60)
        self.daemon = int(os.getxattr(self.directory, "user.s3am.pid"))
        self.killed = False

    def umount(self) -> Result:
        return self.cli("umount", self.directory, timeout=60)

    def remount(self) -> None:
        result = self.umount()
        assert result.rc == 0, result.stderr
        self.mount()

    def kill(self) -> None:
        """The daemon dies at once; what is left of the mount is taken away."""
        descriptor, watch = os.pidfd_open(self.daemon), select.poll()
        watch.register(descriptor, select.POLLIN)
        os.kill(self.daemon, signal.SIGKILL)
        self.killed = True
        watch.poll()
        os.close(descriptor)
        self._take_away()

    @property
    def peak_memory(self) -> int:
        """Bytes that the daemon has had in memory at most."""
        status = Path(f"/proc/{self.daemon}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    def close(self) -> None:
        if os.path.exists(f"/proc/{self.daemon}") and self.is_mounted:
            self.kill()
        self._take_away()

    @property
    def is_mounted(self) -> bool:
        return any(line.split()[1] == str(self.directory) for line in Path("/proc/mounts").read_text().splitlines())

    def _take_away(self) -> None:
        if self.is_mounted:
            subprocess.run(["fusermount3", "-u", "-z", str(self.directory)], timeout=30, check=False)

    def __truediv__(self, name: str) -> Path:
        return self.directory / name


def run(*command: object, **keywords: object) -> str:
    """Runs a program that must succeed; returns what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **keywords,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return str(done.stdout)
