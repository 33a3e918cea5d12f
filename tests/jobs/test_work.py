"""How errors of single entries count, and the room that small ones have in memory."""

from __future__ import annotations

import threading

import pytest

from s3amfs.core.entries import Entry
from s3amfs.core.expected import NOTHING, WHATEVER, this_etag
from s3amfs.errors import AccessDenied, TransferError
from s3amfs.jobs.work import SMALL_AT_A_TIME, CannotBeDone, Room, Skipped, Work, Workers, outcome_of


def work(target: Entry | None = None, *, whatever: bool = False) -> Work:
    return Work(1, "k", Entry("k", 5), target, "new", whatever)


def test_a_put_says_what_the_listing_saw() -> None:
    assert work().expected == NOTHING
    assert work(Entry("k", etag="e")).expected == this_etag("e")
    assert work(Entry("k", etag="e"), whatever=True).expected == WHATEVER


@pytest.mark.parametrize(
    ("error", "action", "ends"),
    [
        (CannotBeDone("a FIFO"), "impossible", False),
        (PermissionError(13, "denied"), "impossible", False),
        (AccessDenied("403"), "failed", False),
        (Skipped("exists"), "exists", False),
        (TransferError("500"), "failed", False),
        (OSError(28, "no space"), "failed", False),
        (KeyError("a bug"), "failed", True),
    ],
)
def test_errors(error: BaseException, action: str, ends: bool) -> None:
    outcome = outcome_of(work(), error)
    assert (outcome.action, outcome.error is not None) == (action, ends)


def test_room_is_given_back_once() -> None:
    room = Room()
    given = [room.take(10) for _ in range(SMALL_AT_A_TIME)]
    taken = threading.Event()
    waiting = threading.Thread(target=lambda: (room.take(1), taken.set()), daemon=True)
    waiting.start()
    assert not taken.wait(0.05)
    given[0]()
    given[0]()
    assert taken.wait(10)


def test_workers_end_and_drop_what_waits() -> None:
    seen: list[int] = []
    done = threading.Event()

    def run(item: int) -> None:
        seen.append(item)
        if item == 3:
            done.set()

    workers = Workers[int]("test", 1, run)
    for item in (1, 2, 3):
        workers.put(item)
    assert done.wait(10)
    workers.close()
    assert seen == [1, 2, 3]
