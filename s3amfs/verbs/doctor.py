"""`doctor`: what a service can do, proven by its behaviour in at most 40 requests, and cleaned up."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from itertools import chain

from ..core.findings import Finding, in_order
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..engine.memory import remember_service
from ..errors import AccessDenied
from ..transfers import examination
from ..transfers.probe import Probe

_LOCKED = "nothing was stored: the bucket locks new objects by default"
_NO_WRITE = "not asked: what it needs did not work"


def doctor(where: S3Location, client: S3Client) -> tuple[Finding, ...]:
    """One finding for each capability, in the order of the table of core/findings.py.

    Objects and one upload are made below `where` under a random name and removed, versions by their ids; a bucket that
    locks new objects by default gets none.

    Raises NotFound (no such bucket), AccessDenied (nothing could be asked), TransferError.
    """
    client.check_bucket(where.bucket)
    folder = where.key if not where.key or where.key.endswith("/") else f"{where.key}/"
    probe = Probe(client, where.bucket, f"{folder}.s3am-doctor-{secrets.token_hex(8)}/")
    kept, locked = examination.bucket_keeps(probe)
    if locked:
        return in_order([*kept, examination.listing(probe)[0]], _LOCKED)
    found = list(kept)
    try:
        found += _stored(probe)
    finally:
        deleted = probe.clean()
    by_name = {finding.capability: finding for finding in found}
    if "put" in by_name and by_name["put"].result != "yes" and by_name["list"].result != "yes":
        raise AccessDenied(
            f"nothing could be asked of {where.url} (listing: {by_name['list'].evidence}; storing: "
            f"{by_name['put'].evidence}): use credentials that may list or write"
        )
    if deleted.status:
        by_name["delete-many"] = Finding("delete-many", "yes" if deleted.ok else "no", str(deleted))
    if probe.aborted is not None:
        by_name["abort-upload"] = probe.aborted
    table = in_order(by_name.values(), _NO_WRITE)
    session = client.session
    with contextlib.suppress(OSError):  # a state folder that can't be used: later runs find out by themselves
        remember_service(session.endpoint_id(where.bucket), where.bucket, session.identity, table)
    return table


def _stored(probe: Probe) -> Iterator[Finding]:
    """Yields the findings of probes that store objects; the later of two findings about a capability holds."""
    put = None
    for finding in examination.writing(probe):
        put = finding if finding.capability == "put" else put
        yield finding
    if put is None or put.result != "yes":
        return
    yield from chain(
        examination.reading(probe),
        examination.conditions(probe),
        examination.multipart(probe),
        examination.complete_over_an_object(probe),
        examination.copying(probe),
        examination.storing(probe),
    )
