"""Planted secrets are looked for wherever a run leaves bytes: output, logs, manifests, spool, arguments of children."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults
from tests.support.cli import Cli, Result
from tests.support.faults import Rule
from tests.support.files import make_file
from tests.support.httpserver import HttpServer
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
KEY = b"0123456789abcdefPLANTEDPLANTEDPL"
PASSWORD, SIGNATURE, TOKEN = "pAssw0rdPLANTED", "feedPLANTEDfeed", "sessionPLANTEDtoken"

pytestmark = pytest.mark.interpreter  # process lists are looked at, too


class Planted:
    """Runs `s3am` on every level of talk and keeps all that is left of it."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxy: FaultProxy, secret: str) -> None:
        self.cli, self.boto, self.bucket, self.proxy, self.folder = cli, boto, bucket, proxy, folder
        self.file, self.target = folder / "f", folder / "target"
        self.target.mkdir()
        make_file(self.file, 11 * MIB, 1)
        self.texts: list[str] = []
        digest = hashlib.md5(KEY).digest()
        self.secrets = [
            *(KEY.decode(), KEY.hex(), base64.b64encode(KEY).decode()),
            *(digest.hex(), base64.b64encode(digest).decode()),
            *(PASSWORD, SIGNATURE, TOKEN, secret),
        ]

    def run(self, *words: object, rc: tuple[int, ...] = (0,), **environment: str) -> Result:
        env = {"AWS_ENDPOINT_URL": self.proxy.endpoint_url, "TMPDIR": str(self.folder), **environment}
        result = self.cli(*words, env=env)
        self.texts += [result.stdout, result.stderr]
        assert result.rc in rc, result.stderr
        return result

    def check(self) -> None:
        places = [path for folder in (self.cli.home, self.target) for path in folder.rglob("*") if path.is_file()]
        credentials = self.cli.home / ".aws"
        left = [path.read_bytes().decode("latin-1") for path in places if credentials not in path.parents]
        found = {secret for secret in self.secrets for text in [*self.texts, *left] if secret in text}
        assert found == set()


@pytest.fixture
def planted(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy, s3: Any) -> Planted:
    return Planted(cli, boto, bucket, tmp_path, proxy, s3.secret_key)


@pytest.mark.parametrize("level", [("--debug",), ("--json", "--verbose", "--progress"), ("--progress",)])
def test_customer_keys(planted: Planted, level: tuple[str, ...]) -> None:
    url, size = f"s3://{planted.bucket}/k", ("--part-size", "5M")
    key_file = planted.folder / "key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o600)
    planted.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    one = ("--upload-slots", "1")
    planted.run(*level, "upload", *size, *one, "--sse-key", KEY.decode(), planted.file, url, rc=(14,))
    planted.run(*level, "upload", "--resume", *size, "--sse-key-file", key_file, planted.file, url)
    planted.run(*level, "upload", *size, planted.file, url, "--sse-key", KEY.decode()[:-1], rc=(2, 10))
    encoded = base64.b64encode(KEY).decode()
    planted.proxy.rules[:] = [Rule("GetRange", faults.error(403, "AccessDenied"), nth=2)]
    target = planted.target / "out"
    planted.run(*level, "download", *size, "--sse-key-base64", encoded, url, target, rc=(14,))
    planted.run(*level, "download", *size, "--sse-key-base64", KEY.decode(), url, target, rc=(2, 10, 12))
    planted.proxy.rules.clear()
    planted.run(*level, "verify", "--sse-key-file", key_file, url)
    planted.run(*level, "verify", "--sse-key", KEY.decode()[::-1], url, rc=(10,))
    planted.check()


@pytest.mark.parametrize("level", [("--debug",), ("--json", "--verbose")])
def test_passwords_and_signed_addresses(planted: Planted, level: tuple[str, ...]) -> None:
    with HttpServer() as web:
        address = web.add("/f", planted.file, user_password=("user", PASSWORD))
        signed = address.replace("://", f"://user:{PASSWORD}@") + f"?X-Amz-Signature={SIGNATURE}&sig={SIGNATURE}"
        url = f"s3://{planted.bucket}/k"
        planted.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=2))
        size = ("--part-size", "5M", "--upload-slots", "1")
        planted.run(*level, "upload", *size, signed, url, rc=(14,))
        planted.proxy.rules.clear()
        planted.run(*level, "pending", f"s3://{planted.bucket}")
        planted.run(*level, "upload", "--resume", *size, signed, url)
        wrong = signed.replace(PASSWORD, PASSWORD + "x")
        planted.run(*level, "upload", wrong, url + "2", rc=(14,))
        planted.run(*level, "upload", signed.replace("/f?", "/none?"), url + "2", rc=(17,))
        gone = f"ftp://user:{PASSWORD}@127.0.0.1:9/x"
        planted.run(*level, "--retry-budget", "0", "upload", gone, url + "2", rc=(1,))
    planted.check()


def test_credentials_of_a_process(planted: Planted, s3: Any) -> None:
    """A credential_process that writes down how it was called, and by whom."""
    home = planted.cli.home
    (home / ".aws").mkdir()
    script, seen = home / ".aws" / "credentials.sh", planted.target / "seen"
    document = {"Version": 1, "AccessKeyId": s3.access_key, "SecretAccessKey": s3.secret_key, "SessionToken": TOKEN}
    (home / ".aws" / "document").write_text(json.dumps(document))
    look = f"cat /proc/$PPID/cmdline /proc/$$/cmdline /proc/$$/environ >> {seen}"
    script.write_text(f"#!/bin/sh\n{look}\ncat {home}/.aws/document\n")
    script.chmod(0o700)
    (home / ".aws" / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = {script}\n")
    planted.proxy.rules.append(Rule("UploadPart", faults.expired_token(), nth=2))
    empty = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    url = f"s3://{planted.bucket}/k"
    planted.run("--debug", "upload", "--part-size", "5M", planted.file, url, rc=(0, 1, 14), **empty)
    (home / ".aws" / "document").write_text(json.dumps({**document, "SecretAccessKey": "wrong" + s3.secret_key}))
    planted.run("--debug", "upload", planted.file, url + "2", rc=(14,), **empty)
    (home / ".aws" / "document").write_text(json.dumps(document)[:-1])
    planted.run("--debug", "upload", planted.file, url + "2", rc=(14,), **empty)
    assert seen.stat().st_size
    planted.check()


def test_a_mount(planted: Planted) -> None:
    env = {"AWS_ENDPOINT_URL": planted.proxy.endpoint_url, "TMPDIR": str(planted.target)}
    mount = Mount(planted.cli, f"s3://{planted.bucket}", planted.folder / "mnt", "--debug", env=env)
    try:
        planted.proxy.rules.append(Rule(("Put", "UploadPart"), faults.error(403, "AccessDenied")))
        with pytest.raises(OSError, match="Permission denied"):
            (mount / "k").write_bytes(b"x")
        planted.texts += [mount.log.read_text(), Path(f"/proc/{mount.daemon}/cmdline").read_text()]
        assert stat.S_IMODE(mount.log.stat().st_mode) == 0o600
        kept = [path for path in planted.target.iterdir() if path.name.startswith("s3am-unpublished")]
        assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600] * len(kept)
    finally:
        mount.close()
    planted.check()


def test_state_is_private_whatever_the_umask(planted: Planted) -> None:
    before = os.umask(0)
    try:
        planted.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=2))
        words = ("upload", "--part-size", "5M", "--upload-slots", "1", planted.file, f"s3://{planted.bucket}/k")
        planted.run(*words, rc=(14,))
    finally:
        os.umask(before)
    (manifest,) = planted.cli.home.rglob("*.manifest")
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o600
    assert stat.S_IMODE(manifest.parent.stat().st_mode) == 0o700


def test_an_open_key_file_and_no_verification_draw_warnings(planted: Planted) -> None:
    key_file = planted.folder / "key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o644)
    url = f"s3://{planted.bucket}/k"
    result = planted.run("--no-verify-tls", "upload", "--sse-key-file", key_file, planted.file, url)
    assert "may be read by others: chmod 600 it" in result.stderr
    assert "TLS certificates are not checked" in result.stderr
    planted.check()
