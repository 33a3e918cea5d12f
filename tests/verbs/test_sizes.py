"""The main job for each source at the sizes where plans change: content in S3 and back is what it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.events import TransferResult
from s3amfs.core.locations import LocalPath, S3Location, Stdin, parse_source
from s3amfs.engine.connect import S3Client
from s3amfs.transfers.options import DownloadOptions, UploadOptions
from s3amfs.verbs.download import download
from s3amfs.verbs.upload import upload
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer

MIB = 1024 * 1024
PART = 5 * MIB
SIZES = [0, 1, PART - 1, PART, PART + 1, 2 * PART, 5 * PART // 2]
SOURCES = ["file", "sparse", "http", "ftp", "stdin", "copy"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "www").mkdir()
    yield tmp_path
    shutil.rmtree(tmp_path)


def transfer(kind: str, file: Path, client: S3Client, boto: Any, bucket: str, part_size: int | None) -> TransferResult:
    options = UploadOptions(part_size=part_size, state_dir=str(file.parent.parent / "state"))
    target = S3Location(bucket, "k")
    with ExitStack() as stack:
        if kind == "stdin":
            return upload(Stdin(), target, client, options, stdin=stack.enter_context(file.open("rb")))
        if kind == "copy":
            boto.upload_file(str(file), bucket, "source")
            return upload(S3Location(bucket, "source"), target, client, options)
        if kind == "http":
            url = stack.enter_context(HttpServer()).add("/f", file)
        elif kind == "ftp":
            url = stack.enter_context(FtpServer(file.parent)).url("/" + file.name)
        else:
            url = str(file)
        return upload(parse_source(url), target, client, options)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SOURCES)
def test_there_and_back(kind: str, size: int, client: S3Client, boto: Any, bucket: str, folder: Path) -> None:
    file = folder / "www" / "f"
    if kind == "sparse":
        with file.open("wb") as sparse:
            sparse.truncate(size)
    else:
        make_file(file, size, size)
    result = transfer(kind, file, client, boto, bucket, PART)
    assert object_digest(boto, bucket, "k") == digest(file)
    assert (result.size, result.parts) == (size, max(1, -(-size // PART)))
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    back = download(S3Location(bucket, "k"), LocalPath(str(folder / "out")), client, DownloadOptions(part_size=PART))
    assert digest(folder / "out") == digest(file)
    assert "stores it" in back.proof
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["out"]
    assert [path for path in (folder / "state").glob("*") if path.name != "lines.json"] == []


@pytest.mark.slow
def test_a_quarter_of_a_gibibyte(client: S3Client, boto: Any, bucket: str) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        file, out = Path(name, "www", "f"), Path(name, "out")
        file.parent.mkdir()
        make_file(file, 256 * MIB, 1)
        before = digest(file)
        assert transfer("file", file, client, boto, bucket, None).size == 256 * MIB
        file.unlink()
        download(S3Location(bucket, "k"), LocalPath(str(out)), client, DownloadOptions())
        assert digest(out) == before
