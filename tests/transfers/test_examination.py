"""Servers that lie to `s3am doctor`: about conditions, about checksums, about a header; and one that is honest."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.findings import CAPABILITIES, Finding
from s3amfs.transfers import examination
from s3amfs.transfers.probe import MAX_REQUESTS, Probe
from s3amfs.wire.messages import Reply
from tests.support.examined import examine, lax, lax_bucket
from tests.support.honest_s3 import HonestS3
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

__all__ = ["lax", "lax_bucket"]


def test_a_server_that_takes_checksums_and_stores_none(lax: str, lax_bucket: str) -> None:
    found = examine(lax, lax_bucket, "key", "secret")
    names = ("checksum-header", "checksum-stored", "checksum-trailer-checked", "part-checksum")
    assert {name: found[name] for name in names} == dict.fromkeys(names, "no")
    assert found["put-if-none-match"] == "yes"


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


COMPLETED = "object-size parts-of-any-size attributes etag-of-parts multipart-crc64nvme"
UPLOADED = f"part-checksum list-parts part-copy list-uploads {COMPLETED}"
OVER = "complete-if-none-match"


@pytest.mark.parametrize(
    ("asked", "status", "no", "unknown", "absent"),
    [
        ("PUT copy", 403, "", "copy copy-source-if-match copy-if-none-match", ""),
        ("PUT copy", 501, "copy copy-source-if-match copy-if-none-match", "", ""),
        ("PUT partNumber", 403, "", "part-checksum", f"list-parts {COMPLETED} {OVER}"),
        ("PUT partNumber", 501, "part-checksum", "", f"list-parts {COMPLETED} {OVER}"),
        ("PUT partNumber", 500, "", "part-checksum", f"list-parts {COMPLETED} {OVER}"),
        ("PUT partNumber copy", 403, "", "part-copy", ""),
        ("PUT partNumber copy", 501, "part-copy", "", ""),
        ("PUT partNumber copy", 200, "part-copy", "", ""),
        ("GET", 403, "", "range get-if-match", "metadata checksum-stored"),
        ("GET", 501, "range get-if-match", "", "metadata checksum-stored"),
        ("GET", 500, "", "range get-if-match sse-c", f"metadata checksum-stored {OVER}"),
        ("GET", 200, "range get-if-match put-if-none-match put-if-match sse-c", "", "metadata checksum-stored"),
        ("GET", 404, "range put-if-none-match put-if-match", "get-if-match", "metadata checksum-stored"),
        ("GET list-type", 403, "", "list", ""),
        ("GET list-type", 400, "list", "", ""),
        ("GET list-type", 200, "list", "", ""),
        ("GET tagging", 403, "", "tagging", ""),
        ("GET tagging", 501, "tagging", "", ""),
        ("GET tagging", 200, "tagging", "", ""),
        ("GET uploads", 403, "", "list-uploads", ""),
        ("GET uploads", 501, "list-uploads", "", ""),
        ("GET uploads", 200, "list-uploads", "", ""),
        ("GET attributes", 403, "", "attributes", ""),
        ("GET attributes", 501, "attributes", "", ""),
        ("GET attributes", 200, "attributes", "", ""),
        ("GET uploadId", 403, "", "list-parts", ""),
        ("GET uploadId", 501, "list-parts", "", ""),
        ("GET uploadId", 200, "list-parts", "", ""),
        ("GET versioning", 403, "", "versioning object-lock", ""),
        ("GET versioning", 500, "", "versioning object-lock", ""),
        ("GET versioning", 200, "", "versioning object-lock", ""),
        ("GET versioning", 501, "versioning", "object-lock", ""),
        ("HEAD", 403, "", "etag-of-parts multipart-crc64nvme", ""),
        ("HEAD", 501, "etag-of-parts multipart-crc64nvme", "", ""),
        ("DELETE", 403, "", "delete-if-match", ""),
        ("DELETE", 501, "delete-if-match", "", ""),
        ("DELETE", 200, "delete-if-match", "", ""),
        ("POST uploads", 403, "", "multipart", f"{UPLOADED} {OVER}"),
        ("POST uploads", 400, "multipart", "", f"{UPLOADED} {OVER}"),
        ("POST uploads", 500, "", "multipart", f"{UPLOADED} {OVER}"),
        ("POST uploads", 200, "", "multipart", f"{UPLOADED} {OVER}"),
        ("POST uploadId", 403, "", f"object-size {OVER}", COMPLETED.removeprefix("object-size")),
        ("POST uploadId", 501, f"object-size {OVER}", "", COMPLETED.removeprefix("object-size")),
    ],
)
def test_one_refusal_or_senseless_answer_speaks_of_what_needs_it_only(
    asked: str, status: int, no: str, unknown: str, absent: str
) -> None:
    """200: an answer that makes no sense. absent: what is not judged without that request."""
    codes = {400: "InvalidArgument", 403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 501: "NotImplemented"}
    answer = reply(body="<html/>") if status == 200 else refusal(status, codes[status])
    found, probe, _ = examined(HonestS3(refused={asked: answer}))
    results = {"versioning": "no", "object-lock": "no", **dict.fromkeys(ALL, "yes")}
    results |= dict.fromkeys(no.split(), "no") | dict.fromkeys(unknown.split(), "unknown")
    assert {name: finding.result for name, finding in found.items()} == {
        name: result for name, result in results.items() if name not in absent.split()
    }
    assert probe.requests < MAX_REQUESTS


@pytest.mark.parametrize(("asked", "name"), [("GET versioning", "versioning"), ("POST uploads", "multipart")])
def test_a_senseless_answer_is_called_that(asked: str, name: str) -> None:
    found, *_ = examined(HonestS3(refused={asked: reply(body="<html/>")}))
    assert found[name].evidence == "an odd answer (an answer that makes no sense)"


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [(403, "AccessDenied", "unknown"), (501, "NotImplemented", "no"), (500, "", "unknown")],
)
def test_where_nothing_can_be_stored_only_the_listing_is_asked_for(status: int, code: str, result: str) -> None:
    client, engine = scripted(HonestS3(refused={"PUT": refusal(status, code)}).answer)
    found = list(examination.writing(Probe(client, "box", "p/")))
    assert [(finding.capability, finding.result) for finding in found] == [("put", result), ("list", "yes")]
    assert len(engine.asked) == {403: 2, 501: 3, 500: 5}[status], "a refused checksum is no refused object"


class Without(HonestS3):
    """Refuses requests that have one header."""

    def __init__(self, header: str, method: str = "PUT", status: int = 400, code: str = "InvalidArgument") -> None:
        super().__init__()
        self._header, self._method, self._refusal = header, method, refusal(status, code)

    def answer(self, asked: Asked) -> Reply:
        if asked.method == self._method and self._header in asked.headers:
            return self._refusal
        return super().answer(asked)


def test_a_service_that_ignores_conditions() -> None:
    class Ignoring(HonestS3):
        def answer(self, asked: Asked) -> Reply:
            asked.headers = {name: value for name, value in asked.headers.items() if not name.startswith("if-")}
            return super().answer(asked)

    found, _, _ = examined(Ignoring())
    names = {"put-if-none-match", "put-if-match", "get-if-match", "delete-if-match", "complete-if-none-match"}
    assert {name for name, finding in found.items() if finding.result == "no"} >= names


def test_a_service_that_refuses_trailers() -> None:
    found, _, engine = examined(Without("x-amz-trailer", "PUT", 501, "NotImplemented"))
    assert any("x-amz-trailer" in asked.headers for asked in engine.asked)
    assert found["checksum-trailer"].result == "no"
    assert found["checksum-trailer-checked"].result == "no"
    assert found["checksum-header"].result == "yes"


def test_a_service_without_checksums_of_objects_and_parts() -> None:
    found, _, _ = examined(Without("x-amz-checksum-crc64nvme"))
    assert found["put"].evidence == "200", "without it"
    assert {name for name, finding in found.items() if finding.result == "unknown"} == {
        "checksum-header",
        "part-checksum",
    }


def test_a_service_without_checksum_algorithms_of_uploads_has_multipart_uploads() -> None:
    service = Without("x-amz-checksum-algorithm", "POST")
    found, _, engine = examined(service)
    no = {name for name, finding in found.items() if finding.result == "no"}
    assert no == {"multipart-crc64nvme", "versioning", "object-lock"}
    sent = [asked for asked in engine.asked if asked.method == "PUT" and "partNumber" in asked.query]
    with_checksum = [asked.query["partNumber"] for asked in sent if "x-amz-checksum-crc64nvme" in asked.headers]
    assert with_checksum == ["2"], "only the one that must be refused"


def test_a_service_that_refuses_the_crc_of_the_whole() -> None:
    found, _, _ = examined(Without("x-amz-checksum-crc64nvme", "POST"))
    assert (found["multipart-crc64nvme"].result, found["attributes"].result) == ("no", "yes")
    assert found["multipart-crc64nvme"].evidence == "the right one is refused (400 InvalidArgument)"


def test_parts_are_unequal_and_none_is_smaller_than_s3_allows() -> None:
    _, _, engine = examined(HonestS3())
    uploads = [asked for asked in engine.asked if asked.method == "PUT" and "partNumber" in asked.query]
    first, _, second, _ = (len(asked.body) for asked in uploads[:4])
    assert first > second >= examination.MIN_PART
    (copied,) = [asked for asked in uploads if "x-amz-copy-source" in asked.headers]
    assert (copied.query["partNumber"], copied.headers["x-amz-copy-source-range"]) == ("3", "bytes=5-10")


@pytest.mark.parametrize(
    ("lies", "capability", "evidence"),
    [
        ({"put-if-match"}, "put-if-match", "accepted (200), and the object is no longer what it was"),
        ({"delete-if-match"}, "delete-if-match", "accepted (204), and the object is no longer what it was"),
        ({"complete-if-none-match"}, OVER, "accepted (200), and the object is no longer what it was"),
        ({"checksum-header"}, "checksum-header", "accepted (200), and the object is no longer what it was"),
        ({"part-copy"}, "part-copy", f"200, but {len(examination.CONTENT)} bytes instead of 6"),
        ({"list-parts"}, "list-parts", "200, but the answer lists no part"),
        ({"checksum-stored"}, "checksum-stored", "200, but it is not there"),
        ({"etag-is-md5"}, "etag-is-md5", f'200, but the ETag is "{"f" * 32}"'),
        ({"etag-strong"}, "put", "200"),
    ],
)
def test_the_evidence_says_what_came_back(lies: set[str], capability: str, evidence: str) -> None:
    assert examined(HonestS3(lies))[0][capability].evidence == evidence


def test_what_a_lie_has_replaced_is_stored_again_for_the_probes_that_follow() -> None:
    for lie in ("put-if-none-match", "put-if-match", "delete-if-match"):
        found, _, _ = examined(HonestS3({lie}))
        assert found["copy"].result == found["part-copy"].result == "yes"
        assert found["etag-of-parts"].result == "yes", "the bytes that are copied are those of the object"


def test_a_list_of_parts_without_etags_is_none() -> None:
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><Size>{size}</Size></Part>" for n, size in ((1, 5120), (3, 6)))
    answer = reply(body=f"<ListPartsResult>{listed}</ListPartsResult>")
    found, _, _ = examined(HonestS3(refused={"GET uploadId": answer}))
    assert (found["list-parts"].result, found["list-parts"].evidence) == ("no", "200, but it lists no ETags")
    assert found["part-copy"].result == "yes"


def test_an_etag_that_changes_between_two_answers_is_not_strong() -> None:
    class Changing(HonestS3):
        def answer(self, asked: Asked) -> Reply:
            found = super().answer(asked)
            if asked.method == "GET" and found.body == examination.CONTENT:
                found.headers["etag"] = '"another"'
            return found

    found, _, _ = examined(Changing())
    assert found["etag-strong"].evidence == "the ETag changed between two answers"


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
