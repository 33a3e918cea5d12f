"""`Report`: what a run has counted is what its result says."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.bottleneck import Cause, Tally
from s3amfs.core.events import Completing, Event, TransferResult, TransferStarted, Warned
from s3amfs.transfers import report as module
from s3amfs.transfers.report import Report, ignore


class Run:
    """A report, its clock and its events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.requests = 100.0, Counter({"GET": 5})
        self.events: list[Event] = []
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(module, "requests_made", lambda: Counter(self.requests))
        self.report = Report("upload", "from", "to", self.events.append)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


def transfer(sent: int = 0, parts: int = 0, retries: int = 0, **seconds: float) -> Any:
    """One that spent so many seconds on each cause."""
    tally = Tally({Cause[name]: value for name, value in seconds.items()})
    flight = SimpleNamespace(spent=lambda: tally)
    return SimpleNamespace(bytes_sent=sent, parts_moved=parts, retries=retries, flight=flight)


def test_what_is_known_at_the_start(run: Run) -> None:
    run.report.started(10, None, None)
    run.report.resumed(iter([3, 4]))
    run.report.started(10, 5, 2)
    assert run.events == [
        TransferStarted("upload", "from", "to", 10, None, None, 0, 0),
        TransferStarted("upload", "from", "to", 10, 5, 2, 2, 7),
    ]


def test_warnings_and_the_end_are_events(run: Run) -> None:
    run.report.warn("careful")
    run.report.completing()
    assert run.events == [Warned("careful"), Completing("to")]
    ignore(run.events[0])


def test_a_run_without_any_transfer(run: Run) -> None:
    run.now += 2.5
    result = run.report.result(size=10, etag="e")
    assert run.events == [result]
    assert isinstance(result, TransferResult)
    assert (result.verb, result.source, result.target, result.size, result.etag) == ("upload", "from", "to", 10, "e")
    assert (result.seconds, result.bytes_sent, result.parts_sent, result.retries) == (2.5, 0, 0, 0)
    assert (result.limited_by, result.limited_share, result.requests_made) == ("", 0.0, {})
    assert (result.skipped, result.dry_run) == (False, False)


def test_all_transfers_and_other_processes_are_added_up(run: Run) -> None:
    run.report.count(transfer(100, 2, 1))
    run.report.count(transfer(20, 1, 3))
    run.report.count_elsewhere(4, 1000)
    run.report.count_elsewhere(1, 500)
    run.report.resumed([7])
    result = run.report.result(size=1627, etag="e", parts=9)
    assert (result.bytes_sent, result.parts_sent, result.parts_resumed) == (1620, 8, 1)
    assert (result.retries, result.parts) == (4, 9)


def test_what_s3_copied_was_not_sent(run: Run) -> None:
    run.report.count(transfer(100, 2))
    run.report.count_copied(30, in_parts=True)
    run.report.count_elsewhere(1, 1000, copied=True)
    assert (result := run.report.result(size=100)).bytes_sent == 70
    assert result.bytes_copied == 1030
    run.report.count_copied(5, in_parts=False)
    assert (result := run.report.result(size=100)).bytes_sent == 70
    assert result.bytes_copied == 1035


def test_only_requests_of_this_run_count(run: Run) -> None:
    run.requests.update({"GET": 2, "PUT": 1})
    assert run.report.result(size=0, etag="").requests_made == {"GET": 2, "PUT": 1}


def test_the_limit_is_that_of_all_that_moved(run: Run) -> None:
    first, second = list(Cause)[:2]
    run.report.count(transfer(**{first.name: 4.0, second.name: 3.0}))
    run.report.count(transfer(**{second.name: 3.0}))
    result = run.report.result(size=0, etag="")
    assert (result.limited_by, result.limited_share) == (second.value, 0.6)


def test_what_the_verb_found_out_is_passed_on(run: Run) -> None:
    result = run.report.result(
        size=1, etag="e", version_id="v", checksum="crc64nvme", proof="CRC of the whole", skipped=True, dry_run=True
    )
    assert (result.version_id, result.checksum, result.proof) == ("v", "crc64nvme", "CRC of the whole")
    assert (result.skipped, result.dry_run) == (True, True)
