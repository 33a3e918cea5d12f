"""What probes leave behind: nothing, old versions included; and where nothing may be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from s3amfs.core.expected import NOTHING
from s3amfs.core.findings import Answer
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.transfers.probe import MAX_REQUESTS, Probe, crc64
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import MultipartUpload, complete_multipart_upload, create_multipart_upload, get_object
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
        (refusal(400, "IncompleteBody"), 2, False, False),
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


def test_versions_are_kept_until_the_bucket_says_that_there_are_none() -> None:
    client, _ = scripted(lambda asked: reply(etag='"e"', x_amz_version_id="v"))
    probe = Probe(client, "box", "p/")
    probe.put("k", b"data")
    assert probe.stored == {("p/k", "v")}


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


def test_an_answer_that_teaches_is_followed_by_a_second_question() -> None:
    """Of the clock: the second request is signed with the time that the first answer had."""
    skewed = reply(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", date="Thu, 01 Jan 2026 00:00:00 GMT")
    probe, asked = probe_of(skewed, reply())
    answer, _ = probe.ask(get_object("box", "p/k"))
    assert answer.ok
    assert [request.headers["x-amz-date"][:8] for request in asked][1] == "20260101"


@pytest.mark.parametrize("ends", [[], [refusal(404, "NoSuchUpload")]])
def test_every_request_counts(ends: list[Reply]) -> None:
    created = reply(body="<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    probe, asked = probe_of(created, reply(etag='"e"'), *(ends or [reply(204)]), reply(body="<DeleteResult/>"))
    assert probe.requests == 1, "the one that asked for the bucket"
    probe.ask(create_multipart_upload("box", "p/k"))
    probe.put("l", b"data")
    assert (probe.requests, probe.left) == (3, MAX_REQUESTS - 5)
    probe.clean()
    assert probe.requests == 5
    assert [request.method for request in asked] == ["POST", "PUT", "DELETE", "POST"]


def test_an_abort_that_the_service_does_not_know_is_a_finding() -> None:
    created = reply(body="<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    probe, _ = probe_of(created, refusal(501, "NotImplemented"))
    probe.ask(create_multipart_upload("box", "p/k"))
    probe.clean()
    assert probe.aborted is not None
    assert (probe.aborted.capability, probe.aborted.result) == ("abort-upload", "no")
    assert probe.aborted.evidence.endswith(": an unfinished upload stays")
    assert probe.uploads == []


def test_a_completed_upload_is_an_object_and_no_upload() -> None:
    created = reply(body="<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>")
    first, second = (replace(created, body=created.body.replace(b"{}", name)) for name in (b"u", b"v"))
    probe, _ = probe_of(first, second, reply(body="<CompleteMultipartUploadResult/>", x_amz_version_id="1"))
    probe.versioned = True
    upload = MultipartUpload("box", "p/k", "u")
    probe.ask(create_multipart_upload("box", "p/k"))
    probe.ask(create_multipart_upload("box", "p/l"))
    assert probe.stored == set(), "an upload is no object"
    probe.ask(complete_multipart_upload(upload, []))
    assert [left.upload_id for left in probe.uploads] == ["v"]
    assert probe.stored == {("p/k", "1")}


def test_versions_are_deleted_by_their_names() -> None:
    probe, asked = probe_of(reply(etag='"e"', x_amz_version_id="1"), reply(etag='"e"'), reply(body="<DeleteResult/>"))
    probe.versioned = True
    probe.put("k", b"data")
    probe.put("l", b"data")
    probe.clean()
    body = asked[-1].body
    assert isinstance(body, bytes)
    assert b"<Key>p/k</Key><VersionId>1</VersionId>" in body
    assert body.count(b"VersionId>") == 2
    assert b"<Key>p/l</Key>" in body


def test_what_could_not_be_deleted_together_is_deleted_alone() -> None:
    failed = "<DeleteResult><Error><Key>p/l</Key><Code>InternalError</Code></Error></DeleteResult>"
    probe, asked = probe_of(reply(etag='"e"'), reply(etag='"e"'), reply(body=failed), reply(204))
    probe.put("k", b"data")
    probe.put("l", b"data")
    answer = probe.clean()
    assert [(request.method, request.path) for request in asked[3:]] == [("DELETE", "/box/p/l")]
    assert (answer.status, probe.requests, probe.stored) == (200, 1 + 4, set())
    refused, asked = probe_of(reply(etag='"e"'), reply(etag='"e"'), refusal(501, "NotImplemented"), reply(204))
    refused.put("k", b"data")
    refused.put("l", b"data")
    refused.clean()
    assert sorted(request.path for request in asked[3:]) == ["/box/p/k", "/box/p/l"]


def test_what_has_no_answer_is_odd() -> None:
    probe, asked = probe_of(Reply(0))
    answer, _ = probe.ask(get_object("box", "p/k"))
    assert (answer.ok, answer.odd, answer.status, len(asked)) == (False, True, 0, 2)
    empty, asked = probe_of(reply())
    assert empty.clean() == Answer(0, odd=True)
    assert asked == []


def test_what_goes_out_with_a_put() -> None:
    probe, asked = probe_of(reply(etag='"e"'))
    probe.put("k", b"data", checksum="AAAAAAAAAAA=", md5="bWQ1", expected=NOTHING)
    probe.put_with_trailer("l", b"data", crc64(b"data"))
    probe.put("m", b"data")
    first, second, third = asked
    assert (first.path, first.body) == ("/box/p/k", b"data")
    assert first.headers["x-amz-checksum-crc64nvme"] == "AAAAAAAAAAA="
    assert (first.headers["content-md5"], first.headers["if-none-match"]) == ("bWQ1", "*")
    assert second.headers["x-amz-trailer"] == "x-amz-checksum-crc64nvme"
    assert second.headers["x-amz-decoded-content-length"] == "4"
    assert second.body == f"4\r\ndata\r\n0\r\nx-amz-checksum-crc64nvme:{crc64(b'data')}\r\n\r\n".encode()
    assert not {"if-none-match", "content-md5", "x-amz-checksum-crc64nvme", "x-amz-trailer"} & set(third.headers)


def test_credentials_that_have_expired_are_renewed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    probe, asked = probe_of(reply())
    fresh, renewed = [True, False], []
    monkeypatch.setattr(type(probe.client.session), "credentials_fresh", lambda _: fresh.pop(0))
    monkeypatch.setattr(type(probe.client.session), "refresh_credentials", lambda _: renewed.append(len(asked)))
    probe.ask(get_object("box", "p/k"))
    assert renewed == []
    probe.ask(get_object("box", "p/k"))
    assert renewed == [1], "before the second request"
