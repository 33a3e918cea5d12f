"""What the failures of parts on their way mean for the upload; nothing is sent here."""

from __future__ import annotations

from typing import cast

import pytest

from s3amfs.core.capabilities import Evidence
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import S3Location
from s3amfs.core.manifest import PartRecord, SourceIdentity
from s3amfs.engine.attempt import PartResult, SendPart
from s3amfs.engine.client import S3Client
from s3amfs.engine.loop import get_engine
from s3amfs.errors import TransferError, Unsupported
from s3amfs.transfers.checksum_choice import Checking, PartForms, choose
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.transfers.report import Report, ignore
from s3amfs.transfers.sending import Content, Copied, Movement, PartCallbacks, Sending
from s3amfs.transfers.speed import Speed
from s3amfs.transfers.trouble import TROUBLES, Trouble
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from tests.support.scripted import refusal, reply, scripted

REFUSED = Failure(Kind.UNSUPPORTED, "A header is not implemented", status=501, code="NotImplemented")
UPLOAD = s3api.MultipartUpload("b", "k", "id")


class Site:
    """A `Sending` without a part; its requests about the upload are answered with `parts`."""

    def __init__(self, sizes: dict[int, int] | None = None, copied_crc: str = "", answer: Reply | None = None) -> None:
        inner = "".join(
            f"<Part><PartNumber>{n}</PartNumber><Size>{size}</Size></Part>" for n, size in (sizes or {}).items()
        )
        self.client, self.engine = scripted(
            lambda asked: answer or reply(body=f"<ListPartsResult>{inner}</ListPartsResult>")
        )
        job = Job(_with_loops(self.client), S3Location("b", "k"), UploadOptions(), Report("upload", "-", "k", ignore))
        self.can = job.can
        self.checks = choose(None, self.can, ObjectOptions())
        self.forms = PartForms(self.checks, self.can)
        self.parts: list[PartResult] = []
        self.troubles = 0
        movement = Movement(lambda target: lambda part, attempt: cast(SendPart, None), Speed(bucket="b"))
        content = Content(
            "copy",
            SourceIdentity("-"),
            "copy to s3://b/k",
            movement,
            copied=Copied("s3://b/source", 10, {"crc64nvme": copied_crc} if copied_crc else {}),
        )
        ends = PartCallbacks(self.parts.append, self.trouble)
        self.sending = Sending(job, content, movement, UPLOAD, self.forms, Trouble(), ends)

    def trouble(self) -> None:
        self.troubles += 1

    def fail(self, failure: Failure) -> None:
        self.sending.stop()
        self.sending._transfer._failure = failure

    def copied(self, number: int, length: int) -> None:
        self.forms.copies(number)
        self.sending._part_done(PartResult(number, length))


def _with_loops(client: S3Client) -> S3Client:
    """The engine of a script has no loops: transfers get the process's."""
    scripted_engine, engine = client.given_engine, get_engine()
    assert scripted_engine is not None
    for name in ("loop", "loops", "sampler"):
        setattr(scripted_engine, name, getattr(engine, name))
    scripted_engine.lines = engine.lines
    return client


def test_a_refused_part_makes_the_checksum_suspect() -> None:
    site = Site()
    assert site.sending.suspect_of(REFUSED, site.checks) == "trailers"
    site.can.note("trailers", Evidence.WORKED)
    assert site.sending.suspect_of(REFUSED, site.checks) is None, "it has worked before"


def test_what_explains_no_refusal() -> None:
    site = Site()
    assert site.sending.suspect_of(Failure(Kind.NETWORK, "cut off"), site.checks) is None
    plain = Checking(None, site.checks.parts, True)
    assert site.sending.suspect_of(REFUSED, plain) is None, "nothing was declared"
    fixed = choose("crc64nvme", site.can, ObjectOptions())
    assert site.sending.suspect_of(REFUSED, fixed) is None, "the user wants it so"


def test_a_part_is_reported_before_it_counts() -> None:
    site = Site()
    site.copied(1, 5)
    assert [part.number for part in site.parts] == [1]
    assert site.forms.copied == {1}


def test_troubles_are_announced_once_they_are_due() -> None:
    site = Site()
    for _ in range(TROUBLES):
        assert site.sending._judge(1, Failure(Kind.SERVER, "busy", status=500)).kind is Kind.SERVER
    assert (site.troubles, site.sending.needs_care) == (0, False)
    site.sending._judge(1, Failure(Kind.SERVER, "busy", status=500))
    assert (site.troubles, site.sending.needs_care) == (1, True)


def test_the_end_is_announced_and_needs_care() -> None:
    site = Site()
    site.sending.stop()
    assert (site.troubles, site.sending.over, site.sending.needs_care) == (1, True, True)
    assert site.sending.failure is not None
    called: list[bool] = []
    site.sending.stop_soon(lambda: called.append(True))
    assert called == [True], "at once: it is over"


@pytest.mark.parametrize("has_kept", [False, True])
def test_where_s3_was_to_copy(has_kept: bool) -> None:
    site = Site()
    refused = Failure(Kind.UNSUPPORTED, "not implemented", status=501, code="NotImplemented")
    site.forms.copies(1)
    judged = site.sending._judge(1, refused)
    site.fail(judged)
    with pytest.raises(TransferError if has_kept else Unsupported, match="copy to s3://b/k"):
        site.sending.raise_of_copy(has_kept=has_kept)


def test_other_failures_are_not_those_of_copies() -> None:
    site = Site()
    site.sending.raise_of_copy(has_kept=False)
    site.fail(REFUSED)
    site.sending.raise_of_copy(has_kept=False)


@pytest.mark.parametrize(
    ("checksum", "length", "false"),
    [("whole", 5, True), ("own", 5, False), ("whole", 10, False), ("", 5, False)],
    ids=["of the whole", "its own", "the part is the whole", "none"],
)
def test_a_checksum_of_the_whole_is_none_of_a_part(checksum: str, length: int, false: bool) -> None:
    site = Site(copied_crc="whole" if checksum else "")
    records = {number: PartRecord(number, length, "e", None, "own", "nothing") for number in (1, 2)}
    assert not site.sending.has_false_checksums(records), "none was copied"
    site.copied(1, length)
    records[1] = PartRecord(1, length, "e", None, checksum, "nothing")
    assert site.sending.has_false_checksums(records) is false


def test_copied_lengths_are_looked_at_once_a_server() -> None:
    site = Site({1: 5})
    records = {1: PartRecord(1, 5, "e", None, "", "nothing")}
    site.sending.check_copied(records)
    assert site.engine.asked == [], "none was copied"
    site.copied(1, 5)
    site.sending.check_copied(records)
    site.sending.check_copied(records)
    assert len(site.engine.asked) == 1
    assert site.can.copies_ranges


def test_a_copy_of_another_length_is_found() -> None:
    site = Site({1: 6})
    site.copied(1, 5)
    with pytest.raises(Unsupported, match="other ranges"):
        site.sending.check_copied({1: PartRecord(1, 5, "e", None, "", "nothing")})


@pytest.mark.parametrize(("answer", "gone"), [(refusal(404, "NoSuchUpload"), True), (refusal(503), False)])
def test_parts_in_trouble_whose_upload_is_no_more_end_the_transfer(answer: Reply, gone: bool) -> None:
    site = Site(answer=answer)
    site.sending.look_after_trouble()
    assert site.engine.asked == [], "nothing is in trouble"
    for _ in range(TROUBLES + 1):
        site.sending._judge(1, Failure(Kind.SERVER, "busy", status=500))
    site.sending.look_after_trouble()
    assert site.sending.over is gone
    failure = site.sending.failure
    assert (failure.kind if failure is not None else None) == (Kind.GONE if gone else None)
    site.sending.stop()
