"""A process that is killed amid put, get or cp: called again, by another process, it goes on where it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.faults import Rule, stall
from tests.support.files import digest, digest_of, make_file, object_digest
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 30 * MIB
PROGRAM = """
import sys
from s3amfs import S3AMFileSystem
fs = S3AMFileSystem(multipart_threshold="1MiB", part_size="5MiB", slots=1)
getattr(fs, sys.argv[1])(sys.argv[2], sys.argv[3])
"""
PARTS = {"put_file": "UploadPart", "get_file": "GetRange", "cp_file": "CopyPart"}


class Place:
    """`run` moves an object of six parts one by one, in a process of its own."""

    def __init__(self, way: str, cli: Cli, proxy: FaultProxy, boto: Any, bucket: str, folder: Path) -> None:
        self.way, self.cli, self.proxy, self.boto, self.bucket, self.folder = way, cli, proxy, boto, bucket, folder
        cli.command = [sys.executable, "-c", PROGRAM]
        self.fill(1)
        there, inside = folder / "there", f"{bucket}/there"
        self.words: tuple[str, str, str] = {
            "put_file": (way, str(there), f"{bucket}/k"),
            "get_file": (way, inside, str(folder / "k")),
            "cp_file": (way, inside, f"{bucket}/k"),
        }[way]

    def fill(self, seed: int) -> None:
        """The source, here and in S3."""
        make_file(self.folder / "there", SIZE, seed)
        self.boto.upload_file(str(self.folder / "there"), self.bucket, "there")

    def run_and_kill(self) -> None:
        """At its fourth part."""
        self.proxy.rules.append(Rule(PARTS[self.way], stall("request_head"), nth=4))
        running = self.cli.start(*self.words, env={"AWS_ENDPOINT_URL": self.proxy.endpoint_url})
        assert self.proxy.wait_for(lambda: self.proxy.count(PARTS[self.way]) == 4)
        running.kill()
        assert running.wait().rc == -9
        self.proxy.rules.clear()
        assert not self.is_there()

    def is_there(self) -> bool:
        if self.way == "get_file":
            return (self.folder / "k").exists()
        return bool(self.boto.list_objects_v2(Bucket=self.bucket, Prefix="k").get("Contents"))

    def run(self) -> None:
        self.cli.ok(*self.words, env={"AWS_ENDPOINT_URL": self.proxy.endpoint_url})

    def check(self, seed: int) -> None:
        """The target is the whole source, and there is nothing else."""
        moved = self.folder / "k"
        found = digest(moved) if self.way == "get_file" else object_digest(self.boto, self.bucket, "k")
        assert found == digest_of(SIZE, seed)
        assert sorted(path.name for path in self.folder.iterdir() if path.is_file()) in (["k", "there"], ["there"])
        assert self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []) == []

    def parts(self) -> list[str]:
        """What parts were moved, each as often as it was."""
        return [
            request.headers.get("range") or str(request.part_number)
            for request in self.proxy.of(PARTS[self.way])
            if request.status in (200, 206)
        ]


@pytest.fixture(params=sorted(PARTS))
def place(request: pytest.FixtureRequest, cli: Cli, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path) -> Place:
    return Place(request.param, cli, proxy, boto, bucket, tmp_path)


def test_goes_on(place: Place) -> None:
    place.run_and_kill()
    assert len(place.parts()) == 3
    place.run()
    place.check(1)
    assert len(place.parts()) == len(set(place.parts())) == 6  # none twice
    assert place.proxy.count("Create") == (0 if place.way == "get_file" else 1)


def test_a_source_that_changed_meanwhile_is_never_mixed_in(place: Place) -> None:
    place.run_and_kill()
    place.fill(2)
    place.run()
    place.check(2)
    assert len(place.parts()) == 3 + 6
