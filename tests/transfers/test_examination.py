"""Servers that lie to `s3am doctor`: about conditions, about checksums, about a header; and one that is honest."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.findings import CAPABILITIES, Finding
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.transfers import examination
from s3amfs.transfers.probe import MAX_REQUESTS, Probe
from tests.support.examined import examine, lax, lax_bucket
from tests.support.faults import Headers, Rule, edit_request, error
from tests.support.honest_s3 import HonestS3
from tests.support.proxy import FaultProxy
from tests.support.scripted import ScriptedEngine, refusal, reply, scripted

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


# -- against a service in memory ------------------------------------------------------------------------------------

GROUPS = ["writing", "reading", "conditions", "copying", "storing", "multipart", "complete_over_an_object"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Parts of a few KiB where nobody minds."""
    if "lax" not in request.fixturenames and "s3" not in request.fixturenames:
        monkeypatch.setattr(examination, "MIN_PART", 4096)


def examined(service: HonestS3) -> tuple[dict[str, Finding], Probe, ScriptedEngine]:
    """What each group finds, in the order of `s3am doctor`."""
    client, engine = scripted(service.answer)
    probe = Probe(client, "box", "p/")
    (versioning, lock), _ = examination.bucket_keeps(probe)
    found = {versioning.capability: versioning, lock.capability: lock}
    for group in GROUPS:
        for finding in getattr(examination, group)(probe):
            found[finding.capability] = finding
    return found, probe, engine


ALL = set(CAPABILITIES) - {"abort-upload", "delete-many", "versioning", "object-lock"}


def test_an_honest_service_can_do_all() -> None:
    service = HonestS3()
    found, probe, engine = examined(service)
    assert {name: finding.result for name, finding in found.items()} == {
        **dict.fromkeys(ALL, "yes"),
        "versioning": "no",
        "object-lock": "no",
    }
    assert found["object-lock"].evidence == "a bucket without versioning has none"
    assert found["put"].evidence == "200"
    assert found["put-if-match"].evidence == "refused as it must be (412 PreconditionFailed)"
    assert len(engine.asked) + 1 == probe.requests <= MAX_REQUESTS
    answer = probe.clean()
    assert answer.ok
    assert (service.objects, service.uploads) == ({}, {})
    assert (probe.stored, probe.uploads) == (set(), [])
    assert probe.aborted is not None and probe.aborted.result == "yes"


LIES = sorted(ALL - {"list", "put", "copy", "checksum-trailer", "multipart"})


@pytest.mark.parametrize("lie", LIES)
def test_one_lie_is_found_and_no_other(lie: str) -> None:
    service = HonestS3({lie})
    found, probe, _ = examined(service)
    no = {name for name, finding in found.items() if finding.result == "no"} - {"versioning", "object-lock"}
    follows = {
        "put-if-match": {"put-if-none-match"},
        "put-if-none-match": {"put-if-match"},
        "part-copy": {"etag-of-parts", "list-parts", "object-size"},
        "parts-of-any-size": {"object-size"},
    }
    assert lie in no
    assert no - {lie} <= follows.get(lie, set())
    probe.clean()
    assert service.objects == {}


@pytest.mark.parametrize(
    ("asked", "capability", "code", "result"),
    [
        ("PUT", "put", 403, "unknown"),
        ("PUT copy", "copy", 403, "unknown"),
        ("PUT copy", "copy", 501, "no"),
        ("PUT copy", "copy-source-if-match", 501, "no"),
        ("GET list-type", "list", 403, "unknown"),
        ("GET list-type", "list", 400, "no"),
        ("POST uploads", "multipart", 403, "unknown"),
        ("POST uploads", "multipart", 400, "no"),
        ("GET tagging", "tagging", 501, "no"),
        ("GET uploads", "list-uploads", 501, "no"),
        ("GET attributes", "attributes", 501, "no"),
        ("GET uploadId", "list-parts", 501, "no"),
        ("PUT partNumber copy", "part-copy", 501, "no"),
        ("GET versioning", "versioning", 403, "unknown"),
        ("GET versioning", "object-lock", 403, "unknown"),
        ("GET versioning", "versioning", 501, "no"),
    ],
)
def test_a_request_that_is_refused(asked: str, capability: str, code: int, result: str) -> None:
    codes = {400: "InvalidArgument", 403: "AccessDenied", 501: "NotImplemented"}
    found, _, _ = examined(HonestS3(refused={asked: refusal(code, codes[code])}))
    assert found[capability].result == result


@pytest.mark.parametrize(
    ("asked", "capability"),
    [
        ("GET list-type", "list"),
        ("GET attributes", "attributes"),
        ("GET uploads", "list-uploads"),
        ("GET uploadId", "list-parts"),
        ("GET tagging", "tagging"),
    ],
)
def test_an_answer_that_makes_no_sense_is_none(asked: str, capability: str) -> None:
    found, _, _ = examined(HonestS3(refused={asked: reply(body="<html/>")}))
    assert found[capability].result == "no"


def keeps(versioning: Any, lock: Any = None) -> tuple[list[str], bool, bool]:
    refused = {"GET versioning": versioning, **({"GET object-lock": lock} if lock is not None else {})}
    client, _ = scripted(HonestS3(refused=refused).answer)
    probe = Probe(client, "box", "p/")
    findings, retention = examination.bucket_keeps(probe)
    return [finding.result for finding in findings], retention, probe.versioned


def versioning(status: str) -> Any:
    return reply(body=f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")


LOCK = "<ObjectLockConfiguration>{}</ObjectLockConfiguration>"


def test_whether_a_bucket_keeps_versions_and_locks_them() -> None:
    locked = reply(body=LOCK.format("<Rule><DefaultRetention/></Rule>"))
    assert keeps(versioning("Enabled"), locked) == (["yes", "yes"], True, True)
    assert keeps(versioning("Enabled"), reply(body=LOCK.format(""))) == (["yes", "no"], False, True)
    assert keeps(versioning("Enabled"), refusal(404, "ObjectLockConfigurationNotFoundError")) == (
        ["yes", "no"],
        False,
        True,
    )
    assert keeps(versioning("Enabled"), refusal(403, "AccessDenied")) == (["yes", "unknown"], False, True)
    assert keeps(versioning("Enabled"), refusal(500, "InternalError")) == (["yes", "unknown"], False, True)
    assert keeps(versioning("Suspended")) == (["no", "no"], False, True)
    assert keeps(reply(body="<VersioningConfiguration/>")) == (["no", "no"], False, False)
    assert keeps(reply(body="<html/>")) == (["unknown", "unknown"], False, True)
    assert keeps(refusal(403, "AccessDenied")) == (["unknown", "unknown"], False, True)
    assert keeps(refusal(501, "NotImplemented")) == (["no", "unknown"], False, False)
