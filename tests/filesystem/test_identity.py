"""Who asks, and who pays: on every request of the engine and of s3fs alike, as they arrive at the server."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import AioSession

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer
from tests.support.faults import Rule, expired_token
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024

EVERY_KIND = {"Put", "Create", "UploadPart", "Complete", "Head", "Get", "GetRange", "Copy", "List"}
"""What `use` makes of requests, at the least."""


def use(fs: S3AMFileSystem, bucket: str, folder: Path) -> None:
    """Each way in and out, small and large."""
    make_file(folder / "f", 6 * MIB, 1)
    fs.put_file(str(folder / "f"), f"{bucket}/large")
    fs.pipe_file(f"{bucket}/small", b"0123456789")
    with fs.open(f"{bucket}/written", "wb") as file:
        file.write(b"x" * 6 * MIB)
    for name in ("small", "large"):
        fs.cp_file(f"{bucket}/{name}", f"{bucket}/{name}-copy")
        fs.get_file(f"{bucket}/{name}-copy", str(folder / name))
        assert len(fs.cat_file(f"{bucket}/{name}")) == (folder / name).stat().st_size
    assert fs.cat_ranges([f"{bucket}/large"] * 2, [0, 5 * MIB], [3, 5 * MIB + 4])[1]
    with fs.open(f"{bucket}/written", "rb") as file:
        assert file.read(10) == b"x" * 10
    assert digest(folder / "large") == digest(folder / "f")
    fs.invalidate_cache()
    assert len(fs.ls(bucket)) == 5


def unsigned(endpoint_url: str) -> S3AMFileSystem:
    return S3AMFileSystem(
        anon=True,
        endpoint_url=endpoint_url,
        multipart_threshold=MIB,
        part_size="5MiB",
        skip_instance_cache=True,
    )


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are keys in the environment, which nothing may use unasked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.usefixtures("somebody")
def test_anonymous(moto_proxy: FaultProxy, boto_of_moto: Any, tmp_path: Path) -> None:
    boto_of_moto.create_bucket(Bucket="anonymous")
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}
    everything["Resource"] = ["arn:aws:s3:::anonymous", "arn:aws:s3:::anonymous/*"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    boto_of_moto.put_bucket_policy(Bucket="anonymous", Policy=policy)
    signed = moto_proxy.watch("authorization")
    use(unsigned(moto_proxy.endpoint_url), "anonymous", tmp_path)
    assert {request.kind for request in moto_proxy.requests} >= EVERY_KIND
    assert set(signed) == {None}


@pytest.mark.usefixtures("somebody")
def test_a_public_bucket(proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 6 * MIB, 1)
    boto.upload_file(str(tmp_path / "f"), bucket, "k")
    reading = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    boto.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [reading]}))
    signed = proxy.watch("authorization")
    fs = unsigned(proxy.endpoint_url)
    fs.get_file(f"{bucket}/k", str(tmp_path / "out"))
    assert digest(tmp_path / "out") == digest(tmp_path / "f")
    for write in (
        lambda: fs.put_file(str(tmp_path / "f"), f"{bucket}/no"),
        lambda: fs.pipe_file(f"{bucket}/no", b"small"),
    ):
        with pytest.raises(PermissionError):
            write()
    assert set(signed) == {None}


@pytest.mark.parametrize("how", [{"requester_pays": True}, {"s3_additional_kwargs": {"RequestPayer": "requester"}}])
def test_requester_pays(
    watched_arguments: dict[str, Any], proxy: FaultProxy, bucket: str, tmp_path: Path, how: dict[str, Any]
) -> None:
    paid = proxy.watch("x-amz-request-payer")
    use(S3AMFileSystem(**watched_arguments, **how, skip_instance_cache=True), bucket, tmp_path)
    said = {request.kind: payer for request, payer in zip(proxy.requests, paid, strict=True)}
    assert set(said) >= EVERY_KIND
    assert set(paid) == {"requester"}


def test_nobody_pays_unasked(watched: S3AMFileSystem, proxy: FaultProxy, bucket: str, tmp_path: Path) -> None:
    paid = proxy.watch("x-amz-request-payer")
    use(watched, bucket, tmp_path)
    assert set(paid) == {None}


def test_payers_of_single_calls(watched: S3AMFileSystem, proxy: FaultProxy, bucket: str) -> None:
    paid = proxy.watch("x-amz-request-payer")
    for size in (10, 6 * MIB):
        watched.pipe_file(f"{bucket}/k", bytes(size), RequestPayer="requester")
    assert proxy.count("Put", "Complete") == 2
    assert set(paid) == {"requester"}


def test_the_owner_that_is_expected(
    watched_arguments: dict[str, Any], proxy: FaultProxy, bucket: str, tmp_path: Path
) -> None:
    """The engine does not know it: then s3fs has to do it all."""
    said = proxy.watch("x-amz-expected-bucket-owner")
    theirs = {"s3_additional_kwargs": {"ExpectedBucketOwner": "123456789012"}}
    use(S3AMFileSystem(**watched_arguments, **theirs, skip_instance_cache=True), bucket, tmp_path)
    assert set(said) == {"123456789012"}


# -- sessions and credentials that end ---------------------------------------------------------------------------------


def without_keys(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in ("key", "secret")}


class Answers:
    """A credential_process with the server's keys, behind the profiles `mine` (for an hour) and `brief` (for half a
    minute: it is asked all the time)."""

    def __init__(self, folder: Path, s3: SeaweedServer) -> None:
        self._ran, self.closed = folder / "ran", folder / "closed"
        program = folder / "program.py"
        document = {"Version": 1, "AccessKeyId": s3.access_key, "SecretAccessKey": s3.secret_key}
        program.write_text(
            "import datetime, json, os, sys, time\n"
            f"open({str(self._ran)!r}, 'a').write('x')\n"
            f"while os.path.exists({str(self.closed)!r}): time.sleep(0.01)\n"
            "end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(sys.argv[1]))\n"
            f"print(json.dumps({{**{document!r}, 'Expiration': end.isoformat()}}))\n"
        )
        command = f"credential_process = {sys.executable} {program}"
        (folder / "config").write_text(f"[profile mine]\n{command} 3600\n[profile brief]\n{command} 30\n")

    @property
    def count(self) -> int:
        """How often it was asked. While the file `closed` is there it answers nobody."""
        return self._ran.stat().st_size

    def wait_for_more_than(self, count: int) -> bool:
        deadline = time.monotonic() + 60
        while self.count <= count and time.monotonic() < deadline:
            time.sleep(0.01)  # another process says it with a file
        return self.count > count


@pytest.fixture
def answers(s3: SeaweedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return Answers(tmp_path, s3)


@pytest.fixture(params=["profile", "session"])
def how(request: pytest.FixtureRequest, answers: Answers) -> dict[str, Any]:
    """Both ways to name the profile: s3fs's session, and one's own."""
    return {"profile": "mine"} if request.param == "profile" else {"session": AioSession(profile="mine")}


def test_credentials_of_a_process(
    watched_arguments: dict[str, Any], how: dict[str, Any], bucket: str, answers: Answers, tmp_path: Path
) -> None:
    fs = S3AMFileSystem(**without_keys(watched_arguments), **how, skip_instance_cache=True)
    use(fs, bucket, tmp_path)
    assert 1 <= answers.count <= 2  # s3fs and the engine, each once at most


def test_credentials_that_end_in_mid_transfer(
    watched_arguments: dict[str, Any],
    how: dict[str, Any],
    proxy: FaultProxy,
    boto: Any,
    bucket: str,
    answers: Answers,
    tmp_path: Path,
) -> None:
    fs = S3AMFileSystem(**without_keys(watched_arguments), **how, slots=1, skip_instance_cache=True)
    make_file(tmp_path / "f", 16 * MIB, 1)
    proxy.rules.append(Rule("UploadPart", expired_token(), nth=2, times=1))
    proxy.rules.append(Rule("GetRange", expired_token(), nth=2, times=1))
    fs.put_file(str(tmp_path / "f"), f"{bucket}/k")
    assert answers.count == 2
    fs.get_file(f"{bucket}/k", str(tmp_path / "out"))
    assert answers.count in (3, 4)  # s3fs asks the profile for itself
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "out") == digest(tmp_path / "f")
    assert proxy.parts_sent_again() == []


def test_s3fs_and_the_engine_renew_at_once(watched_arguments: dict[str, Any], bucket: str, answers: Answers) -> None:
    """One session, two event loops: neither may wait for a lock of the other's."""
    brief = {**without_keys(watched_arguments), "session": AioSession(profile="brief")}
    fs = S3AMFileSystem(**brief, skip_instance_cache=True)
    fs.pipe_file(f"{bucket}/k", b"data")
    assert fs.ls(bucket) == [f"{bucket}/k"]
    answers.closed.touch()
    try:
        asked = answers.count
        listing = asyncio.run_coroutine_threadsafe(fs._ls(bucket, refresh=True), fs.loop)
        assert answers.wait_for_more_than(asked)
        asked = answers.count
        reading = asyncio.run_coroutine_threadsafe(fs._cat_file(f"{bucket}/k"), fs.loop)
        assert answers.wait_for_more_than(asked)
    finally:
        answers.closed.unlink()
    assert reading.result(60) == b"data"
    assert listing.result(60) == [f"{bucket}/k"]
