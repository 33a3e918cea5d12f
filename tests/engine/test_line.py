"""Lines: what moves is counted over all transfers, slots are handed on, and findings are remembered without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.http import origin
from s3amfs.core.lines import LineState, Remembered, format_lines
from s3amfs.core.pacing import Controller
from s3amfs.engine import line as lines_module
from s3amfs.engine.line import MOST_FTP_SLOTS, Line, Lines, Share


class Clock:
    """Runs what is scheduled, and is the time of the lines."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def schedule(self, delay: float, function: Callable[[], None]) -> None:
        self.waiting.append((self.now + delay, function))

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        end = self.now + seconds
        while self.waiting and min(self.waiting, key=lambda item: item[0])[0] <= end:
            item = min(self.waiting, key=lambda item: item[0])
            self.waiting.remove(item)
            self.now = item[0]
            each()
            item[1]()
        self.now = end


class Member:
    def __init__(self) -> None:
        self.moved = self.refilled = 0
        self.left: int | None = None

    def waiting(self, most: int) -> int | None:
        return self.left if self.left is not None and self.left <= most else None

    def progress(self) -> tuple[int, int]:
        return self.moved, 0

    def refill(self) -> None:
        self.refilled += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    found = Clock()
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(lines_module.time, "monotonic", lambda: found.now)
    monkeypatch.setattr(lines_module, "_thread_seconds", lambda: 0.0)
    return found


def fill(line: Line) -> None:
    while line.gate.held < line.slots:
        line.gate.enter(lambda: None)


def test_slots_grow_with_the_goodput_of_all_members(clock: Clock) -> None:
    line = Lines(clock.schedule).line("http://far", "up")
    first, second = Member(), Member()
    line.join(first)
    line.join(second)

    def move() -> None:
        fill(line)
        first.moved += line.slots * 100_000
        second.moved += line.slots * 100_000

    before = line.slots
    clock.run(3, move)
    assert line.slots > 4 * before
    assert first.refilled and second.refilled
    state = line.state()
    assert state is not None and state.rate > 0


def test_nothing_is_sampled_while_nobody_is_there(clock: Clock) -> None:
    line = Lines(clock.schedule).line("http://far", "up")
    member = Member()
    line.join(member)
    line.leave(member)
    clock.run(1)
    assert not clock.waiting


def test_an_endpoint_and_direction_has_one_line(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    assert lines.line("http://a", "up") is lines.line("http://a", "up")
    assert lines.line("http://a", "up") is not lines.line("http://a", "down")
    assert lines.fixed(3) is not lines.fixed(3)
    assert lines.fixed(3).slots == 3


def test_latency_decides_the_start(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    lines.found_latency("http://far", 0.08)
    assert lines.line("http://far", "up").slots == 64
    line = lines.line("http://near", "up")
    lines.found_latency("http://near", 0.05)
    assert line.slots == 40


def test_memory_is_a_ceiling(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    lines.set_memory((64 + 10) * 1024 * 1024)
    lines.found_latency("http://far", 0.08)
    assert lines.line("http://far", "up").slots == 20


def test_ftp_servers_get_few_connections(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    lines.found_latency("ftp://far", 0.5)
    assert lines.line("ftp://far", "down").slots <= MOST_FTP_SLOTS


def test_what_was_found_is_remembered(clock: Clock, tmp_path: Path) -> None:
    lines = Lines(clock.schedule)
    line = lines.line("http://far us-east-1", "up")
    member = Member()
    line.join(member)

    def move() -> None:
        fill(line)
        member.moved += line.slots * 100_000

    clock.run(3, move)
    lines.remember()
    again = Lines(clock.schedule).line("http://far us-east-1", "up")
    state = line.state()
    assert state is not None and again.slots == state.slots
    assert list(json.loads((tmp_path / "state" / "lines.json").read_text())) == ["up http://far us-east-1"]


def test_a_file_that_is_damaged_counts_for_nothing(clock: Clock, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "lines.json").write_bytes(b"\xff{")
    assert Lines(clock.schedule).line("http://far", "up").slots == 8


def test_a_folder_that_can_not_be_written_is_no_failure(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3AM_STATE_DIR", "/proc/nothing")
    lines = Lines(clock.schedule)
    lines.line("http://far", "up")._controller.rate = 5.0
    lines.remember()


def test_names_have_no_secrets() -> None:
    assert origin("https://user:secret@Host:8443/path?token=1") == "https://host:8443"
    assert origin("ftp://host/file") == "ftp://host"


def test_a_share_is_as_wide_as_its_narrowest_line(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    lines.found_latency("http://far", 0.08)
    source, target = lines.line("http://far", "down"), lines.line("http://near", "up")
    share = Share([source, target])
    assert share.slots == target.slots == 8
    assert share.outlook().latency == pytest.approx(0.08)
    assert Share([source], most=5).slots == 5


def test_a_failure_is_counted_for_the_side_that_failed(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    source, target = lines.line("http://a", "down"), lines.line("http://b", "up")
    share = Share([source, target])
    share.failed(Failure(Kind.THROTTLE, "503", of_source=True), clock.now)
    assert source._controller._overload.accepted > 0
    assert target._controller._overload.accepted == 0
    share.failed(Failure(Kind.THROTTLE, "503"), clock.now)
    assert target._controller._overload.accepted > 0


def test_no_request_begins_at_once_where_the_server_has_turned_some_away(clock: Clock) -> None:
    line = Lines(clock.schedule).line("http://a", "up")
    assert line.reserve_at_once(clock.now)
    line.failed(Failure(Kind.NETWORK, "reset"), clock.now)
    assert line.reserve_at_once(clock.now)
    line.failed(Failure(Kind.THROTTLE, "503"), clock.now)
    assert not line.reserve_at_once(clock.now + 1), "also with a request to spare"
    assert line.reserve(clock.now + 1) == 0.0


def test_remembered_lines_are_used(clock: Clock, tmp_path: Path) -> None:
    import time

    folder = tmp_path / "state"
    folder.mkdir()
    text = format_lines({"up http://far": Remembered(LineState(99, 1e6, 0.1), time.time())})
    (folder / "lines.json").write_text(text)
    assert Lines(clock.schedule).line("http://far", "up").slots == 99


def test_a_part_begins_when_the_servers_take_a_further_request(clock: Clock) -> None:
    lines = Lines(clock.schedule)
    share, begun, later = Share([lines.line("http://a", "up")]), [0], list[tuple[float, Callable[[], object]]]()

    def begin() -> None:
        begun[0] += 1

    assert share.take_turn(lambda delay, function: later.append((delay, function)), begin)
    assert begun == [1]
    share.failed(Failure(Kind.THROTTLE, "503"), clock.now)
    waiting = [share.take_turn(lambda delay, function: later.append((delay, function)), begin) for _ in range(50)]
    assert not all(waiting)
    assert begun[0] + len(later) == 51, "each either begins or is to ask again"
    assert all(0 < delay <= 0.5 for delay, _ in later)


def test_the_last_parts_of_a_lone_transfer_begin_together(clock: Clock) -> None:
    line = Line(Controller(1024, known=LineState(30, 30e6, 0.02)), clock.schedule)
    member, second = Member(), Member()
    line.join(member)
    for _ in range(30):
        line.gate.enter(lambda: None)
    clock.run(0.25)
    assert line.slots == line.gate.limit == 30, "nobody knows how many wait"
    member.left = 20
    clock.run(0.1)
    assert line.slots == line.gate.limit == 50
    assert member.refilled
    line.join(second)
    clock.run(0.1)
    assert line.slots == line.gate.limit == 30, "there is more to do again"
    line.leave(second)
    clock.run(0.1)
    assert line.slots == line.gate.limit == 50
    line.leave(member)
    line.join(second)
    assert line.slots == line.gate.limit == 30, "the next transfer begins with what the line needs"


def test_a_transfer_may_end_while_it_is_asked_what_waits(clock: Clock) -> None:
    line = Line(Controller(1024, known=LineState(30, 30e6, 0.02)), clock.schedule)

    class Ending(Member):
        def waiting(self, most: int) -> int | None:
            line.leave(self)
            return None

    line.join(Ending())
    clock.run(0.5)
    assert not clock.waiting, "nobody is there any more"


def test_requests_that_wait_for_their_turn_are_counted(clock: Clock) -> None:
    source, target = (Line(Controller(9, fixed=9), clock.schedule) for _ in range(2))
    share, later, begun = Share([source, target]), list[Callable[[], object]](), list[int]()
    share.failed(Failure(Kind.THROTTLE, "503"), clock.now)
    for number in range(5):
        share.take_turn(lambda delay, function: later.append(function), lambda number=number: begun.append(number))
    assert source.held_up == target.held_up == 5 - len(begun) > 0
    while later:
        clock.now += 1.0
        later.pop(0)()
    assert sorted(begun) == [0, 1, 2, 3, 4]
    assert source.held_up == target.held_up == 0


def test_a_relay_that_waits_for_one_server_costs_the_other_no_further_request(clock: Clock) -> None:
    """Each turn counts once on each line, however often the second one is asked."""
    source, target = (Line(Controller(9, fixed=9), clock.schedule) for _ in range(2))
    asked: list[Line] = []

    def count(line: Line, answers: list[float | None]) -> None:
        line.reserve = lambda now: (asked.append(line), answers.pop(0))[1]  # type: ignore[method-assign]

    count(source, [0.25])
    count(target, [None, None, 0.0])
    begun = list[float]()
    assert not Share([source, target]).take_turn(clock.schedule, lambda: begun.append(clock.now))  # type: ignore[arg-type]
    clock.run(5.0)
    assert asked == [source, target, target, target]
    assert begun == [101.0]
