"""Deletes many objects: DeleteObjects of up to 1,000 keys, several batches at a time, each failure named.

With ETags a delete is conditional: the ETag goes with the request, and unless the server is known to obey it each
object is looked at right before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..core.define import define
from ..core.expected import WHATEVER, this_etag
from ..core.failures import Kind
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import S3AMError, UsageError
from ..wire.failure_codes import S3_CODES
from ..wire.s3 import api as s3api
from ..wire.s3.xml import escape
from .job_options import KeyFor, no_key

BATCH_KEYS = 1000
"""Most keys of one DeleteObjects (S3 API)."""
BATCHES_AT_A_TIME = 4
LOOKS_AT_A_TIME = 64
TRIES = 5
"""How often keys are sent again that the server says it failed on for now."""


@define(frozen=True, slots=True)
class Victim:
    """An object to delete; etag: only if it has this one ('' : whatever it has)."""

    key: str
    size: int | None = None
    etag: str = ""


@define(frozen=True, slots=True)
class Deleted:
    """The end of one deletion."""

    victim: Victim
    error: str = ""
    """Why it is still there; '' if it is gone."""
    changed: bool = False
    """It is no longer what was listed, and was left alone."""


def delete_all(client: S3Client, bucket: str, victims: Iterable[Victim], key_for: KeyFor = no_key) -> Iterator[Deleted]:
    """Deletes `victims`, and yields what became of each, batch by batch.

    Raises S3AMError only for what no single key is to blame for (a missing bucket, no credentials).
    """
    with ThreadPoolExecutor(BATCHES_AT_A_TIME, thread_name_prefix="s3am-delete") as pool:
        running: list[Future[list[Deleted]]] = []
        try:
            for batch in batches(victims):
                if len(running) > BATCHES_AT_A_TIME:
                    yield from running.pop(0).result()
                running.append(pool.submit(delete_batch, client, bucket, batch, key_for))
            while running:
                yield from running.pop(0).result()
        finally:
            for future in running:
                future.cancel()


def batches(victims: Iterable[Victim]) -> Iterator[list[Victim]]:
    """Lists of at most 1,000."""
    batch: list[Victim] = []
    for victim in victims:
        batch.append(victim)
        if len(batch) == BATCH_KEYS:
            yield batch
            batch = []
    if batch:
        yield batch


def delete_batch(client: S3Client, bucket: str, batch: Sequence[Victim], key_for: KeyFor = no_key) -> list[Deleted]:
    """One DeleteObjects, and what XML cannot hold by itself. Raises S3AMError."""
    done: list[Deleted] = []
    left = list(batch)
    if any(victim.etag for victim in left):
        left, changed = _unchanged(client, bucket, left, key_for)
        done += changed
    single = [victim for victim in left if not _fits_xml(victim.key)]
    left = [victim for victim in left if _fits_xml(victim.key)]
    for tries in range(TRIES):
        if not left:
            break
        by_key = {victim.key: victim for victim in left}
        etags = {victim.key: victim.etag for victim in left if victim.etag}
        failures = client.delete_many(bucket, list(by_key), etags)
        failed = {failure.key: failure for failure in failures if failure.key in by_key}
        again = [by_key[key] for key, failure in failed.items() if _passes(failure) and tries < TRIES - 1]
        kept = {victim.key for victim in again}
        gone = _gone(client, bucket, list(failed.values()), key_for)
        unnamed = next((failure for failure in failures if failure.key not in by_key), None)
        for victim in left:
            if victim.key in gone:
                done.append(Deleted(victim))
            elif victim.key not in failed:
                done.append(_not_failed(victim, unnamed))
            elif victim.key not in kept:
                done.append(_failed(victim, failed[victim.key]))
        left = again
    done += [_delete_one(client, bucket, victim, key_for) for victim in single]
    return done


def _gone(client: S3Client, bucket: str, failures: Sequence[s3api.DeleteFailure], key_for: KeyFor) -> set[str]:
    """Keys whose condition failed since they are deleted by now: by a request of our own whose answer was lost."""
    unmet = [failure.key for failure in failures if S3_CODES.get(failure.code) in (Kind.CONDITION, Kind.MISSING)]
    return {key for key, there in look_at(client, bucket, unmet, key_for).items() if there is None}


def _fits_xml(key: str) -> bool:
    try:
        escape(key)
    except UsageError:
        return False
    return True


def _passes(failure: s3api.DeleteFailure) -> bool:
    return S3_CODES.get(failure.code) in (Kind.SERVER, Kind.THROTTLE)


def _not_failed(victim: Victim, unnamed: s3api.DeleteFailure | None) -> Deleted:
    """The result of a key that the answer does not name. unnamed: a failure of a key that was not sent, or of none."""
    if unnamed is None:
        return Deleted(victim)
    return Deleted(victim, f"not known whether it is deleted: {unnamed.message or unnamed.code}")


def _failed(victim: Victim, failure: s3api.DeleteFailure) -> Deleted:
    if S3_CODES.get(failure.code) is Kind.CONDITION:
        return Deleted(victim, "changed since it was listed: kept", changed=True)
    return Deleted(victim, f"not deleted: {failure.message or failure.code}")


def _delete_one(client: S3Client, bucket: str, victim: Victim, key_for: KeyFor) -> Deleted:
    expected = this_etag(victim.etag) if victim.etag else WHATEVER
    request = s3api.delete_object(bucket, victim.key, expected=expected)
    _, failure = client.attempt(request)
    if failure is None or failure.kind is Kind.MISSING:
        return Deleted(victim)
    if failure.kind is Kind.CONDITION:
        is_gone = look_at(client, bucket, [victim.key], key_for)[victim.key] is None
        return Deleted(victim) if is_gone else Deleted(victim, "changed since it was listed: kept", changed=True)
    return Deleted(victim, f"not deleted: {failure.message}")


def _unchanged(
    client: S3Client, bucket: str, victims: list[Victim], key_for: KeyFor
) -> tuple[list[Victim], list[Deleted]]:
    """Returns the victims that are unchanged since the listing, and the results of the others (missing: deleted)."""
    found = look_at(client, bucket, [victim.key for victim in victims], key_for)
    left: list[Victim] = []
    others: list[Deleted] = []
    for victim in victims:
        there = found[victim.key]
        if isinstance(there, S3AMError):
            others.append(Deleted(victim, f"not deleted: {there}"))
        elif there is None:
            others.append(Deleted(victim))
        elif victim.etag and there.etag != victim.etag:
            others.append(Deleted(victim, "changed since it was listed: kept", changed=True))
        else:
            left.append(victim)
    return left, others


def look_at(
    client: S3Client, bucket: str, keys: Sequence[str], key_for: KeyFor = no_key
) -> dict[str, s3api.ObjectInfo | S3AMError | None]:
    """HeadObject of each key, many at a time: what is there, None, or why nobody knows."""
    found: dict[str, s3api.ObjectInfo | S3AMError | None] = {}
    room = threading.Semaphore(LOOKS_AT_A_TIME)
    arrived = threading.Semaphore(0)
    answers: list[tuple[str, s3api.ObjectInfo | None]] = []

    def ask(key: str) -> None:
        def answered(info: s3api.ObjectInfo | None) -> None:
            answers.append((key, info))
            room.release()
            arrived.release()

        room.acquire()
        client.begin_head(bucket, key, answered, customer_key=key_for(S3Location(bucket, key)))

    for key in keys:
        ask(key)
    for _ in keys:
        arrived.acquire()
    for key, info in answers:
        if info is not None:
            found[key] = info
            continue
        try:  # not a plain success: asked again the usual way, which knows about retries and errors
            found[key] = client.find(bucket, key, customer_key=key_for(S3Location(bucket, key)))
        except S3AMError as error:
            found[key] = error
    return found
