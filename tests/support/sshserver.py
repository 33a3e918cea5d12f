"""A real OpenSSH server on a free loopback port, for sftp:// and scp:// sources.

    with SshServer(folder, certs_folder) as ssh:
        ssh.log_in(home)              # key pair and known_hosts in HOME/.ssh: what a user has after a first `ssh`
        ssh.url("/file")              # sftp://127.0.0.1:PORT/FOLDER/file

It runs as whoever runs the tests and lets only that user in, with the key that `log_in` writes; no password works.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from s3amfs.demo.seaweed import free_ports

CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
LogLevel VERBOSE
"""


class SshServer:
    """folder: what URLs are relative to. keys: an empty folder for keys, configuration and log."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder, self.keys = folder, keys
        self.port = free_ports(1)[0]
        keys.mkdir(parents=True, exist_ok=True)
        for name in ("host", "user"):
            make_key(keys / name)
        (keys / "sshd_config").write_text(CONFIGURATION.format(port=self.port, keys=keys))

    def __enter__(self) -> SshServer:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd's separated child is jailed there
        sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        assert sshd is not None, "no sshd here: apt install openssh-server"
        with (self.keys / "log").open("wb") as log:
            command = [sshd, "-D", "-e", "-f", str(self.keys / "sshd_config")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.01)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def url(self, path: str, *, scheme: str = "sftp", login: str = "") -> str:
        """login: 'user@' or 'user:password@'."""
        return f"{scheme}://{login}127.0.0.1:{self.port}{quote(str(self.folder) + path)}"

    def log_in(self, home: Path) -> None:
        """Gives HOME the user's key and the server's as a known one."""
        (home / ".ssh").mkdir(exist_ok=True)
        shutil.copy(self.keys / "user", home / ".ssh" / "id_ed25519")
        self.is_known_to(home, self.keys / "host.pub")

    def is_known_to(self, home: Path, public_key: Path) -> None:
        kind, key = public_key.read_text().split()[:2]
        (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def log(self) -> str:
        return (self.keys / "log").read_text(errors="replace")


def make_key(path: Path, passphrase: str = "") -> Path:
    """An Ed25519 key pair `path` and `path.pub`."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path
