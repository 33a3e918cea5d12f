"""How curl logs in by ssh: the user, the first key that needs no passphrase, and the known hosts."""

from __future__ import annotations

import base64
import getpass
from pathlib import Path

import pytest

from s3amfs.wire.curl.ssh import KEYS, SSH_KNOWNHOSTS, SSH_PRIVATE_KEYFILE, USERNAME, ssh_options

URL = "sftp://host/file"


def openssh(cipher: bytes) -> bytes:
    """The beginning of a key as ssh-keygen writes it (PROTOCOL.key of OpenSSH)."""
    inside = b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher + bytes(100)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.b64encode(inside) + b"\n-----END"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "me")
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


def key_of(url: str = URL) -> object:
    return dict(ssh_options(url, verify=True)).get(SSH_PRIVATE_KEYFILE)


def test_servers_have_to_be_known_unless_nothing_is_verified(home: Path) -> None:
    assert dict(ssh_options(URL, verify=True))[SSH_KNOWNHOSTS] == str(home / "known_hosts")
    assert SSH_KNOWNHOSTS not in dict(ssh_options(URL, verify=False))


def test_the_user_is_the_urls_or_the_local_one(home: Path) -> None:
    assert dict(ssh_options(URL, verify=True))[USERNAME] == "me"
    assert USERNAME not in dict(ssh_options("sftp://other@host/file", verify=True))


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no user")])
def test_a_user_without_a_name(home: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fails)
    assert dict(ssh_options(URL, verify=True))[USERNAME] == ""


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        (openssh(b"none"), True),
        (openssh(b"aes256-ctr"), False),
        (openssh(b"nonx"), False),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n???", False),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMII", True),
        (b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", False),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII", False),
        (b"ssh-ed25519 AAAA", False),
        (b"", False),
    ],
)
def test_keys_that_need_no_passphrase(home: Path, text: bytes, is_open: bool) -> None:
    (home / KEYS[0]).write_bytes(text)
    assert (key_of() is not None) is is_open


def test_the_first_usable_key_counts(home: Path) -> None:
    assert key_of() is None
    (home / KEYS[2]).write_bytes(openssh(b"none"))
    assert key_of() == str(home / KEYS[2])
    (home / KEYS[1]).write_bytes(openssh(b"none"))
    assert key_of() == str(home / KEYS[1])
    (home / KEYS[0]).write_bytes(openssh(b"aes256-ctr"))
    assert key_of() == str(home / KEYS[1])
