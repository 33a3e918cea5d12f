"""One attempt to move one part: at most two exchanges on one loop, joined by a bounded pipe when both ends are remote.

An operation lives in its loop's thread. It ends once, by calling `done` with its `Outcome`; after `cancel` it
never does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, cast

from ..core.bottleneck import Activity
from ..core.claims import Compared
from ..core.continuation import goes_on_at_once, of_continuation
from ..core.define import define
from ..core.failures import Failure, Kind
from ..core.parts import Part
from ..wire.curl.exchange import Exchange
from ..wire.curl.options import with_low_speed_limit
from ..wire.curl.streams import Reader, Sink
from ..wire.failures import classify, naming_encryption
from ..wire.messages import HttpRequest, Reply
from .bwlimit import LimitedReader, LimitedSink, Limiter
from .joining import Joinable, can_be_joined, continued
from .loop import Loop
from .part_problem import PartProblem
from .relay_pipe import Pipe, RelayEnd
from .sampler import activity_of
from .sources import RangedSource

SHARERS = 4
"""Requests that share a rate limit, about: what is slower than its share is still no stall."""


@define(frozen=True, slots=True)
class PartResult:
    """A part that has arrived, as the answer and the bytes that went by show it."""

    number: int
    length: int
    etag: str = ""
    crc: int | None = None
    """Checksum of the part's bytes as they passed through this process; None where none did (server-side copies)."""
    checksum: str = ""
    """Base64 checksum as the server stores it; '' if it sent none."""
    compared: Compared = Compared.NOTHING
    """How the server's answer was compared with what was sent."""


Outcome = PartResult | Failure | BaseException
"""How an attempt ended; an exception is a bug of a source, target or sink, and ends the transfer."""

Done = Callable[[Outcome], None]


class PartBody(Reader, Protocol):
    """The request body of a part that goes to a remote target."""

    moved: int

    def finish(self, reply: Reply) -> PartResult:
        """Judges the reply to the body that was sent; raises PartProblem."""


Explain = Callable[[Failure], Failure]
"""The meaning of a failed request for the source it was sent to (see `sources.RangedSource`)."""


def as_it_is(failure: Failure) -> Failure:
    """The `Explain` of sources that have nothing to add."""
    return failure


class PartSink(Joinable, Protocol):
    """Where the bytes of a part from a remote source go."""

    def settle(self) -> None:
        """Called when it has to wait for the rest: holds no bytes in memory any longer. Raises OSError."""

    def finish(self) -> PartResult:
        """Called when the source has delivered everything; raises PartProblem if it was not all."""


@define(slots=True)
class SendPart:
    """Local bytes to a remote target (or a server-side copy, with an empty body)."""

    request: HttpRequest
    body: PartBody


@define(slots=True)
class ReceivePart:
    """A remote source to local bytes."""

    request: HttpRequest
    sink: PartSink
    explain: Explain = as_it_is
    rest: RangedSource | None = None
    """Where the rest of an answer that was cut is requested; None: the whole is, each time."""


@define(slots=True)
class RelayPart:
    """A remote source to a remote target."""

    source: HttpRequest
    accept: Callable[[Reply], None]
    """Judges the source's reply before the first byte; raises PartProblem."""
    target: HttpRequest
    make_body: Callable[[Reader], PartBody]
    explain: Explain = as_it_is
    rest: RangedSource | None = None
    """As of `ReceivePart`."""


PartWork = SendPart | ReceivePart | RelayPart
"""The work of one attempt of one part: plain data and the objects that judge it."""

Move = Callable[[Part, int], PartWork]
"""Makes the work for a part and the number of its attempt (1 is the first); called in a loop's thread, at dispatch."""


class Operation:
    """One attempt of one part. Create and use it in the loop's thread only."""

    def __init__(self, loop: Loop, part: Part, done: Done, *, limiter: Limiter | None = None) -> None:
        self._loop = loop
        self._part = part
        self._done: Done | None = done
        self._limiter = limiter
        self._exchanges: list[Exchange] = []
        self._plan: PartWork | None = None
        self._body: PartBody | None = None
        self._sink: PartSink | None = None
        self._explain: Explain = as_it_is
        self._held_back: LimitedReader | LimitedSink | None = None
        self._pipe: Pipe | None = None
        self._relay_end: RelayEnd | None = None
        self._request_began_at = 0
        """Bytes that a relay's source had sent before its present request."""
        self.moved_before = 0
        """Bytes that an earlier attempt has moved and this one goes on from."""
        self.joined = False
        """Its bytes come from several answers."""

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Its requests that are under way; a relay's first one is the source's. Any thread."""
        return tuple(self._exchanges)

    def activity(self, now: float, latency: Callable[[str], float]) -> Activity | None:
        """The state of this part at the moment; None: nothing. Any thread, which gets a guess about the other's."""
        exchanges, held_back, pipe = self.exchanges, self._held_back, self._pipe
        if not exchanges:
            return None
        if held_back is not None and held_back.waiting:
            return Activity.PAUSED
        found = activity_of(exchanges[-1], now, latency)
        if pipe is None or len(exchanges) < 2 or found is Activity.WAITS or pipe.received >= pipe.length:
            return found
        return Activity.SENDS if pipe.is_filling else Activity.RECEIVES

    @property
    def passed(self) -> int:
        """Bytes of this part that have passed through this process so far. Any thread."""
        end = self._body or self._sink
        return end.moved if end is not None else 0

    @property
    def moved(self) -> int:
        """Those of them that are known to have arrived: not the ones that wait in buffers. Any thread."""
        exchanges = self.exchanges
        return min(self.passed, exchanges[-1].acknowledged) if self._body is not None and exchanges else self.passed

    @property
    def received(self) -> ReceivePart | None:
        """Its work, if another attempt can go on where this one has stopped."""
        plan = self._plan
        if not isinstance(plan, ReceivePart) or plan.rest is None or not can_be_joined(plan.sink, self._part):
            return None
        return plan

    def start(self, plan: PartWork) -> None:
        self._plan = plan
        if isinstance(plan, SendPart):
            self._body = plan.body
            request = self._with_low_speed_limit(plan.request) if plan.request.content_length else plan.request
            self._send(self._limited(Exchange(request, self._body_sent, reader=plan.body)))
        elif isinstance(plan, ReceivePart):
            self._sink, self._explain = plan.sink, plan.explain
            request, sink = plan.request, cast(Sink, plan.sink)
            if plan.rest is not None and plan.sink.moved:
                self.moved_before, self.joined = plan.sink.moved, True
                request, sink = continued(plan.sink, self._part, plan.rest)
            request = self._with_low_speed_limit(request)
            may_pause = self._limiter is not None
            self._send(self._limited(Exchange(request, self._sink_filled, sink=sink, may_pause=may_pause)))
        else:
            self._relay(plan)

    def cancel(self) -> None:
        self._done = None
        self._cut()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _with_low_speed_limit(self, request: HttpRequest) -> HttpRequest:
        least = self._limiter.least // SHARERS if self._limiter is not None else 0
        return replace(request, options=with_low_speed_limit(request.options, limit_rate=least))

    def _limited(self, exchange: Exchange) -> Exchange:
        """`exchange`, whose bytes take their turn among all that share the limit."""
        if self._limiter is None:
            return exchange

        def later(delay: float) -> None:
            self._loop.multi.call_later(delay, lambda: self._loop.multi.resume(exchange))

        if exchange.sink is not None:
            exchange.sink = self._held_back = LimitedSink(exchange.sink, self._limiter, later)
        else:
            assert exchange.reader is not None
            exchange.reader = self._held_back = LimitedReader(exchange.reader, self._limiter, later)
        return exchange

    def _send(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)
        self._loop.multi.start(exchange)

    def _cut(self) -> None:
        for exchange in self._exchanges:
            self._loop.multi.cancel(exchange)
        self._exchanges.clear()

    def _end(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        self._cut()
        if done is not None:
            done(outcome)

    def _problem(self, exchange: Exchange, role: str) -> Failure | None:
        """The failure of an exchange that ended, or None."""
        if isinstance(exchange.error, PartProblem):
            failure = exchange.error.failure
            return self._of_source(failure) if role == "source" else failure
        if isinstance(exchange.error, OSError):
            return Failure(Kind.LOCAL, str(exchange.error), errno=exchange.error.errno)
        if exchange.error is not None:
            raise exchange.error
        if exchange.reply.ok:
            return None
        failure = classify(exchange.reply, role="source" if role == "source" else "target")
        exchange.request.learn(failure)
        return self._of_source(failure) if role == "source" else naming_encryption(failure, exchange.request.headers)

    def _of_source(self, failure: Failure) -> Failure:
        return self._explain(of_continuation(failure) if self.joined else failure)

    def _body_sent(self, exchange: Exchange) -> None:
        assert self._body is not None
        self._end(self._judged(exchange, "target", partial(self._body.finish, exchange.reply)))

    def _sink_filled(self, exchange: Exchange) -> None:
        assert self._sink is not None
        self._end(self._judged(exchange, "source", self._sink.finish))

    def _judged(self, exchange: Exchange, role: str, finish: Callable[[], PartResult]) -> Outcome:
        try:
            failure = self._problem(exchange, role)
            return finish() if failure is None else failure
        except PartProblem as problem:
            return problem.failure
        except OSError as error:  # the last bytes did not fit on the disk
            return Failure(Kind.LOCAL, str(error), errno=error.errno)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that owns the transfer
            return error

    def _relay(self, plan: RelayPart) -> None:
        pipe = self._pipe = Pipe(self._part.length)
        end = self._relay_end = RelayEnd(self._loop, pipe, plan.accept)
        self._body, self._explain = plan.make_body(end), plan.explain
        # Its own pauses are not slow to curl. The target's may be: it waits for the source, and both would be cut.
        request = self._with_low_speed_limit(plan.source)
        source = Exchange(request, partial(self._source_ended, plan), sink=end)
        target = self._limited(Exchange(plan.target, self._body_sent, reader=self._body))
        end.source, end.target = source, target
        self._send(source)
        end.start_target = partial(self._start_target, target)

    def _start_target(self, target: Exchange) -> None:
        if self._done is None:
            return
        try:
            self._send(target)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that owns the transfer
            self._end(error)

    def _source_ended(self, plan: RelayPart, exchange: Exchange) -> None:
        pipe = self._pipe
        assert pipe is not None
        try:
            failure = self._problem(exchange, "source")
        except BaseException as error:  # noqa: BLE001 - raised in the thread that owns the transfer
            self._end(error)
            return
        if failure is None and pipe.received < self._part.length:
            failure = Failure(
                Kind.NETWORK, f"the source ended {self._part.length - pipe.received} bytes too early", status=0
            )
        if failure is not None and not self._goes_on(plan, pipe, failure):
            # The target's request is cut too: it would wait for bytes that never come.
            self._end(replace(failure, of_source=True))

    def _goes_on(self, plan: RelayPart, pipe: Pipe, failure: Failure) -> bool:
        """Requests the rest from the source, for which the target waits; returns whether there is reason to."""
        end = self._relay_end
        moved, missing = pipe.received - self._request_began_at, self._part.length - self._request_began_at
        if self._done is None or end is None or plan.rest is None or not can_be_joined(end, self._part):
            return False
        if not goes_on_at_once(failure, moved, missing) or not plan.rest.is_ready:
            return False
        self._request_began_at, self.joined = pipe.received, True
        try:
            request, sink = continued(end, self._part, plan.rest)
            source = Exchange(self._with_low_speed_limit(request), partial(self._source_ended, plan), sink=sink)
            end.source = self._exchanges[0] = source
            self._loop.multi.start(source)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that owns the transfer
            self._end(error)
        return True
