"""The test server itself: it stores, its S3 checks signatures, and it never outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import botocore.exceptions
import pytest

from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.errors import TransferError
from tests.conftest import boto_client
from tests.support.files import content, digest_of, object_digest


def test_stores_and_gives_back(boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="a/b", Body=content(3_000_000, 7))
    assert object_digest(boto, bucket, "a/b") == digest_of(3_000_000, 7)


def test_wrong_secret_is_refused(s3: SeaweedServer, bucket: str) -> None:
    stranger = boto_client(s3.endpoint_url, s3.access_key, "wrong")
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        stranger.list_objects_v2(Bucket=bucket)


def test_killed_owner_leaves_nothing() -> None:
    code = (
        "import sys, time; from s3amfs.demo.seaweed import SeaweedServer; s = SeaweedServer(); s.start()\n"
        "print(s.pid, s.folder, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdin and owner.stdout
    pid, folder = owner.stdout.readline().split()
    handle = os.pidfd_open(int(pid))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    import select

    assert select.select([handle], [], [], 10)[0], "the server outlived its owner"
    os.close(handle)
    owner.stdin.close()
    owner.stdout.close()
    gone = subprocess.run(["sh", "-c", f'while [ -e "{folder}" ]; do sleep 0.05; done'], timeout=10)
    assert gone.returncode == 0


def test_a_bucket_grows_before_its_first_write(s3: SeaweedServer) -> None:
    def volumes() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{s3._master_port}/vol/status", timeout=10) as answer:
            return str(answer.read())

    assert "grown-in-advance" not in volumes()
    s3.grow("grown-in-advance")
    assert "grown-in-advance" in volumes()
    with pytest.raises(TransferError, match="HTTP 0"):
        SeaweedServer().grow("nowhere")
