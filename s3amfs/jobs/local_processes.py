"""How many processes of this machine move the parts of one object, where nobody has said it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from ..core.process_count import choose_processes
from ..engine.client import S3Client
from ..engine.line import Direction
from ..engine.resources import usable_cores

_LARGE = 1 << 62
"""Bytes of an object for which size is no reason against several processes."""


def local_processes(client: S3Client, bucket: str, direction: Direction, size: Callable[[], int]) -> int:
    """Returns the number of processes that the object is worth; 1: this one alone, also where dask is not installed.

    bucket, direction: of the line at `client`'s service. size: returns the object's bytes; called only if it matters.
    """
    state = client.engine.lines.line(client.endpoint(bucket), direction).state()
    cores, rate = usable_cores(), state.rate if state is not None else 0.0
    if choose_processes(cores=cores, rate=rate, size=_LARGE) == 1 or find_spec("distributed") is None:
        return 1
    return choose_processes(cores=cores, rate=rate, size=size())
