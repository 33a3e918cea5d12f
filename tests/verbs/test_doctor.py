"""`s3am doctor` against a real server: its table, its number of requests, and what it says where it may do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.errors import AccessDenied, NotFound
from s3amfs.transfers.probe import MAX_REQUESTS
from tests.support.cli import Cli
from tests.support.examined import examine
from tests.support.faults import Rule, error
from tests.support.proxy import FaultProxy


def test_a_server_that_does_what_it_says(s3: SeaweedServer, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    found = examine(proxy.endpoint_url, bucket, s3.access_key, s3.secret_key)
    conditional = (
        "put-if-none-match",
        "put-if-match",
        "complete-if-none-match",
        "delete-if-match",
        "copy-if-none-match",
    )
    assert {found[name] for name in conditional} == {"yes"}
    assert {found[name] for name in ("checksum-header", "checksum-trailer-checked", "part-checksum")} == {"yes"}
    assert found["object-size"] == "no"
    assert len(proxy.requests) <= MAX_REQUESTS
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_who_may_do_nothing_hears_so(s3: SeaweedServer, bucket: str, proxy: FaultProxy) -> None:
    denied = Rule(lambda request: request.method != "HEAD", error(403, "AccessDenied"))
    proxy.rules.append(denied)
    with pytest.raises(AccessDenied, match="nothing could be asked"):
        examine(proxy.endpoint_url, bucket, s3.access_key, s3.secret_key)


def test_a_missing_bucket(s3: SeaweedServer) -> None:
    with pytest.raises(NotFound):
        examine(s3.endpoint_url, "there-is-no-such", s3.access_key, s3.secret_key)


def test_the_command(cli: Cli, bucket: str) -> None:
    done = cli("doctor", "--json", f"s3://{bucket}")
    assert done.rc == 0, done.stderr
    assert {event["result"] for event in done.json_lines()} <= {"yes", "no", "unknown"}
