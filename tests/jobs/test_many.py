"""`upload -r`, `download -r`, `--from-list`, `check`, `run` as users type them."""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from s3amfs.cli import run
from s3amfs.cli.output import Output
from tests.support.cli import Cli
from tests.support.trees import make_tree, read_prefix, read_tree

FILES = {"a b": b"1", "d/e.gz": b"22", "d/f.txt": b"333", "big": bytes(9 * 1024 * 1024)}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "src", FILES)


def test_upload_r_leaves_what_exists_and_says_so(cli: Cli, src: Path, bucket: str, boto: Any) -> None:
    boto.put_object(Bucket=bucket, Key="p/d/f.txt", Body=b"theirs")
    done = cli("upload", "-r", src, f"s3://{bucket}/p")
    assert done.rc == 3, done.stderr
    assert "skip d/f.txt (exists at the target" in done.stdout
    assert read_prefix(boto, bucket, "p/") == FILES | {"d/f.txt": b"theirs"}
    assert cli("upload", "-r", "--exists", "skip", src, f"s3://{bucket}/p").rc == 0
    assert read_prefix(boto, bucket, "p/")["d/f.txt"] == b"theirs"
    assert cli("upload", "-r", "--exists", "overwrite", src, f"s3://{bucket}/p").rc == 0
    assert read_prefix(boto, bucket, "p/") == FILES


def test_download_r(cli: Cli, src: Path, bucket: str, tmp_path: Path) -> None:
    cli.ok("upload", "-r", src, f"s3://{bucket}")
    cli.ok("download", "-r", f"s3://{bucket}/**.gz", tmp_path / "gz")
    assert read_tree(tmp_path / "gz") == {"d/e.gz": b"22"}
    dst = make_tree(tmp_path / "dst", {"a b": b"mine"})
    done = cli("download", "-r", f"s3://{bucket}", dst)
    assert done.rc == 11, done.stderr
    assert read_tree(dst) == FILES | {"a b": b"mine"}
    cli.ok("download", "-r", "--file-exists", "overwrite", f"s3://{bucket}", dst)
    assert read_tree(dst) == FILES


def test_from_list(cli: Cli, src: Path, bucket: str, boto: Any, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="there/x%20y", Body=b"s3")
    listing = tmp_path / "list"
    listing.write_text(f"# sources\n{src}/a b\n\n{src}/d/e.gz\tother/name\ns3://{bucket}/there/x%20y\n")
    cli.ok("upload", "--from-list", listing, f"s3://{bucket}/p")
    assert read_prefix(boto, bucket, "p/") == {"a b": b"1", "other/name": b"22", "x%20y": b"s3"}
    again = cli("upload", "--from-list", listing, f"s3://{bucket}/p/")
    assert again.rc == 3
    listing.write_text(f"{src}/a b\n{src}/none\n")
    assert cli("upload", "--exists", "skip", "--from-list", listing, f"s3://{bucket}/p").rc == 1


def test_from_list_goes_on_where_a_run_ended(cli: Cli, src: Path, bucket: str, boto: Any, tmp_path: Path) -> None:
    listing = tmp_path / "list"
    listing.write_text(f"{src}/a b\n{src}/late\n{src}/d/e.gz\n")
    assert cli("upload", "--from-list", listing, f"s3://{bucket}/p").rc == 1
    (src / "late").write_bytes(b"late")
    boto.delete_object(Bucket=bucket, Key="p/e.gz")  # it is not what the first run has stored
    before = boto.head_object(Bucket=bucket, Key="p/a b")["LastModified"]
    done = cli("--json", "upload", "--from-list", listing, "--resume", f"s3://{bucket}/p")
    actions = {line["key"]: line["action"] for line in map(json.loads, done.stdout.splitlines()) if "key" in line}
    assert (done.rc, actions) == (0, {"a b": "same", "late": "upload", "e.gz": "upload"})
    assert boto.head_object(Bucket=bucket, Key="p/a b")["LastModified"] == before
    (src / "late").write_bytes(b"changed")
    assert cli("upload", "--from-list", listing, "--resume", f"s3://{bucket}/p").rc == 3


def test_from_list_takes_what_was_stored_right_before_the_kill(
    cli: Cli, src: Path, bucket: str, boto: Any, tmp_path: Path
) -> None:
    listing = tmp_path / "list"
    listing.write_text(f"{src}/a b\n")
    boto.put_object(Bucket=bucket, Key="p/a b", Body=b"1")  # stored, and the journal does not have it
    assert cli("upload", "--from-list", listing, f"s3://{bucket}/p").rc == 3
    assert cli("upload", "--from-list", listing, "--resume", f"s3://{bucket}/p").rc == 0


def test_download_r_goes_on_and_makes_holes(cli: Cli, bucket: str, boto: Any, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="zeros", Body=bytes(1 << 20))
    boto.put_object(Bucket=bucket, Key="z/small", Body=b"x")
    done = cli.ok("download", "-r", "--resume", "--sparse", "--checksum", "none", f"s3://{bucket}", tmp_path / "dst")
    assert "starts from the beginning" in done.stderr
    assert read_tree(tmp_path / "dst") == {"zeros": bytes(1 << 20), "z/small": b"x"}
    assert (tmp_path / "dst" / "zeros").stat().st_blocks < 2048
    assert cli("download", "--resume", f"s3://{bucket}/zeros", tmp_path / "one").rc == 2


def test_from_list_two_lines_for_one_key_move_nothing(
    cli: Cli, src: Path, bucket: str, boto: Any, web_list: Any
) -> None:
    done = cli("upload", "--from-list", web_list("https://h/a/x.gz?v=1", "https://h/b/x.gz?v=2"), f"s3://{bucket}")
    assert (done.rc, "x.gz" in done.stderr) == (2, True)
    assert read_prefix(boto, bucket) == {}


@pytest.fixture
def web_list(tmp_path: Path) -> Any:
    def write(*lines: str) -> Path:
        path = tmp_path / "urls"
        path.write_text("\n".join(lines))
        return path

    return write


def test_run(cli: Cli, src: Path, bucket: str, boto: Any, tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    commands.write_text(
        f"# two uploads\n\nupload '{src}/a b' s3://{bucket}/\ns3am upload {src}/big s3://{bucket}/x/big\n"
        f"ls s3://{bucket}/none\nno-such-command\nupload 'unclosed\n"
    )
    done = cli("run", commands)
    assert done.rc == 1
    assert read_prefix(boto, bucket) == {"a b": b"1", "x/big": FILES["big"]}
    for line in (5, 6, 7):
        assert f"line {line}:" in done.stderr
    commands.write_text(f"rm s3://{bucket}/x/big\nrm 's3://{bucket}/a b'\n")
    assert cli("run", commands).rc == 0
    assert read_prefix(boto, bucket) == {}


def test_sync_on_the_command_line(cli: Cli, src: Path, bucket: str, tmp_path: Path) -> None:
    printed = cli.ok("sync", "--json", "--exclude", "*", "--include", "*.txt", src, f"s3://{bucket}").json_lines()
    lines = [line for line in printed if line["event"] != "tree_progress"]  # of a run that takes a second
    assert [(line["event"], line.get("key")) for line in lines] == [("entry", "d/f.txt"), ("result", None)]
    assert set(lines[0]) == {"event", "key", "action", "reason", "size"}
    report = tmp_path / "report.html"
    cli.ok("sync", "--report", report, src, f"s3://{bucket}")
    assert "<b>upload</b>: new" in report.read_text()
    jsonl = tmp_path / "report.jsonl"
    dry = cli("sync", "--dry-run", "--delete", "--report", jsonl, tmp_path / "src" / "d", f"s3://{bucket}")
    assert dry.rc == 0, dry.stderr
    assert '"event": "result"' in jsonl.read_text().splitlines()[-1]
    (tmp_path / "none").mkdir()
    refused = cli("sync", "--delete", tmp_path / "none", f"s3://{bucket}")
    assert (refused.rc, refused.stderr.count("error:")) == (18, 1)
    assert cli("sync", src, tmp_path / "elsewhere").rc == 2
    assert cli("sync", tmp_path / "missing", f"s3://{bucket}").rc == 17


def test_a_command_that_crashes_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the reader of the output has gone: the others come to their end, and none waits for more lines."""

    def crash(number: int, *_: object) -> int:
        if number == 1:
            raise BrokenPipeError
        return 0

    monkeypatch.setattr(run, "run_line", crash)
    (tmp_path / "commands").write_text("ls s3://b\n" * 2000)
    args = argparse.Namespace(file=str(tmp_path / "commands"), json=False)
    raised: list[BaseException] = []

    def whole() -> None:
        try:
            run.run(args, Output(json=False, verbose=False, progress=False))
        except BrokenPipeError as error:
            raised.append(error)

    thread = threading.Thread(target=whole, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert len(raised) == 1
