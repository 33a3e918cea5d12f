"""The share of its machine that this process may use: memory, descriptors, cores; a container's limits count."""

from __future__ import annotations

import os
import resource

from ..core.lines import ceiling_slots

CGROUP_MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
CGROUP_CPU = "/sys/fs/cgroup/cpu.max"
MEMORY_SHARE = 4
"""Left to itself a process takes at most a fourth of the memory for its slots."""


def most_slots(memory: int | None = None) -> int:
    """The most slots for this process. memory: bytes it may take (`--memory`); None: a fourth of what there is."""
    return ceiling_slots(memory=_budget(memory), descriptors=usable_descriptors(), cores=usable_cores())


def slots_by_memory(memory: int | None = None) -> bool:
    """Whether memory, not descriptors or cores, is what `most_slots(memory)` comes from."""
    descriptors, cores = usable_descriptors(), usable_cores()
    return ceiling_slots(memory=_budget(memory), descriptors=descriptors, cores=cores) < ceiling_slots(
        memory=1 << 60, descriptors=descriptors, cores=cores
    )


def _budget(memory: int | None) -> int:
    return memory if memory is not None else usable_memory() // MEMORY_SHARE


def usable_memory() -> int:
    """Bytes of the machine or, where that is less, of the container."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CGROUP_MEMORY:
        text = _read(path)
        if text.isdigit():
            found.append(int(text))
    return min(found)


def usable_descriptors() -> int:
    """Files and sockets that the process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def take_all_descriptors() -> None:
    """Raises this process's limit of open files as far as it may: for daemons, which start no other program."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def usable_cores() -> int:
    """Cores that the process may run on; at least 1."""
    cores = len(os.sched_getaffinity(0))
    quota, _, period = _read(CGROUP_CPU).partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        cores = min(cores, -(-int(quota) // int(period)))
    return max(1, cores)


def _read(path: str) -> str:
    """The text of a small file of the kernel; '' where there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
