"""A multipart upload and its manifest: what is begun is written down first, and nothing of it is left behind."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core import manifest as m
from s3amfs.core.checksums import Crc
from s3amfs.core.claims import Compared
from s3amfs.core.expected import NOTHING, this_etag
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import (
    AccessDenied,
    ChecksumMismatch,
    InTheClear,
    ObjectExists,
    S3AMError,
    SourceChanged,
    TransferError,
)
from s3amfs.transfers.multipart import Multipart
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.verbs.upload import upload
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from s3amfs.wire.s3.api import MultipartUpload, PartInfo
from tests.support.clients import PART
from tests.support.faults import Recorded, Rule, error, lose_answer
from tests.support.files import digest, object_digest
from tests.support.honest_s3 import HonestS3
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted
from tests.support.upload_site import IDENTITY, NO_VALIDATOR, WHOLE, UploadSite

OPTIONS = UploadOptions(part_size=PART)


def unfinished(boto: Any, bucket: str) -> list[str]:
    return [entry["UploadId"] for entry in boto.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


@pytest.mark.parametrize("choice", ["refuse", "continue"])
def test_a_create_whose_answer_was_lost_leaves_no_orphan(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path, choice: str
) -> None:
    proxy.rules.append(Rule("Create", lose_answer(), times=1))
    options = replace(OPTIONS, unfinished=choice)  # type: ignore[arg-type]
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, options)
    assert proxy.count("Create") == 2
    assert unfinished(boto, bucket) == []
    assert object_digest(boto, bucket, "k") == digest(file)


def test_uploads_of_others_with_parts_are_no_orphans(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path
) -> None:
    """Another writer begins the same key while our Create is tried again."""
    others: list[str] = []

    def begins(request: Recorded) -> bool:
        if request.kind == "Create" and not others:
            others.append(boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"])
            boto.upload_part(Bucket=bucket, Key="k", UploadId=others[0], PartNumber=1, Body=b"x")
        return request.kind == "Create"

    proxy.rules.append(Rule(begins, error(503, "SlowDown"), times=1))
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert unfinished(boto, bucket) == others


def test_a_failed_upload_stays_to_be_resumed(
    hasty: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path
) -> None:
    proxy.rules.append(Rule("Complete", error(500, "InternalError")))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, OPTIONS)
    (upload_id,) = unfinished(boto, bucket)
    (manifest,) = state.glob("*.manifest")
    assert upload_id.encode() in manifest.read_bytes()
    proxy.rules.clear()
    proxy.clear()
    upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, replace(OPTIONS, unfinished="resume"))
    assert proxy.count("UploadPart") == 0
    assert object_digest(boto, bucket, "k") == digest(file)


@pytest.mark.parametrize("choice", ["restart", "continue"])
def test_one_request_in_place_of_an_upload_leaves_no_manifest(
    hasty: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path, choice: str
) -> None:
    """The source is smaller than what an earlier run has begun with."""
    proxy.rules.append(Rule("Complete", error(500, "InternalError")))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, OPTIONS)
    proxy.rules.clear()
    file.write_bytes(b"less")
    options = replace(OPTIONS, unfinished=choice)  # type: ignore[arg-type]
    upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"less"
    assert (unfinished(boto, bucket), list(state.glob("*.manifest"))) == ([], [])


# -- against a service in memory ------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> UploadSite:
    return UploadSite(tmp_path)


def without_etags(service: HonestS3) -> HonestS3:
    """Its ETags of parts are no MD5s."""
    honest = service.answer

    def answer(asked: Asked) -> Reply:
        found = honest(asked)
        if asked.method == "PUT" and found.ok:
            found.headers["etag"] = "f" * 32
        return found

    service.answer = answer  # type: ignore[method-assign]
    return service


# -- to begin -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unfinished", "listings"), [("refuse", 0), ("resume", 0), ("restart", 0), ("continue", 1)])
def test_what_is_begun_is_written_down(site: UploadSite, unfinished: str, listings: int) -> None:
    """Other uploads are listed only where they may stay, so that orphans of this one can be known."""
    begun = site.multipart(unfinished=unfinished).begin(10)
    assert (begun.server_parts, begun.manifest, begun.proven) == ({}, None, True)
    assert (begun.checks.algorithm, begun.upload.checksum_algorithm) == ("crc64nvme", "crc64nvme")
    assert site.manifest is not None and site.manifest.upload is not None
    assert (site.manifest.upload.upload_id, site.manifest.header.part_size) == (begun.upload.upload_id, 10)
    assert (site.asked("GET", "uploads"), len(site.engine.asked)) == (listings, listings + 1)


def test_an_upload_without_a_checksum_algorithm_is_checked_by_etags(site: UploadSite) -> None:
    begun = site.multipart().begin(10, declares=False)
    assert (begun.checks.algorithm, begun.upload.checksum_algorithm) == (None, None)
    assert begun.checks.parts.compare_etag
    assert "x-amz-checksum-algorithm" not in site.engine.asked[0].headers


@pytest.mark.parametrize(("verb", "algorithm"), [("upload", "crc64nvme"), ("copy", None), ("patch", None)])
def test_what_copies_lack_counts_where_parts_are_copied(site: UploadSite, verb: str, algorithm: str | None) -> None:
    site.can.copied_checksums = False
    assert site.multipart(verb).begin(10).checks.algorithm == algorithm


def refuses_algorithms(asked: Asked) -> Reply | None:
    return refusal(400, "InvalidArgument") if "x-amz-checksum-algorithm" in asked.headers else None


def old(service: HonestS3) -> HonestS3:
    """It knows no checksum algorithm of uploads."""
    honest = service.answer
    service.answer = lambda asked: refuses_algorithms(asked) or honest(asked)  # type: ignore[method-assign]
    return service


def test_a_server_without_the_algorithm_is_warned_of_once(tmp_path: Path) -> None:
    site = UploadSite(tmp_path, old(HonestS3()))
    for _ in range(2):
        run = site.multipart()
        begun = run.begin(10)
        assert (begun.checks.algorithm, begun.checks.parts.compare_etag) == (None, True)
        run.abort()
    assert site.can.crc64nvme is False
    assert site.events.warnings == ["the server does not know CRC64NVME: parts are checked by their ETags"]


def test_an_algorithm_that_the_user_chose_is_not_left_out(tmp_path: Path) -> None:
    site = UploadSite(tmp_path, old(HonestS3()))
    with pytest.raises(S3AMError, match="InvalidArgument"):
        site.multipart(checksum="crc64nvme").begin(10)
    assert (site.events.warnings, site.can.crc64nvme, site.service.uploads) == ([], None, {})


def test_a_create_that_is_refused_is_an_error(tmp_path: Path) -> None:
    site = UploadSite(tmp_path, HonestS3(refused={"POST uploads": refusal(403, "AccessDenied")}))
    with pytest.raises(AccessDenied):
        site.multipart().begin(10)


# -- to continue ----------------------------------------------------------------------------------------------------


def test_nothing_is_found_where_nothing_was_left(site: UploadSite) -> None:
    assert site.multipart(unfinished="resume").find() is None
    assert site.events == []


def test_an_upload_of_an_earlier_run_is_found_with_its_parts(site: UploadSite) -> None:
    upload_id = site.left_by_an_earlier_run(1, 2)
    begun = site.multipart(unfinished="resume").find()
    assert begun is not None and begun.manifest is not None
    assert (begun.upload.upload_id, set(begun.server_parts), set(begun.manifest.parts)) == (upload_id, {1, 2}, {1, 2})
    assert begun.proven
    assert begun.checks.algorithm == "crc64nvme", "the manifest says it, though no listing does"
    assert site.events == []


@pytest.mark.parametrize(("parts", "warnings"), [((1,), 1), ((), 0)])
def test_a_source_without_validators_is_said_to_be_read_again(
    site: UploadSite, parts: tuple[int, ...], warnings: int
) -> None:
    site.left_by_an_earlier_run(*parts, identity=NO_VALIDATOR)
    begun = site.multipart(identity=NO_VALIDATOR, unfinished="resume").find()
    assert begun is not None and not begun.proven
    assert len([text for text in site.events.warnings if "it is read again" in text]) == warnings


@pytest.mark.parametrize(("listed", "algorithm"), [("CRC64NVME", "crc64nvme"), ("", None)])
def test_an_upload_of_another_machine_is_checked_as_it_was_created(
    tmp_path: Path, listed: str, algorithm: str | None
) -> None:
    site = UploadSite(tmp_path)
    upload_id = site.left_by_an_earlier_run(1, identity=NO_VALIDATOR)
    (path,) = tmp_path.glob("*.manifest")
    path.unlink()
    said = f"<ChecksumAlgorithm>{listed}</ChecksumAlgorithm>" if listed else ""
    part = "<Part><PartNumber>1</PartNumber><Size>10</Size><ETag>e</ETag></Part>"
    site.service.refused["GET uploadId"] = reply(body=f"<ListPartsResult>{said}{part}</ListPartsResult>")
    begun = site.multipart(identity=NO_VALIDATOR, unfinished="resume").find()
    assert begun is not None
    assert (begun.upload.upload_id, begun.manifest, set(begun.server_parts)) == (upload_id, None, {1})
    assert (begun.upload.checksum_algorithm, begun.checks.algorithm) == (algorithm, algorithm)
    assert begun.proven and site.events == [], "its parts are compared anyway"


def test_what_another_source_has_superseded_is_aborted_by_programs(site: UploadSite) -> None:
    site.left_by_an_earlier_run(1)
    other = replace(IDENTITY, etag="v2")
    with pytest.raises(SourceChanged):
        run = site.multipart(identity=other, unfinished="resume")
        try:
            run.find()
        finally:
            run.leave()
    assert len(site.service.uploads) == 1
    assert site.multipart(identity=other, unfinished="continue").find() is None
    assert (site.service.uploads, site.manifest) == ({}, None)


DESCRIBED = {"object": ObjectOptions(metadata={"colour": "red"})}


@pytest.mark.parametrize(
    ("begun_with", "asked", "said", "looks"),
    [
        ({}, {}, [], 0),
        (DESCRIBED, DESCRIBED, ["drops metadata"], 1),
        ({}, DESCRIBED, ["that it was begun with"], 0),
        (DESCRIBED, {}, ["that it was begun with"], 0),
    ],
    ids=["nothing", "the same", "more", "less"],
)
def test_what_an_upload_was_not_begun_with_says_nothing_about_the_server(
    site: UploadSite, begun_with: dict[str, Any], asked: dict[str, Any], said: list[str], looks: int
) -> None:
    """This service drops metadata of multipart uploads, which is warned of only where the upload was to have them."""
    site.left_by_an_earlier_run(1, 2, 3, **begun_with)
    site.can.conditions["complete", "nothing"] = True
    run = site.multipart(unfinished="resume", **asked)
    begun = run.find()
    assert begun is not None and begun.manifest is not None
    run.continue_with(begun, 10, dict(begun.manifest.parts))
    run.complete(30)
    assert [text in warning for text, warning in zip(said, site.events.warnings, strict=True)] == [True] * len(said)
    assert len([request for request in site.engine.asked if request.method == "HEAD"]) == looks


@pytest.mark.parametrize(("asked", "warnings"), [({}, 0), (DESCRIBED, 1)])
def test_an_upload_of_another_machine_may_lack_what_is_asked_for(
    site: UploadSite, asked: dict[str, Any], warnings: int
) -> None:
    site.left_by_an_earlier_run(1)
    for path in site.folder.glob("*.manifest"):
        path.unlink()
    assert site.multipart(unfinished="resume", **asked).find() is not None
    assert len(site.events.warnings) == warnings


def test_an_upload_that_is_begun_again_is_as_asked(site: UploadSite) -> None:
    site.left_by_an_earlier_run(1)
    run = site.multipart(unfinished="resume", **DESCRIBED)
    assert run.find() is not None
    run.abort_to_begin_again()
    sent(site, run)
    run.complete(30)
    assert "drops metadata" in site.events.warnings[-1]


def test_what_the_server_has_no_more_is_forgotten(site: UploadSite) -> None:
    site.left_by_an_earlier_run(1)
    site.service.uploads.clear()
    assert site.multipart(unfinished="resume").find() is None
    assert site.manifest is None


@pytest.mark.parametrize(("is_ours", "left"), [(True, 0), (False, 1)])
def test_where_no_parts_are_listed_only_our_own_upload_is_aborted(site: UploadSite, is_ours: bool, left: int) -> None:
    site.left_by_an_earlier_run(1)
    if not is_ours:
        for path in site.folder.glob("*.manifest"):
            path.unlink()
    site.service.refused["GET uploadId"] = refusal(501, "NotImplemented")
    assert site.multipart(unfinished="resume").find() is None
    assert site.events.warnings == ["the server lists no parts of unfinished uploads: all of it is sent again"]
    assert (len(site.service.uploads), site.manifest) == (left, None)


@pytest.mark.parametrize(("how", "known"), [(Compared.ETAG, True), (Compared.CHECKSUM, None), (Compared.NOTHING, None)])
def test_proven_parts_are_written_down_and_count(site: UploadSite, how: Compared, known: bool | None) -> None:
    upload_id = site.left_by_an_earlier_run(1)
    (path,) = site.folder.glob("*.manifest")
    path.unlink()
    run = site.multipart(unfinished="resume")
    begun = run.find()
    assert begun is not None
    run.continue_with(begun, 10, {1: m.PartRecord(1, 10, "e", 7, "", how.value)})
    assert set(run.records) == {1}
    assert site.can.etag_md5 is known
    assert site.manifest is not None and site.manifest.upload is not None
    assert (site.manifest.upload.upload_id, set(site.manifest.parts)) == (upload_id, {1})


def test_what_a_manifest_says_already_is_not_written_again(site: UploadSite) -> None:
    site.left_by_an_earlier_run(1, 2)
    run = site.multipart(unfinished="resume")
    begun = run.find()
    assert begun is not None and begun.manifest is not None
    (path,) = site.folder.glob("*.manifest")
    size = path.stat().st_size
    run.continue_with(begun, 10, dict(begun.manifest.parts))
    assert path.stat().st_size == size
    changed = replace(begun.manifest.parts[2], etag="other")
    run.continue_with(begun, 10, {**begun.manifest.parts, 2: changed})
    assert site.manifest is not None and site.manifest.parts[2] == changed


def test_what_a_later_run_needs_is_on_the_disk(site: UploadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synced = os.fsync, {}

    def fsync(fd: int) -> None:
        real(fd)
        synced[os.fstat(fd).st_ino] = os.fstat(fd).st_size

    monkeypatch.setattr(os, "fsync", fsync)
    run = site.multipart()
    begun = run.begin(10)
    (path,) = site.folder.glob("*.manifest")
    assert synced[path.stat().st_ino] == path.stat().st_size
    run.continue_with(begun, 10, {1: m.PartRecord(1, 10, "e", 7, "")})
    assert synced[path.stat().st_ino] == path.stat().st_size


def test_an_upload_that_is_adopted_is_checked_as_it_was_created(site: UploadSite) -> None:
    for algorithm in ("crc64nvme", "crc32c", None):
        begun = site.multipart(journal=False).adopt(MultipartUpload("box", "k", "id", algorithm))
        assert (begun.server_parts, begun.manifest) == ({}, None)
        assert begun.checks.algorithm == (algorithm if algorithm == "crc64nvme" else None)


# -- what ETags are -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "known", "compares", "is_known", "probes"),
    [
        (HonestS3(), None, True, True, 1),
        (without_etags(HonestS3()), None, False, False, 3),
        (HonestS3(refused={"PUT partNumber": refusal(403, "AccessDenied")}), None, True, False, 3),
        (HonestS3(), True, True, True, 0),
        (HonestS3(), False, False, False, 0),
    ],
    ids=["MD5s", "no MD5s", "not to be found out", "known to be", "known not to be"],
)
def test_etags_are_compared_where_a_part_that_is_not_sent_yet_shows_it(
    tmp_path: Path, service: HonestS3, known: bool | None, compares: bool, is_known: bool, probes: int
) -> None:
    site = UploadSite(tmp_path, service)
    run = site.multipart(checksum="md5")
    begun = run.begin(10)
    run.keep(m.PartRecord(2, 10, "e", 7, ""))
    site.can.etag_md5 = known
    settled = run.settle_checks(replace(begun, server_parts={1: PartInfo(1, 10, "e")}))
    assert (settled.checks.parts.compare_etag, settled.checks.parts.etag_known) == (compares, is_known)
    sent = [asked.query["partNumber"] for asked in site.engine.asked if asked.method == "PUT"]
    assert sent == ["3"] * probes
    assert len([text for text in site.events.warnings if "are not the MD5s" in text]) == (probes == 3 and not compares)


@pytest.mark.parametrize(("verb", "checksum"), [("copy", "md5"), ("upload", None)])
def test_no_part_is_sent_where_etags_are_not_compared(site: UploadSite, verb: str, checksum: str | None) -> None:
    run = site.multipart(verb, checksum=checksum)
    settled = run.settle_checks(run.begin(10))
    assert (settled.checks.parts.compare_etag, settled.checks.parts.etag_known) == (False, False)
    assert site.asked("PUT") == 0


def test_whether_etags_are_md5s_is_asked_with_the_first_part_of_a_new_upload(site: UploadSite) -> None:
    run = site.multipart(journal=False)
    for begun in (run.begin(10), run.adopt(run.begin(10).upload)):
        site.can.etag_md5 = None
        site.engine.asked.clear()
        assert begun.etag_is_md5()
        assert begun.etag_is_md5()
        assert [asked.query["partNumber"] for asked in site.engine.asked] == ["1"]
    secret = site.multipart(journal=False, object=ObjectOptions(sse="aws:kms")).adopt(begun.upload)
    assert not secret.etag_is_md5()


# -- to complete, or not --------------------------------------------------------------------------------------------


def sent(site: UploadSite, run: Multipart) -> None:
    upload = run.begin(10).upload
    for number in (3, 1, 2):
        run.record(site.send(upload, number))


def test_the_parts_become_the_object_and_the_manifest_goes(site: UploadSite) -> None:
    run = site.multipart()
    assert run.whole_crc() is None
    sent(site, run)
    crc = Crc("crc64nvme")
    crc.update(WHOLE)
    assert run.whole_crc() == ("crc64nvme", crc.base64)
    _, whole, _ = run.complete(30)
    assert whole == f"crc64nvme:{crc.base64}"
    assert site.service.objects["k"].data == WHOLE
    assert (site.manifest, list(site.folder.iterdir()), site.service.uploads) == (None, [], {})


def test_parts_that_do_not_add_up_are_no_object(site: UploadSite) -> None:
    run = site.multipart()
    sent(site, run)
    for size in (29, 31):
        with pytest.raises(ChecksumMismatch, match=f"do not add up to {size} bytes"):
            run.complete(size)
    assert (site.service.objects, len(site.service.uploads)) == ({}, 1)


@pytest.mark.parametrize(
    ("options", "stays"),
    [
        ({"unfinished": "continue"}, False),
        ({"exists": "skip"}, False),
        ({"unfinished": "resume"}, True),
        ({}, True),
    ],
)
def test_what_may_not_become_an_object_is_left_for_users(
    site: UploadSite, options: dict[str, Any], stays: bool
) -> None:
    run = site.multipart(**options)
    sent(site, run)
    site.client.attempt(s3api.put_object("box", "k", s3api.Body(b"theirs"), ObjectOptions()))
    with pytest.raises(ObjectExists):
        run.complete(30, NOTHING)
    run.leave()
    assert site.service.objects["k"].data == b"theirs"
    assert (len(site.service.uploads), site.manifest is not None) == (stays, stays)


def test_what_is_expected_there_may_be_named_at_the_end(site: UploadSite) -> None:
    site.client.attempt(s3api.put_object("box", "k", s3api.Body(b"old"), ObjectOptions()))
    run = site.multipart(exists="refuse")
    sent(site, run)
    run.complete(30, this_etag(site.service.objects["k"].etag))
    assert site.service.objects["k"].data == WHOLE


def test_an_abort_removes_upload_and_manifest_once(site: UploadSite) -> None:
    run = site.multipart()
    sent(site, run)
    run.abort()
    run.abort()
    assert (site.service.uploads, site.manifest, site.asked("DELETE")) == ({}, None, 1)


def test_an_upload_that_is_begun_again_knows_no_part_of_the_first(site: UploadSite) -> None:
    run = site.multipart()
    sent(site, run)
    run.abort_to_begin_again()
    run.abort_to_begin_again()
    assert (site.service.uploads, run.records, site.asked("DELETE")) == ({}, {}, 1)
    assert site.manifest is not None
    again = run.begin(10)
    assert set(site.service.uploads) == {again.upload.upload_id}
    assert site.manifest.upload is not None and site.manifest.parts == {}


def test_parts_that_an_earlier_run_has_sent_are_kept(site: UploadSite) -> None:
    run = site.multipart()
    run.begin(10)
    run.keep(m.PartRecord(1, 10, "e", 7, "", Compared.ETAG.value))
    assert (set(run.records), site.can.etag_md5) == ({1}, True)
    assert site.manifest is not None and set(site.manifest.parts) == {1}


def test_encryption_that_was_named_when_the_upload_was_begun_counts(site: UploadSite) -> None:
    """S3 names it in the answers to Create and Complete; HeadObject of this service names none."""
    honest = site.service.answer

    def answer(asked: Asked) -> Reply:
        found = honest(asked)
        if asked.method == "POST" and "uploads" in asked.query:
            found.headers["x-amz-server-side-encryption"] = "AES256"
        return found

    site = UploadSite(site.folder, site.service)
    site.client, site.engine = scripted(answer)
    site.can = site.client.session.capabilities("box")
    run = site.multipart(object=ObjectOptions(sse="AES256"))
    sent(site, run)
    run.complete(30)
    assert site.can.encrypts == {"AES256": True}


def test_an_upload_that_would_be_in_the_clear_is_not_begun(site: UploadSite) -> None:
    site.can.encrypts["AES256"] = False
    with pytest.raises(InTheClear):
        site.multipart(object=ObjectOptions(sse="AES256")).begin(10)
    assert site.engine.asked == []
