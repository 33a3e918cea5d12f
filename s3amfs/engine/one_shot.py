"""One request, sent once, for which no thread waits: for many small ones at a time.

Whatever is not a plain success (a refusal, a lost connection, credentials that have ended) is left to who knows about
retries: the usual way, in a thread that may wait.
"""

from __future__ import annotations

from collections.abc import Callable

from ..wire.curl.exchange import Exchange
from ..wire.curl.streams import Chunks
from ..wire.failures import find_failure
from ..wire.messages import HttpRequest, Reply
from .limits import SlotGate
from .loop import Loop

OnReply = Callable[[Reply | None], None]


class Quick:
    """prepare: makes the request, in the loop's thread; None: not now.

    on_reply: called once in the loop's thread, with the reply of a success, or None. chunks: where its body goes.
    gate: slots that are shared with others.
    """

    def __init__(
        self,
        loop: Loop,
        prepare: Callable[[], HttpRequest | None],
        on_reply: OnReply,
        chunks: Chunks | None = None,
        gate: SlotGate | None = None,
    ) -> None:
        self._loop = loop
        self._prepare = prepare
        self._on_reply = on_reply
        self._chunks = chunks
        self._exchange: Exchange | None = None
        self._over = self._started = False
        self._gate = gate
        if gate is None:
            loop.submit(self._start)
        else:
            gate.enter(lambda: loop.submit(self._start))

    def cut(self) -> None:
        """Ends it now, if it has not ended: `on_reply` is told None. Any thread."""
        self._loop.submit(self._cut)

    def _start(self) -> None:
        if self._over:
            self._leave()
            return
        self._started = True
        try:
            request = self._prepare()
            if request is not None:
                self._exchange = Exchange(request, self._ended, chunks=self._chunks)
                self._loop.multi.start(self._exchange)
                return
        except Exception:  # noqa: BLE001 - the usual way meets it again, and has somebody to tell
            self._exchange = None
        self._end(None)

    def _ended(self, exchange: Exchange) -> None:
        self._end(exchange.reply if find_failure(exchange.reply) is None else None)

    def _cut(self) -> None:
        if not self._over and self._exchange is not None:
            self._loop.multi.cancel(self._exchange)
        self._end(None)

    def _end(self, reply: Reply | None) -> None:
        if not self._over:
            self._over = True
            if self._started:
                self._leave()
            self._on_reply(reply)
            # Who holds this and is told by it must not live until the garbage is collected, nor its bytes.
            self._on_reply, self._prepare, self._exchange, self._chunks = _nothing, _no_request, None, None

    def _leave(self) -> None:
        if self._gate is not None:
            self._gate.leave()


def _nothing(reply: Reply | None) -> None:
    """It was told."""


def _no_request() -> None:
    """It was sent."""
