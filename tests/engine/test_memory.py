"""Small files that remember: replaced whole, and empty where they can't be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3amfs.core.findings import Finding
from s3amfs.engine.connect import S3Config, connect
from s3amfs.engine.memory import read_text, recall_service, remember_service, write_text


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / "file")
    write_text(path, "one")
    write_text(path, "two")
    assert read_text(path) == "two"
    assert os.listdir(tmp_path / "folder") == ["file"]


def test_what_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert read_text(str(tmp_path / "binary")) == read_text(str(tmp_path / "nothing")) == read_text(str(tmp_path)) == ""


def test_findings_are_a_prior_of_the_next_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path))
    endpoint, found = "http://127.0.0.1:9", [Finding("put-if-match", "no", "200"), Finding("etag-is-md5", "no", "200")]
    remember_service(endpoint, "bucket", "AK", found)
    assert recall_service(endpoint, "bucket", "AK") == {"put-if-match": False, "etag-is-md5": False}
    client = connect(S3Config(endpoint_url=endpoint, access_key="AK", secret_key="s", region="us-east-1"))
    can = client.session.capabilities("bucket")
    assert can.conditions == {("put", "etag"): False}
    assert can.etag_md5 is False
    assert client.session.capabilities("another").conditions == {}
