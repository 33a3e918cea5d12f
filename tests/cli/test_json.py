"""`--json` keeps to the schema that docs/json.md publishes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.cli import Cli, Result
from tests.support.faults import Rule, internal_error
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return Draft202012Validator(json.loads(found[1]))


def events(result: Result, schema: Draft202012Validator) -> dict[str, dict[str, Any]]:
    found = {}
    for line in result.stdout.splitlines():
        event = json.loads(line)
        schema.validate(event)
        found[event["event"]] = event
    return found


def test_transfers(cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy, schema: Draft202012Validator) -> None:
    make_file(tmp_path / "f", 11 * MIB, 1)
    proxy.rules.append(Rule("UploadPart", internal_error(), nth=1))
    url = f"s3://{bucket}/k"
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    told = events(cli("--json", "upload", "--part-size", "5M", tmp_path / "f", url, env=through), schema)
    assert set(told) >= {"transfer_started", "part_retried", "part_finished", "completing", "result"}
    assert (told["result"]["size"], told["result"]["retries"]) == (11 * MIB, 1)
    assert told["result"]["checksum"].startswith("crc64nvme:")
    told = events(cli("--json", "download", url, tmp_path / "out"), schema)
    assert told["result"]["verb"] == "download"
    told = events(cli("--json", "upload", url, f"s3://{bucket}/copy"), schema)
    assert told["result"]["verb"] == "copy"
    told = events(cli("--json", "upload", "--exists", "skip", tmp_path / "f", url), schema)
    assert told["result"]["skipped"] is True


def test_other_commands(cli: Cli, boto: Any, bucket: str, tmp_path: Path, schema: Draft202012Validator) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"hello")
    boto.create_multipart_upload(Bucket=bucket, Key="u")
    (tmp_path / "f").write_bytes(b"hello")
    url = f"s3://{bucket}/k"
    assert "checksum" in events(cli("verify", "--json", url), schema)
    assert "equal" in events(cli("verify", "--json", "--against", tmp_path / "f", url), schema)
    assert "pending" in events(cli("pending", "--json", f"s3://{bucket}"), schema)
    assert "cancelled" in events(cli("cancel", "--json", f"s3://{bucket}/u"), schema)
    assert events(cli("verify", "--json", url + "none"), schema)["error"]["exit_code"] == 17
    assert "key" in events(cli("generate-sse-key", "--json", tmp_path / "key"), schema)
    assert "completion" in events(cli("completion", "--json", "bash"), schema)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("upload {folder}/none s3://{bucket}/k", 17),
        ("upload s3://{bucket}/none s3://{bucket}/k", 17),
        ("upload --nonsense a b", 2),
        ("download s3://{bucket}/none {folder}/out", 17),
        ("cancel s3://{bucket}/folder/", 6),
        ("verify --checksum md17 s3://{bucket}/k", 9),
        ("verify --against {folder}/f s3://{bucket}/none", 17),
        ("pending s3://no-such-bucket-here", 17),
        ("generate-sse-key {folder}/f", 11),
        ("mount s3://{bucket} {folder}/none", 6),
        ("umount {folder}", 6),
        ("completion nonsense", 2),
        ("demo --size 1MB", 2),
    ],
)
def test_failures(cli: Cli, bucket: str, tmp_path: Path, schema: Draft202012Validator, words: str, code: int) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    result = cli("--json", *words.format(bucket=bucket, folder=tmp_path).split())
    told = events(result, schema)
    assert (result.rc, told["error"]["exit_code"]) == (code, code)
    assert result.stderr == f"error: {told['error']['message']}\n"


def test_every_event_is_in_the_table(schema: Draft202012Validator) -> None:
    names = schema.schema["properties"]["event"]["enum"]
    table = PAGE.read_text().partition("## Schema")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


@pytest.mark.fuse
def test_mounts(cli: Cli, bucket: str, tmp_path: Path, schema: Draft202012Validator) -> None:
    place = tmp_path / "mount"
    place.mkdir()
    mounted = events(cli("mount", "--json", f"s3://{bucket}/", place), schema)
    try:
        assert mounted == {"mounted": {"event": "mounted", "url": f"s3://{bucket}/", "directory": str(place)}}
    finally:
        left = cli("umount", "--json", place)
    assert events(left, schema) == {"unmounted": {"event": "unmounted", "directory": str(place)}}
