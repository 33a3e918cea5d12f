"""The second try of a refused request without what is optional in it, and what that says of the server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ..core.capabilities import Evidence
from ..core.failures import Failure
from ..wire.aws.capabilities import (
    SILENT,
    Capabilities,
    Feature,
    may_be_left_out,
    optional_features,
    without,
    without_what_is_missing,
)
from ..wire.messages import Reply, S3Request

Outcome = tuple[Reply, Failure | None]


def send_with_options(
    request: S3Request, can: Capabilities, send: Callable[[S3Request], Outcome], keep: Collection[Feature] = ()
) -> Outcome:
    """Sends `request`, and a second time without what is optional in it where it is refused.

    can: what is known of the server, and learned here. send: sends a request, with retries. keep: what may not be left
    out. Returns the reply that counts, and its failure.
    """
    request = without_what_is_missing(request, can)  # as `prepare` does it: what is not sent is not tried without
    reply, failure = send(request)
    optional = [feature for feature in optional_features(request) if feature not in keep]
    if failure is not None:
        return _try_without(request, (reply, failure), optional, can, send)
    for feature in optional:
        if feature in SILENT:
            can.note(feature, Evidence.WORKED)
    return reply, None


def _try_without(
    request: S3Request,
    refused: tuple[Reply, Failure],
    optional: Iterable[Feature],
    can: Capabilities,
    send: Callable[[S3Request], Outcome],
) -> Outcome:
    """Sends a refused request once more as it was (a refusal may be odd), then without what is optional in it.

    refused: how it was answered. optional: its features that may be left out. send: sends a request, with retries.
    Returns the reply that counts, and its failure; where nothing helps, the first ones.
    """
    failure = refused[1]
    for feature in optional:
        if getattr(can, feature) is not None or not may_be_left_out(feature, failure):
            continue
        again = send(request)
        if again[1] is None or not may_be_left_out(feature, again[1]):
            return again
        request = without(request, feature)
        plain, third = send(request)
        if third is None:
            can.note(feature, Evidence.WORKED_WITHOUT)
            return plain, None
        if not may_be_left_out(feature, third):
            return plain, third  # what it fails for by itself: there is no such object, maybe
        failure = third
    return refused
