"""Local files into S3: names, links, and another writer between the listing and the put."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.support.faults import Rule as Fault
from tests.support.faults import answer
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


def test_hostile_names_up(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {"good": b"1", "line\nbreak": b"2", "n\udcff": b"3", "é": b"4"})
    os.mkfifo(src / "fifo")
    (src / "dangling").symlink_to("nothing")
    (src / "link").symlink_to("good")
    done = run(src, f"s3://{bucket}")
    assert done.rc == 1
    assert done.did("fail") == {"n\udcff": "fail", "fifo": "fail", "dangling": "fail"}
    assert read_prefix(boto, bucket) == {"good": b"1", "line\nbreak": b"2", "é": b"4", "link": b"1"}
