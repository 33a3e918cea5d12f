"""The start of `s3am`: garbage is collected rarely until it is over, and no longer."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from s3amfs.cli import main


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    gc.set_threshold(701, 11, 12)
    yield 701, 11, 12
    gc.callbacks[:] = callbacks
    gc.set_threshold(*before)


def test_garbage_of_a_long_run_is_collected_as_python_does(
    thresholds: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    callbacks = list(gc.callbacks)

    def command() -> int:
        seen.append(gc.get_threshold()[0])
        kept = [[] for _ in range(2 * seen[0])]  # type: ignore[var-annotated]
        seen.append(gc.get_threshold())
        assert kept
        return 0

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(main, "main", command)
    monkeypatch.setattr(main.atexit, "_run_exitfuncs", lambda: None)
    monkeypatch.setattr(main.os, "_exit", ended)
    with pytest.raises(SystemExit):
        main.script()
    assert seen[0] >= 10_000
    assert seen[1] == thresholds
    assert gc.callbacks == callbacks
