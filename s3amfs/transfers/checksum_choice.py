"""Which checks a transfer makes: chosen from the user's wish and what the endpoint was seen to be able to do.

`Checking` is how an upload begins. `PartForms` follows its parts: a part that is refused goes again in the form that
core/capabilities.py says, and what its success or failure says of the server is noted here, in one place.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Literal

from ..core.capabilities import (
    DOUBT,
    TRIES_PER_FORM,
    Evidence,
    Form,
    Refused,
    asks_for_digest,
    may_refuse_feature,
    next_form,
)
from ..core.checksums import combine, encode, multipart_etag
from ..core.claims import Compared
from ..core.define import define
from ..core.failures import Failure, Kind
from ..core.manifest import PartRecord
from ..engine.attempt import PartResult
from ..engine.upload_body import PartChecks
from ..errors import Unsupported
from ..wire.aws.capabilities import Capabilities
from ..wire.s3.api import ObjectOptions
from .options import ChecksumChoice
from .report import Report

Suspect = Literal["trailers", "copied_checksums"]

ETAG_TRIES = 4
"""How often a part may come back with an ETag that is not its MD5 before that is damage."""


@define(frozen=True, slots=True)
class Checking:
    """How an upload is checked: the algorithm that the server is sent, and what is done with each part."""

    algorithm: str | None
    """Of CreateMultipartUpload; None: none is declared."""
    parts: PartChecks
    etag_is_md5: bool = True
    """Of parts: not under SSE-C and SSE-KMS."""
    fixed: bool = False
    """The user chose it: there is no other form."""


def choose(
    choice: ChecksumChoice | None,
    can: Capabilities,
    options: ObjectOptions,
    *,
    copies: bool = False,
    preferred: str = "crc64nvme",
) -> Checking:
    """The checks for new objects with `options`, of which parts may be copies.

    preferred: the CRC without a choice. Raises Unsupported where a forced way is known not to work.
    """
    is_md5 = etag_is_md5(options)
    if choice == "none":
        return Checking(None, PartChecks(trailer=None, compare_etag=False, crc=None), is_md5)
    if choice == "md5":
        return by_etag(options, can)
    lacking = can.trailers is False or (choice != "crc32c" and can.crc64nvme is False)
    lacking = lacking or (copies and can.copied_checksums is False)
    if lacking and choice is not None:
        raise Unsupported(f"the server does not take {choice} checksums: leave --checksum out, or use --checksum md5")
    if lacking or (choice is None and not can.sends_checksums):
        return by_etag(options, can)
    algorithm = choice or preferred
    checks = PartChecks(trailer=algorithm, compare_etag=False, crc=algorithm)
    return Checking(algorithm, checks, is_md5, fixed=choice is not None)


def by_etag(options: ObjectOptions, can: Capabilities) -> Checking:
    """For servers without trailers, and uploads begun without a checksum algorithm."""
    is_md5 = etag_is_md5(options)
    compare = is_md5 and can.etag_md5 is not False
    parts = PartChecks(None, compare_etag=compare, etag_known=can.etag_md5 is True, crc="crc64nvme")
    return Checking(None, parts, is_md5)


def etag_is_md5(options: ObjectOptions) -> bool:
    """Whether parts and simple objects stored with `options` get their MD5 as ETag (S3 API, "Object")."""
    return options.customer_key is None and not (options.sse or "").startswith("aws:kms")


@define(slots=True)
class _Trial:
    """One part that is not done yet."""

    form: Form
    local: bool
    refused: dict[Form, int]
    said: str = ""
    """Which ETag was answered, and for what."""
    odd_etags: int = 0
    copied: bool = False


class PartForms:
    """In which form each part of one upload is sent; implements engine.targets.Forms. Any thread."""

    def __init__(
        self, checking: Checking, can: Capabilities, suspect: Suspect | None = None, *, judges_etags: bool = True
    ) -> None:
        """suspect: what the upload is begun without, because parts were refused with it.

        judges_etags: False: the caller finds out by itself what an ETag means that is not the MD5.
        """
        self._checking = checking
        self._can = can
        self._suspect = suspect
        self._judges_etags = judges_etags
        self._lock = threading.Lock()
        self._trials: dict[int, _Trial] = {}
        self.notices: list[str] = []
        """For the user: what the server was found not to do."""
        self.copied: set[int] = set()
        """Parts that S3 has copied."""
        self._of_copies: list[Failure] = []

    def checks(self, number: int, *, local: bool) -> PartChecks:
        """How the next try of a part is checked. local: its bytes can be read twice."""
        with self._lock:
            trial = self._trials.get(number)
            if trial is None or (trial.form is Form.TRAILER and self._default(local) is not Form.TRAILER):
                refused = trial.refused if trial is not None else {}
                trial = self._trials[number] = _Trial(self._default(local), local, refused)
            return self._in_form(trial.form)

    @property
    def crc_name(self) -> str | None:
        """The CRC that is known of parts; None: none is."""
        return self._checking.parts.crc

    def copies(self, number: int) -> str | None:
        """A part is about to be copied inside S3. Returns the name of the CRC that its answer is read for."""
        with self._lock:
            self._trials.setdefault(number, _Trial(Form.PLAIN, False, {}, copied=True))
        return self.crc_name

    def _default(self, local: bool) -> Form:
        checking, can = self._checking, self._can
        if checking.parts.trailer is not None and (checking.fixed or can.trailers is not False):
            return Form.TRAILER
        if local and (can.needs_digest or (checking.parts.trailer is not None and not checking.etag_is_md5)):
            return Form.DIGEST
        return Form.PLAIN

    def _in_form(self, form: Form) -> PartChecks:
        checks = self._checking.parts
        if form is Form.TRAILER:
            return checks
        compare = checks.compare_etag or (checks.trailer is not None and self._checking.etag_is_md5)
        known = self._can.etag_md5
        return replace(
            checks,
            trailer=None,
            compare_etag=compare and known is not False,
            etag_known=known is True,
            digest=form is Form.DIGEST,
        )

    def judge(self, number: int, failure: Failure) -> Failure:
        """Returns the failure of a part: itself, or one to retry in the form that `checks` gives next."""
        with self._lock:
            trial = self._trials.get(number)
            if trial is None or failure.of_source:
                return failure
            if failure.code == DOUBT and self._judges_etags:
                return self._judge_etag(trial, failure)
            if trial.copied:
                return self._judge_copy(trial, failure)
            if not may_refuse_feature(failure):
                return failure
            times = trial.refused[trial.form] = trial.refused.get(trial.form, 0) + 1
            if failure.kind is Kind.CORRUPT and (trial.form is not Form.TRAILER or self._can.trailers):
                return failure  # damage, and not a server that misunderstands: the retries of its kind
            form = next_form(
                Refused(
                    trial.form,
                    times,
                    failure,
                    self._can.trailers,
                    fixed=self._checking.fixed,
                    local=trial.local,
                    etag_compares=self._checking.etag_is_md5,
                )
            )
            if form is None:
                if trial.form is Form.PLAIN and asks_for_digest(failure):
                    self._can.note("needs_digest", Evidence.WORKED)  # the server has named it
                return failure
            trial.form = form
            return replace(failure, other_form=True)

    def _judge_copy(self, trial: _Trial, failure: Failure) -> Failure:
        times = trial.refused[trial.form] = trial.refused.get(trial.form, 0) + 1
        judged = replace(failure, other_form=may_refuse_feature(failure) and times < TRIES_PER_FORM)
        self._of_copies.append(judged)
        return judged

    def is_of_copy(self, failure: Failure) -> bool:
        """Whether `failure`, as it was judged, is that of a part that S3 was to copy."""
        return any(failure is known for known in self._of_copies)

    def _judge_etag(self, trial: _Trial, failure: Failure) -> Failure:
        """Damage where ETags are known to be MD5s. Else the same ETag twice for the same bytes says that they are none:
        damage on the wire differs from time to time, and a server finds it by Content-MD5."""
        trial.odd_etags += 1
        if self._can.etag_md5 or trial.odd_etags > ETAG_TRIES:
            return failure
        if failure.message != trial.said:
            trial.said = failure.message
            trial.form = Form.DIGEST if trial.local else trial.form
            return replace(failure, other_form=True)
        self._can.note("etag_md5", Evidence.WORKED_WITHOUT)
        self.notices.append("the server's ETags are not the MD5s of what they stand for: they are not compared")
        return replace(failure, other_form=True)

    def report(self, report: Report) -> None:
        """Warns of what was found; in the thread that owns the transfer."""
        while self.notices:
            report.warn(self.notices.pop(0))

    def done(self, result: PartResult) -> None:
        """A part is there: the form that it was sent in works."""
        with self._lock:
            trial = self._trials.pop(result.number, None)
            if trial is None:
                return
            if trial.copied:
                self.copied.add(result.number)
                if self._checking.algorithm is not None:
                    self._can.note("copied_checksums", Evidence.WORKED)
                elif self._suspect == "copied_checksums":
                    self._can.note("copied_checksums", Evidence.WORKED_WITHOUT)
                return
            if trial.form is Form.TRAILER:
                self._can.note("trailers", Evidence.WORKED)
            elif self._suspect == "trailers":
                self._can.note("trailers", Evidence.WORKED_WITHOUT)
            elif Form.TRAILER in trial.refused and self._can.trailers is None:
                self._can.note("trailers", Evidence.WORKED_WITHOUT)
                self.notices.append("the server takes no checksum trailers: parts are checked by their ETags")
            if trial.form is Form.DIGEST and Form.PLAIN in trial.refused:
                self._can.note("needs_digest", Evidence.WORKED)
            if result.compared is Compared.ETAG:
                self._can.note("etag_md5", Evidence.WORKED)


def whole_crc(records: list[PartRecord], algorithm: str | None) -> str:
    """Base64 CRC of the whole from those of its parts, in order; '' where one is missing."""
    if algorithm is None:
        return ""
    pairs = [(record.crc, record.length) for record in records]
    known = [(crc, length) for crc, length in pairs if crc is not None]
    return encode(algorithm, combine(algorithm, known)) if known and len(known) == len(pairs) else ""


def whole_etag(etags: list[str]) -> str:
    """The ETag that S3 gives to these parts, '' where theirs are no MD5s."""
    try:
        digests = [bytes.fromhex(etag) for etag in etags]
    except ValueError:
        return ""
    return multipart_etag(digests) if all(len(digest) == 16 for digest in digests) else ""
