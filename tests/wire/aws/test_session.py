"""Credentials are found, renewed and never shown; the clock and the regions of buckets are learned."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from s3amfs.errors import AccessDenied, UsageError
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.credentials import CredentialSource
from s3amfs.wire.aws.session import S3Session
from s3amfs.wire.s3 import api as s3api


def key_of(session: S3Session) -> str:
    """The access key that a request is signed with."""
    authorization = dict(session.prepare(s3api.head_bucket("bucket")).headers)["Authorization"]
    return authorization.partition("Credential=")[2].partition("/")[0]


def write_profiles(home: Path, access_key: str) -> None:
    folder = home / ".aws"
    folder.mkdir(exist_ok=True)
    (folder / "credentials").write_text(
        f"[default]\naws_access_key_id={access_key}\naws_secret_access_key=s\n"
        f"[other]\naws_access_key_id=OTHER\naws_secret_access_key=s\n"
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def process_profile(home: Path, seconds: float) -> Path:
    """A credential_process whose answers are numbered and end after `seconds`; returns the file that counts them."""
    counter = home / "counter"
    program = home / "program.py"
    program.write_text(
        "import datetime, json, sys\n"
        f"path = {str(counter)!r}\n"
        "open(path, 'a').write('x')\n"
        "number = len(open(path).read())\n"
        f"end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds={seconds})\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 's', "
        "'SessionToken': 't', 'Expiration': end.isoformat()}))\n"
    )
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(f"[default]\ncredential_process={sys.executable} {program}\n")
    return counter


def test_the_environment_the_files_and_the_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_profiles(home, "FILE")
    assert key_of(S3Session()) == "FILE"
    assert key_of(S3Session(S3Config(profile="other"))) == "OTHER"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert key_of(S3Session()) == "ENVIRONMENT"
    assert key_of(S3Session(S3Config(access_key="GIVEN", secret_key="s"))) == "GIVEN"


def test_what_is_missing_is_said(home: Path) -> None:
    with pytest.raises(AccessDenied, match="AWS_ACCESS_KEY_ID"):
        S3Session().prepare(s3api.head_bucket("bucket"))
    with pytest.raises(UsageError, match="none-such"):
        S3Session(S3Config(profile="none-such"))
    with pytest.raises(AccessDenied, match="belong together"):
        S3Session(S3Config(access_key="a")).prepare(s3api.head_bucket("bucket"))
    for url in ("ftp://host", "host:9000", "https://user:pass@host", "http://host:port", "http://host/?q"):
        with pytest.raises(UsageError) as raised:
            S3Session(S3Config(endpoint_url=url))
        assert "pass" not in str(raised.value)


def test_files_are_read_again_when_the_server_says_expired(home: Path) -> None:
    write_profiles(home, "OLD")
    session = S3Session()
    assert key_of(session) == "OLD"
    write_profiles(home, "NEW")
    session.refresh_credentials()
    assert key_of(session) == "OLD"  # nobody said that they had ended
    session.refresh_credentials(force=True)
    assert key_of(session) == "NEW"


def test_given_keys_stay() -> None:
    session = S3Session(S3Config(access_key="GIVEN", secret_key="s"))
    session.refresh_credentials(force=True)
    assert key_of(session) == "GIVEN"


def test_a_process_is_run_once_while_its_answer_lasts(home: Path) -> None:
    counter = process_profile(home, 3600)
    session = S3Session()
    assert not session.credentials_fresh()
    assert [key_of(session) for _ in range(3)] == ["KEY1"] * 3
    assert session.credentials_fresh()
    assert counter.read_text() == "x"
    session.refresh_credentials(force=True)
    assert key_of(session) == "KEY2"


def test_a_process_is_run_again_before_its_answer_ends(home: Path) -> None:
    process_profile(home, 30)  # less than the minute that a request may wait for its turn
    session = S3Session()
    key_of(session)
    assert not session.credentials_fresh()
    assert key_of(session) != "KEY1"


def test_a_process_that_fails_is_an_error_of_one_line(home: Path) -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(f"[default]\ncredential_process={sys.executable} -c 'raise SystemExit(3)'\n")
    with pytest.raises(AccessDenied) as raised:
        key_of(S3Session())
    assert "\n" not in str(raised.value)


def test_many_threads_renew_once(home: Path) -> None:
    counter = process_profile(home, 3600)
    session = S3Session()
    threads = [threading.Thread(target=session.refresh_credentials) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "x"


def test_a_session_of_aiobotocore_gives_its_credentials(home: Path) -> None:
    from aiobotocore.session import AioSession

    write_profiles(home, "FILE")
    assert key_of(S3Session(S3Config(session=AioSession()))) == "FILE"


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_signatures_follow_the_clock_of_the_server(hours: int) -> None:
    session = S3Session(S3Config(access_key="a", secret_key="s", region="eu-west-1"))
    session.note_skew(time.time() + hours * 3600)
    date = dict(session.prepare(s3api.head_bucket("bucket")).headers)["X-Amz-Date"]
    signed = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    assert abs(signed.timestamp() - time.time() - hours * 3600) < 5


def host_and_region(session: S3Session, bucket: str) -> tuple[str, str]:
    request = session.prepare(s3api.head_object(bucket, "key"))
    authorization = dict(request.headers)["Authorization"]
    return urlsplit(request.url).netloc, authorization.split("/")[2]


def test_the_region_of_a_bucket_is_learned() -> None:
    session = S3Session(S3Config(access_key="a", secret_key="s", region="us-west-2"))
    assert host_and_region(session, "bucket") == ("bucket.s3.us-west-2.amazonaws.com", "us-west-2")
    session.learn_region("bucket", "eu-central-1")
    assert host_and_region(session, "bucket") == ("bucket.s3.eu-central-1.amazonaws.com", "eu-central-1")
    assert host_and_region(session, "other")[1] == "us-west-2"
    assert session.region("bucket") == "eu-central-1"
    session.learn_region("bucket", "EU")  # what GetBucketLocation calls eu-west-1
    assert session.region("bucket") == "eu-west-1"


@pytest.mark.parametrize("nonsense", ["", "evil.example.org/", "a b", "x" * 64, "eu_west", "eu-west-1.evil.org", "ü-1"])
def test_what_is_no_region_does_not_become_a_host(nonsense: str) -> None:
    session = S3Session(S3Config(access_key="a", secret_key="s", region="us-west-2"))
    session.learn_region("bucket", nonsense)
    assert session.region("bucket") == "us-west-2"


def test_the_service_has_one_name_whatever_is_learned() -> None:
    session = S3Session(S3Config(access_key="a", secret_key="s", region="us-west-2"))
    before = session.endpoint_id("bucket")
    session.learn_region("bucket", "eu-central-1")
    assert session.endpoint_id("bucket") == before == "https://s3.amazonaws.com"
    given = S3Session(S3Config(access_key="a", secret_key="s", endpoint_url="http://Host:9000/base/"))
    assert given.endpoint_id("bucket") == "http://host:9000/base"


def test_capabilities_are_kept_for_each_bucket() -> None:
    session = S3Session(S3Config(access_key="a", secret_key="s", endpoint_url="http://host:9000"))
    session.capabilities("one").trailers = False
    assert session.capabilities("one").trailers is False
    assert session.capabilities("two").trailers is None  # a bucket may be under Object Lock, or in another place


def test_importing_and_configuring_is_cheap() -> None:
    """`s3am --help` must not pay for botocore; a session does, once."""
    import subprocess

    code = "import sys, s3amfs.wire.aws.session, json; print(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    loaded: list[Any] = json.loads(done.stdout)
    assert not {"botocore", "boto3", "pycurl", "asyncio", "awscrt"} & set(loaded)


def test_botocore_is_loaded_without_pyopenssl() -> None:
    assert find_spec("OpenSSL") is not None, "the extra 'test' brings it, as many environments do"
    code = "import sys; from s3amfs.wire.aws.session import S3Session; S3Session(); print('OpenSSL' in sys.modules)"
    code += "; import urllib3.contrib.pyopenssl"  # others still can
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout == "False\n"


def test_a_bug_of_ours_is_not_taken_for_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise AttributeError("of ours")

    session_ = S3Session(S3Config(access_key="k", secret_key="s", endpoint_url="http://127.0.0.1:1"))
    monkeypatch.setattr(CredentialSource, "_find", bug)
    with pytest.raises(AttributeError):
        session_.refresh_credentials()
    monkeypatch.setattr(S3Session, "_settings", bug)
    with pytest.raises(AttributeError):
        S3Session(S3Config(access_key="k", secret_key="s"))
