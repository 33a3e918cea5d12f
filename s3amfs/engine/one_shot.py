"""One request, sent once, for which no thread waits: for many small ones at a time.

Whatever is not a plain success (a refusal, a lost connection, credentials that have ended, an answer that makes no
sense) is left to the caller's fallback: the usual calls with their retries, in a thread that may wait.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import S3AMError, TransferError
from ..wire.curl.exchange import Exchange
from ..wire.curl.streams import Chunks
from ..wire.failures import find_failure
from ..wire.messages import HttpRequest, Reply
from .limits import SlotGate
from .loop import Loop

OnReply = Callable[[Reply | None], None]


class OneShot:
    """prepare: makes the request, in the loop's thread; None: not now.

    on_reply: called in the loop's thread, once with the reply of a success, or None. If it raises S3AMError, the reply
    made no sense, and it is called once more, with None; so it is after any other exception, which is a bug and
    reported. chunks: where the body goes. gate: slots that are shared with others.
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
        self._over = self._holds_slot = False
        self._gate = gate
        if gate is None:
            loop.submit(self._start)
        else:
            gate.enter(self._let_in)

    def cut(self) -> None:
        """Ends it now, if it has not ended: `on_reply` gets None. Any thread."""
        self._loop.submit(self._cut)

    def _let_in(self) -> None:
        """By the gate, in any thread."""
        self._holds_slot = True
        try:
            self._loop.submit(self._start)
        except TransferError:  # the loop has ended
            self._end(None)

    def _start(self) -> None:
        if self._over:  # cut before it was let in
            self._leave()
            return
        try:
            request = self._prepare()
            if request is not None:
                self._exchange = Exchange(request, self._ended, chunks=self._chunks)
                self._loop.multi.start(self._exchange)
                return
        except S3AMError:  # no credentials, no endpoint: the fallback raises it
            self._exchange = None
        except BaseException:
            self._exchange = None
            self._end(None)
            raise
        self._end(None)

    def _ended(self, exchange: Exchange) -> None:
        failure = find_failure(exchange.reply)
        if failure is not None:
            exchange.request.learn(failure)
        self._end(exchange.reply if exchange.error is None and failure is None else None)

    def _cut(self) -> None:
        if not self._over and self._exchange is not None:
            self._loop.multi.cancel(self._exchange)
        self._end(None)

    def _end(self, reply: Reply | None) -> None:
        if self._over:
            return
        self._over = True
        self._leave()
        on_reply = self._on_reply
        # What holds this and is called by it must not live until the garbage is collected, nor its bytes.
        self._on_reply, self._prepare, self._exchange, self._chunks = _ignore, _no_request, None, None
        try:
            on_reply(reply)
        except S3AMError:
            if reply is None:
                raise
            on_reply(None)
        except BaseException:
            if reply is not None:
                on_reply(None)
            raise

    def _leave(self) -> None:
        if self._gate is not None and self._holds_slot:
            self._holds_slot = False
            self._gate.leave()


def _ignore(reply: Reply | None) -> None:
    """It has been called."""


def _no_request() -> None:
    """It was sent."""
