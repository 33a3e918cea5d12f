"""What probes leave behind: nothing, old versions included; and where nothing may be stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from s3amfs.core.findings import Answer
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.transfers.probe import MAX_REQUESTS, Probe, crc64
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import create_multipart_upload, get_object
from tests.conftest import boto_client
from tests.support.examined import examine, lax, lax_bucket
from tests.support.faults import Fault, Recorded, Rule, answer
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted

__all__ = ["lax", "lax_bucket"]


def _asks(what: str) -> Callable[[Recorded], bool]:
    return lambda request: what in request.query


def _xml(root: str, inner: str) -> Fault:
    return answer(200, f"<{root}>{inner}</{root}>".encode(), {"Content-Type": "application/xml"})


def test_old_versions_go_as_well(lax: str, lax_bucket: str) -> None:
    boto = boto_client(lax, "key", "secret")
    boto.put_bucket_versioning(Bucket=lax_bucket, VersioningConfiguration={"Status": "Enabled"})
    assert examine(lax, lax_bucket, "key", "secret")["versioning"] == "yes"
    left = boto.list_object_versions(Bucket=lax_bucket)
    assert "Versions" not in left
    assert "DeleteMarkers" not in left


def test_nothing_is_stored_where_it_would_be_locked(s3: SeaweedServer, bucket: str, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(_asks("versioning"), _xml("VersioningConfiguration", "<Status>Enabled</Status>")))
    lock = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>9</Days></DefaultRetention></Rule>"
    proxy.rules.append(Rule(_asks("object-lock"), _xml("ObjectLockConfiguration", lock)))
    found = examine(proxy.endpoint_url, bucket, s3.access_key, s3.secret_key)
    assert found["object-lock"] == "yes"
    assert found["put"] == "unknown"
    assert not [request for request in proxy.requests if request.method in ("PUT", "POST")]


# -- one probe at a time, without a server ---------------------------------------------------------------------------


def probe_of(*answers: Reply) -> tuple[Probe, list[Asked]]:
    """A probe that gets these answers, the last of them again and again."""
    left = list(answers)
    client, engine = scripted(lambda asked: left.pop(0) if len(left) > 1 else left[0])
    probe = Probe(client, "box", "p/")
    probe.versioned = False
    return probe, engine.asked


def test_requests_have_a_limit_that_leaves_room_to_clean_up() -> None:
    probe, asked = probe_of(reply())
    answers = [probe.ask(get_object("box", "p/k"))[0] for _ in range(MAX_REQUESTS)]
    assert len(asked) == MAX_REQUESTS - 2, "the first asked for the bucket, the last is to clean up"
    assert [answer.ok for answer in answers] == [True] * (MAX_REQUESTS - 2) + [False] * 2
    assert answers[-1] == Answer(0, "no request left", odd=True)
    assert probe.left == 0


@pytest.mark.parametrize(
    ("first", "times", "odd", "denied"),
    [
        (refusal(500, "InternalError"), 2, True, False),
        (refusal(503, "SlowDown"), 2, True, False),
        (refusal(501, "NotImplemented"), 1, False, False),
        (refusal(400, "InvalidArgument"), 1, False, False),
        (refusal(403, "AccessDenied"), 1, False, True),
        (refusal(412, "PreconditionFailed"), 1, False, False),
    ],
)
def test_what_is_asked_twice(first: Reply, times: int, odd: bool, denied: bool) -> None:
    probe, asked = probe_of(first)
    answer, _ = probe.ask(get_object("box", "p/k"))
    assert len(asked) == times
    assert probe.requests == 1 + times
    assert (answer.odd, answer.denied, answer.ok) == (odd, denied, False)
    better, asked = probe_of(first, reply())
    assert better.ask(get_object("box", "p/k"))[0].ok is (times == 2)


@pytest.mark.parametrize("versioned", [True, False])
def test_what_was_stored_is_remembered(versioned: bool) -> None:
    probe, _ = probe_of(reply(etag='"e"', x_amz_version_id="v"))
    probe.versioned = versioned
    probe.put("k", b"data")
    probe.put_with_trailer("l", b"data", crc64(b"data"))
    version = "v" if versioned else None
    assert probe.stored == {("p/k", version), ("p/l", version)}
    probe.ask(get_object("box", "p/m"))
    assert len(probe.stored) == 2


def test_what_was_refused_may_be_stored_all_the_same() -> None:
    for refused, versioned, kept in (
        (refusal(400, "BadDigest"), False, {("p/k", None)}),
        (refusal(400, "BadDigest"), True, set()),
        (refusal(403, "AccessDenied"), False, set()),
    ):
        probe, _ = probe_of(refused)
        probe.versioned = versioned
        probe.put("k", b"data")
        assert probe.stored == kept


def test_uploads_are_aborted_unless_they_were_completed() -> None:
    created = reply(body="<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    probe, asked = probe_of(created, reply(204))
    probe.ask(create_multipart_upload("box", "p/k"))
    assert [upload.upload_id for upload in probe.uploads] == ["u"]
    assert probe.left == MAX_REQUESTS - 1 - 1 - 2
    assert not probe.clean().ok, "nothing was deleted"
    assert probe.aborted is not None and probe.aborted.result == "yes"
    assert [(request.method, request.query) for request in asked[1:]] == [("DELETE", {"uploadId": "u"})]
    assert probe.uploads == []
    odd, _ = probe_of(reply(body="<html/>"))
    odd.ask(create_multipart_upload("box", "p/k"))
    assert odd.uploads == []


def test_all_goes_by_one_request_or_one_by_one() -> None:
    probe, asked = probe_of(reply(etag='"e"'), reply(body="<DeleteResult/>"))
    probe.put("k", b"data")
    assert probe.clean().ok
    assert [request.method for request in asked] == ["PUT", "POST"]
    assert probe.stored == set()
    failed = "<DeleteResult><Error><Key>p/k</Key><Code>InternalError</Code></Error></DeleteResult>"
    probe, asked = probe_of(reply(etag='"e"'), reply(body=failed), reply(204))
    probe.put("k", b"data")
    answer = probe.clean()
    assert not answer.ok or answer.status == 200
    assert [request.method for request in asked] == ["PUT", "POST", "DELETE"]
    probe, asked = probe_of(reply(etag='"e"'), refusal(501, "NotImplemented"), reply(204))
    probe.put("k", b"data")
    assert probe.clean().status == 501
    assert [request.method for request in asked] == ["PUT", "POST", "DELETE"]
