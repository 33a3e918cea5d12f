"""Uploads of three parts to a service in memory: what `Multipart` and what completes it are tested with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s3amfs.core import manifest as m
from s3amfs.core.checksums import Crc
from s3amfs.core.claims import Compared
from s3amfs.core.locations import S3Location
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.journal import Journal
from s3amfs.transfers.job import Job, open_journal
from s3amfs.transfers.multipart import Multipart
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import Report
from s3amfs.wire.s3 import api as s3api
from s3amfs.wire.s3.api import MultipartUpload
from tests.support.clients import Events
from tests.support.honest_s3 import HonestS3
from tests.support.scripted import scripted

IDENTITY = m.SourceIdentity("/data", size=30, etag="v1")
NO_VALIDATOR = m.SourceIdentity("/data", size=30)
DATA = {1: b"a" * 10, 2: b"b" * 10, 3: b"c" * 10}
WHOLE = b"".join(DATA.values())


class UploadSite:
    """One target in a service, and the state folder of one machine."""

    def __init__(self, folder: Path, service: HonestS3 | None = None) -> None:
        self.folder, self.service, self.events = folder, service or HonestS3(), Events()
        self.client, self.engine = scripted(self.service.answer)
        self.can = self.client.session.capabilities("box")

    def job(self, **options: Any) -> Job:
        given = UploadOptions(state_dir=str(self.folder), **options)
        return Job(self.client, S3Location("box", "k"), given, Report("upload", "/data", "s3://box/k", self.events))

    def multipart(
        self, verb: str = "upload", identity: m.SourceIdentity = IDENTITY, *, journal: bool = True, **options: Any
    ) -> Multipart:
        """What one run does."""
        job = self.job(**options)
        return Multipart(job, verb, identity, open_journal(job) if journal else None)

    def send(self, upload: MultipartUpload, number: int, *, how: Compared = Compared.CHECKSUM) -> PartResult:
        """Puts a part into the service, and says how it was compared."""
        data = DATA[number]
        reply, _ = self.client.attempt(s3api.upload_part(upload, number, s3api.Body(data)))
        crc = Crc("crc64nvme")
        crc.update(data)
        return PartResult(number, len(data), s3api.parse_stored(reply).etag, crc.value, crc.base64, how)

    def left_by_an_earlier_run(self, *numbers: int, identity: m.SourceIdentity = IDENTITY, **options: Any) -> str:
        """The id of an upload of which these parts are there."""
        run = self.multipart(identity=identity, **options)
        upload = run.begin(10).upload
        for number in numbers:
            run.record(self.send(upload, number))
        run.leave()
        self.engine.asked.clear()
        return upload.upload_id

    def asked(self, method: str, *names: str) -> int:
        """How often requests of `method` came whose query has these names."""
        return len([asked for asked in self.engine.asked if asked.method == method and {*names} <= {*asked.query}])

    @property
    def manifest(self) -> m.Manifest | None:
        found = [Journal.peek(str(path)) for path in self.folder.glob("*.manifest")]
        return found[0] if found else None
