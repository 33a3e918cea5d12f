"""Where bytes may come from: files, http, ftp, standard input, another service, and whatever fsspec knows."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import ROOT, Cli
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer

MIB = 1024 * 1024
PART = 5 * MIB


def test_sources_that_only_fsspec_knows(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f.bin", 2 * PART + 1, 1)
    cli.ok("upload", "--part-size", "5M", f"local://{tmp_path}/f.bin", f"s3://{bucket}/")
    assert object_digest(boto, bucket, "f.bin") == digest(tmp_path / "f.bin")
    assert cli("upload", f"local://{tmp_path}/none", f"s3://{bucket}/k").rc == 17
    assert cli("upload", "nonsense://host/k", f"s3://{bucket}/k").rc == 5


def register(folder: Path, protocol: str, code: str) -> dict[str, str]:
    """The environment in which fsspec finds a protocol of our own, as it does those of installed packages."""
    info = folder / f"{protocol}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {protocol}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fsspec.specs]\n{protocol} = {protocol}_fs.FileSystem\n")
    (folder / f"{protocol}_fs.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}


OBJECT_STORE = """
import os
from fsspec.asyn import AsyncFileSystem
class FileSystem(AsyncFileSystem):
    protocol = "store"
    async def _info(self, path, **kwargs):
        stat = os.stat("/" + path.lstrip("/"))
        return {"name": path, "size": stat.st_size, "type": "file", "mtime": stat.st_mtime_ns}
    async def _cat_file(self, path, start=None, end=None, **kwargs):
        with open("/" + path.lstrip("/"), "rb") as file:
            file.seek(start)
            data = file.read(end - start)
        with open(os.environ["ASKED"], "a") as asked:
            asked.write(f"{start} {end}\\n")
        if os.environ.get("BROKEN") and start:
            raise KeyError("no such\\nthing")
        if os.environ.get("CHANGING") and start:
            os.utime("/" + path.lstrip("/"))
        return data
"""


def test_object_stores_of_fsspec_are_read_in_ranges(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    source = make_file(tmp_path / "f", 20 * MIB + 1, 1)
    environment = {**register(tmp_path / "site", "store", OBJECT_STORE), "ASKED": str(tmp_path / "asked")}
    url, target = f"store://{source}", f"s3://{bucket}/k"
    cli.ok("upload", url, target, env=environment)
    assert object_digest(boto, bucket, "k") == digest(source)
    asked = sorted(int(line.split()[0]) for line in (tmp_path / "asked").read_text().splitlines())
    assert asked == [0, 8 * MIB, 16 * MIB]
    for switch, code in (("BROKEN", 1), ("CHANGING", 15)):
        failed = cli("upload", "--exists", "overwrite", "--force", url, target, env={**environment, switch: "1"})
        assert (failed.rc, failed.stderr.count("\n")) == (code, 1), failed.stderr
    assert object_digest(boto, bucket, "k") == digest(source)


def test_archives_and_chains_of_fsspec(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f.bin", 2 * PART + 1, 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "f.bin", "f.bin")
    cli.ok("upload", f"zip://f.bin::file://{tmp_path}/a.zip", f"s3://{bucket}/")
    cli.ok("upload", f"simplecache::file://{tmp_path}/f.bin", f"s3://{bucket}/cached")
    for key in ("f.bin", "cached"):
        assert object_digest(boto, bucket, key) == digest(tmp_path / "f.bin")
    for url, code in (("zip://none::file://{}/a.zip", 17), ("local://{}", 5), ("gs://bucket/key", 5), ("dir://{}", 5)):
        result = cli("upload", url.format(tmp_path), f"s3://{bucket}/k")
        assert (result.rc, result.stderr.count("\n")) == (code, 1), result.stderr
    result = cli("upload", "zip://f::ftp://user:pass-word@127.0.0.1:9/a.zip?token=pass-word", f"s3://{bucket}/k")
    assert result.rc == 1
    assert "pass-word" not in result.stderr


@pytest.mark.parametrize("kind", ["http", "chunked", "norange", "ftp", "stdin"])
def test_sources(cli: Cli, boto: Any, bucket: str, tmp_path: Path, kind: str) -> None:
    (tmp_path / "www").mkdir()
    path = tmp_path / "www" / "f"
    make_file(path, 2 * PART + 1, 1)
    target = f"s3://{bucket}/k"
    if kind == "stdin":
        with path.open("rb") as file:
            cli.ok("upload", "--part-size", "5M", "-", target, stdin=file)
    elif kind == "ftp":
        with FtpServer(tmp_path / "www") as ftp:
            cli.ok("upload", "--part-size", "5M", ftp.url("/f"), target)
            assert ftp.count("RETR") >= 3
    else:
        switches: dict[str, Any] = {
            "http": {},
            "chunked": {"length": False, "ranges": False},
            "norange": {"ranges": False},
        }
        with HttpServer() as web:
            cli.ok("upload", "--part-size", "5M", web.add("/f", path, **switches[kind]), target)
    assert object_digest(boto, bucket, "k") == digest(path)


def test_relay_from_another_service(cli: Cli, boto: Any, bucket: str, s3: SeaweedServer, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * PART, 1)
    cli.ok("upload", tmp_path / "f", f"s3://{bucket}/k")
    cli.ok(
        "upload",
        "--src-endpoint-url",
        s3.endpoint_url,
        "--part-size",
        "5M",
        f"s3://{bucket}/k",
        f"s3://{bucket}/relayed",
    )
    assert object_digest(boto, bucket, "relayed") == digest(tmp_path / "f")


@pytest.mark.parametrize("typed", ["caf\udce9", "caf%e9"])
def test_a_name_that_is_no_utf8(cli: Cli, boto: Any, bucket: str, tmp_path: Path, typed: str) -> None:
    """Old FTP servers have such: the bytes are sent as they were typed."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "caf\udce9").write_bytes(b"black")
    with FtpServer(tmp_path / "www") as ftp:
        cli.ok("upload", ftp.url("/") + typed, f"s3://{bucket}/k")
        assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"black"
        assert cli("upload", ftp.url("/no-") + typed, f"s3://{bucket}/none").rc == 17
        result = cli("upload", ftp.url("/") + typed, f"s3://{bucket}")
        assert (result.rc, len(result.stderr.splitlines())) == (7, 1), "no key can have that name"


def test_a_file_that_says_it_is_empty(cli: Cli, boto: Any, bucket: str) -> None:
    cli.ok("upload", "/proc/version", f"s3://{bucket}/k")
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == Path("/proc/version").read_bytes()
