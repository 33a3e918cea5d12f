"""Waiting that ends when nobody waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from s3amfs.engine import interruptible as waiting
from s3amfs.engine.limits import ByteBudget
from s3amfs.errors import Interrupted


def gone() -> bool:
    return True


def test_a_thread_that_nobody_left_waits_as_always() -> None:
    event = threading.Event()
    assert waiting.wait_for(event, 0.0) is False
    event.set()
    assert waiting.wait_for(event) is True
    waiting.check()


def test_every_wait_ends_when_the_caller_has_gone() -> None:
    lock, future, budget = threading.Lock(), Future[None](), ByteBudget(1)
    budget.take(1)
    lock.acquire()
    with waiting.asking(gone):
        for wait in (
            lambda: waiting.wait_for(threading.Event()),
            lambda: waiting.result_of(future),
            lambda: waiting.holding(lock).__enter__(),
            lambda: budget.take(1),
            waiting.check,
        ):
            with pytest.raises(Interrupted):
                wait()
    waiting.check()


def test_what_comes_in_time_is_given() -> None:
    future = Future[int]()
    future.set_result(3)
    with waiting.asking(lambda: False):
        assert waiting.result_of(future) == 3
        assert waiting.wait_for(threading.Event(), 0.0) is False
        with waiting.holding(threading.Lock()):
            pass


def test_a_timeout_of_the_result_itself_is_its_own() -> None:
    future = Future[int]()
    future.set_exception(TimeoutError("its own"))
    with waiting.asking(lambda: False), pytest.raises(TimeoutError, match="its own"):
        waiting.result_of(future)
