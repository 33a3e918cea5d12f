"""Three servers that lie to `s3am doctor`: about conditions, about checksums, about a header."""

from __future__ import annotations

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.examined import examine, lax, lax_bucket
from tests.support.faults import Headers, Rule, edit_request, error
from tests.support.proxy import FaultProxy

__all__ = ["lax", "lax_bucket"]


def test_a_server_that_overwrites_in_spite_of_a_condition(lax: str, lax_bucket: str) -> None:
    def without_conditions(first: str, headers: Headers) -> tuple[str, Headers]:
        return first, [(name, value) for name, value in headers if not name.lower().startswith("if-")]

    with FaultProxy(lax) as proxy:
        proxy.rules.append(Rule("*", edit_request(without_conditions)))
        found = examine(proxy.endpoint_url, lax_bucket, "key", "secret")
    names = ("put-if-none-match", "put-if-match", "get-if-match", "delete-if-match", "complete-if-none-match")
    assert {name: found[name] for name in names} == dict.fromkeys(names, "no")


def test_a_server_that_takes_checksums_and_stores_none(lax: str, lax_bucket: str) -> None:
    found = examine(lax, lax_bucket, "key", "secret")
    names = ("checksum-header", "checksum-stored", "checksum-trailer-checked", "part-checksum")
    assert {name: found[name] for name in names} == dict.fromkeys(names, "no")
    assert found["put-if-none-match"] == "yes"


def test_a_server_that_refuses_a_header(s3: SeaweedServer, bucket: str, proxy: FaultProxy) -> None:
    refused = proxy.watch("x-amz-trailer")
    proxy.rules.append(Rule(lambda request: "x-amz-trailer" in request.headers, error(501, "NotImplemented")))
    found = examine(proxy.endpoint_url, bucket, s3.access_key, s3.secret_key)
    assert refused
    assert found["checksum-trailer"] == "no"
    assert found["checksum-trailer-checked"] == "no"
    assert found["checksum-header"] == "yes"
