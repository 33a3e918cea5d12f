"""Keys that look like paths (`/lead`, `a//b`, `../up`): every command asks for exactly them.

SeaweedFS cannot hold them: it takes slashes together and refuses dots, so for the dots the proxy answers in its place.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from tests.support.cli import Cli
from tests.support.faults import Answer, Recorded, Rule, answer_by
from tests.support.proxy import FaultProxy

CONTENT = b"content"
ETAG = f'"{hashlib.md5(CONTENT).hexdigest()}"'
HELD = ["/lead", "//two", "a//b"]
REFUSED = ["../up", ".", "..", "a/../b", "a/./b", "/../x"]


class OneObject:
    """An S3 server that has one small object, and one unfinished upload of the same key, `key` to the letter."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.there = True

    def answer(self, request: Recorded) -> Answer:
        named = unquote(request.path).split("/", 2)[2:] == [self.key]
        headers = (("ETag", ETAG), ("Content-Type", "application/xml"))
        if request.kind == "ListUploads":
            listed = request.query.get("prefix", "") == self.key
            return Answer(200, self.uploads(request.bucket).encode() if listed else b"<Other/>", headers)
        if request.kind == "HeadBucket":
            return Answer(200, b"", headers)
        if not named or (request.kind == "Head" and not self.there):
            return Answer(404, b"", headers)
        bodies = {
            "Head": CONTENT,
            "Get": CONTENT,
            "GetRange": CONTENT,
            "Copy": f"<CopyObjectResult><ETag>{ETAG}</ETag></CopyObjectResult>".encode(),
            "ListParts": b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>",
        }
        status = {"Abort": 204, "GetRange": 206}.get(request.kind, 200)
        if request.kind == "GetRange":
            headers += (("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"),)
        return Answer(status, bodies.get(request.kind, b""), headers)

    def uploads(self, bucket: str) -> str:
        return (
            f"<ListMultipartUploadsResult><Bucket>{bucket}</Bucket><IsTruncated>false</IsTruncated>"
            f"<Upload><Key>{self.key}</Key><UploadId>abc</UploadId></Upload></ListMultipartUploadsResult>"
        )


def through(proxy: FaultProxy) -> dict[str, Any]:
    return {"env": {"AWS_ENDPOINT_URL": proxy.endpoint_url}}


def only_asked_for(proxy: FaultProxy, bucket: str, key: str) -> None:
    """All requests but those for the bucket are for this key, byte by byte, and so are the prefixes of listings."""
    paths = {request.path for request in proxy.requests} - {f"/{bucket}", f"/{bucket}/"}
    assert paths == {f"/{bucket}/{quote(key)}"}
    assert {listing.query["prefix"] for listing in proxy.of("ListUploads")} <= {key}
    assert {unquote(copy.headers["x-amz-copy-source"]).lstrip("/") for copy in proxy.of("Copy")} <= {f"{bucket}/{key}"}


@pytest.mark.parametrize("key", HELD)
def test_there_and_back(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy, key: str) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    url = f"s3://{bucket}/{key}"
    cli.ok("upload", tmp_path / "f", url, **through(proxy))
    assert cli("upload", tmp_path / "f", url, **through(proxy)).rc == 3
    cli.ok("download", url, tmp_path / "out", **through(proxy))
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert cli.ok("verify", url, **through(proxy)).stdout == ETAG.strip('"') + "\n"
    cli.ok("upload", "--exists", "overwrite", "--metadata", "a=b", url, url, **through(proxy))
    only_asked_for(proxy, bucket, key)
    assert boto.get_object(Bucket=bucket, Key=key)["Body"].read() == CONTENT
    assert boto.head_object(Bucket=bucket, Key=key)["Metadata"] == {"a": "b"}


@pytest.mark.parametrize("key", HELD + REFUSED)
def test_every_command(cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy, key: str) -> None:
    server = OneObject(key)
    proxy.rules.append(Rule("*", answer_by(server.answer), nth=range(1, 1000)))
    (tmp_path / "f").write_bytes(CONTENT)
    url = f"s3://{bucket}/{key}"
    cli.ok("download", url, tmp_path / "out", **through(proxy))
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert cli.ok("verify", url, **through(proxy)).stdout == ETAG.strip('"') + "\n"
    cli.ok("verify", "--against", tmp_path / "f", url, **through(proxy))
    listed = json.loads(cli.ok("--json", "pending", url, **through(proxy)).stdout)
    assert (listed["key"], listed["url"]) == (key, url)
    cli.ok("cancel", url, **through(proxy))
    assert [abort.query["uploadId"] for abort in proxy.of("Abort")] == ["abc"]
    assert cli("upload", tmp_path / "f", url, **through(proxy)).rc == 3
    server.there = False
    assert cli("upload", tmp_path / "f", url, **through(proxy)).rc == 4
    cli.ok("upload", "--force", "--checksum", "none", tmp_path / "f", url, **through(proxy))
    assert proxy.count("Put") == 1
    server.there = True
    cli.ok("upload", "--exists", "overwrite", "--force", "--metadata", "a=b", url, url, **through(proxy))
    assert proxy.count("Copy") == 1
    only_asked_for(proxy, bucket, key)
