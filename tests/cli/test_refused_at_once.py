"""What can be refused without a server is refused before anything is sent, by its own exit code where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli

NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
"""Where nothing listens: whoever asks waits for its retry budget."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"x")
    return tmp_path / "f"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("upload", "--expect-sha256", "deadbeef", "FILE", "s3://bkt/k"), 2),
        (("upload", "--expect-md5", "g" * 32, "FILE", "s3://bkt/k"), 2),
        (("upload", "--part-size", "1M", "FILE", "s3://bkt/k"), 2),
        (("upload", "--metadata", "a\nb=c", "FILE", "s3://bkt/k"), 2),
        (("upload", "--metadata", "a=b\r\nc: d", "FILE", "s3://bkt/k"), 2),
        (("upload", "--sse-key", "short", "FILE", "s3://bkt/k"), 10),
        (("upload", "--src-sse-key", "short", "s3://bkt/f", "s3://bkt/k"), 10),
        (("upload", "--sse-key-is-master", "FILE", "s3://bkt/k"), 2),
        (("upload", "--bwlimit", "fast", "FILE", "s3://bkt/k"), 2),
        (("upload", "--bwlimit-file", "none", "FILE", "s3://bkt/k"), 2),
        (("upload", "--bwlimit", "1M", "--bwlimit-file", "FILE", "FILE", "s3://bkt/k"), 2),
        (("upload", "--price-file", "FILE", "FILE", "s3://bkt/k"), 2),
        (("upload", "--preserve", "FILE", "s3://bkt/k"), 2),
        (("upload", "--exclude", "*.tmp", "FILE", "s3://bkt/k"), 2),
        (("upload", "--from-list", "FILE", "--keep-symlinks", "s3://bkt/p/"), 2),
        (("download", "--create-empty-dirs", "s3://bkt/k", "out"), 2),
        (("upload", "none", "s3://bkt/k"), 17),
        (("upload", "--exists", "overwrite", "none", "s3://bkt/k"), 17),
        (("upload", ".", "s3://bkt/k"), 5),
        (("download", "--part-size", "0", "s3://bkt/k", "out"), 2),
        (("download", "--sse-key-file", "none", "s3://bkt/k", "out"), 10),
        (("download", "s3://bkt/k", "FILE"), 11),
        (("upload", "--from-list", "FILE", "--processes", "2", "s3://bkt/p/"), 2),
        (("upload", "--from-list", "FILE", "--force", "s3://bkt/p/"), 2),
        (("download", "--sparse", "--processes", "2", "s3://bkt/k", "out"), 2),
        (("download", "-r", "--sparse", "--processes", "2", "s3://bkt/p/", "out"), 2),
        (("verify", "--checksum", "", "s3://bkt/k"), 9),
        (("verify", "--checksum=", "s3://bkt/k"), 9),
        (("verify", "--sse-key-base64", "!", "s3://bkt/k"), 10),
    ],
)
def test_refused_before_a_server_is_asked(cli: Cli, file: Path, words: tuple[str, ...], code: int) -> None:
    given = (str(file) if word == "FILE" else word for word in words)
    result = cli("--retry-budget", "60", *given, env=NOWHERE, cwd=file.parent)
    assert (result.rc, result.stdout) == (code, ""), result.stderr
    assert result.wall < 30
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
