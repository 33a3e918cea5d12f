"""The end of a loop."""

from __future__ import annotations

import threading

import pytest

from s3amfs.engine.loop import Loop


def test_a_loop_that_is_awake_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread sees that it is to end, and ends, before it is woken for that."""
    loop = Loop("test")
    thread = loop._thread
    held = threading.Event()
    loop.submit(lambda: held.wait(10) and None)
    wake = loop.multi.wake

    def late() -> None:
        held.set()
        thread.join(10)
        wake()

    monkeypatch.setattr(loop.multi, "wake", late)
    loop.close()
    assert not thread.is_alive()
