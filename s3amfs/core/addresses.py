"""The address of a name that a request goes to: spread over all that answer, bad ones left alone for a while. Pure.

A name of a large service stands for several machines, and one of them may be slow or dead. Connections are spread
evenly over its addresses. An address that could not be reached is not used for `LEFT_SECONDS`. Only addresses of the
family that has worked last count: a network may well have routes for IPv4 only. Where all of them are bad, or what is
known is old, nothing is chosen: libcurl looks the name up itself and tries both families.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Final

from .define import define

LEFT_SECONDS: Final = 30.0
KNOWN_SECONDS: Final = 60.0
"""After so long the name is looked up again."""
USABLE_SECONDS: Final = 2 * KNOWN_SECONDS
"""Addresses that were found longer ago are not used: the service may have moved, and they may be another's."""


def is_ipv6(address: str) -> bool:
    return ":" in address


@define(slots=True)
class Addresses:
    """The addresses of one name."""

    looked_up_at: float | None = None
    """Monotonic seconds; None: never."""
    family_ipv6: bool | None = None
    """Whether the name was reached over IPv6 the last time; None: it was not reached yet."""
    _known: tuple[str, ...] = ()
    _found_at: float = 0.0
    _in_use: dict[str, int] = field(default_factory=dict)
    _bad_until: dict[str, float] = field(default_factory=dict)

    def is_due(self, now: float) -> bool:
        """Whether to look the name up (again)."""
        return self.looked_up_at is None or now - self.looked_up_at >= KNOWN_SECONDS

    def found(self, addresses: Iterable[str], now: float) -> None:
        """A look-up has found these."""
        self.looked_up_at = self._found_at = now
        self._known = tuple(dict.fromkeys(addresses))

    def reached(self, address: str) -> None:
        """A server answered at `address`."""
        if address:
            self.family_ipv6 = is_ipv6(address)
        self._bad_until.pop(address, None)

    def begin(self, now: float) -> str | None:
        """The address for a request, with the fewest in use; it is owed an `end`. None: there is no choice."""
        if self.family_ipv6 is None or now - self._found_at >= USABLE_SECONDS:
            return None
        usable = [address for address in self._known if is_ipv6(address) == self.family_ipv6]
        if len(usable) < 2:
            return None
        good = [address for address in usable if self._bad_until.get(address, now) <= now]
        if not good:
            return None
        chosen = min(good, key=lambda address: self._in_use.get(address, 0))
        self._in_use[chosen] = self._in_use.get(chosen, 0) + 1
        return chosen

    def end(self, address: str, now: float, *, unreachable: bool) -> None:
        """A request that `begin` gave `address` to has ended. unreachable: no connection could be made."""
        left = self._in_use.get(address, 1) - 1
        if left > 0:
            self._in_use[address] = left
        else:
            self._in_use.pop(address, None)
        if unreachable:
            self._bad_until[address] = now + LEFT_SECONDS
