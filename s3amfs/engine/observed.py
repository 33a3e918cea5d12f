"""The limit of a job over many objects, and the requests of this process meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.tree_events import Totals
from .loop import Engine, requests_made


@contextmanager
def observed(engine: Engine, totals: Totals) -> Iterator[None]:
    """Around a job: its totals get `limited_by` and the requests, however it ends."""
    key = object()
    requests, before = requests_made(), engine.sampler.join(key)
    try:
        yield
    finally:
        limit = engine.sampler.since(before).limited_by()
        engine.sampler.leave(key)
        if limit is not None:
            totals.limited_by, totals.limited_share = limit.cause.value, round(limit.share, 3)
        totals.requests_made = dict(requests_made() - requests)
