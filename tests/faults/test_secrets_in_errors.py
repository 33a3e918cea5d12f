"""Planted secrets are looked for in errors of `S3AMFileSystem`, and in what a mount's processes are started with."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.errors import EncryptionKeyError
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Answer, Recorded, Rule
from tests.support.files import make_file
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
KEY = b"0123456789abcdefPLANTEDPLANTEDPL"
SECRET, TOKEN = "secretPLANTEDsecret", "sessionPLANTEDtoken"
PLANTED = (
    *(SECRET, TOKEN, KEY.decode(), KEY.hex(), base64.b64encode(KEY).decode()),
    base64.b64encode(hashlib.md5(KEY).digest()).decode(),
)
CUSTOMER_KEY = {"SSECustomerKey": KEY, "SSECustomerAlgorithm": "AES256"}


def said_by(error: BaseException) -> str:
    """All that is told of an error, and of those that it came from."""
    texts, waiting, seen = ["".join(traceback.format_exception(error))], [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args), repr(getattr(one, "__notes__", ""))]
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(texts)


def secrets_in(text: str) -> list[str]:
    return [secret for secret in PLANTED if secret in text]


OPERATIONS: dict[str, Callable[[S3AMFileSystem, str, Path], object]] = {
    "put": lambda fs, url, folder: fs.put_file(str(folder / "large"), url),
    "put small": lambda fs, url, folder: fs.put_file(str(folder / "small"), url),
    "get": lambda fs, url, folder: fs.get_file(url, str(folder / "out")),
    "cp": lambda fs, url, folder: fs.cp_file(url, url + "2"),
    "mv": lambda fs, url, folder: fs.mv(url, url + "2"),
    "pipe": lambda fs, url, folder: fs.pipe_file(url, bytes(6 * MIB)),
    "pipe small": lambda fs, url, folder: fs.pipe_file(url, b"x"),
    "cat": lambda fs, url, folder: fs.cat_file(url),
    "cat_ranges": lambda fs, url, folder: fs.cat_ranges([url], [0], [1], on_error="raise"),
    "ls": lambda fs, url, folder: fs.ls(url, refresh=True),
    "info": lambda fs, url, folder: fs.info(url, refresh=True),
    "rm": lambda fs, url, folder: fs.rm_file(url),
    "read": lambda fs, url, folder: fs.open(url, "rb").read(),
    "write": lambda fs, url, folder: _written(fs, url, "wb"),
    "append": lambda fs, url, folder: _written(fs, url, "ab"),
}


def _written(fs: S3AMFileSystem, url: str, mode: str) -> None:
    with fs.open(url, mode) as file:
        file.write(bytes(12 * MIB))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    make_file(tmp_path / "large", 11 * MIB, 1)
    make_file(tmp_path / "small", 10, 1)
    return tmp_path


def new_fs(s3: SeaweedServer, **given: Any) -> S3AMFileSystem:
    wanted: dict[str, Any] = {
        "key": s3.access_key,
        "secret": SECRET,
        "token": TOKEN,
        "endpoint_url": s3.endpoint_url,
        "multipart_threshold": MIB,
        "part_size": "5MiB",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
        "s3_additional_kwargs": CUSTOMER_KEY,
    }
    fs = S3AMFileSystem(**{**wanted, **given}, skip_instance_cache=True, use_listings_cache=False)
    fs.retries = 1  # s3fs's own
    return fs


def fails(operation: str, fs: S3AMFileSystem, url: str, folder: Path) -> str:
    with pytest.raises(Exception) as failed:
        OPERATIONS[operation](fs, url, folder)
    return said_by(failed.value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_a_server_refuses(operation: str, s3: SeaweedServer, bucket: str, folder: Path) -> None:
    """A secret key that is not right, so that every request is answered with 403."""
    assert secrets_in(fails(operation, new_fs(s3), f"{bucket}/k", folder)) == []


def test_what_libraries_log(s3: SeaweedServer, bucket: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, whoever turns that on: each request of s3fs's, with its headers."""
    fs, loggers = new_fs(s3), ("", "botocore", "s3fs", "fsspec", "s3amfs")
    for name in loggers:
        caplog.set_level(logging.DEBUG, name)
    logging.getLogger("s3fs").addHandler(caplog.handler)
    try:
        for operation in OPERATIONS:
            fails(operation, fs, f"{bucket}/k", folder)
        with pytest.raises(Exception):  # noqa: B017
            fs.call_s3("head_object", Bucket=bucket, Key="k", **CUSTOMER_KEY)
    finally:
        logging.getLogger("s3fs").removeHandler(caplog.handler)
    assert secrets_in(caplog.text) == []
    assert {"customer-key': ***", "SSECustomerKey': ***", "Security-Token': ***"} <= set(
        re.findall(r"(?:customer-key|SSECustomerKey|Security-Token)': \*\*\*", caplog.text)
    )


@pytest.mark.parametrize("operation", ["put small", "cat", "info"])
def test_no_server(operation: str, s3: SeaweedServer, folder: Path) -> None:
    assert secrets_in(fails(operation, new_fs(s3, endpoint_url="http://127.0.0.1:9"), "bucket/k", folder)) == []


@pytest.mark.parametrize("operation", ["put", "get", "cp", "pipe", "cat", "read", "write", "append"])
def test_what_fails_on_the_way(operation: str, s3: SeaweedServer, proxy: FaultProxy, bucket: str, folder: Path) -> None:
    """As AWS answers to a wrong signature: with all that was signed, headers and their values."""

    def repeat(asked: Recorded) -> Answer:
        signed = "\n".join(f"{name.lower()}:{value}" for name, value in asked.headers.items())
        body = f"<Code>SignatureDoesNotMatch</Code><Message>no</Message><CanonicalRequest>{signed}</CanonicalRequest>"
        return Answer(403, f"<Error>{body}</Error>".encode())

    fs = new_fs(s3, secret=s3.secret_key, token=None, endpoint_url=proxy.endpoint_url)
    fs.pipe_file(f"{bucket}/k", bytes(7 * MIB))
    moving = ("UploadPart", "CopyPart", "Copy", "Put", "GetRange", "Get", "Create")
    proxy.rules.append(Rule(moving, faults.answer_by(repeat), times=99))
    text = fails(operation, fs, f"{bucket}/k", folder)
    assert secrets_in(text) == []
    assert s3.secret_key not in text


WRONG: dict[str, dict[str, Any]] = {
    "a token with a line break": {"token": TOKEN + "\n"},
    "a token that is no ASCII": {"token": TOKEN + "é"},
    "a secret key with a line break": {"secret": SECRET + "\n"},
    "a secret key that is bytes": {"secret": SECRET.encode()},
    "a secret key alone": {"key": None},
    "a customer key that is too long": {"s3_additional_kwargs": {**CUSTOMER_KEY, "SSECustomerKey": KEY + b"x"}},
    "a customer key that is not base64": {
        "s3_additional_kwargs": {**CUSTOMER_KEY, "SSECustomerKey": base64.b64encode(KEY).decode()[:-1] + "é"}
    },
    "a customer key in a list": {"s3_additional_kwargs": {**CUSTOMER_KEY, "SSECustomerKey": [KEY.decode()]}},
    "an endpoint that is none": {"endpoint_url": "nonsense"},
    "a region that is none": {"client_kwargs": {"region_name": "no region!"}},
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("operation", ["put small", "info", "write"])
def test_what_cannot_be_sent(wrong: str, operation: str, s3: SeaweedServer, bucket: str, folder: Path) -> None:
    """Arguments that are of no use: an error that says why, and does not show them."""
    assert secrets_in(fails(operation, new_fs(s3, **WRONG[wrong]), f"{bucket}/k", folder)) == []


@pytest.mark.parametrize("wrong", [name for name in WRONG if "customer key" in name])
def test_customer_keys_that_are_none(wrong: str, s3: SeaweedServer, bucket: str) -> None:
    with pytest.raises(EncryptionKeyError, match=r"key"):
        new_fs(s3, **WRONG[wrong]).pipe_file(f"{bucket}/k", b"x")


def test_a_token_that_no_header_can_carry(s3: SeaweedServer, cli: Cli, bucket: str, folder: Path) -> None:
    """libcurl would send what follows a line break as a header of its own."""
    for token in (TOKEN + "\nx-amz-acl: public-read", TOKEN + "é"):
        with pytest.raises(PermissionError, match="session token"), new_fs(s3, token=token).open(f"{bucket}/k", "wb"):
            pass
        result = cli("upload", folder / "small", f"s3://{bucket}/k", env={"AWS_SESSION_TOKEN": token})
        assert (result.rc, result.stderr.count("\n"), secrets_in(result.stderr)) == (14, 1, [])
        assert "session token" in result.stderr


SPY = """#!/bin/sh
cat /proc/$PPID/cmdline /proc/$PPID/environ /proc/$$/cmdline /proc/$$/environ >> "$SEEN"
exec {program} "$@"
"""


def test_what_a_mount_and_its_children_are_started_with(s3: SeaweedServer, bucket: str, tmp_path: Path) -> None:
    """Credentials of a profile: they are in no argument and no environment, neither the daemon's nor its helpers'."""
    program, seen = shutil.which("fusermount3"), tmp_path / "seen"
    (tmp_path / "bin").mkdir()
    spy = tmp_path / "bin" / "fusermount3"
    spy.write_text(SPY.format(program=program))
    spy.chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    surroundings = {"AWS_ENDPOINT_URL": s3.endpoint_url, "AWS_REGION": s3.region, "PATH": path, "SEEN": str(seen)}
    cli = Cli(tmp_path / "home", {**surroundings, "AWS_PROFILE": "planted"}, forks=False)
    (cli.home / ".aws").mkdir()
    profile = f"[planted]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n"
    (cli.home / ".aws" / "credentials").write_text(profile)
    mount = Mount(cli, f"s3://{bucket}", tmp_path / "m")
    try:
        (mount / "k").write_bytes(b"x")
        daemon = Path("/proc") / str(mount.daemon)
        of_daemon = (daemon / "cmdline").read_text() + (daemon / "environ").read_text()
        assert mount.umount().rc == 0
    finally:
        mount.close()
    for text in (of_daemon, seen.read_text()):
        assert "planted" in text, "the surroundings that were to be searched"
        assert s3.secret_key not in text
        assert s3.access_key not in text
