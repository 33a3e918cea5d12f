"""Options of curl for sftp and scp, so that it logs in as ssh does: user, key, known hosts.

Left to itself libcurl knows `id_rsa` and `id_dsa` only, no user, and takes any server for the right one. It asks the
agent by itself, after the key. Reads `~/.ssh`; no network; any thread.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import os
from urllib.parse import urlsplit

SSH_PRIVATE_KEYFILE = 10153
USERNAME = 10173
SSH_KNOWNHOSTS = 10183

SCHEMES = ("sftp", "scp")
KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""As ssh-keygen names them; curl takes one, so the first that it can read without a passphrase."""


def ssh_options(url: str, *, verify: bool) -> tuple[tuple[int, object], ...]:
    """Options of an sftp or scp URL. verify: whether the server has to be in `known_hosts`."""
    home = os.path.expanduser("~/.ssh")
    options: tuple[tuple[int, object], ...] = ()
    if verify:
        options += ((SSH_KNOWNHOSTS, os.path.join(home, "known_hosts")),)
    if not urlsplit(url).username:
        options += ((USERNAME, _local_user()),)
    for name in KEYS:
        path = os.path.join(home, name)
        if _is_open_key(path):
            return (*options, (SSH_PRIVATE_KEYFILE, path))
    return options


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _is_open_key(path: str) -> bool:
    """Whether there is a private key that needs no passphrase; with one, the agent has to know it."""
    try:
        with open(path, "rb") as file:
            text = file.read(65536)
    except OSError:
        return False
    head, _, rest = text.partition(b"\n")
    if b"OPENSSH PRIVATE KEY" not in head:
        return b"PRIVATE KEY" in head and b"ENCRYPTED" not in text
    try:
        return base64.b64decode(rest[:32])[15:23] == b"\0\0\0\4none"  # the name of the cipher
    except binascii.Error:
        return False
