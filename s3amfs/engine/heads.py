"""HeadObject where it fails: its reply has no body, so no error code; a GET of one byte brings the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..core.failures import Failure
from ..core.ssec import CustomerKey
from ..wire.failures import is_vague
from ..wire.messages import Reply, S3Request
from ..wire.s3 import api as s3api

MOST_LOOKS: Final = 3
_IS_THERE: Final = frozenset({"InvalidRange", "InvalidObjectState"})
"""Why the first byte of an object that is there can't be had: it is empty, or archived."""


def look(
    attempt: Callable[[S3Request], tuple[Reply, Failure | None]],
    bucket: str,
    key: str,
    *,
    version_id: str | None,
    customer_key: CustomerKey | None,
) -> tuple[Reply, Failure | None]:
    """Returns the reply to HeadObject, and its failure with the reason that a GET gives.

    attempt: sends a request and tries it again as its failures allow. A HEAD without a reason is not tried again by it
    (a slow request and a bad one are both 400): so it is asked again here where the GET has nothing against it.
    """
    reply, failure = Reply(0), None
    for _ in range(MOST_LOOKS):
        reply, failure = attempt(s3api.head_object(bucket, key, version_id=version_id, customer_key=customer_key))
        if failure is None or not is_vague(failure):
            break
        _, said = attempt(
            s3api.get_object(bucket, key, offset=0, length=1, version_id=version_id, customer_key=customer_key)
        )
        if said is not None and said.code not in _IS_THERE:
            return reply, said
    return reply, failure
