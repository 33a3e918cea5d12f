"""A wake-up is never lost, never blocks and is taken once."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from s3amfs.wire.curl.wakeup import Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


def is_woken(wakeup: Wakeup) -> bool:
    return bool(select.select([wakeup.fd], [], [], 0)[0])


def test_a_wakeup_before_the_wait_counts(wakeup: Wakeup) -> None:
    assert not is_woken(wakeup)
    wakeup.wake()
    assert is_woken(wakeup)


def test_any_number_of_them_is_taken_at_once(wakeup: Wakeup) -> None:
    for _ in range(5000):
        wakeup.wake()
    wakeup.drain()
    assert not is_woken(wakeup)
    wakeup.drain()
    wakeup.wake()
    assert is_woken(wakeup)


def test_nobody_who_wakes_waits_for_the_one_that_sleeps(wakeup: Wakeup) -> None:
    for _ in range(200_000):  # more than any socket's buffer holds
        wakeup.wake()
    assert is_woken(wakeup)


def test_both_ends_are_closed() -> None:
    wakeup = Wakeup()
    wakeup.close()
    assert wakeup.fd == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        wakeup.wake()
