"""The job file of `s3am split`, and who moves which parts. Pure.

A job is JSON text that any process on any machine can act on: source, target, part size, upload id, checks. Nothing in
it is secret: a customer key is named by its file, and URLs that hold a password or a signature are refused before they
get here. One process moves share I of N, every Nth part; then it helps with what the others have not moved yet.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, field, replace
from typing import Any, Literal

from ..errors import UsageError
from .define import define
from .locations import Location, S3Location, parse_source
from .manifest import SourceIdentity
from .parts import Plan

FORMAT = "s3am split job"
VERSION = 3
"""1 has no `asked`: a reader of 1 must not finish a job of 2, since it would not look whether the object has that.
2 has no `replaces`, and no token in the partial file of a download."""
READABLE = (1, 2, 3)

Kind = Literal["upload", "copy", "download"]


@define(frozen=True, slots=True)
class SplitJob:
    """One object that several processes move."""

    kind: Kind
    source: str
    """URL, or absolute path."""
    target: str
    """URL, or absolute path."""
    endpoint: str
    """The S3 service, as 'https://host'."""
    identity: SourceIdentity
    """Compared with the source by every process."""
    size: int
    """Bytes."""
    part_size: int
    """Bytes of each part but the last."""
    upload_id: str = ""
    """Of a download: a token that its partial file holds behind the last byte."""
    checksum_algorithm: str | None = None
    """As the server confirmed it when the upload was begun."""
    checksum_type: str | None = None
    exists: str = "refuse"
    """The handling of an object that exists under the target's name by then."""
    checksum: str | None = None
    """The user's choice of checks."""
    expect: tuple[tuple[str, str], ...] = ()
    """(digest name, hex) of the whole source."""
    key_file: str | None = None
    """File of the customer key of the object in S3 that is written, or of the one that is downloaded."""
    source_key_file: str | None = None
    master_keys: tuple[bool, bool] = (False, False)
    """Whether the keys of target and source are master keys."""
    finished: dict[str, str] = field(default_factory=dict)
    """The report of `finish`; {} before."""
    reader: dict[str, str] | None = None
    """Another service, or account, of an s3:// source: names of options and their values, none of them a secret."""
    version_id: str | None = None
    """Of an s3:// source; None: the one that stands under its name."""
    asked: dict[str, Any] = field(default_factory=dict)
    """Options of the object beside its key, by the names of `ObjectOptions`: `finish` looks whether it has them."""
    replaces: str | None = None
    """ETag of the object that stood at the target at the start; '': none did; None: not known."""

    @property
    def plan(self) -> Plan:
        return Plan(self.size, self.part_size)

    @property
    def location(self) -> Location:
        """The source."""
        found = parse_source(self.source)
        return replace(found, version_id=self.version_id) if isinstance(found, S3Location) else found


def format_job(job: SplitJob) -> str:
    """The text of a job file."""
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(job)}, indent=1) + "\n"


def parse_job(text: str, name: str) -> SplitJob:
    """The job that `text` describes. name: of the file, for messages. Raises UsageError."""
    try:
        found = json.loads(text)
    except ValueError:
        raise UsageError(f"{name} is not a job file, or is cut off: make it with 's3am split start'") from None
    if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
        raise UsageError(f"{name} is not a job file: make it with 's3am split start'")
    if found.pop("version", None) not in READABLE:
        raise UsageError(f"{name} was written by another version of s3amfs: use that one, or start the job again")
    try:
        return _job(found)
    except (TypeError, KeyError, ValueError):
        raise UsageError(f"{name} is damaged: start the job again") from None


def _job(found: dict[str, Any]) -> SplitJob:
    masters = found["master_keys"]
    job = SplitJob(
        **{
            **found,
            "identity": SourceIdentity(**found["identity"]),
            "expect": tuple((str(name), str(digest)) for name, digest in found["expect"]),
            "master_keys": (bool(masters[0]), bool(masters[1])),
        }
    )
    if (
        job.kind not in ("upload", "copy", "download")
        or not isinstance(job.size, int)
        or not isinstance(job.asked, dict)
    ):
        raise ValueError(job.kind)
    Plan(job.size, job.part_size)
    return job


@define(frozen=True, slots=True)
class Share:
    """Share `index` of `of`, from 1 on."""

    index: int
    of: int

    def own(self, count: int) -> range:
        """Numbers of the parts of this share, of `count` parts: every Nth."""
        return range(self.index, count + 1, self.of)

    def owner(self, number: int) -> int:
        """Index of the share that part `number` belongs to."""
        return (number - 1) % self.of + 1


_SHARE = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


def parse_share(text: str) -> Share:
    """'3/8' -> share 3 of 8. Raises UsageError."""
    match = _SHARE.fullmatch(text)
    share = Share(int(match[1]), int(match[2])) if match else None
    if share is None or not 1 <= share.index <= share.of:
        raise UsageError(f"{text!r} is not a share: give I/N with I from 1 to N, such as 3/8")
    return share
