"""Streams that nobody can range over: what a killed or failed one has sent is not sent again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import faults
from tests.support.cli import ROOT, Cli
from tests.support.faults import Rule
from tests.support.files import content, make_file
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024
SIZE = 3 * PART + 7

WRITE = """
import sys
from s3amfs import S3AMFileSystem
fs = S3AMFileSystem(endpoint_url=sys.argv[1], part_size=5 * 1024 * 1024)
data = open(sys.argv[3], "rb").read()
with fs.open(sys.argv[2], "wb") as file:
    file.write(data)
    if len(sys.argv) > 4:
        print(flush=True)
        input()
"""


def test_standard_input_that_failed(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    data, target = content(SIZE, 1), f"s3://{bucket}/k"
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    command = ("upload", "--part-size", "5M", "--upload-slots", "1")
    proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    make_file(tmp_path / "f", SIZE, 1)
    with open(tmp_path / "f", "rb") as file:
        assert cli(*command, "-", target, stdin=file, env=through).rc == 14
    proxy.clear()
    with open(tmp_path / "f", "rb") as file:
        cli.ok(*command, "--resume", "-", target, stdin=file, env=through)
    assert [r.part_number for r in proxy.of("UploadPart")] == [3, 4]
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_a_killed_writer_of_fsspec(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> None:
    make_file(tmp_path / "f", SIZE, 1)
    words = [sys.executable, "-c", WRITE, proxy.endpoint_url, f"{bucket}/k", str(tmp_path / "f")]
    environment = {**cli.environment, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen([*words, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert writer.stdout is not None
    writer.stdout.readline()
    assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) == 3)
    writer.kill()
    writer.communicate()
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
    proxy.clear()
    subprocess.run(words, env=environment, check=True, timeout=120)
    assert proxy.count("UploadPart") == 1
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == content(SIZE, 1)
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)
