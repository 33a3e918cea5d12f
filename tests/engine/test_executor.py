"""The executor: a straggler is asked for again, slots are kept, and it is over only when nothing moves any more."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from s3amfs.core import lag
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.parts import Part, Plan
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine import stragglers
from s3amfs.engine.attempt import ReceivePart
from s3amfs.engine.executor import Transfer
from s3amfs.engine.line import Share
from s3amfs.engine.loop import get_engine
from s3amfs.engine.settings import Callbacks, Settings
from s3amfs.engine.sinks import MemorySink
from s3amfs.errors import S3AMError
from s3amfs.wire.messages import HttpRequest

LENGTH = 4096
STALLED = 20


class Server(http.server.ThreadingHTTPServer):
    """Gives every part at once, but stalls on the first request for part `STALLED` until the test is over."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen: dict[int, int] = {}
        self.in_flight = self.most = 0
        self.over = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        number, server = int(self.path.strip("/")), self.server
        with server.lock:
            server.seen[number] = server.seen.get(number, 0) + 1
            server.in_flight += 1
            server.most = max(server.most, server.in_flight)
            first = server.seen[number] == 1
        if number == STALLED and first:
            server.over.wait(60)
        with server.lock:
            server.in_flight -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(LENGTH))
        self.end_headers()
        self.wfile.write(bytes([number % 256]) * LENGTH)

    def log_message(self, *_: object) -> None:
        """Nothing to see."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()


def transfer_of(server: Server, parts: int, slots: int, **settings: bool) -> tuple[Transfer, bytearray, Plan]:
    plan, buffer = Plan(parts * LENGTH, LENGTH), bytearray(parts * LENGTH)
    port = server.server_address[1]

    def move(part: Part, attempt: int) -> ReceivePart:
        sink = MemorySink(memoryview(buffer)[part.offset : part.end], part, lambda reply: None)
        return ReceivePart(HttpRequest("GET", f"http://127.0.0.1:{port}/{part.number}"), sink)

    engine = get_engine()
    share = Share([engine.lines.fixed(slots)])
    transfer = Transfer(engine, move, share, Settings("test", RetryPolicy(budget=0), **settings))
    return transfer, buffer, plan


def test_a_part_that_stalls_is_asked_for_again(server: Server) -> None:
    transfer, buffer, plan = transfer_of(server, 40, 4)
    transfer.add(plan, last=True)
    transfer.wait()
    assert server.seen[STALLED] == 2
    assert transfer.parts_asked_again == 1
    assert transfer.retries == 0, "that was no failure"
    assert sum(server.seen.values()) == 41
    assert buffer == b"".join(bytes([part.number % 256]) * part.length for part in plan)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts lag after a tenth of a second, and are looked at as often."""
    monkeypatch.setattr(lag, "LEAST_SECONDS", 0.1)
    monkeypatch.setattr(stragglers, "LAG_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
def test_where_a_cut_request_may_be_executed_nothing_is_asked_for_again(server: Server) -> None:
    transfer, _, plan = transfer_of(server, 40, 4, asks_again=False)
    transfer.add(plan, last=True)
    assert not transfer.wait(timeout=1)
    transfer.stop()
    assert server.seen[STALLED] == 1


@pytest.mark.usefixtures("impatient")
def test_fixed_slots_are_kept(server: Server) -> None:
    transfer, _, plan = transfer_of(server, 40, 3)
    transfer.add(plan, last=True)
    transfer.wait()
    assert server.most <= 3


def test_stop_returns_when_nothing_moves_any_more(server: Server) -> None:
    transfer, _, plan = transfer_of(server, 40, 4, asks_again=False)
    transfer.add(plan, last=True)
    assert not transfer.wait(timeout=0.3)
    transfer.stop(Failure(Kind.FATAL, "enough"))
    assert transfer.over
    assert transfer._runs.in_flight == 0
    with pytest.raises(S3AMError, match="enough"):
        transfer.wait()


def test_parts_that_can_not_be_named_end_it_also_when_they_are_only_counted(server: Server) -> None:
    """The line asks how many are left while the first one moves: none may be lost in silence."""
    transfer, _, plan = transfer_of(server, 40, 1, asks_again=False)

    def parts() -> Iterator[Part]:
        yield plan.part(STALLED)
        raise RuntimeError("no more names")

    transfer.add(parts(), last=True)
    with pytest.raises(RuntimeError, match="no more names"):
        transfer.wait(timeout=10)
    assert transfer.over


def test_slots_that_transfers_share_go_to_all_of_them(server: Server) -> None:
    engine = get_engine()
    line = engine.lines.line(f"http://127.0.0.1:{server.server_address[1]}", "down")
    done: list[int] = []
    transfers = []
    for _ in range(3):
        transfer, _, plan = transfer_of(server, 12, 1)
        shared = Transfer(
            engine,
            transfer._runs._move,
            Share([line]),
            Settings("test", RetryPolicy(budget=0)),
            Callbacks(on_part=lambda result: done.append(result.number)),
        )
        shared.add(plan, last=True)
        transfers.append(shared)
    for shared in transfers:
        shared.wait()
    assert len(done) == 36
    assert server.most <= line.slots
    deadline = time.monotonic() + 5
    while line.gate.held and time.monotonic() < deadline:
        time.sleep(0.01)
    assert line.gate.held == 0


def test_what_follows_a_stop_is_called_once_also_where_it_ends_before_the_loop_gets_to_it(server: Server) -> None:
    transfer, _, plan = transfer_of(server, 40, 2, asks_again=False)
    home, ended, called = get_engine().loop(0), threading.Event(), list[bool]()

    def end_first() -> None:
        transfer._end()
        ended.set()

    transfer.add(plan, last=True)
    entered, go = threading.Event(), threading.Event()
    home.submit(lambda: (entered.set(), go.wait(60), end_first()))
    assert entered.wait(60)
    transfer.stop_soon(lambda: called.append(transfer.over))
    assert not transfer.over
    go.set()
    assert ended.wait(60)
    done = threading.Event()
    home.submit(done.set)
    assert done.wait(60)
    assert called == [True]
