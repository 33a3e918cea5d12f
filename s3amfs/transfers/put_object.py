"""An object stored with one PutObject, with the checks, fallbacks and conditions that uploads in parts have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..core.capabilities import DOUBT
from ..core.checksums import encode
from ..core.claims import NOT_CHECKED, claim
from ..core.expected import Expected, this_etag
from ..core.failures import Failure, Kind
from ..core.parts import Part
from ..engine.attempt import Move, PartResult, SendPart
from ..engine.client import S3Client
from ..engine.executor import Transfer
from ..engine.part_problem import PartProblem
from ..engine.send_once import may_be_done, send_once
from ..engine.targets import PutTarget, Target
from ..errors import ChecksumMismatch, ObjectExists, S3AMError, SourceChanged
from ..wire.s3 import api as s3api
from . import checksum_choice
from .as_asked import look_at_stored
from .commit import Commit
from .encryption import TRIES, is_settled, refuse_if_always_failed, refuse_in_the_clear
from .job import Job
from .read_back import content_crc
from .speed import Speed, make_transfer, move_all

DAMAGED_TRIES = 5
"""How often an object that arrived damaged is replaced; a wire that always damages will not stop doing so."""
MOST_AT_ONCE = 1024 * 1024
"""Bytes of an object whose first try is no transfer, where nobody counts."""
MoveTo = Callable[[Target], Move]
"""Given a target: how the bytes get there (source.UploadSource.move)."""
Stored = tuple[s3api.StoredInfo, str, str]
"""The stored object, its checksum as 'ALGORITHM:BASE64', and the proof of its content."""


def put_single(
    job: Job, length: int, move: MoveTo, *, others: tuple[S3Client, ...] = (), looked: bool = False
) -> Stored:
    """Stores `length` bytes; `move` says how they get to a target. Returns what is stored, its checksum and the proof.

    others: further clients whose credentials sign requests. looked: the caller has just seen that what is expected is
    what stands there.
    Raises ObjectExists or SourceChanged (another object stands there than expected: it stays), SourceChanged (of the
    source), ChecksumMismatch, Unsupported (it is not encrypted as it was to be), TransferError.
    """
    refuse_in_the_clear(job.client, job.target, job.options.object)
    stored = _Put(job, length, move, others).run(looked=looked)
    look_at_stored(job.client, job.target, job.options.object, stored[0], job.report.warn)
    return stored


class _Put:
    """The upload of one object, in as many attempts as it takes."""

    def __init__(self, job: Job, length: int, move: MoveTo, others: tuple[S3Client, ...]) -> None:
        self._job = job
        self._length = length
        self._move = move
        self._others = others
        self._commit = self._make_commit(job.options.expects)
        self._put: PutTarget | None = None
        self._sent: list[PutTarget] = []
        """Attempts that may have stored the object although they failed."""
        self._damaged = 0
        self._troubles = 0
        self._suspected: Failure | None = None
        self._began = time.monotonic()
        self._checks = checksum_choice.choose(job.options.checksum, job.can, job.options.object)
        self._forms = self._new_forms()

    def run(self, *, looked: bool) -> Stored:
        job = self._job
        at_once = not (job.counts or job.gate or job.options.bwlimit or self._others) and self._length <= MOST_AT_ONCE
        while True:
            try:
                self._commit.before(looked=looked)
            except (ObjectExists, SourceChanged):
                found = self._lost()
                if found is not None:
                    return found
                continue
            looked = False
            if at_once:
                at_once = False
                done = self._try_at_once()
                if done is not None:
                    return done
                continue
            put, transfer, results, error = self._attempt()
            if error is None:
                return self._stored(put, results[0])
            if transfer.failure is None:
                raise error
            found = self._recover(put, transfer, error)
            if found is not None:
                return found

    def _make_commit(self, expected: Expected) -> Commit:
        job = self._job
        return Commit(
            job.client, job.target, expected, "put", job.report.warn, customer_key=job.options.object.customer_key
        )

    def _new_forms(self) -> checksum_choice.PartForms:
        return checksum_choice.PartForms(self._checks, self._job.can, judges_etags=False)

    def _judge(self, number: int, failure: Failure) -> Failure:
        """In a loop's thread. Trouble that may come of the encryption asked for ends the attempt, to be looked into."""
        judged, options = self._forms.judge(number, failure), self._job.options.object
        self._troubles += judged.kind is Kind.SERVER
        if self._troubles != TRIES or options.sse is None or is_settled(self._job.client, self._job.target, options):
            return judged
        self._troubles += 1
        self._suspected = judged
        return replace(judged, kind=Kind.FATAL)

    def _try_at_once(self) -> Stored | None:
        """One request, without a transfer; None: it is left to one, as is all that has to be learned of a failure."""
        job, put = self._job, self._target()
        if not job.client.session.credentials_fresh() or not self._may_begin():
            return None
        try:
            work = self._move(put)(Part(1, 0, self._length), 1)
        except (S3AMError, PartProblem):
            return None
        outcome = send_once(job.client, work) if isinstance(work, SendPart) else None
        if isinstance(outcome, PartResult):
            return self._stored(put, outcome)
        if outcome is None:
            return None
        self._forms.judge(1, outcome)
        if put.damaged or put.sent_twice or may_be_done(outcome):
            self._sent.append(put)
        return self._judge_etag(put) if outcome.code == DOUBT and put.damaged else None

    def _may_begin(self) -> bool:
        """Whether a request may begin now without a turn, which is counted: the server has turned none away lately."""
        client = self._job.client
        line = client.engine.lines.line(client.endpoint(self._job.target.bucket), "up")
        return line.reserve_at_once(time.monotonic())

    def _target(self) -> PutTarget:
        job = self._job
        return PutTarget(job.client.session, job.target, job.options.object, self._forms, self._commit.condition)

    def _attempt(self) -> tuple[PutTarget, Transfer, list[PartResult], S3AMError | None]:
        job, results = self._job, list[PartResult]()
        put = self._target()
        transfer = make_transfer(
            job.client,
            self._move(put),
            job.target.url,
            Speed(slots=1, bwlimit=job.options.bwlimit, bucket=job.target.bucket),
            job.report,
            on_part=results.append,
            others=self._others,
            gate=job.gate,
            total=self._length,
            judge=self._judge,
        )
        try:
            move_all(transfer, [Part(1, 0, self._length)])
        except S3AMError as error:
            return put, transfer, results, error
        return put, transfer, results, None

    def _stored(self, put: PutTarget, result: PartResult) -> Stored:
        assert put.stored is not None
        self._forms.done(result)
        self._forms.report(self._job.report)
        self._commit.after(put.stored.etag)
        proof = claim([result.compared], self._checks.algorithm, "the whole object")
        return put.stored, _checksum(self._checks.parts.crc, result.crc), proof

    # -- after a failure --------------------------------------------------------------------------------------------

    def _recover(self, put: PutTarget, transfer: Transfer, error: S3AMError) -> Stored | None:
        """Returns the object if it is stored after all; None: try again. Raises the error that ends the upload."""
        failure = transfer.failure
        assert failure is not None
        suspected, self._suspected = self._suspected, None
        if put.damaged or transfer.retries or put.sent_twice or suspected is not None:
            self._sent.append(put)
        if suspected is not None:
            job = self._job
            refuse_if_always_failed(job.client, job.target, job.options.object, suspected, self._began)
            return None
        if self._commit.is_lost(failure):
            return self._lost()
        if failure.code == DOUBT and put.damaged:
            return self._judge_etag(put)
        if self._commit.refused(failure):
            self._forms = self._new_forms()  # the refusals were due to the condition
            return None
        if put.damaged:
            raise self._damage_error() from None
        raise error

    def _lost(self) -> Stored | None:
        """Another object stands there than was expected: it may be our own, of an attempt whose answer was lost."""
        found = self._find_ours()
        if found is not None:
            return found
        damaged = next((put.damaged for put in reversed(self._sent) if put.damaged), "")
        if not damaged:
            raise self._commit.lost_error()
        self._replace_damaged(damaged)
        return None

    def _replace_damaged(self, etag: str) -> None:
        """The next attempt replaces what was stored here with other bytes, and nothing else."""
        self._damaged += 1
        if self._damaged >= DAMAGED_TRIES:
            raise self._damage_error()
        self._commit = self._make_commit(this_etag(etag))

    def _damage_error(self) -> ChecksumMismatch:
        return ChecksumMismatch(
            f"{self._job.target.url}: bytes arrived damaged again and again, and what is stored there now may be "
            "damaged: check the network and its devices, then upload again with --exists overwrite"
        )

    def _judge_etag(self, put: PutTarget) -> Stored | None:
        """Reads back an object whose ETag is not the MD5: damaged bytes, or a server with other ETags."""
        job = self._job
        crc = content_crc(job.client, job.target, put.damaged, job.options.object.customer_key, put.crc_name)
        if crc is None:
            job.report.warn(
                "the server's ETag is not the MD5 of what was sent, and it can't be read: it is not checked"
            )
            proof = NOT_CHECKED
        elif crc != put.crc:
            self._replace_damaged(put.damaged)
            return None
        else:
            job.can.etag_md5 = False
            proof = f"{put.crc_name} of the whole object, read back"
        assert put.unproven is not None
        self._commit.after(put.unproven.etag)
        return put.unproven, _checksum(put.crc_name, put.crc), proof

    def _find_ours(self) -> Stored | None:
        """The object that an attempt whose answer was lost has stored, if it is that: by checksum, ETag or content."""
        job, key = self._job, self._job.options.object.customer_key
        if not self._sent:
            return None
        found = job.client.find(job.target.bucket, job.target.key, customer_key=key)
        if found is None or found.size != self._length:
            return None
        stored = s3api.StoredInfo(found.etag, found.checksums, found.checksum_type, found.version_id)
        for put in self._sent:
            if put.is_content_of(found.etag, found.checksums):
                return stored, "", "checksum of the object, as the server stores it"
        for put in self._sent:
            if put.crc is None or put.can_be_compared(found.checksums):
                continue
            if content_crc(job.client, job.target, found.etag, key, put.crc_name) == put.crc:
                return stored, _checksum(put.crc_name, put.crc), f"{put.crc_name} of the whole object, read back"
        return None


def _checksum(name: str | None, crc: int | None) -> str:
    return f"{name}:{encode(name, crc)}" if name and crc is not None else ""
