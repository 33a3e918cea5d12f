"""Moves the parts of one transfer with the engine: slots, rate limit, journal and credentials in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..core.pacing import MAXIMUM_SLOTS, Pacer
from ..core.parts import Part
from ..engine.attempt import Move, PartResult
from ..engine.client import S3Client
from ..engine.executor import Transfer
from ..engine.limits import SlotGate
from .report import Report

LIMITED_SLOTS = 4
"""Slots that share a rate limit."""
RELAY_SLOTS = 8
"""A slot of a relay holds two requests and a pipe: more would cost memory and gain nothing."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How much at a time."""

    slots: int | None = None
    """Fixed number of slots; None: adapted."""
    ceiling: int = MAXIMUM_SLOTS
    bwlimit: int = 0
    """Bytes per second; 0: no limit."""

    def pacer(self) -> Pacer:
        slots = self.slots
        if self.bwlimit:
            slots = min(slots or LIMITED_SLOTS, LIMITED_SLOTS)
        return Pacer(fixed=slots, ceiling=self.ceiling)

    @property
    def rate_per_slot(self) -> int:
        if not self.bwlimit:
            return 0
        return max(1, self.bwlimit // min(self.slots or LIMITED_SLOTS, LIMITED_SLOTS))


def make_transfer(
    client: S3Client,
    move: Move,
    describe: str,
    speed: Speed,
    report: Report,
    *,
    on_part: Callable[[PartResult], None],
    others: tuple[S3Client, ...] = (),
    gate: SlotGate | None = None,
    total: int | None = None,
    done_before: int = 0,
    receives: bool = False,
) -> Transfer:
    """A transfer that counts for `report`. others: further clients whose credentials sign its requests.

    receives: bytes come here, which costs a core sooner than sending does; as TLS does, it then gets all loops. Sending
    without TLS would be faster over two as well, but cost half as much CPU again.
    """
    transfer = Transfer(
        client.engine,
        move,
        describe=describe,
        policy=client.policy,
        pacer=speed.pacer(),
        credentials=tuple(c.session for c in (client, *others)),
        on_part=on_part,
        on_failure=lambda failure: client.learn(failure, None),
        on_event=report.on_event,
        gate=gate,
        spread=receives or client.session.uses_tls(),
        total=total,
        done_before=done_before,
        rate_per_slot=speed.rate_per_slot,
    )
    report.count(transfer)
    return transfer


def move_all(transfer: Transfer, parts: Iterable[Part]) -> None:
    """Moves `parts` and waits. Raises the error that ended the transfer; KeyboardInterrupt stops it first."""
    transfer.add(parts, last=True)
    transfer.wait()
