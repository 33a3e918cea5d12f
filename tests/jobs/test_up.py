"""Local files into S3: names, links, and another writer between the listing and the put."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from s3amfs.core.compare import Rules
from s3amfs.core.entries import Entry
from s3amfs.core.events import TransferResult
from s3amfs.core.locations import S3Location
from s3amfs.jobs.job_options import TreeOptions
from s3amfs.jobs.sides import ObjectVerbs
from s3amfs.jobs.up import Up
from s3amfs.jobs.work import Outcome, Room, Work
from s3amfs.transfers.options import UploadOptions
from tests.support.faults import Rule as Fault
from tests.support.faults import answer, lose_answer
from tests.support.scripted import reply, scripted
from tests.support.trees import make_tree, read_prefix


def test_a_second_writer_is_not_overwritten(run: Any, src: Path, bucket: str, boto: Any, proxy: Any, s3: Any) -> None:
    """What appears, or changes, between the listing and the put stays."""
    from s3amfs.engine.connect import S3Config, connect

    through = connect(S3Config(endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key))
    boto.put_object(Bucket=bucket, Key="a/b", Body=b"old one")

    def other_writer(seen: Any) -> bool:
        if seen.kind == "Put" and seen.key in ("a/b", "f.txt"):
            boto.put_object(Bucket=bucket, Key=seen.key, Body=b"theirs!")
        return False

    proxy.rules.append(Fault(other_writer, answer(500)))
    done = run(src, f"s3://{bucket}", client=through)
    assert done.rc == 1
    assert done.did("fail") == {"a/b": "fail", "f.txt": "fail"}
    assert read_prefix(boto, bucket)["a/b"] == b"theirs!"
    assert read_prefix(boto, bucket)["f.txt"] == b"theirs!"


def test_an_object_whose_answer_was_lost_is_our_own(
    run: Any, tmp_path: Path, bucket: str, boto: Any, proxy: Any, s3: Any
) -> None:
    from s3amfs.engine.connect import S3Config, connect

    through = connect(S3Config(endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key))
    src = make_tree(tmp_path / "src", {"a": b"1", "new": b"2", "old": b"3", "theirs": b"4"})
    boto.put_object(Bucket=bucket, Key="old", Body=b"another one")
    for key in ("new", "old", "theirs"):
        proxy.rules.append(Fault(lambda seen, key=key: seen.kind == "Put" and seen.key == key, lose_answer(), times=1))

    def other_writer(seen: Any) -> bool:
        if seen.kind == "Head" and seen.key == "theirs":
            boto.put_object(Bucket=bucket, Key="theirs", Body=b"5")
        return False

    proxy.rules.append(Fault(other_writer, answer(500)))
    done = run(src, f"s3://{bucket}", client=through)
    assert done.did() == {"a": "upload", "new": "upload", "old": "upload", "theirs": "fail"}
    assert (done.rc, done.totals.bytes) == (1, 3)
    assert read_prefix(boto, bucket) == {"a": b"1", "new": b"2", "old": b"3", "theirs": b"5"}


def test_an_object_that_shows_whether_the_server_obeys_keeps_its_checksum(tmp_path: Path) -> None:
    """The server takes no notice of the condition: what it is asked with replaces the object."""
    make_tree(tmp_path, {"f": b"content"})
    client, engine = scripted(lambda asked: reply(etag='"e"'))
    verbs = Stored()
    up = Up(str(tmp_path), S3Location("to", ""), client, TreeOptions(Rules("up"), checksum="crc32c"), verbs)
    done: list[Outcome] = []
    up.small(Work(1, "f", Entry("f", 7), None, "new"), Room(), done.append, lambda: None)
    assert (verbs.stored, [outcome.action for outcome in done]) == (1, ["moved"])
    assert [asked.headers.get("x-amz-checksum-crc32c") for asked in engine.asked] == ["Ya91Mw=="]
    assert [asked.body for asked in engine.asked] == [b"content"]


class Stored(ObjectVerbs):
    """Sends nothing."""

    stored = 0

    def upload(self, source: Any, target: Any, client: Any, options: UploadOptions, **_: Any) -> TransferResult:
        self.stored += 1
        return TransferResult("upload", "", "", 7)


def test_hostile_names_up(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {"good": b"1", "line\nbreak": b"2", "n\udcff": b"3", "é": b"4"})
    os.mkfifo(src / "fifo")
    (src / "dangling").symlink_to("nothing")
    (src / "link").symlink_to("good")
    done = run(src, f"s3://{bucket}")
    assert done.rc == 1
    assert done.did("fail") == {"n\udcff": "fail", "fifo": "fail", "dangling": "fail"}
    assert read_prefix(boto, bucket) == {"good": b"1", "line\nbreak": b"2", "é": b"4", "link": b"1"}
