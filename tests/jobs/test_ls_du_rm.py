from __future__ import annotations

from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.proxy import FaultProxy

KEYS = ("a.txt", "logs/1.gz", "logs/2.gz", "logs/old/3.gz", "logs/old/4.tmp", "z")


@pytest.fixture
def full(bucket: str, boto: Any) -> str:
    for number, key in enumerate(KEYS):
        boto.put_object(Bucket=bucket, Key=key, Body=b"x" * number)
    return bucket


def keys_of(boto: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in boto.list_objects_v2(Bucket=bucket).get("Contents", ())}


def test_ls_lists_one_level_or_all(cli: Cli, full: str) -> None:
    top = cli.ok("ls", "--json", f"s3://{full}").json_lines()
    assert [(line["event"], line.get("key") or line.get("prefix")) for line in top] == [
        ("listed", "a.txt"),
        ("prefix", "logs/"),
        ("listed", "z"),
    ]
    everything = cli.ok("ls", "-r", "--json", f"s3://{full}").json_lines()
    assert {line["key"] for line in everything} == set(KEYS)
    assert set(everything[0]) == {"event", "key", "size", "modified", "etag", "storage_class", "version_id"}
    folder = cli.ok("ls", f"s3://{full}/logs")
    assert [line.split()[-1] for line in folder.stdout.splitlines()] == ["logs/1.gz", "logs/2.gz", "logs/old/"]


def test_ls_takes_globs_and_one_object(cli: Cli, full: str) -> None:
    found = cli.ok("ls", "--json", f"s3://{full}/logs/**.gz").json_lines()
    assert [line["key"] for line in found] == ["logs/1.gz", "logs/2.gz", "logs/old/3.gz"]
    assert len(cli.ok("ls", f"s3://{full}/logs/*.gz").stdout.splitlines()) == 2
    assert [line["key"] for line in cli.ok("ls", "--json", f"s3://{full}/a.txt").json_lines()] == ["a.txt"]


def test_ls_of_what_is_not_there(cli: Cli, full: str) -> None:
    assert cli("ls", f"s3://{full}/none").rc == 17
    assert cli("ls", f"s3://{full}-none").rc == 17


def test_ls_lists_buckets_and_versions(cli: Cli, bucket: str, boto: Any) -> None:
    assert bucket in [line["key"] for line in cli.ok("ls", "--json", "s3://").json_lines()]
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"22"):
        boto.put_object(Bucket=bucket, Key="k", Body=body)
    boto.delete_object(Bucket=bucket, Key="k")
    found = cli.ok("ls", "--versions", "--json", f"s3://{bucket}").json_lines()
    assert sorted((line["size"] or 0, line["delete_marker"]) for line in found) == [(0, True), (1, False), (2, False)]
    oldest = next(line for line in found if line["size"] == 1)
    cli.ok("rm", "--version-id", oldest["version_id"], f"s3://{bucket}/k")
    assert len(cli.ok("ls", "--versions", "--json", f"s3://{bucket}/k").json_lines()) == 2
    marker = next(line for line in found if line["delete_marker"])
    cli.ok("rm", "--version-id", marker["version_id"], f"s3://{bucket}/k")
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"22"


def test_ls_escapes_control_characters(cli: Cli, bucket: str, boto: Any) -> None:
    boto.put_object(Bucket=bucket, Key="a\x1b[31m\nb", Body=b"")
    assert cli.ok("ls", f"s3://{bucket}").stdout.endswith("a\\x1b[31m\\nb\n")


def test_du_sums_one_level(cli: Cli, full: str) -> None:
    lines = cli.ok("du", "--json", f"s3://{full}/logs").json_lines()
    assert lines == [
        {"event": "prefix", "prefix": "logs/old/", "objects": 2, "bytes": 7},
        {"event": "result", "prefix": "logs/", "objects": 4, "bytes": 10},
    ]
    assert cli.ok("du", f"s3://{full}").stdout.splitlines()[-1].split() == ["15", "15", "B", "6", "total"]


def test_rm_one(cli: Cli, full: str, boto: Any) -> None:
    cli.ok("rm", f"s3://{full}/a.txt")
    assert "a.txt" not in keys_of(boto, full)
    gone = cli("rm", f"s3://{full}/a.txt")
    assert (gone.rc, "error:" in gone.stderr) == (17, True)
    assert cli("rm", f"s3://{full}/logs").rc == 17
    assert cli("rm", f"s3://{full}").rc == 6
    assert len(keys_of(boto, full)) == 5


def test_rm_if_match(cli: Cli, full: str, boto: Any) -> None:
    assert cli("rm", "--if-match", "0" * 32, f"s3://{full}/z").rc == 15
    assert "z" in keys_of(boto, full)
    etag = boto.head_object(Bucket=full, Key="z")["ETag"]
    cli.ok("rm", "--if-match", etag, f"s3://{full}/z")
    assert "z" not in keys_of(boto, full)


def test_rm_many(cli: Cli, full: str, boto: Any) -> None:
    dry = cli.ok("rm", "--dry-run", "--json", "-r", f"s3://{full}/logs").json_lines()
    assert [line["key"] for line in dry[:-1]] == [key for key in KEYS if key.startswith("logs/")]
    assert {line["action"] for line in dry[:-1]} == {"delete"}
    assert keys_of(boto, full) == set(KEYS)
    cli.ok("rm", f"s3://{full}/logs/**/*.tmp")  # a glob needs no -r
    assert keys_of(boto, full) == set(KEYS) - {"logs/old/4.tmp"}
    assert cli("rm", "--max-delete", "2", "-r", f"s3://{full}/logs").rc == 18
    assert cli("rm", "--dry-run", "--max-delete", "50%", "-r", f"s3://{full}/logs/").rc == 18
    assert len(keys_of(boto, full)) == 5
    cli.ok("rm", "--exclude", "old", "--max-delete", "2", "-r", f"s3://{full}/logs")
    assert keys_of(boto, full) == {"a.txt", "logs/old/3.gz", "z"}
    cli.ok("rm", "-r", f"s3://{full}/nothing")
    cli.ok("rm", f"s3://{full}/nothing*")


def test_rm_deletes_a_thousand_in_one_request(cli: Cli, bucket: str, s3: Any, proxy: FaultProxy) -> None:
    from s3amfs.engine.connect import S3Config, connect

    client = connect(S3Config(endpoint_url=s3.endpoint_url, profile=None, **credentials(s3)))
    for number in range(1200):
        client.put(bucket, f"many/{number:04}", b"")
    done = cli("rm", "-r", "--json", f"s3://{bucket}/many/", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert done.rc == 0, done.stderr
    assert done.json_lines()[-1]["entries"] == {"delete": 1200}
    assert proxy.count("DeleteMany") == 2


def credentials(s3: Any) -> dict[str, Any]:
    return {"access_key": s3.access_key, "secret_key": s3.secret_key}
