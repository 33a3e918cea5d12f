"""Everything that the proxy can do to a request, one after the other to a few transfers, for every verb."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Fault, Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024
SIZE = 5 * PART - 7
STALLS: tuple[Fault, ...] = (
    faults.stall("request_head"),
    faults.stall("request_body"),
    faults.stall("before_response"),
    faults.stall("response_head"),
    faults.stall("response_body"),
)
ALL: tuple[Fault, ...] = (
    faults.refuse(),
    faults.reset("request_head"),
    faults.reset("request_body"),
    faults.reset("before_response"),
    faults.reset("response_head"),
    faults.reset("response_body"),
    faults.reset("after_response"),
    faults.lose_answer(),
    faults.truncate(),
    faults.throttle(8 * PART),
    faults.delay(0.3),
    faults.internal_error(),
    faults.slow_down(),
    faults.slow_down(retry_after=1),
    faults.request_timeout(),
    faults.expired_token(),
    faults.redirect(307, region="eu-west-1"),
    faults.redirect(301, region="us-east-1"),
)
"""What may happen to any request, and is made up for."""


LOTS = 4
"""Transfers at a time among which the faults are dealt: as many faults are met, and each waits for its own only."""


class Every:
    """Files of five parts; every request of one kind meets the next fault of its lot until all are through."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxies: list[FaultProxy]) -> None:
        self.cli, self.boto, self.bucket, self.proxies = cli, boto, bucket, proxies
        self.file = folder / "f"
        self.outs = [folder / f"out{number}" for number in range(len(proxies))]
        self.keys = [f"k{number}" for number in range(len(proxies))]
        self.hard: list[Rule] = []
        make_file(self.file, SIZE, 1)

    def meets(self, kind: str, which: tuple[Fault, ...], harmless: tuple[str, ...] = ()) -> None:
        """harmless: what a request of this kind can succeed through (it has no such body); comes last, if at all."""
        may_pass = (*harmless, "delay", "throttle", "reset after_response")
        self.hard = [Rule(kind, fault, times=1) for fault in which if fault.name not in may_pass]
        soft = [Rule(kind, fault, times=1) for fault in which if fault.name in may_pass]
        for number, proxy in enumerate(self.proxies):
            proxy.rules += [*self.hard[number::LOTS], *soft[number::LOTS]]

    def run(self, *words: object, to: list[Any], command: list[str] | None = None) -> None:
        """One transfer a lot, at the same time. to: the last word of each."""
        self.cli.command = command or self.cli.command
        lots = [
            self.cli.start(*words, target, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
            for proxy, target in zip(self.proxies, to, strict=True)
        ]
        results = [lot.wait() for lot in lots]
        assert [result.rc for result in results] == [0] * LOTS, [result.stderr for result in results]
        assert [rule.action.name for rule in self.hard if not rule.fired] == []
        sent_again = [request for proxy in self.proxies for request in proxy.parts_sent_again()]
        assert [r for r in sent_again if r.kind == "UploadPart"] == []

    def urls(self, scheme: str = "s3") -> list[str]:
        return [f"{scheme}://{self.bucket}/{key}" for key in self.keys]

    def put_source(self) -> None:
        self.boto.upload_file(str(self.file), self.bucket, "source")

    def check_objects(self) -> None:
        for key in self.keys:
            assert object_digest(self.boto, self.bucket, key) == digest(self.file)
        assert self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []) == []

    def check_files(self) -> None:
        for out in self.outs:
            assert digest(out) == digest(self.file)
            assert [path.name for path in out.parent.glob(f".{out.name}*")] == []


@pytest.fixture
def every(cli: Cli, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path) -> Iterator[Every]:
    with ExitStack() as stack:
        proxies = [stack.enter_context(FaultProxy(s3.endpoint_url)) for _ in range(LOTS)]
        yield Every(cli, boto, bucket, tmp_path, proxies)


NO_BODY = ("reset request_body", "stall request_body")
NO_ANSWER = ("reset response_body", "truncate", "stall response_body")
DONE = ("reset before_response", "reset response_head", "reset response_body", "lose_answer", "truncate")
"""Then the object is there, and a look finds it."""
PATIENT = ("--timeout", "2", "--retry-budget", "200")
SIZES = ("--part-size", "5M")


def test_upload(every: Every) -> None:
    every.meets("UploadPart", (*ALL, *STALLS, faults.flip("request")), NO_ANSWER)
    every.run(*PATIENT, "upload", *SIZES, every.file, to=every.urls())
    every.check_objects()


def test_copy(every: Every) -> None:
    every.put_source()
    every.meets("CopyPart", (*ALL, *STALLS, faults.ok_with_error(), faults.ok_with_error(deliver=True)), NO_BODY)
    every.run(*PATIENT, "upload", *SIZES, f"s3://{every.bucket}/source", to=every.urls())
    every.check_objects()


def test_download(every: Every) -> None:
    every.put_source()
    every.meets("GetRange", (*ALL, *STALLS, faults.flip("response")), NO_BODY)
    every.run(*PATIENT, "download", *SIZES, f"s3://{every.bucket}/source", to=every.outs)
    every.check_files()


@pytest.mark.parametrize("kind", ["Create", "Complete"])
def test_control_calls(every: Every, kind: str) -> None:
    """Of these the answer matters most: whether there is an upload, and whether there is an object."""
    if kind == "Complete":
        every.meets(kind, (*ALL, faults.ok_with_error()), (*NO_BODY, *DONE))
    else:
        every.meets(kind, ALL, NO_BODY)
    every.run(*PATIENT, "upload", *SIZES, every.file, to=every.urls())
    every.check_objects()


def test_fs_put(every: Every) -> None:
    """fsspec users have no --timeout: stalls are for the others."""
    every.meets("UploadPart", (*ALL, faults.flip("request")), NO_ANSWER)
    job = [sys.executable, "-m", "tests.faults.fs_job"]
    every.run("put", every.file, to=every.urls("s3am"), command=job)
    every.check_objects()


def test_fs_get(every: Every) -> None:
    every.put_source()
    every.meets("GetRange", (*ALL, faults.flip("response")), NO_BODY)
    job = [sys.executable, "-m", "tests.faults.fs_job"]
    every.run("get", f"s3am://{every.bucket}/source", to=every.outs, command=job)
    every.check_files()
