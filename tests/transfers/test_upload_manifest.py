"""What the manifest of an upload says, whose it is, and that an upload outlives its loss."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from s3amfs.core import manifest as m
from s3amfs.core.locations import S3Location
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.journal import Journal
from s3amfs.errors import EncryptionKeyError, SourceChanged
from s3amfs.transfers.checksum_choice import by_etag
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.transfers.report import Report
from s3amfs.transfers.upload_manifest import UploadManifest
from tests.support.clients import Events
from tests.support.scripted import refusal, scripted

SOURCE = m.SourceIdentity("/data", size=100, mtime_ns=7)
KEY, OTHER_KEY = CustomerKey(b"k" * 32), CustomerKey(b"o" * 32)
UPLOAD = m.UploadRecord("id", None, None)
PART = m.PartRecord(1, 60, "e1", None, "", "etag")


class Site:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "k.manifest"
        self.events = Events()
        self.client, _ = scripted(lambda asked: refusal(500))

    def job(self, **options: object) -> Job:
        report = Report("upload", "/data", "s3://b/k", self.events)
        return Job(self.client, S3Location("b", "k"), UploadOptions(**options), report)  # type: ignore[arg-type]

    def write(self, job: Job, verb: str = "upload") -> m.Manifest:
        """What a run of `job` leaves."""
        left = UploadManifest(job, verb, SOURCE, Journal.open(str(self.path)))
        left.begin(60, by_etag(job.options.object, job.can))
        left.record(UPLOAD, sync=True)
        left.record(PART)
        left.close()
        found = Journal.peek(str(self.path))
        assert found is not None
        return found

    def is_ours(self, manifest: m.Manifest, job: Job, source: m.SourceIdentity = SOURCE, verb: str = "upload") -> bool:
        return UploadManifest(job, verb, source, None).is_ours(manifest)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_it_says(site: Site) -> None:
    found = site.write(site.job())
    header = found.header
    assert (header.verb, header.source, header.target, header.size, header.part_size) == (
        ("upload", SOURCE, "s3://b/k", 100, 60)
    )
    assert header.endpoint == site.client.session.endpoint_id("b")
    assert (header.key_fingerprint, len(header.key_salt), header.checksum) == ("", 32, "crc64nvme")
    assert len(header.options) == 16, "as long as ever: an upload is continued by other versions, too"
    assert (found.upload, found.parts) == (UPLOAD, {1: PART})


def test_the_next_run_finds_it_and_knows_it(site: Site) -> None:
    site.write(site.job())
    manifest = UploadManifest(site.job(), "upload", SOURCE, Journal.open(str(site.path)))
    assert manifest.found is not None
    assert manifest.is_ours(manifest.found)
    assert site.events == []
    manifest.remove()
    assert (site.path.exists(), manifest.found) == (False, None)


@pytest.mark.parametrize(
    ("source", "verb", "reason"),
    [
        (replace(SOURCE, size=101), "upload", "its size was 100 and is 101"),
        (replace(SOURCE, mtime_ns=8), "upload", "modification time differs"),
        (SOURCE, "copy", "begun by 'upload'"),
    ],
)
def test_an_upload_of_something_else(site: Site, source: m.SourceIdentity, verb: str, reason: str) -> None:
    found = site.write(site.job())
    with pytest.raises(SourceChanged, match=reason):
        site.is_ours(found, site.job(), source, verb)
    assert not site.is_ours(found, site.job(unfinished="continue"), source, verb)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"object": ObjectOptions(customer_key=KEY)}, {"object": ObjectOptions(customer_key=OTHER_KEY)}),
        ({"object": ObjectOptions(customer_key=KEY)}, {}),
        ({}, {"object": ObjectOptions(customer_key=KEY)}),
        ({"source_key": KEY}, {"source_key": OTHER_KEY}),
        ({"source_key": KEY}, {"object": ObjectOptions(customer_key=KEY)}),
    ],
)
def test_another_key(site: Site, before: dict[str, object], now: dict[str, object]) -> None:
    found = site.write(site.job(**before))
    assert site.is_ours(found, site.job(**before))
    if "source_key" not in before or "source_key" in now:
        with pytest.raises(EncryptionKeyError, match="another encryption key"):
            site.is_ours(found, site.job(**now))
        assert not site.is_ours(found, site.job(**now, unfinished="continue"))


def test_keys_are_not_in_the_file(site: Site) -> None:
    found = site.write(site.job(object=ObjectOptions(customer_key=KEY), source_key=OTHER_KEY))
    assert found.header.key_fingerprint.count("-") == 1
    assert b"kkkk" not in site.path.read_bytes()
    assert b"oooo" not in site.path.read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        ObjectOptions(content_type="text/plain"),
        ObjectOptions(tags={"a": "b"}),
        ObjectOptions(storage_class="GLACIER"),
        ObjectOptions(acl="private"),
        ObjectOptions(metadata={"a": "b"}),
        ObjectOptions(extra_headers=(("x-amz-object-lock-mode", "GOVERNANCE"),)),
    ],
)
def test_an_upload_keeps_the_options_that_it_was_begun_with(site: Site, other: ObjectOptions) -> None:
    found = site.write(site.job())
    manifest = UploadManifest(site.job(object=other), "upload", SOURCE, None)
    assert manifest.is_ours(found)
    assert not manifest.is_as_asked(found)
    assert not site.is_ours(found, site.job(object=other, unfinished="continue"))  # nobody asked to resume it
    assert UploadManifest(site.job(), "upload", SOURCE, None).is_as_asked(found)


def test_an_upload_of_an_older_version_has_the_same_options(site: Site) -> None:
    found = site.write(site.job())
    older = replace(found, header=replace(found.header, options="2446d47a312a5516"))
    assert UploadManifest(site.job(), "upload", SOURCE, None).is_as_asked(older)
    assert site.is_ours(older, site.job(unfinished="continue"))
    other = ObjectOptions(extra_headers=(("x-amz-object-lock-mode", "GOVERNANCE"),))  # older versions left these out
    assert not UploadManifest(site.job(object=other), "upload", SOURCE, None).is_as_asked(older)


def test_an_encrypted_upload_of_an_older_version_is_resumed(site: Site) -> None:
    job = site.job(object=ObjectOptions(sse="AES256"), unfinished="resume")
    found = site.write(job)
    older = replace(found, header=replace(found.header, options="2a5876f691c47563"))
    assert site.is_ours(older, job)


def test_the_order_of_options_makes_no_difference(site: Site) -> None:
    one = ObjectOptions(metadata={"a": "1", "B": "2"}, tags={"x": "1", "y": "2"}, acl="private")
    other = ObjectOptions(metadata={"b": "2", "a": "1"}, tags={"y": "2", "x": "1"}, acl="private")
    assert site.is_ours(site.write(site.job(object=one)), site.job(object=other, unfinished="continue"))


def test_a_second_attempt_at_a_file_may_have_another_time(site: Site) -> None:
    found = site.write(site.job(object=ObjectOptions(metadata={"mtime": "1.0", "mode": "33188"})))
    again = ObjectOptions(metadata={"mtime": "2.0", "mode": "33188"})
    assert site.is_ours(found, site.job(object=again, unfinished="continue"))


@pytest.mark.parametrize("other", [ObjectOptions(sse="AES256"), ObjectOptions(sse="aws:kms", sse_kms_key_id="id")])
def test_an_upload_that_may_not_be_encrypted_as_asked(site: Site, other: ObjectOptions) -> None:
    found = site.write(site.job())
    with pytest.raises(EncryptionKeyError, match="may not be encrypted with"):
        site.is_ours(found, site.job(object=other))
    assert not site.is_ours(found, site.job(object=other, unfinished="continue"))
    assert site.is_ours(site.write(site.job(object=other)), site.job(object=other))


class FullDisk(Journal):
    def begin(self, header: m.Header, *records: m.UploadRecord | m.PartRecord) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_without_room_for_it_the_upload_goes_on(site: Site) -> None:
    """Begun or continued: what follows is recorded nowhere, and nothing fails for that."""
    job = site.job()
    manifest = UploadManifest(job, "upload", SOURCE, FullDisk.open(str(site.path)))
    manifest.begin(60, by_etag(job.options.object, job.can))
    manifest.record(UPLOAD, sync=True)
    manifest.record(PART)
    manifest.begin(60, by_etag(job.options.object, job.can))
    manifest.close()
    assert site.events.warnings == ["no manifest can be kept (No space left on device): resuming will need more checks"]
    assert not site.path.exists()
    Journal.open(str(site.path)).remove()  # its lock is free


def test_where_none_is_kept_nothing_is_written(site: Site) -> None:
    job = site.job()
    manifest = UploadManifest(job, "upload", SOURCE, None)
    manifest.begin(60, by_etag(job.options.object, job.can))
    manifest.record(PART)
    manifest.remove()
    manifest.close()
    assert (manifest.found, list(site.path.parent.iterdir())) == (None, [])


def test_what_was_left_can_still_be_removed(site: Site) -> None:
    """An upload is left, then aborted after all."""
    job = site.job()
    manifest = UploadManifest(job, "upload", SOURCE, Journal.open(str(site.path)))
    manifest.begin(60, by_etag(job.options.object, job.can))
    manifest.close()
    assert site.path.exists()
    manifest.remove()
    assert not site.path.exists()


def test_a_forgotten_one_goes_with_its_lock(site: Site) -> None:
    site.write(site.job())
    manifest = UploadManifest(site.job(), "upload", SOURCE, Journal.open(str(site.path)))
    manifest.forget()
    assert manifest.found is None
    assert site.path.exists(), "it is the lock of what comes now"
    manifest.close()
    assert not site.path.exists()


def test_forgetting_where_there_is_none(site: Site) -> None:
    manifest = UploadManifest(site.job(), "upload", SOURCE, Journal.open(str(site.path)))
    manifest.forget()
    manifest.begin(60, by_etag(site.job().options.object, site.job().can))
    manifest.close()
    assert site.path.exists()
    UploadManifest(site.job(), "upload", SOURCE, None).forget()
