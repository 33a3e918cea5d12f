"""Servers that have answered requests of this process, their latencies, and the number of requests."""

from __future__ import annotations

from collections import Counter

from ...core.http import origin
from ...core.price_class import price_class
from ..messages import HttpRequest, Reply
from .name_lookup import Names


class Reached:
    """The servers that have answered in this process, as 'scheme://host:port'. Any thread."""

    def __init__(self, names: Names | None = None) -> None:
        self.names = names if names is not None else Names()
        self._latencies: dict[str, float] = {}
        self.requests: Counter[str] = Counter()
        """Requests so far, by price class."""
        self.bytes_up = self.bytes_down = 0

    def __bool__(self) -> bool:
        return bool(self._latencies)

    def count(self, reply: Reply) -> None:
        """Adds the bytes of a request that has ended."""
        self.bytes_up += reply.bytes_up
        self.bytes_down += reply.bytes_down

    def note(self, request: HttpRequest, *, answered: bool, latency: float = 0.0) -> bool:
        """Takes note of how a request ended; returns whether its server has ever answered. latency: in seconds."""
        name = origin(request.url)
        self.requests[price_class(request.method, request.url, is_s3=request.is_s3).value] += 1
        if answered:
            known = self._latencies.get(name, 0.0)
            self._latencies[name] = min(known or latency, latency or known)
        return name in self._latencies

    def latency(self, url: str) -> float:
        """The shortest time to a first byte that the server of `url` was seen to take; 0.0: unknown."""
        return self._latencies.get(origin(url), 0.0)
