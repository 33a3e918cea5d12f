"""One attempt of one part: what becomes of it, and how both ends of a relay wait for each other. No connection."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import Operation, Outcome, PartResult, ReceivePart, RelayPart, SendPart
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.relay_pipe import PIPE_BYTES
from s3amfs.engine.sources import range_judge
from s3amfs.wire.curl.streams import PAUSE
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.files import content

PART = Part(3, 20, 10)
RESULT = PartResult(3, 10, "etag")
CHANGED = Failure(Kind.CHANGED, "another size")


class Loop:
    """Starts exchanges that the test ends."""

    def __init__(self) -> None:
        self.multi = self
        self.started: list[Any] = []
        self.cancelled: list[Any] = []
        self.resumed: list[Any] = []

    def submit(self, function: Any) -> None:
        function()

    def start(self, exchange: Any) -> None:
        self.started.append(exchange)

    def cancel(self, exchange: Any) -> None:
        self.cancelled.append(exchange)

    def resume(self, exchange: Any) -> None:
        self.resumed.append(exchange)

    def end(self, number: int, status: int = 200, error: BaseException | None = None) -> None:
        exchange = self.started[number]
        exchange.reply, exchange.error = Reply(status, is_http=True), error
        exchange.on_done(exchange)


class End:
    """A body or sink that has moved 4 bytes; `finish` returns or raises what the test says."""

    moved = 4

    def __init__(self, finished: Any = RESULT, inner: Any = None) -> None:
        self.finished, self.inner = finished, inner

    def read(self, size: int) -> Any:
        return self.inner.read(size) if self.inner is not None else b""

    def begin(self, reply: Reply) -> None:
        """Any reply will do."""

    def write(self, data: bytes) -> None:
        """Takes all."""

    def rewind(self) -> bool:
        return True

    def finish(self, *reply: Reply) -> PartResult:
        if isinstance(self.finished, BaseException):
            raise self.finished
        return cast(PartResult, self.finished)


def request(method: str = "PUT", learned: list[Failure] | None = None) -> HttpRequest:
    return HttpRequest(method, "http://s3.test/k", learn=(learned if learned is not None else []).append)


def begun(work: Any) -> tuple[Loop, Operation, list[Outcome]]:
    loop, outcomes = Loop(), list[Outcome]()
    operation = Operation(cast(Any, loop), PART, outcomes.append)
    operation.start(work)
    return loop, operation, outcomes


def named(failure: Failure) -> Failure:
    return Failure(failure.kind, f"source: {failure.message}")


@pytest.mark.parametrize("receives", [False, True])
def test_what_the_end_makes_of_it_is_the_outcome(receives: bool) -> None:
    work = ReceivePart(request("GET"), cast(Any, End())) if receives else SendPart(request(), cast(Any, End()))
    loop, operation, outcomes = begun(work)
    assert operation.passed == 4
    assert operation.moved == (4 if receives else 0), "what was sent may still be in buffers"
    loop.started[0].acknowledged = 3
    assert operation.moved == (4 if receives else 3)
    assert operation.exchanges == tuple(loop.started)
    loop.end(0)
    assert outcomes == [RESULT]
    assert operation.exchanges == ()


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(PartProblem(CHANGED), Kind.CHANGED), (OSError(errno.ENOSPC, "full"), Kind.LOCAL)],
)
@pytest.mark.parametrize("in_callback", [True, False])
def test_problems_of_the_part_are_failures(raised: BaseException, kind: Kind, in_callback: bool) -> None:
    loop, _, outcomes = begun(SendPart(request(), cast(Any, End(RESULT if in_callback else raised))))
    loop.end(0, error=raised if in_callback else None)
    (outcome,) = outcomes
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.errno) == (kind, getattr(raised, "errno", None))


@pytest.mark.parametrize("in_callback", [True, False])
def test_anything_else_is_our_bug(in_callback: bool) -> None:
    bug = ZeroDivisionError()
    loop, _, outcomes = begun(ReceivePart(request("GET"), cast(Any, End(RESULT if in_callback else bug))))
    loop.end(0, error=bug if in_callback else None)
    assert outcomes == [bug]


def test_a_refusal_is_learned_and_explained_by_a_source_only() -> None:
    learned: list[Failure] = []
    loop, _, outcomes = begun(SendPart(request(learned=learned), cast(Any, End())))
    loop.end(0, 503)
    assert [failure.status for failure in learned] == [503]
    assert isinstance(outcomes[0], Failure)
    assert outcomes[0].status == 503
    loop, _, outcomes = begun(ReceivePart(request("GET"), cast(Any, End()), named))
    loop.end(0, 503)
    assert isinstance(outcomes[0], Failure)
    assert outcomes[0].message.startswith("source: ")


def test_after_a_cancel_it_never_ends() -> None:
    loop, operation, outcomes = begun(SendPart(request(), cast(Any, End())))
    operation.cancel()
    assert loop.cancelled == loop.started
    loop.end(0)
    assert outcomes == []


# -- relays ---------------------------------------------------------------------------------------------------------


def relay(accept: Any = lambda reply: None) -> tuple[Loop, Operation, list[Outcome]]:
    return begun(
        RelayPart(request("GET"), accept, request("PUT"), lambda inner: cast(Any, End(inner=inner)), explain=named)
    )


def test_the_target_is_asked_once_the_source_delivers() -> None:
    seen: list[Reply] = []
    loop, operation, outcomes = relay(seen.append)
    (source,) = loop.started
    source.sink.begin(Reply(206))
    assert [reply.status for reply in seen] == [206]
    assert source.sink.write(b"01234") is None
    assert loop.started == [source, operation.exchanges[1]]
    target = loop.started[1]
    assert target.reader.read(100) == b"01234"
    assert target.reader.read(100) is PAUSE
    assert loop.resumed == []
    assert source.sink.write(b"56789") is None
    assert loop.resumed == [target]
    assert target.reader.read(3) == b"567"
    assert target.reader.read(3) == b"89"
    loop.end(0)
    assert outcomes == []
    loop.end(1)
    assert outcomes == [RESULT]


def test_a_source_that_ends_early_cuts_the_target() -> None:
    loop, _, outcomes = relay()
    loop.started[0].sink.write(b"012345678")
    loop.end(0)
    (outcome,) = outcomes
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.of_source, outcome.retryable) == (Kind.NETWORK, True, True)
    assert "1 bytes too early" in outcome.message
    assert loop.cancelled == loop.started


def test_a_source_that_fails_is_named_as_such() -> None:
    loop, _, outcomes = relay()
    loop.end(0, 404)
    (outcome,) = outcomes
    assert isinstance(outcome, Failure)
    assert outcome.of_source
    assert outcome.message.startswith("source: ")


def test_a_source_that_sends_too_much_is_refused() -> None:
    loop, _, _ = relay()
    sink = loop.started[0].sink
    assert sink.write(b"0123456789") is None
    with pytest.raises(PartProblem) as caught:
        sink.write(b"x")
    assert caught.value.failure.kind is Kind.FATAL


LONG = Part(1, 100_000, 50_000)
DATA = content(LONG.length, 5)


class Ranges:
    """An object of a million bytes."""

    identity = SourceIdentity("http://s3.test/k", size=1_000_000, etag='"one"')
    is_ready = True

    def request(self, part: Part) -> HttpRequest:
        return HttpRequest("GET", self.identity.url, (("Range", f"bytes={part.offset}-{part.end - 1}"),))

    def accept(self, part: Part) -> Any:
        return range_judge(part, self.identity)


def long_relay(rest: bool = True) -> tuple[Loop, Operation, list[Outcome]]:
    loop, outcomes, ranges = Loop(), list[Outcome](), Ranges()
    operation = Operation(cast(Any, loop), LONG, outcomes.append)
    work = RelayPart(
        ranges.request(LONG),
        ranges.accept(LONG),
        request("PUT"),
        lambda inner: cast(Any, End(inner=inner)),
        rest=ranges if rest else None,
    )
    operation.start(work)
    return loop, operation, outcomes


def deliver(exchange: Any, start: int, end: int, etag: str = '"one"') -> None:
    """Bytes [start, end) of the part, in an answer that announces all of the rest."""
    reply = Reply(206, {"content-range": f"bytes {LONG.offset + start}-{LONG.end - 1}/1000000", "etag": etag})
    exchange.sink.begin(reply)
    for at in range(start, end, 10_000):
        assert exchange.sink.write(DATA[at : min(at + 10_000, end)]) is None


def test_a_relay_whose_source_is_cut_requests_the_rest_while_the_target_waits() -> None:
    loop, operation, outcomes = long_relay()
    deliver(loop.started[0], 0, 20_000)
    target = loop.started[1]
    assert target.reader.read(1 << 20) == DATA[:20_000]
    assert target.reader.read(1 << 20) is PAUSE
    loop.end(0, 206)
    source = loop.started[2]
    assert source.request.headers == (("Range", f"bytes={LONG.offset + 20_000 - 1024}-{LONG.end - 1}"),)
    assert operation.exchanges == (source, target)
    assert (loop.cancelled, outcomes) == ([], [])
    deliver(source, 20_000 - 1024, LONG.length)
    assert loop.resumed == [target]
    assert target.reader.read(1 << 20) == DATA[20_000:]
    loop.end(2, 206)
    loop.end(1)
    assert outcomes == [RESULT]


def test_a_relay_goes_on_only_after_progress_and_where_ranges_can_be_joined() -> None:
    loop, _, outcomes = long_relay()
    deliver(loop.started[0], 0, 10_000)
    loop.end(0, 206)
    assert [type(outcome) for outcome in outcomes] == [Failure]
    loop, _, outcomes = long_relay(rest=False)
    deliver(loop.started[0], 0, 20_000)
    loop.end(0, 206)
    assert [type(outcome) for outcome in outcomes] == [Failure]
    loop, _, outcomes = long_relay()
    deliver(loop.started[0], 0, 20_000)
    loop.end(0, 206)
    loop.end(2, 206)  # the rest brings nothing
    assert [type(outcome) for outcome in outcomes] == [Failure]
    assert loop.cancelled[-1] is loop.started[1], "the target is cut too"


def test_a_relay_does_not_wait_for_credentials_in_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt has them renewed before it begins (renewal.py)."""
    monkeypatch.setattr(Ranges, "is_ready", False)
    loop, _, outcomes = long_relay()
    deliver(loop.started[0], 0, 20_000)
    loop.end(0, 206)
    assert [type(outcome) for outcome in outcomes] == [Failure]


def test_a_relay_never_joins_two_states_of_its_source() -> None:
    loop, operation, outcomes = long_relay()
    deliver(loop.started[0], 0, 20_000)
    loop.end(0, 206)
    with pytest.raises(PartProblem) as caught:
        deliver(loop.started[2], 20_000 - 1024, LONG.length, '"two"')
    loop.end(2, 206, caught.value)
    (outcome,) = outcomes
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.of_source, operation.joined) == (Kind.CHANGED, True, True)


def test_a_rest_that_cannot_be_requested_is_our_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _, outcomes = long_relay()
    deliver(loop.started[0], 0, 20_000)
    bug = ZeroDivisionError()

    def fail(exchange: object) -> None:
        raise bug

    monkeypatch.setattr(loop, "start", fail)
    loop.end(0, 206)
    assert outcomes == [bug]


def test_a_target_that_is_slow_stops_the_source_until_there_is_room() -> None:
    outcomes: list[Outcome] = []
    loop = Loop()
    operation = Operation(cast(Any, loop), Part(1, 0, 2 * PIPE_BYTES), outcomes.append)
    operation.start(RelayPart(request("GET"), lambda reply: None, request(), lambda inner: cast(Any, End(inner=inner))))
    source = loop.started[0]
    assert source.sink.write(bytes(PIPE_BYTES)) is None
    assert source.sink.write(b"x") is PAUSE
    assert loop.started[1].reader.read(PIPE_BYTES) == bytes(PIPE_BYTES)
    assert loop.resumed == [source]
    assert source.sink.write(b"x") is None
    assert not source.sink.rewind()


def test_a_target_that_cannot_be_started_is_our_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _, outcomes = relay()
    bug = ZeroDivisionError()

    def fail(exchange: object) -> None:
        raise bug

    monkeypatch.setattr(loop, "start", fail)
    loop.started[0].sink.write(b"0")
    assert outcomes == [bug]


def test_nothing_is_started_after_a_cancel() -> None:
    loop, operation, _ = relay()
    (source,) = loop.started
    operation.cancel()
    source.sink.write(b"0")
    assert loop.started == [source]
