"""The cost of a job over a tree, by a file of prices: `--dry-run --price-file FILE`. Pure.

The file is a JSON object. All of its fields are optional: `currency` (a name), `write` (of 1,000 PUT, COPY or LIST
requests), `read` (of 1,000 GET or HEAD requests), `retrieval` (an object: storage class to the price of a GB that is
read from it), `out` (of a GB that leaves the service). A GB is 10^9 bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import field

from ...errors import UsageError
from ..define import define

GB = 10**9
NUMBERS = ("write", "read", "out")
READS = frozenset({"GET", "HEAD"})
FREE = frozenset({"DELETE"})


@define(frozen=True, slots=True)
class Prices:
    """Prices as the file has them."""

    currency: str = "USD"
    write: float = 0.0
    read: float = 0.0
    out: float = 0.0
    retrieval: Mapping[str, float] = field(default_factory=dict)

    def cost(self, requests: Mapping[str, int], retrieved: Mapping[str, int], out: int) -> float:
        """requests: by kind ('PUT', 'GET', …). retrieved: bytes by storage class. out: bytes that leave the service."""
        total = out / GB * self.out
        for kind, count in requests.items():
            if kind not in FREE:
                total += count / 1000 * (self.read if kind in READS else self.write)
        return total + sum(size / GB * self.retrieval.get(name, 0.0) for name, size in retrieved.items())


def parse_prices(text: str, path: str) -> Prices:
    """The prices of a file. Raises UsageError for what is none, which names `path` and the field."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the price file {path} is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise UsageError(f'the price file {path} is not a JSON object: write {{"write": 0.005, "read": 0.0004}}')
    unknown = sorted(set(fields) - {*NUMBERS, "currency", "retrieval"})
    if unknown:
        raise UsageError(f"the price file {path}: {unknown[0]!r} is not one of write, read, retrieval, out, currency")
    retrieval = fields.get("retrieval", {})
    if not isinstance(retrieval, dict):
        raise UsageError(f"the price file {path}: 'retrieval' is not an object of storage classes")
    numbers = {name: _number(path, name, fields.get(name, 0.0)) for name in NUMBERS}
    return Prices(
        str(fields.get("currency", "USD")),
        retrieval={name: _number(path, f"retrieval of {name}", value) for name, value in retrieval.items()},
        **numbers,
    )


def _number(path: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UsageError(f"the price file {path}: {name} must be a number, 0 or more")
    return float(value)
