"""Where things end up: a DST that ends in a slash, is a bare bucket or a folder takes the last component of any SRC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.faults import Rule, error
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024
NAME = "a b+c.bin"


@pytest.fixture
def sources(boto: Any, bucket: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The same bytes at every kind of source: kind -> what to type."""
    folder = tmp_path / "source"
    folder.mkdir()
    file = make_file(folder / NAME, 1000, 1)
    boto.upload_file(str(file), bucket, f"deep/{NAME}")
    with HttpServer() as web, FtpServer(folder) as ftp:
        web.add(f"/{NAME}", file)
        yield {
            "path": str(file),
            "file": f"file://{folder}/a%20b%2Bc.bin",
            "http": web.url("/a%20b+c.bin?query=x/y#fragment"),
            "ftp": ftp.url(f"/{NAME}"),
            "s3": f"s3://{bucket}/deep/{NAME}",
        }


@pytest.mark.parametrize("kind", ["path", "file", "http", "ftp", "s3"])
def test_the_last_component_of_every_kind_of_source(
    cli: Cli, boto: Any, new_bucket: Any, sources: dict[str, str], tmp_path: Path, kind: str
) -> None:
    target = new_bucket()
    cli.ok("upload", sources[kind], f"s3://{target}")
    cli.ok("upload", "--exists", "overwrite", sources[kind], f"s3://{target}/")
    cli.ok("upload", sources[kind], f"s3://{target}/x/y/")
    keys = [entry["Key"] for entry in boto.list_objects_v2(Bucket=target)["Contents"]]
    assert sorted(keys) == [NAME, f"x/y/{NAME}"]
    wanted = digest(tmp_path / "source" / NAME)
    assert {object_digest(boto, target, key) for key in keys} == {wanted}


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_download_into_a_folder(cli: Cli, sources: dict[str, str], tmp_path: Path, slash: str) -> None:
    (tmp_path / "out").mkdir()
    cli.ok("download", sources["s3"], f"{tmp_path}/out{slash}")
    assert digest(tmp_path / "out" / NAME) == digest(tmp_path / "source" / NAME)
    cli.ok("download", "--file-exists", "overwrite", sources["s3"], f"file://{tmp_path}/out/")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]


def test_a_source_without_a_name(cli: Cli, bucket: str) -> None:
    for source in ("-", "http://127.0.0.1:9/", f"s3://{bucket}/folder/"):
        result = cli("--retry-budget", "0", "upload", source, f"s3://{bucket}/")
        assert (result.rc, result.stderr.count("\n")) == (6, 1), (source, result.stderr)


def test_a_download_leaves_its_partial_beside_the_target(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    file = make_file(tmp_path / "f", 3 * PART, 1)
    boto.upload_file(str(file), bucket, "k")
    out = tmp_path / "out"
    out.mkdir()
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    words = ("download", "--part-size", "5M", "--download-slots", "1", f"s3://{bucket}/k", out / "target")
    proxy.rules.append(Rule("GetRange", error(403, "AccessDenied"), nth=3))
    assert cli(*words, env=through).rc == 14
    assert sorted(path.name for path in out.iterdir()) == [".target.partial", ".target.progress"]
    again = cli(*words, env=through)
    assert again.rc == 12
    assert "--download-exists" in again.stderr
    proxy.clear()
    resumed = cli.ok("--json", words[0], "--download-exists", "resume", *words[1:], env=through).json_lines()[-1]
    assert resumed["parts_resumed"] == proxy.count("GetRange") + 1 == 2
    assert [path.name for path in out.iterdir()] == ["target"]
    assert digest(out / "target") == digest(file)


def test_an_object_that_changed_is_fetched_from_scratch_with_a_warning(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    boto.upload_file(str(make_file(tmp_path / "old", 3 * PART, 1)), bucket, "k")
    words = ("--part-size", "5M", "--download-slots", "1", f"s3://{bucket}/k", tmp_path / "out")
    proxy.rules.append(Rule("GetRange", error(403, "AccessDenied"), nth=3))
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    assert cli("download", *words, env=through).rc == 14
    boto.upload_file(str(make_file(tmp_path / "new", 3 * PART, 2)), bucket, "k")
    proxy.rules.clear()
    done = cli.ok("download", "--download-exists", "resume", *words, env=through)
    assert done.stderr.startswith("warning: ") and "changed" in done.stderr
    assert digest(tmp_path / "out") == digest(tmp_path / "new")


def test_discard_takes_nothing_of_a_partial(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"content")
    (tmp_path / ".out.partial").write_bytes(b"garbage of somebody")
    cli.ok("download", "--download-exists", "discard", f"s3://{bucket}/k", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"content"
    assert list(tmp_path.glob(".out*")) == []


def test_nothing_of_0_bytes_is_special(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with HttpServer() as web:
        for key, source in {
            "file": tmp_path / "empty",
            "http": web.add("/empty", b""),
            "stdin": "-",
            "copy": f"s3://{bucket}/file",
        }.items():
            cli.ok("upload", source, f"s3://{bucket}/{key}")
            assert boto.head_object(Bucket=bucket, Key=key)["ContentLength"] == 0
    cli.ok("download", f"s3://{bucket}/copy", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b""
    assert cli.ok("verify", f"s3://{bucket}/copy").stdout == "d41d8cd98f00b204e9800998ecf8427e\n"


def test_what_a_failed_upload_leaves_is_resumed_or_cancelled(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    file = make_file(tmp_path / "f", 3 * PART, 1)
    words = ("--part-size", "5M", "--upload-slots", "1", file, f"s3://{bucket}/k")
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    proxy.rules.append(Rule("UploadPart", error(403, "AccessDenied"), nth=3))
    assert cli("upload", *words, env=through).rc == 14
    assert "resumable here" in cli.ok("pending", f"s3://{bucket}/k", env=through).stdout
    assert cli("upload", *words, env=through).rc == 4
    cli.ok("cancel", f"s3://{bucket}/k", env=through)
    assert cli.ok("pending", f"s3://{bucket}", env=through).stdout == ""
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    proxy.rules.clear()
    cli.ok("upload", *words, env=through)


def test_forms_of_sizes(cli: Cli, bucket: str, tmp_path: Path) -> None:
    file = make_file(tmp_path / "f", 2 * PART + 1, 1)
    for number, size in enumerate(("5MB", "5MiB", "5M", "5242880")):
        told = cli.ok("--json", "upload", "--part-size", size, file, f"s3://{bucket}/{number}").json_lines()[-1]
        assert told["parts"] == 3


def test_a_version_of_an_object(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = boto.put_object(Bucket=bucket, Key="k", Body=b"hello")["VersionId"]
    boto.put_object(Bucket=bucket, Key="k", Body=b"newer")
    url, through = f"s3://{bucket}/k", {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    cli.ok("download", "--version-id", old, url, tmp_path / "out", env=through)
    assert (tmp_path / "out").read_bytes() == b"hello"
    assert {asked.query.get("versionId") for asked in proxy.of("Head", "Get", "GetRange")} == {old}
    assert cli.ok("verify", "--version-id", old, url).stdout == "5d41402abc4b2a76b9719d911017c592\n"
    assert cli("download", "--version-id", "0" * 32, url, tmp_path / "none").rc != 0
    for version in boto.list_object_versions(Bucket=bucket)["Versions"]:
        boto.delete_object(Bucket=bucket, Key="k", VersionId=version["VersionId"])


def test_a_download_goes_to_no_standard_output(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"content")
    refused = cli("download", f"s3://{bucket}/k", "-", cwd=tmp_path)
    assert (refused.rc, refused.stderr.count("\n")) == (6, 1)
    cli.ok("download", f"s3://{bucket}/k", "./-", cwd=tmp_path)
    assert (tmp_path / "-").read_bytes() == b"content"
