"""Further parts are given to a transfer before it runs out of them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

import pytest

from s3amfs.core.parts import Part
from s3amfs.errors import TransferError
from s3amfs.transfers.part_feed import Feed, pause_after


def parts(*numbers: int) -> list[Part]:
    return [Part(number, 10 * number, 10) for number in numbers]


class Transfer:
    """Takes what it is given."""

    def __init__(self) -> None:
        self.added: list[list[int]] = []
        self.changed = threading.Condition()
        self.over = False
        self.stopped = threading.Event()

    def add(self, more: Iterable[Part], *, last: bool) -> None:
        with self.changed:
            self.added.append([part.number for part in more])
            self.over = self.over or last
            self.changed.notify()

    def stop(self) -> None:
        self.stopped.set()

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.added) >= count, 30)


def test_it_looks_when_half_is_there_and_ends_when_there_is_no_more() -> None:
    looks: list[set[int]] = []
    batches = [parts(5, 6), parts()]

    def more(moving: Collection[int]) -> list[Part]:
        looks.append(set(moving))
        return batches.pop(0)

    transfer = Transfer()
    feed = Feed(parts(1, 2, 3, 4), more, None)
    feed.begin(transfer.add, transfer.stop)
    feed.done(2)
    assert looks == [], "three of four still move"
    feed.done(1)
    transfer.wait(1)
    assert looks == [{3, 4}]
    assert (transfer.added, transfer.over) == ([[5, 6]], False)
    for number in (3, 5, 4):
        feed.done(number)
    transfer.wait(2)
    assert looks[1] <= {4, 6}
    assert (transfer.added[1:], transfer.over) == ([[]], True)
    feed.end()


def test_half_is_that_of_what_moves_after_each_look() -> None:
    looks: list[set[int]] = []
    batches = [parts(*range(5, 11)), parts()]

    def more(moving: Collection[int]) -> list[Part]:
        looks.append(set(moving))
        return batches.pop(0)

    transfer = Transfer()
    feed = Feed(parts(1, 2, 3, 4), more, None)
    feed.begin(transfer.add, transfer.stop)
    feed.done(1)
    feed.done(2)
    transfer.wait(1)
    for number in (3, 4, 5):
        feed.done(number)
    assert len(looks) == 1, "five of eight still move"
    feed.done(6)
    transfer.wait(2)
    assert looks[1] == {7, 8, 9, 10}
    feed.end()


def test_a_transfer_that_fails_is_fed_no_more() -> None:
    transfer = Transfer()
    feed = Feed(parts(1, 2), lambda moving: pytest.fail("there is nothing to look for"), None)
    feed.begin(transfer.add, transfer.stop)
    feed.end()
    assert (transfer.added, transfer.over) == ([[]], True)


def test_the_error_of_a_look_ends_the_transfer_and_is_raised() -> None:
    def more(moving: Collection[int]) -> list[Part]:
        raise ZeroDivisionError

    transfer = Transfer()
    feed = Feed(parts(1), more, None)
    feed.begin(transfer.add, transfer.stop)
    feed.done(1)
    transfer.wait(1)
    assert transfer.over
    with pytest.raises(ZeroDivisionError):
        feed.end()


def test_a_feed_that_never_began_ends() -> None:
    Feed(parts(1), lambda moving: [], None).end()


def test_a_transfer_whose_parts_others_have_moved_is_cut_and_its_end_is_no_failure() -> None:
    looks: list[set[int]] = [{2, 3}, {3}, {9}, {9}, {9}]
    transfer = Transfer()
    feed = Feed(parts(1, 2, 3), lambda moving: [], lambda: looks.pop(0), between=0)

    def run() -> None:
        feed.begin(transfer.add, transfer.stop)
        feed.done(1)
        feed.done(2)
        assert transfer.stopped.wait(30)
        raise TransferError("stopped")

    feed.run(run)
    assert feed.superseded
    assert looks == [{9}], "3 was missing twice, then seen there twice: what was just sent is listed before its answer"


def test_a_transfer_of_which_a_part_is_missing_goes_on() -> None:
    looked = threading.Semaphore(0)

    def missing() -> set[int]:
        looked.release()
        return {2}

    transfer = Transfer()
    feed = Feed(parts(1, 2), lambda moving: [], missing, between=0)

    def run() -> None:
        feed.begin(transfer.add, transfer.stop)
        feed.done(1)
        for _ in range(4):
            assert looked.acquire(timeout=30)
        raise TransferError("the server is gone")

    with pytest.raises(TransferError, match="the server is gone"):
        feed.run(run)
    assert not transfer.stopped.is_set()
    assert not feed.superseded


def test_an_interruption_does_not_wait_for_a_look_that_takes_minutes() -> None:
    looking, answered = threading.Event(), threading.Event()

    def missing() -> set[int]:
        looking.set()
        assert answered.wait(100)
        return {1}

    transfer = Transfer()
    feed = Feed(parts(1), lambda moving: [], missing, between=0)

    def run() -> None:
        feed.begin(transfer.add, transfer.stop)
        feed.done(1)
        assert looking.wait(30)
        raise KeyboardInterrupt

    caught: list[BaseException] = []

    def command() -> None:
        try:
            feed.run(run)
        except KeyboardInterrupt as error:
            caught.append(error)

    thread = threading.Thread(target=command, daemon=True)
    thread.start()
    thread.join(30)
    ended = not thread.is_alive()
    answered.set()
    thread.join(30)
    assert ended and caught


def test_a_part_is_given_once() -> None:
    """A listing that lags behind has it among the missing ones after it is there."""
    batches = [parts(1, 3), parts(1, 3)]
    transfer = Transfer()
    feed = Feed(parts(1, 2), lambda moving: batches.pop(0), None)
    feed.begin(transfer.add, transfer.stop)
    feed.done(1)
    transfer.wait(1)
    feed.done(2)
    feed.done(3)
    transfer.wait(2)
    assert (transfer.added, transfer.over) == ([[3], []], True)
    feed.end()


def test_a_transfer_that_is_whole_does_not_wait_for_a_look() -> None:
    looking, answered, cut = threading.Event(), threading.Event(), threading.Event()

    def missing() -> Collection[int]:
        looking.set()
        assert answered.wait(30)
        return ()

    transfer = Transfer()
    feed = Feed(parts(1, 2), lambda moving: [], missing, between=0.0)

    def whole() -> None:
        feed.begin(transfer.add, cut.set)
        feed.done(1)
        assert looking.wait(30)
        feed.done(2)

    moving = threading.Thread(target=feed.run, args=(whole,))
    moving.start()
    moving.join(10)
    is_over = not moving.is_alive()
    answered.set()
    moving.join(30)
    assert is_over
    assert not cut.is_set() and not feed.superseded


def test_looks_beside_the_last_parts_come_each_second_and_a_slow_line_has_time_between_them() -> None:
    assert pause_after(0.05, 1.0) == 1.0
    assert pause_after(0.6, 1.0) == pytest.approx(1.8)


def test_a_slow_line_whose_first_parts_others_have_moved_is_cut_before_half_of_them_is_there() -> None:
    looks: list[set[int]] = [{2}, {9}, {9}]
    transfer = Transfer()
    feed = Feed(
        parts(1, 2, 3, 4), lambda moving: pytest.fail("half still moves"), lambda: looks.pop(0), between=0, waiting=0
    )

    def run() -> None:
        feed.begin(transfer.add, transfer.stop)
        assert transfer.stopped.wait(30)
        raise TransferError("stopped")

    feed.run(run)
    assert (feed.superseded, looks, transfer.over) == (True, [], True)
