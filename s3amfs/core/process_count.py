"""How many processes of this machine move one object, where nobody has said it. Pure.

One process ends at the speed of its two loops' cores. More of them help only where cores are left, where the line was
seen to be about as fast as one process is, and where the object is large enough to be worth their start.
"""

from __future__ import annotations

from typing import Final

ONE_PROCESS: Final = 1_500_000_000
"""Bytes per second at which one process was seen to end (two loops, TLS, CRC64NVME)."""
NEAR_ITS_END: Final = 0.8
"""A line that was seen to move this share of `ONE_PROCESS` may be limited by the process, not by the network."""
CORES_EACH: Final = 2
"""The loops of a process."""
MOST: Final = 8
"""At this number they move 100 Gb/s."""
SECONDS_TO_START: Final = 5.0
"""Until workers of a new process pool move bytes."""
WORTH: Final = 4.0
"""Times their start that they must save."""


def choose_processes(*, cores: int, rate: float, size: int) -> int:
    """Returns the number of processes; 1: this one alone.

    cores: that this process may use. rate: bytes per second that the line was seen to move; 0.0: unknown. size: bytes
    of the object.
    """
    count = min(MOST, cores // CORES_EACH)
    if count < 2 or rate < NEAR_ITS_END * ONE_PROCESS:
        return 1
    saved = size / ONE_PROCESS * (1 - 1 / count)
    return count if saved >= WORTH * SECONDS_TO_START else 1
