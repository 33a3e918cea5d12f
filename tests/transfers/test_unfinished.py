"""What becomes of unfinished uploads: refused, continued, aborted, and the orphans of a lost answer."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core import manifest as m
from s3amfs.core.locations import S3Location
from s3amfs.engine.client import S3Client
from s3amfs.errors import BadCredentials, SeveralUnfinishedUploads, TransferError, UnfinishedUploadExists
from s3amfs.transfers.options import Unfinished
from s3amfs.transfers.report import Report
from s3amfs.transfers.unfinished import CLOCK_SECONDS, abort_orphans, is_alive, list_unfinished, settle
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from tests.support.clients import Events
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

TARGET = S3Location("b", "k")


class Server:
    """Has `uploads` of k (id -> moment at which it was begun, owner) and `parts` of those that are named there."""

    def __init__(self, **uploads: tuple[float, str]) -> None:
        self.uploads = dict(uploads)
        self.unlisted: set[str] = set()
        self.parts: set[str] = set()
        self.listing: Reply | None = None
        self.looking: Reply | None = None
        self.removing = reply(204)
        self.aborted: list[str] = []
        self.client: S3Client
        self.engine: ScriptedEngine
        self.client, self.engine = scripted(self.answer)
        self.events = Events()
        self.report = Report("upload", "f", TARGET.url, self.events)

    def answer(self, asked: Asked) -> Reply:
        upload_id = asked.query.get("uploadId")
        if upload_id is None:
            return self.listing or reply(
                body=f"<ListMultipartUploadsResult>{self._list()}</ListMultipartUploadsResult>"
            )
        if asked.method == "DELETE":
            self.aborted.append(upload_id)
            return self.removing
        if self.looking is not None:
            return self.looking
        if upload_id not in self.uploads:
            return refusal(404, "NoSuchUpload")
        part = "<Part><PartNumber>1</PartNumber><Size>1</Size></Part>" if upload_id in self.parts else ""
        return reply(body=f"<ListPartsResult>{part}</ListPartsResult>")

    def _list(self) -> str:
        return "".join(
            f"<Upload><Key>k</Key><UploadId>{upload_id}</UploadId><Initiator><ID>{owner}</ID></Initiator>"
            f"<Initiated>1970-01-01T00:{int(moment) // 60:02}:{int(moment) % 60:02}Z</Initiated></Upload>"
            for upload_id, (moment, owner) in self.uploads.items()
            if upload_id not in self.unlisted
        )

    def settle(self, mode: Unfinished, manifest: m.Manifest | None = None) -> str | None:
        found = settle(self.client, TARGET, mode, manifest, self.report)
        return found.upload_id if found is not None else None


def manifest_of(upload_id: str | None) -> m.Manifest:
    header: Any = None  # only the upload counts here
    upload = m.UploadRecord(upload_id, "crc32c", "FULL_OBJECT") if upload_id is not None else None
    return m.Manifest(header, upload, {}, 0)


def one() -> Server:
    return Server(u1=(100.0, "me"))


def two() -> Server:
    return Server(u1=(100.0, "me"), u2=(200.0, "other"))


def test_a_server_that_aborts_nothing_is_warned_of() -> None:
    server = one()
    server.removing = refusal(405, "MethodNotAllowed")
    assert server.settle("restart") is None
    assert len(server.events.warnings) == 1


MODES: list[Unfinished] = ["refuse", "resume", "restart", "continue"]


@pytest.mark.parametrize("mode", MODES)
def test_without_any_a_new_one_begins(mode: Unfinished) -> None:
    server = Server()
    assert server.settle(mode) is None
    assert server.settle(mode, manifest_of(None)) is None
    assert (server.aborted, server.events) == ([], [])


def test_one_upload() -> None:
    with pytest.raises(UnfinishedUploadExists, match="--resume"):
        one().settle("refuse")
    assert one().settle("resume") == "u1"
    server = one()
    assert server.settle("restart") is None
    assert server.aborted == ["u1"]


@pytest.mark.parametrize("mode", ["refuse", "resume"])
def test_several_uploads_are_nobodys_choice(mode: Unfinished) -> None:
    with pytest.raises(SeveralUnfinishedUploads, match="there are 2 unfinished uploads"):
        two().settle(mode)


def test_several_uploads_are_all_removed() -> None:
    server = two()
    assert server.settle("restart") is None
    assert sorted(server.aborted) == ["u1", "u2"]


def test_programs_continue_what_their_manifest_knows_and_leave_others_alone() -> None:
    server = two()
    assert server.settle("continue") is None
    assert server.engine.asked == [], "no listing is needed"
    assert server.settle("continue", manifest_of("u2")) == "u2"
    assert server.settle("continue", manifest_of("gone")) is None
    assert server.aborted == []


def test_an_upload_that_no_listing_has_yet() -> None:
    server = one()
    server.unlisted = {"u1"}
    assert server.settle("resume", manifest_of("u1")) == "u1"
    assert server.settle("continue", manifest_of("u1")) == "u1"
    with pytest.raises(UnfinishedUploadExists, match="unfinished"):
        server.settle("refuse", manifest_of("u1"))
    assert server.settle("restart", manifest_of("u1")) is None
    assert server.aborted == ["u1"]


def test_where_uploads_cannot_be_listed_the_manifests_counts() -> None:
    server = one()
    server.listing = refusal(501, "NotImplemented")
    assert server.settle("resume", manifest_of("u1")) == "u1"
    assert len(server.events.warnings) == 1
    asked = len(server.engine.asked)
    assert list_unfinished(server.client, TARGET) is None
    assert len(server.engine.asked) == asked, "known now, and not asked again"


def test_who_may_not_list() -> None:
    server = one()
    server.listing = refusal(403, "AccessDenied")
    assert list_unfinished(server.client, TARGET) is None
    assert server.client.session.capabilities("b").list_uploads is None, "that says nothing about the server"
    server.listing = refusal(403, "InvalidAccessKeyId")
    with pytest.raises(BadCredentials):
        list_unfinished(server.client, TARGET)


def test_a_listing_shows_that_the_server_can() -> None:
    server = one()
    found = list_unfinished(server.client, TARGET)
    assert found is not None
    assert [upload.upload_id for upload in found] == ["u1"]
    assert server.client.session.capabilities("b").list_uploads is True


# -- whether it is alive ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "alive"),
    [
        (reply(body="<ListPartsResult/>"), True),
        (refusal(403, "AccessDenied"), True),
        (refusal(404, "NoSuchUpload"), False),
        (refusal(404, "NoSuchBucket"), False),
    ],
)
def test_whether_an_upload_is_still_there(answer: Reply, alive: bool) -> None:
    client, engine = scripted(lambda asked: answer)
    assert is_alive(client, s3api.MultipartUpload("b", "k", "u1")) is alive
    assert engine.asked[0].query["max-parts"] == "1"


def test_an_answer_that_leaves_it_open() -> None:
    client, _ = scripted(lambda asked: refusal(500, "InternalError"))
    with pytest.raises(TransferError, match="unfinished upload of s3://b/k"):
        is_alive(client, s3api.MultipartUpload("b", "k", "u1"))


# -- orphans ---------------------------------------------------------------------------------------------------------

OURS = s3api.MultipartUpload("b", "k", "ours")


def orphans_of(server: Server, known: set[str] | None = None, seconds: float = 10.0) -> list[str]:
    abort_orphans(server.client, OURS, known or set(), seconds)
    return server.aborted


@pytest.mark.parametrize(
    ("moment", "owner", "aborted"),
    [
        (100.0, "me", True),
        (100.0 - 10 - CLOCK_SECONDS, "me", True),
        (100.0 - 10 - CLOCK_SECONDS - 1, "me", False),
        (101.0, "me", False),
        (100.0, "other", False),
    ],
)
def test_what_a_lost_answer_has_left(moment: float, owner: str, aborted: bool) -> None:
    server = Server(ours=(100.0, "me"), other=(moment, owner))
    assert (orphans_of(server) == ["other"]) is aborted
    assert "ours" not in server.aborted


def test_what_was_there_before_or_has_parts_is_no_orphan() -> None:
    server = Server(ours=(100.0, "me"), before=(99.0, "me"), used=(99.0, "me"), orphan=(99.0, "me"))
    server.parts = {"used"}
    assert orphans_of(server, {"before"}) == ["orphan"]


@pytest.mark.parametrize("answer", [refusal(405, "MethodNotAllowed"), refusal(403, "AccessDenied"), refusal(404)])
def test_an_orphan_that_can_not_be_looked_at_stays_and_fails_nothing(answer: Reply) -> None:
    server = Server(ours=(100.0, "me"), orphan=(99.0, "me"))
    server.looking = answer
    assert orphans_of(server) == []


def test_where_ours_is_not_listed_nothing_is_touched() -> None:
    server = Server(other=(100.0, "me"))
    assert orphans_of(server) == []
    server.listing = refusal(501, "NotImplemented")
    assert orphans_of(server) == []
