"""The contract's rules, line by line, with the real command against a real server."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import Cli
from tests.support.faults import Rule, stall
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024


def begin_upload(boto: Any, bucket: str, key: str, part: bytes | None = None) -> str:
    upload_id = str(boto.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
    if part is not None:
        boto.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=part)
    return upload_id


def uploads(boto: Any, bucket: str) -> list[str]:
    return [u["Key"] for u in boto.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def test_object_exists(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"old")
    make_file(tmp_path / "f", 100, 1)
    refused = cli("upload", tmp_path / "f", f"s3://{bucket}/k")
    assert refused.rc == 3
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    cli.ok("upload", "--exists", "skip", tmp_path / "f", f"s3://{bucket}/k")
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"
    cli.ok("upload", "--exists", "overwrite", tmp_path / "f", f"s3://{bucket}/k")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")


def test_unfinished_upload(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * PART + 1, 1)
    first = (tmp_path / "f").read_bytes()[:PART]
    begin_upload(boto, bucket, "k", first)
    assert cli("upload", tmp_path / "f", f"s3://{bucket}/k").rc == 4
    assert cli("upload", "--resume", "--part-size", "6M", tmp_path / "f", f"s3://{bucket}/k").rc == 8
    result = cli.ok("--json", "upload", "--resume", tmp_path / "f", f"s3://{bucket}/k")
    assert json.loads(result.stdout.splitlines()[-1])["parts_resumed"] == 1
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert uploads(boto, bucket) == []


def test_several_unfinished_uploads(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", PART + 1, 1)
    begin_upload(boto, bucket, "k")
    begin_upload(boto, bucket, "k")
    assert cli("upload", tmp_path / "f", f"s3://{bucket}/k").rc == 13
    assert cli("upload", "--resume", tmp_path / "f", f"s3://{bucket}/k").rc == 13
    cli.ok("upload", "--force", tmp_path / "f", f"s3://{bucket}/k")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert uploads(boto, bucket) == []


def test_source_changed(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * PART, 1)
    begin_upload(boto, bucket, "k", b"x" * PART)
    changed = cli("upload", "--resume", tmp_path / "f", f"s3://{bucket}/k")
    assert changed.rc == 15
    assert "--force" in changed.stderr
    assert uploads(boto, bucket) == ["k"]


def test_resume_and_force_exclude_each_other(cli: Cli, bucket: str, tmp_path: Path) -> None:
    result = cli("upload", "--resume", "--force", tmp_path / "f", f"s3://{bucket}/k")
    assert result.rc == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("file://elsewhere/f", "s3://b/k", 5),
        ("", "s3://b/k", 5),
        ("s3://bbb", "s3://b/k", 5),
        ("{file}", "http://host/k", 6),
        ("-", "s3://bucket/", 6),
        ("{file}", "s3:///k", 7),
        ("s3://b!/k", "s3://b/k", 7),
        ("{file}", "s3://b/" + "k" * 1025, 7),
        ("{folder}/none", "s3://{bucket}/k", 17),
        ("{folder}", "s3://{bucket}/k", 5),
        ("{file}", "s3://no-such-bucket-here/k", 17),
        ("s3://{bucket}/none", "s3://{bucket}/k", 17),
        ("http://127.0.0.1:9/f", "s3://{bucket}/k", 1),
    ],
)
def test_wrong_upload(cli: Cli, bucket: str, tmp_path: Path, source: str, target: str, code: int) -> None:
    make_file(tmp_path / "f", 10, 1)
    names = {"file": tmp_path / "f", "folder": tmp_path, "bucket": bucket}
    result = cli("--retry-budget", "0", "upload", source.format(**names), target.format(**names))
    assert (result.rc, result.stderr.count("\n")) == (code, 1), result.stderr
    assert result.stderr.startswith("error: ")


def test_part_size_limits(cli: Cli, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 10, 1)
    for size in ("1M", "6G", "five"):
        assert cli("upload", "--part-size", size, tmp_path / "f", f"s3://{bucket}/k").rc == 2


def test_wrong_credentials(cli: Cli, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 10, 1)
    result = cli("upload", tmp_path / "f", f"s3://{bucket}/k", env={"AWS_SECRET_ACCESS_KEY": "wrong-secret-value"})
    assert (result.rc, result.stderr.count("\n")) == (14, 1), result.stderr
    assert "wrong-secret-value" not in result.stderr
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    result = cli("upload", tmp_path / "f", f"s3://{bucket}/k", env=none)
    assert (result.rc, result.stderr.count("\n")) == (14, 1), result.stderr


def test_targets_that_take_the_name_of_the_source(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "a name", 10, 1)
    cli.ok("upload", tmp_path / "a name", f"s3://{bucket}")
    cli.ok("upload", tmp_path / "a name", f"s3://{bucket}/deep/")
    cli.ok("upload", f"file://{tmp_path}/a%20name", f"s3://{bucket}/url")
    cli.ok("upload", f"file://localhost{tmp_path}/a%20name", f"s3://{bucket}/host")
    cli.ok("upload", f"file:{tmp_path}/a%20name", f"s3://{bucket}/short")
    keys = [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket)["Contents"]]
    assert sorted(keys) == ["a name", "deep/a name", "host", "short", "url"]
    (tmp_path / "out").mkdir()
    cli.ok("download", f"s3://{bucket}/deep/a name", tmp_path / "out")
    assert digest(tmp_path / "out" / "a name") == digest(tmp_path / "a name")


def test_download_rules(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"content")
    out = tmp_path / "out"
    out.write_bytes(b"old")
    assert cli("download", f"s3://{bucket}/k", out).rc == 11
    cli.ok("download", "--file-exists", "skip", f"s3://{bucket}/k", out)
    assert out.read_bytes() == b"old"
    cli.ok("download", "--file-exists", "overwrite", f"s3://{bucket}/k", out)
    assert out.read_bytes() == b"content"
    out.unlink()
    (tmp_path / ".out.partial").write_bytes(b"garbage")
    assert cli("download", f"s3://{bucket}/k", out).rc == 12
    resumed = cli.ok("download", "--download-exists", "resume", f"s3://{bucket}/k", out)
    assert "warning: " in resumed.stderr
    assert out.read_bytes() == b"content"
    assert sorted(os.listdir(tmp_path)) == ["home", "out"]
    assert cli("download", f"s3://{bucket}/k", tmp_path / "x.partial").rc == 6
    assert cli("download", f"s3://{bucket}/k", tmp_path / "x.progress").rc == 6
    assert cli("download", f"s3://{bucket}/k", tmp_path / "no" / "x").rc == 6
    assert cli("download", f"s3://{bucket}/none", tmp_path / "x").rc == 17
    assert cli("download", "http://host/k", tmp_path / "x").rc == 5
    assert cli("download", "s3://!/k", tmp_path / "x").rc == 7


def test_cancel(cli: Cli, boto: Any, bucket: str) -> None:
    for key in ("a/1", "a/12", "b"):
        begin_upload(boto, bucket, key, b"x")
    cli.ok("cancel", f"s3://{bucket}/none")
    assert cli("cancel", f"s3://{bucket}/a/").rc == 6
    assert cli("cancel", "s3://no-such-bucket-here/k").rc == 17
    listed = cli.ok("--json", "pending", f"s3://{bucket}/a")
    fields = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(f["key"], f["parts"], f["bytes"], f["resumable"]) for f in fields] == [
        ("a/1", 1, 1, False),
        ("a/12", 1, 1, False),
    ]
    assert cli.ok("pending", "--older-than", "1d", f"s3://{bucket}").stdout == ""
    cli.ok("cancel", "--older-than", "1d", f"s3://{bucket}/a/1")
    assert sorted(uploads(boto, bucket)) == ["a/1", "a/12", "b"]
    cli.ok("cancel", f"s3://{bucket}/a/1")
    assert sorted(uploads(boto, bucket)) == ["a/12", "b"]
    cli.ok("cancel", "--prefix", f"s3://{bucket}/a/")
    assert uploads(boto, bucket) == ["b"]


def test_verify(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"hello")
    assert cli.ok("verify", f"s3://{bucket}/k").stdout == "5d41402abc4b2a76b9719d911017c592\n"
    sha = cli.ok("verify", "--checksum", "SHA-256", f"s3://{bucket}/k").stdout
    assert sha == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
    assert cli("verify", "--checksum", "md17", f"s3://{bucket}/k").rc == 9
    assert cli("verify", f"s3://{bucket}/none").rc == 17
    (tmp_path / "same").write_bytes(b"hello")
    (tmp_path / "other").write_bytes(b"hellO")
    cli.ok("verify", "--against", tmp_path / "same", f"s3://{bucket}/k")
    assert cli("verify", "--against", tmp_path / "other", f"s3://{bucket}/k").rc == 16


def test_verify_against_takes_stored_checksums(
    s3: SeaweedServer, cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    make_file(tmp_path / "f", 3 * PART, 1)
    cli.ok("upload", "--part-size", "5M", tmp_path / "f", f"s3://{bucket}/crc")
    with (tmp_path / "f").open("rb") as file:
        boto.upload_fileobj(file, bucket, "etag")
    for key in ("crc", "etag"):
        proved = cli.ok(
            "verify", "--against", tmp_path / "f", f"s3://{bucket}/{key}", env={"AWS_ENDPOINT_URL": proxy.endpoint_url}
        )
        assert "equal" in proved.stdout
    assert proxy.count("Get") == proxy.count("GetRange") == 0


def test_generate_sse_key(cli: Cli, tmp_path: Path) -> None:
    cli.ok("generate-sse-key", tmp_path / "key")
    assert (tmp_path / "key").stat().st_size == 32
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert cli("generate-sse-key", tmp_path / "key").rc == 11


def test_sse_c(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * PART, 1)
    cli.ok("generate-sse-key", tmp_path / "key")
    cli.ok("generate-sse-key", tmp_path / "other")
    url = f"s3://{bucket}/k"
    cli.ok("upload", "--part-size", "5M", "--sse-key-file", tmp_path / "key", tmp_path / "f", url)
    key = (tmp_path / "key").read_bytes()
    assert boto.head_object(Bucket=bucket, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    cli.ok("download", "--sse-key-file", tmp_path / "key", url, tmp_path / "out")
    assert digest(tmp_path / "out") == digest(tmp_path / "f")
    assert cli("download", url, tmp_path / "out2").rc == 10
    assert cli("download", "--sse-key-file", tmp_path / "other", url, tmp_path / "out2").rc == 10
    assert cli("download", "--sse-key", "short", url, tmp_path / "out2").rc == 10
    assert cli("download", "--sse-key-file", tmp_path / "none", url, tmp_path / "out2").rc == 10


def test_sse_master_key_reads_back_with_boto3(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    import hashlib

    (tmp_path / "f").write_bytes(b"secret content")
    master = "0123456789abcdef0123456789abcdef"
    cli.ok("upload", "--sse-key", master, "--sse-key-is-master", tmp_path / "f", f"s3://{bucket}/k")
    location = boto.get_bucket_location(Bucket=bucket).get("LocationConstraint")
    host = f"s3-{location}.amazonaws.com" if location else "s3.amazonaws.com"
    key = hashlib.sha256(master.encode() + f"https://{host}/{bucket}/k".encode()).digest()
    got = boto.get_object(Bucket=bucket, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    assert got["Body"].read() == b"secret content"


def test_object_options(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "page.html", PART + 1, 1)
    options = ("--part-size", "5M", "--metadata", "Colour=blue", "--tag", "kind=a b", "--storage-class", "STANDARD")
    cli.ok("upload", *options, tmp_path / "page.html", f"s3://{bucket}/k")
    head = boto.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "text/html"
    assert head["Metadata"] == {"colour": "blue"}
    assert boto.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "kind", "Value": "a b"}]
    cli.ok("upload", f"s3://{bucket}/k", f"s3://{bucket}/copy")
    cli.ok("upload", "--part-size", "5M", f"s3://{bucket}/k", f"s3://{bucket}/copy-in-parts")
    for key in ("copy", "copy-in-parts"):
        head = boto.head_object(Bucket=bucket, Key=key)
        assert (head["ContentType"], head["Metadata"]) == ("text/html", {"colour": "blue"})
        assert boto.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == [{"Key": "kind", "Value": "a b"}]
        assert object_digest(boto, bucket, key) == digest(tmp_path / "page.html")
    cli.ok("upload", "--content-type", "text/plain", tmp_path / "page.html", f"s3://{bucket}/plain")
    assert boto.head_object(Bucket=bucket, Key="plain")["ContentType"] == "text/plain"


@pytest.mark.parametrize("choice", ["crc64nvme", "crc32c", "md5", "none"])
def test_checksum_choices(cli: Cli, boto: Any, bucket: str, tmp_path: Path, choice: str) -> None:
    make_file(tmp_path / "f", PART + 1, 1)
    cli.ok("upload", "--part-size", "5M", "--checksum", choice, tmp_path / "f", f"s3://{bucket}/k")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")


def test_expected_digests(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * PART, 1)
    right, wrong = digest(tmp_path / "f"), "0" * 64
    assert cli("upload", "--expect-sha256", wrong, tmp_path / "f", f"s3://{bucket}/k").rc == 16
    with HttpServer() as web:
        url = web.add("/f", tmp_path / "f")
        assert cli("upload", "--force", "--expect-sha256", wrong, url, f"s3://{bucket}/k").rc == 16
        assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
        cli.ok("upload", "--force", "--expect-sha256", right, url, f"s3://{bucket}/k")
    cli.ok("upload", "--force", "--expect-sha256", right, tmp_path / "f", f"s3://{bucket}/k2")
    assert object_digest(boto, bucket, "k") == object_digest(boto, bucket, "k2") == right


def test_dry_run_changes_nothing(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * PART, 1)
    cli.ok("upload", "--dry-run", tmp_path / "f", f"s3://{bucket}/k")
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
    boto.put_object(Bucket=bucket, Key="k", Body=b"x")
    cli.ok("download", "--dry-run", f"s3://{bucket}/k", tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["f", "home"]


def test_sigusr1_says_what_is_going_on(cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    make_file(tmp_path / "f", 2 * PART, 1)
    proxy.rules.append(Rule("UploadPart", stall("request_head", seconds=60), nth=2))
    command = ("upload", "--part-size", "5M", "--upload-slots", "1", tmp_path / "f", f"s3://{bucket}/k")
    running = cli.start(*command, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert proxy.wait_for(lambda: proxy.count("UploadPart") >= 2)

    def says() -> bool:
        """The second part is stalled, but its first bytes may be in the kernel's buffers."""
        running.send(signal.SIGUSR1)
        return bool(re.search(r"status: [5-9](\.\d)? MiB of 10 MiB moved", running.stderr()))

    assert running.wait_until(says), "it says what happened last, soon after that"
    running.interrupt()
    assert running.wait().rc == 130


def test_interrupt_says_how_to_resume(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    make_file(tmp_path / "f", 4 * PART, 1)
    proxy.rules.append(Rule("UploadPart", stall("request_body", seconds=60), nth=3, times=99))
    running = cli.start(
        "upload",
        "--part-size",
        "5M",
        "--upload-slots",
        "1",
        tmp_path / "f",
        f"s3://{bucket}/k",
        env={"AWS_ENDPOINT_URL": proxy.endpoint_url},
    )
    assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) >= 2)
    running.interrupt()
    result = running.wait()
    assert result.rc == 130
    assert "--resume" in result.stderr
    proxy.rules.clear()
    proxy.clear()
    cli.ok("upload", "--resume", tmp_path / "f", f"s3://{bucket}/k", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert proxy.count("UploadPart") == 2
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
