"""Parts that S3 copies by itself: whether they are what was asked for, and what their failures mean."""

from __future__ import annotations

from dataclasses import replace

from ..core.capabilities import Evidence, refuses_copy
from ..core.failures import Failure, Kind
from ..engine.uploads import look_at
from ..errors import AccessDenied, TransferError, Unsupported
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from .job import Job


def check_lengths(job: Job, what: str, upload: s3api.MultipartUpload, lengths: dict[int, int]) -> None:
    """Once a server: that it copied the ranges it was asked for. Raises Unsupported if a part has another length."""
    try:
        page = look_at(job.client, upload, customer_key=job.options.object.customer_key)
    except (AccessDenied, Unsupported):
        return  # x-amz-mp-object-size has to do
    sizes = {part.number: part.size for part in page.parts}
    if any(sizes.get(number) != length for number, length in lengths.items()):
        raise Unsupported(f"{what}: the server copied other ranges than it was asked for")
    job.can.note("copies_ranges", Evidence.WORKED)


def raise_of_copy(failure: Failure, source: str, what: str, *, has_copied: bool) -> None:
    """Raises the error for a part copied inside S3, where a failure means something else than for a part that is sent.

    source: URL of the object that is copied. what: for errors. has_copied: other parts of this upload were copied.
    Raises SourceChanged; Unsupported where the server copies no parts; TransferError where it has copied others.
    """
    if failure.kind in (Kind.CONDITION, Kind.MISSING) and failure.code != "NoSuchBucket":
        raise to_error(replace(failure, kind=Kind.CHANGED), source) from None
    if not refuses_copy(failure):
        return
    if has_copied:  # parts stay, and --resume goes on
        raise TransferError(f"{what}: {failure.message}; try again with --resume") from None
    raise Unsupported(f"{what}: {failure.message}") from None
