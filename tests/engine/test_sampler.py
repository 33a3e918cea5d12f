"""The sampler with requests and parts made by hand, and no engine: `schedule` is the clock of the test."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from s3amfs.core.bottleneck import Activity, Cause
from s3amfs.engine import sampler as sampler_module
from s3amfs.engine.sampler import Latency, Sampler, activity_of
from s3amfs.wire.curl.exchange import Exchange
from s3amfs.wire.curl.streams import BytesReader
from s3amfs.wire.messages import HttpRequest, Reply


class Sink:
    def begin(self, reply: Reply) -> None: ...

    def write(self, data: bytes) -> None: ...


def known(latency: float) -> Latency:
    return lambda url: latency


def exchange(*, up: int = 0, length: int = 0, status: int = 0, sends: bool = False) -> Exchange:
    request = HttpRequest("PUT" if sends else "GET", "http://h/k", content_length=length)
    made = Exchange(
        request, lambda ended: None, reader=BytesReader(b"") if sends else None, sink=None if sends else Sink()
    )
    made.started = 100.0
    made.reply.bytes_up, made.reply.status = up, status
    made.read_at = 101.0 if up else 0.0
    made.answered_at = 102.0 if status else 0.0
    return made


@pytest.mark.parametrize(
    ("made", "latency", "now", "found"),
    [
        (exchange(sends=True, length=9), 0.0, 102.0, Activity.WAITS),
        (exchange(sends=True, length=9, up=5), 0.0, 102.0, Activity.SENDS),
        (exchange(sends=True, length=9, up=9), 0.3, 101.5, Activity.WAITS),
        (exchange(sends=True, length=9, up=9), 0.01, 101.5, Activity.SENDS),
        (exchange(), 0.3, 100.5, Activity.WAITS),
        (exchange(), 0.01, 100.5, Activity.RECEIVES),
        (exchange(), 0.0, 900.0, Activity.WAITS),
        (exchange(status=206), 0.3, 103.0, Activity.RECEIVES),
    ],
)
def test_activity(made: Exchange, latency: float, now: float, found: Activity) -> None:
    assert activity_of(made, now, known(latency)) is found


class Threads:
    def __init__(self, *exchanges: Exchange) -> None:
        self.found = list(exchanges)

    def native_ids(self) -> list[int]:
        return []

    def exchanges(self) -> list[Exchange]:
        return self.found

    def latency(self, url: str) -> float:
        return 0.0


def test_samples_while_somebody_wants_them() -> None:
    due: list[Callable[[], None]] = []
    sampler = Sampler(Threads(exchange(status=206)), lambda delay, function: due.append(function))
    before = sampler.join("job")
    assert sampler.recent() is None
    for _ in range(3):
        due.pop()()
    assert len(due) == 1
    spent = sampler.since(before)
    assert set(spent.seconds) == {Cause.SOURCE}
    sampler.leave("job")
    due.pop()()
    assert due == [], "nothing moves: no more samples"
    sampler.join("another")
    assert len(due) == 1


def test_the_limit_of_the_last_seconds_is_due_every_five(monkeypatch: pytest.MonkeyPatch) -> None:
    due: list[Callable[[], None]] = []
    now = [100.0]
    monkeypatch.setattr(sampler_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    sampler = Sampler(Threads(exchange(status=206)), lambda delay, function: due.append(function))
    sampler.join("job")
    found = []
    for _ in range(50):
        now[0] += 0.25
        due.pop()()
        found.append(sampler.recent_if_due())
    assert [number for number, limit in enumerate(found) if limit is not None] == [20, 40]


def never(line: str) -> None:
    raise AssertionError(line)
