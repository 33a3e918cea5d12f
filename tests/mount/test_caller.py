"""The process that a request of the kernel comes from, and whether it is being killed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from s3amfs.mount import caller as module
from s3amfs.mount.caller import caller, is_gone


def test_user_group_and_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.mfusepy, "fuse_get_context", lambda: (1, 2, 3))
    assert caller() == (1, 2, 3)


@pytest.mark.parametrize(
    ("interrupted", "killed", "gone"), [(1, True, True), (1, False, False), (0, True, False), (0, False, False)]
)
def test_only_a_death_ends_a_wait(interrupted: int, killed: bool, gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def is_being_killed(thread: int) -> bool:
        asked.append(thread)
        return killed

    monkeypatch.setattr(module.mfusepy, "fuse_get_context", lambda: (1, 2, 3))
    monkeypatch.setattr(module.mfusepy, "_libfuse", SimpleNamespace(fuse_interrupted=lambda: interrupted))
    monkeypatch.setattr(module, "is_being_killed", is_being_killed)
    assert is_gone() is gone
    assert asked == [3] * interrupted
