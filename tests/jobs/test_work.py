"""How errors of single entries count, and the room that small ones have in memory."""

from __future__ import annotations

import threading

import pytest

from s3amfs.core.entries import Entry
from s3amfs.core.expected import NOTHING, WHATEVER, this_etag
from s3amfs.errors import AccessDenied, TransferError
from s3amfs.jobs.work import (
    SMALL_AT_A_TIME,
    SMALL_BYTES,
    CannotBeDone,
    Give,
    Outcome,
    Outcomes,
    Room,
    Skipped,
    Work,
    Workers,
    outcome_of,
)


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


def test_what_waits_for_room_begins_in_order_when_some_is_given_back() -> None:
    room, begun = Room(), list[int]()
    first = room.take(SMALL_BYTES)
    for number in range(3):
        room.enter(10, lambda _give, number=number: begun.append(number))  # type: ignore[misc]
    assert begun == []
    first()
    assert begun == [0, 1, 2]


def test_thousands_that_give_back_at_once_do_not_nest() -> None:
    """As where every request fails before it is sent."""
    room, begun = Room(), list[Give]()

    def fail(give: Give) -> None:
        begun.append(give)
        give()

    first = room.take(SMALL_BYTES)
    for _ in range(5000):
        room.enter(10, fail)
    first()
    assert len(begun) == 5000
    assert room.take(SMALL_BYTES) is not None


def test_a_single_object_larger_than_the_room_gets_in() -> None:
    room = Room()
    room.take(10 * SMALL_BYTES)()
    room.take(1)()


def test_outcomes_come_in_the_order_of_their_ends() -> None:
    outcomes, ticks = Outcomes(), list[int]()
    assert outcomes.at_hand() is None
    for reason in "abc":
        outcomes.put(Outcome(work(), "moved", reason))
    assert outcomes.wait(lambda: ticks.append(1)).reason == "a"
    found = outcomes.at_hand()
    assert found is not None
    assert found.reason == "b"
    other = threading.Thread(target=lambda: [outcomes.put(Outcome(work(), "moved", str(n))) for n in range(100)])
    other.start()
    assert [outcomes.wait(lambda: None).reason for _ in range(101)] == ["c", *map(str, range(100))]
    other.join()


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
