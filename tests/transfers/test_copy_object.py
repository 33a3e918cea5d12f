"""One CopyObject: what it keeps, which of its conditions failed, and what its copy is compared with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.expected import NOTHING
from s3amfs.core.locations import S3Location
from s3amfs.core.retry import RetryPolicy
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.connect import S3Client
from s3amfs.errors import AccessDenied, ChecksumMismatch, ObjectExists, SourceChanged, TransferError, Unsupported
from s3amfs.transfers import copy_object as copy_object_module
from s3amfs.transfers.copy_object import (
    Original,
    algorithm_of,
    asked_algorithm,
    compare_copy,
    copy_object,
    keeps_all,
    warn_of_lost,
    warn_without,
)
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import ChecksumChoice, ObjectInfo, ObjectOptions, UploadOptions
from s3amfs.transfers.report import Report
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import CopySource, StoredInfo
from tests.support import faults
from tests.support.clients import Events
from tests.support.faults import Rule
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted


@pytest.fixture
def original(through: S3Client, boto: Any, bucket: str) -> Original:
    described: dict[str, Any] = {"Metadata": {"owner": "x"}, "ContentDisposition": 'f; n="résumé"', "Tagging": "a=b"}
    boto.put_object(Bucket=bucket, Key="a", Body=b"content", **described)
    info = through.head(bucket, "a")
    return Original(S3Location(bucket, "a"), info, CopySource(bucket, "a", if_match=info.etag))


@pytest.fixture
def job(through: S3Client, bucket: str, events: Events) -> Job:
    return Job(through, S3Location(bucket, "c"), UploadOptions(expected=NOTHING), Report("copy", "", "", events))


def test_headers_metadata_and_tags_go_along_unread(
    job: Job, original: Original, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    stored = copy_object(job, original, replace_metadata=False)
    found = boto.head_object(Bucket=bucket, Key="c")
    assert found["Metadata"] == {"owner": "x"}
    assert boto.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert proxy.count("Tagging") == 0
    assert original.info.content_disposition == 'f; n="résumé"'
    assert "equal to the source's" in original.prove(job, stored, stored.checksums)


def test_which_of_the_two_conditions_failed(job: Job, original: Original, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="c", Body=b"theirs")
    with pytest.raises(ObjectExists):
        copy_object(job, original, replace_metadata=False)
    boto.delete_object(Bucket=bucket, Key="c")
    boto.put_object(Bucket=bucket, Key="a", Body=b"another")
    with pytest.raises(SourceChanged):
        copy_object(job, original, replace_metadata=False)


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "InvalidRequest")]
)
def test_a_server_that_copies_nothing(job: Job, original: Original, proxy: FaultProxy, status: int, code: str) -> None:
    proxy.rules.append(Rule("Copy", faults.error(status, code)))
    with pytest.raises(Unsupported):
        copy_object(job, original, replace_metadata=False)


def test_a_copy_of_another_size_is_an_error_and_stays(job: Job, original: Original, boto: Any, bucket: str) -> None:
    etag = boto.put_object(Bucket=bucket, Key="c", Body=b"content" * 4)["ETag"].strip('"')
    with pytest.raises(ChecksumMismatch, match="28 bytes"):
        original.prove(job, StoredInfo(etag), {})
    assert boto.head_object(Bucket=bucket, Key="c")["ContentLength"] == 28


# -- what a copy is compared with, without a server ------------------------------------------------------------------


def info(**more: Any) -> ObjectInfo:
    return ObjectInfo(**{"size": 7, "etag": "e", **more})


def made(**more: Any) -> Original:
    return Original(S3Location("box", "a"), info(**more), CopySource("box", "a"))


def judged(original: Original, answer: Any, checksums: dict[str, str], etag: str = "other") -> str:
    client, _ = scripted(lambda asked: answer)
    job = Job(client, S3Location("box", "c"), UploadOptions(), Report("copy", "", "", lambda event: None))
    return original.prove(job, StoredInfo(etag), checksums)


def found(size: int = 7, etag: str = "other", **headers: str) -> Any:
    return reply(etag=f'"{etag}"', content_length=str(size), **headers)


CRC = {"crc64nvme": "AAAAAAAAAAA="}


@pytest.mark.parametrize(
    ("original", "answer", "checksums", "etag", "proof"),
    [
        (made(checksums=CRC), None, CRC, "other", "crc64nvme of the whole object"),
        (made(checksums=CRC, checksum_type="FULL_OBJECT"), None, CRC, "other", "crc64nvme of the whole object"),
        (made(checksums=CRC, checksum_type="COMPOSITE"), None, CRC, "e", "ETag equal"),
        (made(checksums={"sha256": "x-2"}), None, {"sha256": "x-2"}, "e", "ETag equal"),
        (made(), None, CRC, "e", "ETag equal"),
        (made(), found(), {}, "other", "size, and the source's ETag"),
        (made(), found(etag="newer"), {}, "other", "the source's ETag at every request"),
        (made(), refusal(404), {}, "other", "the source's ETag at every request"),
        (made(checksums=CRC), found(x_amz_checksum_crc64nvme="AAAAAAAAAAA="), {}, "other", "crc64nvme of the whole"),
    ],
)
def test_what_a_copy_is_compared_with(
    original: Original, answer: Any, checksums: dict[str, str], etag: str, proof: str
) -> None:
    def answered(asked: Asked) -> Any:
        return answer if asked.path.endswith("/c") else reply()

    client, engine = scripted(answered)
    job = Job(client, S3Location("box", "c"), UploadOptions(), Report("copy", "", "", lambda event: None))
    assert original.prove(job, StoredInfo(etag), checksums).startswith(proof)
    assert bool(engine.asked) is (answer is not None)


def test_a_copy_with_another_checksum_is_an_error() -> None:
    with pytest.raises(ChecksumMismatch, match="crc64nvme is not that of"):
        judged(made(checksums=CRC), None, {"crc64nvme": "AAAAAAAAAAE="}, "e")
    with pytest.raises(ChecksumMismatch, match="8 bytes"):
        judged(made(), found(size=8), {})


@pytest.mark.parametrize(
    ("answer", "since", "ours"),
    [
        (found(etag="e"), 0.0, True),
        (found(etag="other"), 0.0, False),
        (found(size=8, etag="e"), 0.0, False),
        (found(etag="other", x_amz_checksum_crc64nvme="AAAAAAAAAAA="), 0.0, True),
        (found(etag="e"), 1.0, False),
        (found(etag="e", last_modified="Thu, 01 Jan 1970 00:01:40 GMT"), 100.0, True),
        (found(etag="e", last_modified="Thu, 01 Jan 1970 00:01:40 GMT"), 100.5, False),
        (refusal(404), 0.0, False),
    ],
)
def test_a_copy_whose_answer_was_lost(answer: Any, since: float, ours: bool) -> None:
    client, _ = scripted(lambda asked: answer if asked.path.endswith("/c") else reply())
    job = Job(client, S3Location("box", "c"), UploadOptions(), Report("copy", "", "", lambda event: None))
    stored = copy_object_module._find_ours(job, made(checksums=CRC), since)
    assert (stored is not None) is ours


@pytest.mark.parametrize(
    ("answer", "version", "changed"),
    [
        (found(etag="e"), None, False),
        (found(etag="other"), None, True),
        (refusal(404), None, True),
        (refusal(404), "v", False),
    ],
)
def test_whether_the_source_has_changed(answer: Any, version: str | None, changed: bool) -> None:
    client, _ = scripted(lambda asked: answer if asked.path.endswith("/a") else reply())
    job = Job(client, S3Location("box", "c"), UploadOptions(), Report("copy", "", "", lambda event: None))
    original = Original(S3Location("box", "a", version), info(), CopySource("box", "a"))
    assert copy_object_module._source_changed(job, original) is changed


def stored_with(**checksums: str) -> ObjectInfo:
    return ObjectInfo(3, "e", checksums=checksums)


@pytest.mark.parametrize(
    ("source", "algorithm"),
    [
        (stored_with(), "crc64nvme"),
        (stored_with(crc32="AAAAAA=="), "crc32"),
        (stored_with(crc32c="AAAAAA=="), "crc32c"),
        (stored_with(sha256="A" * 43 + "="), "crc64nvme"),
        (ObjectInfo(3, "e", checksums={"crc32": "AAAAAA==-2"}, checksum_type="COMPOSITE"), "crc64nvme"),
    ],
    ids=["none", "crc32", "crc32c", "sha256", "of parts"],
)
def test_a_copy_in_parts_has_the_crc_of_its_source(source: ObjectInfo, algorithm: str) -> None:
    assert algorithm_of(source) == algorithm


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (stored_with(sha256="A" * 43 + "="), 1),
        (stored_with(crc32="AAAAAA=="), 0),
        (ObjectInfo(3, "e", checksums={"sha256": "A" * 43 + "=-2"}, checksum_type="COMPOSITE"), 0),
    ],
    ids=["of the whole", "a crc", "of parts"],
)
def test_a_digest_that_a_copy_in_parts_loses_is_said_once(source: ObjectInfo, said: int) -> None:
    client, _ = scripted(lambda asked: reply())
    warnings: list[str] = []
    for _ in range(2):
        warn_of_lost(client, S3Location("from", "k"), source, warnings.append, in_parts=False)
    assert not warnings
    for _ in range(2):
        warn_of_lost(client, S3Location("from", "k"), source, warnings.append, in_parts=True)
    assert len(warnings) == said


def test_a_lock_that_a_copy_loses_is_said_once() -> None:
    client, _ = scripted(lambda asked: reply())
    warnings: list[str] = []
    for in_parts in (False, True):
        warn_of_lost(
            client, S3Location("from", "k"), ObjectInfo(3, "e", locked=True), warnings.append, in_parts=in_parts
        )
    assert len(warnings) == 1


@pytest.mark.parametrize(("checksum", "header"), [("crc32c", "CRC32C"), ("md5", None), (None, None)])
def test_the_checksum_that_the_user_chose(checksum: ChecksumChoice | None, header: str | None, events: Events) -> None:
    client, engine = scripted(lambda asked: reply(200, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"))
    options = UploadOptions(exists="overwrite", checksum=checksum)
    job = Job(client, S3Location("to", "k"), options, Report("copy", "", "", events))
    original = Original(S3Location("from", "k"), stored_with(), CopySource("from", "k"))
    copy_object(job, original, replace_metadata=False)
    assert engine.asked[0].headers.get("x-amz-checksum-algorithm") == header
    assert len([text for text in events.warnings if "names no crc32c" in text]) == (header is not None)


# -- what a copy keeps ----------------------------------------------------------------------------------------------

KEY = CustomerKey(bytes(32))


@pytest.mark.parametrize(
    ("original", "options", "kept", "without_metadata"),
    [
        ({}, {}, True, True),
        ({"sse": "aws:kms"}, {}, False, False),
        ({"sse": "aws:kms"}, {"sse": "AES256"}, True, True),
        ({"sse": "aws:kms"}, {"sse_kms_key_id": "key"}, True, True),
        ({"sse": "aws:kms"}, {"customer_key": KEY}, True, True),
        ({"storage_class": "STANDARD_IA"}, {}, False, False),
        ({"storage_class": "STANDARD_IA"}, {"storage_class": "STANDARD"}, True, True),
        ({"website_redirect": "/x"}, {}, False, True),
        ({"website_redirect": "/x", "storage_class": "STANDARD_IA"}, {}, False, False),
    ],
)
def test_what_copy_object_gives_a_copy_by_itself(
    original: dict[str, Any], options: dict[str, Any], kept: bool, without_metadata: bool
) -> None:
    """Not encryption, storage class and website redirect, unless the request names them."""
    given = ObjectOptions(**options)
    assert keeps_all(info(**original), given) is kept
    assert keeps_all(info(**original), given, metadata=False) is without_metadata


@pytest.mark.parametrize(
    ("choice", "asked"),
    [("crc64nvme", "crc64nvme"), ("crc32c", "crc32c"), ("md5", None), ("none", None), (None, None)],
)
def test_which_checksum_a_copy_is_asked_to_have(choice: ChecksumChoice | None, asked: str | None) -> None:
    assert asked_algorithm(choice) == asked


def test_a_copy_without_the_checksum_it_was_asked_to_have_is_said_once() -> None:
    client, _ = scripted(lambda asked: reply())
    warnings: list[str] = []
    where, without, with_it = S3Location("to", "k"), StoredInfo("e"), StoredInfo("e", {"crc32c": "AAAAAA=="})
    warn_without(client, where, None, without, warnings.append)
    warn_without(client, where, "crc32c", with_it, warnings.append)
    assert warnings == []
    for _ in range(2):
        warn_without(client, where, "crc32c", without, warnings.append)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("source", "copy", "same"),
    [
        ({"crc32": "AAAAAA==", "crc64nvme": "AAAAAAAAAAA="}, CRC, "crc64nvme"),
        ({"crc32": "AAAAAA==-2", "crc64nvme": "AAAAAAAAAAA="}, {"crc32": "BBBBBB==", **CRC}, "crc64nvme"),
        ({"crc32": "AAAAAA=="}, CRC, ""),
        ({}, {}, ""),
    ],
)
def test_the_first_checksum_that_both_have_is_compared(source: dict[str, str], copy: dict[str, str], same: str) -> None:
    proof = compare_copy(info(checksums=source), "s3://box/a", "s3://box/c", copy, "other")
    assert proof == (f"{same} of the whole object, equal to the source's" if same else "")


def test_no_etag_is_equal_to_none() -> None:
    assert compare_copy(info(etag=""), "a", "c", {}, "") == ""
    assert compare_copy(info(etag="e"), "a", "c", {}, "e") == "ETag equal to the source's"


def test_one_bucket_is_warned_of_locks_and_digests_apart() -> None:
    client, _ = scripted(lambda asked: reply())
    warnings: list[str] = []
    both = ObjectInfo(3, "e", locked=True, checksums={"sha256": "A" * 43 + "=", "crc32": "AAAAAA=="})
    for _ in range(2):
        warn_of_lost(client, S3Location("from", "k"), both, warnings.append, in_parts=True)
    assert [("retention" in text, "sha256" in text) for text in warnings] == [(True, False), (False, True)]
    assert "its crc32 instead" in warnings[1]


# -- one CopyObject by a script --------------------------------------------------------------------------------------


class Copying:
    """A service that answers CopyObject so, and has these objects."""

    def __init__(self, *answers: Reply, source: Reply | None = None, copy: Reply | None = None) -> None:
        self.answers = list(answers)
        self.there = {"/box/a": source or found(etag="e"), "/box/c": copy or refusal(404)}
        self.client, self.engine = scripted(self.answer)
        self.client.session.capabilities("box").conditions["copy", "nothing"] = True
        options = UploadOptions(expected=NOTHING)
        self.job = Job(self.client, S3Location("box", "c"), options, Report("copy", "", "", lambda event: None))

    def answer(self, asked: Asked) -> Reply:
        return self.answers.pop(0) if asked.method == "PUT" else self.there.get(asked.path, reply())

    def copy(self) -> StoredInfo:
        original = Original(S3Location("box", "a"), info(), CopySource("box", "a", if_match="e"))
        return copy_object(self.job, original, replace_metadata=False)


DATE = "Thu, 01 Jan 1970 00:01:40 GMT"


def lost(date: str = "") -> Reply:
    """The condition on the target failed."""
    answer = refusal(412, "PreconditionFailed")
    if date:
        answer.headers["date"] = date
    return answer


@pytest.mark.parametrize(
    ("date", "modified", "ours"),
    [
        (DATE, "Thu, 01 Jan 1970 00:01:40 GMT", True),
        (DATE, "Thu, 01 Jan 1970 00:01:39 GMT", True),
        (DATE, "Thu, 01 Jan 1970 00:01:38 GMT", False),
        (DATE, "", False),
        ("", "Thu, 01 Jan 1970 00:01:40 GMT", False),
    ],
    ids=["just made", "times are whole seconds", "older", "of no known age", "no clock to compare with"],
)
def test_a_copy_that_was_just_made_is_ours_though_its_answer_was_never_seen(
    monkeypatch: pytest.MonkeyPatch, date: str, modified: str, ours: bool
) -> None:
    """curl sends a request again by itself when a kept connection turns out to be dead."""
    monkeypatch.setattr(copy_object_module, "time", SimpleNamespace(monotonic=lambda: 7.0))
    headers = {"last_modified": modified} if modified else {}
    service = Copying(lost(date), copy=found(etag="e", **headers))
    if ours:
        assert service.copy().etag == "e"
    else:
        with pytest.raises(ObjectExists):
            service.copy()


def test_the_time_that_a_copy_takes_counts_for_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((100.0, 130.0))
    monkeypatch.setattr(copy_object_module, "time", SimpleNamespace(monotonic=lambda: next(times)))
    assert Copying(lost(DATE), copy=found(etag="e", last_modified="Thu, 01 Jan 1970 00:01:10 GMT")).copy().etag == "e"


def test_after_a_retry_a_copy_of_any_age_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "of", lambda *_: RetryPolicy(base=0.0))
    assert Copying(refusal(500), lost(DATE), copy=found(etag="e")).copy().etag == "e"


def test_a_condition_that_failed_is_that_of_the_source_if_it_has_changed() -> None:
    with pytest.raises(SourceChanged, match="s3://box/a"):
        Copying(lost(), source=found(etag="new"), copy=found(etag="e")).copy()
    with pytest.raises(ObjectExists):
        Copying(lost(), copy=found(etag="theirs")).copy()


def test_a_refusal_for_another_reason_is_no_missing_feature() -> None:
    with pytest.raises(AccessDenied):
        Copying(refusal(403, "InvalidAccessKeyId")).copy()
    with pytest.raises(TransferError, match="copy of s3://box/a"):
        Copying(refusal(500)).copy()
