"""Whether a server obeys the conditions of small puts and copies: found out once a job, so that each object costs one
request and not also a look before and after.

The object just stored is stored once more, byte for byte the same, under a condition that does not hold: a server that
obeys refuses (412); another one replaces the object by an equal one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..core.expected import NOTHING, WHATEVER, Expected, Operation, this_etag
from ..core.failures import Kind
from ..engine.client import S3Client
from ..wire.messages import S3Request

NO_ETAG = this_etag("0" * 32)


class Obedience:
    """Whether one server and bucket obeys the conditions of one operation. Any thread."""

    def __init__(self, client: S3Client, bucket: str, operation: Operation) -> None:
        self._can = client.session.capabilities(bucket)
        self._client = client
        self._operation = operation
        self._lock = threading.Lock()
        self._asked: set[str] = set()

    def trusts(self, expected: Expected, store: Callable[[], Callable[[Expected], S3Request] | None]) -> bool | None:
        """Whether a request with `expected` needs no look around it; None: `store` was called to find that out.

        store: moves the entry at hand with all looks, and returns what makes its request again; None where that would
        store something else, so that nothing is found out. It is called for the first entry of each kind; the others
        wait for what that says.
        """
        if expected is WHATEVER:
            return True
        with self._lock:
            known = self._can.conditions.get((self._operation, expected.kind))
            if known is not None or expected.kind in self._asked:
                return known is True
            again = store()
            self._asked.add(expected.kind)
            if again is None:
                return None
            _, failure = self._client.attempt(again(NOTHING if expected.kind == "nothing" else NO_ETAG))
            if failure is None:
                self._can.conditions[self._operation, expected.kind] = False
            elif failure.kind is Kind.CONDITION:
                self._can.conditions[self._operation, expected.kind] = True
            return None
