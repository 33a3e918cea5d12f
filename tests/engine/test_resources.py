"""The share of a machine: a container's limits count, and nothing is ever zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3amfs.engine import resources


def test_this_machine_has_something() -> None:
    assert resources.usable_memory() > 1 << 20
    assert resources.usable_descriptors() >= 64
    assert resources.usable_cores() >= 1
    assert resources.most_slots() >= 1


def test_the_limits_of_a_container_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, cpu = tmp_path / "memory.max", tmp_path / "cpu.max"
    monkeypatch.setattr(resources, "CGROUP_MEMORY", (str(memory),))
    monkeypatch.setattr(resources, "CGROUP_CPU", str(cpu))
    memory.write_text("268435456\n")
    cpu.write_text("50000 100000\n")
    assert resources.usable_memory() == 268435456
    assert resources.usable_cores() == 1
    assert resources.most_slots() == 1, "a fourth of 256 MiB is taken by the process itself"
    memory.write_text("max\n")
    cpu.write_text("max 100000\n")
    assert resources.usable_memory() > 1 << 20


def test_a_given_budget_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "usable_descriptors", lambda: 1 << 20)
    monkeypatch.setattr(resources, "usable_cores", lambda: 64)
    assert resources.most_slots((64 + 128) * 1024 * 1024) == 256
