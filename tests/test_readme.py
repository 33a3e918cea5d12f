"""The Python examples of the README run as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import empty_bucket
from tests.support.files import make_file

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_there_are_examples() -> None:
    assert any("pandas" in block for block in BLOCKS)
    assert any("dask" in block for block in BLOCKS)


@pytest.mark.slow
def test_examples_run_as_printed(s3: SeaweedServer, boto: Any, tmp_path: Path) -> None:
    boto.create_bucket(Bucket="bucket")
    try:
        make_file(tmp_path / "big.bam", 20 * 1024 * 1024, 1)
        environment = {**os.environ, **s3.environment(), "S3AM_STATE_DIR": str(tmp_path / "state")}
        for block in BLOCKS:
            done = subprocess.run(
                [sys.executable, "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        assert (tmp_path / "copy-of-big.bam").read_bytes() == (tmp_path / "big.bam").read_bytes()
    finally:
        empty_bucket(boto, "bucket")
