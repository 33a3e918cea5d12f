"""Credentials are renewed once, in a thread of their own, while all parts wait; an error of it reaches the transfer."""

from __future__ import annotations

import threading

import pytest

from s3amfs.engine.loop import Loop
from s3amfs.engine.renewal import Renewal


class Source:
    def __init__(self, fresh: bool, error: Exception | None = None) -> None:
        self.fresh, self.error = fresh, error
        self.renewed: list[tuple[bool, int]] = []

    def credentials_fresh(self) -> bool:
        return self.fresh

    def refresh_credentials(self, force: bool = False) -> None:
        self.renewed.append((force, threading.get_ident()))
        if self.error is not None:
            raise self.error
        self.fresh = True


@pytest.fixture
def loop() -> Loop:
    return Loop("test")


def run(loop: Loop, renewal: Renewal, parts: int, *, expired: bool = False) -> list[int]:
    """Threads in which the parts began."""
    begun, done = [], threading.Semaphore(0)  # type: ignore[var-annotated]

    def begin() -> None:
        begun.append(threading.get_ident())
        done.release()

    def start() -> None:
        if expired:
            renewal.expired()
        for _ in range(parts):
            renewal.when_fresh(begin)

    loop.submit(start)
    for _ in range(parts):
        assert done.acquire(timeout=20)
    return begun


def test_fresh_credentials_are_left_alone(loop: Loop) -> None:
    source = Source(fresh=True)
    assert len(run(loop, Renewal([source], loop, pytest.fail), 3)) == 3
    assert source.renewed == []


def test_those_that_have_ended_are_renewed_once_for_all_parts(loop: Loop) -> None:
    source = Source(fresh=False)
    begun = run(loop, Renewal([source], loop, pytest.fail), 5)
    assert [force for force, _ in source.renewed] == [False]
    assert source.renewed[0][1] not in begun, "not in the loop's thread"


def test_a_server_that_says_they_expired_is_right(loop: Loop) -> None:
    source = Source(fresh=True)
    run(loop, Renewal([source], loop, pytest.fail), 2, expired=True)
    assert [force for force, _ in source.renewed] == [True]


def test_an_error_of_the_renewal_is_the_transfers(loop: Loop) -> None:
    raised, there = [], threading.Event()  # type: ignore[var-annotated]

    def failed(error: BaseException) -> None:
        raised.append(error)
        there.set()

    renewal = Renewal([Source(fresh=False, error=RuntimeError("no metadata"))], loop, failed)
    loop.submit(lambda: renewal.when_fresh(lambda: pytest.fail("it began")))
    assert there.wait(20)
    assert str(raised[0]) == "no metadata"
