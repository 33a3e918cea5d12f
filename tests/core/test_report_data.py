from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.report_data import BINS, EXAMPLES, FAILED, SLOWEST, Story, Timeline, limits_of, requests_of

numbers = st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.none(), st.booleans())
EVENTS = [
    *("transfer_started", "bytes_moved", "part_finished", "part_retried", "limited_by", "entry", "checked"),
    *("result", "error", "warning"),
]
FIELDS = [
    *("done", "length", "seconds", "number", "attempt", "delay", "reason", "cause", "share", "action", "state", "size"),
    *("key", "message", "bytes", "time", "bytes_sent", "limited_by", "limited_share", "requests_made", "notes"),
    *("exit_code", "resumed_bytes", "verb", "source", "target"),
]
lines = st.builds(
    lambda event, fields: {"event": event, **fields},
    st.sampled_from(EVENTS),
    st.dictionaries(st.sampled_from(FIELDS), st.one_of(numbers, st.lists(numbers, max_size=2))),
)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e12)), max_size=400))
def test_a_timeline_keeps_every_byte_in_bounded_bins(points: list[tuple[float, float]]) -> None:
    line = Timeline()
    for at, count in points:
        line.add(at, count)
    assert len(line.bins) == len(line.limits) <= BINS
    assert sum(line.bins) == pytest.approx(sum(count for _, count in points))


@given(st.lists(lines, max_size=30))
def test_nothing_in_a_file_breaks_a_story(found: list[dict[str, Any]]) -> None:
    story = Story()
    for line in found:
        story.add(line)
    limits_of([story])
    requests_of([story])


def test_memory_is_bounded() -> None:
    story = Story()
    for number in range(5000):
        story.add({"event": "part_finished", "number": number, "length": 1, "attempts": 1, "seconds": number / 10})
        story.add({"event": "entry", "key": f"k{number}", "action": "upload", "reason": "new", "size": 2})
        story.add({"event": "part_retried", "number": 1, "attempt": 1, "delay": 1.0, "reason": "x"})
    assert sorted(seconds for seconds, _, _ in story.slowest) == [number / 10 for number in range(5000 - SLOWEST, 5000)]
    group = story.groups["upload", "new"]
    assert (group.count, group.size, len(group.names)) == (5000, 10_000, EXAMPLES)
    assert story.retries == 5000
    assert len(story.retried) == FAILED


@pytest.mark.parametrize(
    ("event", "kept"),
    [("transfer_started", "started"), ("result", "results"), ("error", "errors"), ("warning", "warnings")],
)
def test_of_each_kind_of_lines_the_last_are_kept(event: str, kept: str) -> None:
    story = Story()
    for number in range(EXAMPLES + 5):
        story.add({"event": event, "message": f"{number}", "source": f"{number}"})
    found = [line if isinstance(line, str) else line["source"] for line in getattr(story, kept)]
    assert found == [str(number) for number in range(5, EXAMPLES + 5)]


@pytest.mark.parametrize(
    ("fields", "moved"),
    [({"bytes_copied": 3, "bytes_sent": 4, "bytes": 9}, 7), ({"bytes": 9}, 9), ({"bytes_copied": 3}, 3), ({}, 0)],
)
def test_a_result_moved_what_was_copied_and_sent(fields: dict[str, int], moved: int) -> None:
    story = Story()
    story.add({"event": "result", **fields})
    assert (story.results[0]["moved"], story.results[0]["seconds"], story.results[0]["notes"]) == (moved, 0.0, [])


def test_an_entry_that_moved_is_in_the_timeline_if_it_has_a_time() -> None:
    story = Story()
    for fields in ({"size": 7}, {"size": 5, "time": 3.0}, {"size": 2, "time": 3.3}, {"time": 3.6}):
        story.add({"event": "entry", "key": "k", "action": "upload", "reason": "new", **fields})
    story.add({"event": "entry", "key": "k", "action": "same", "reason": "new", "size": 1, "time": 3.0})
    assert story.timeline.bins == [5, 2, 0]
    assert [(group.count, group.size) for group in story.groups.values()] == [(4, 14), (1, 1)]
    story.add({"event": "part_retried"})
    story.add({"event": "part_retried", "delay": 1.5})
    assert [line["delay"] for line in story.retried] == [0.0, 1.5]


def test_of_two_bins_that_become_one_the_later_cause_stays() -> None:
    line = Timeline(1.0, [1.0] * 6, ["a", "b", "a", "", "", ""])
    line.add(BINS, 0.0)
    assert line.limits[:4] == ["b", "a", "", ""]
    assert line.bins[:4] == [2.0, 2.0, 2.0, 0.0]


def test_the_timeline_of_a_transfer() -> None:
    story = Story()
    story.add({"event": "transfer_started", "resumed_bytes": 100, "time": 1000.0})
    story.add({"event": "bytes_moved", "done": 150, "time": 1000.1})
    story.add({"event": "bytes_moved", "done": 160, "time": 1000.3})
    story.add({"event": "limited_by", "cause": "round trips", "share": 1.0, "time": 1000.3})
    assert story.timeline.bins == [50, 10]
    assert story.timeline.limits == ["round trips", "round trips"]
    story.add({"event": "limited_by", "cause": "--bwlimit", "share": 1.0, "time": 1009.0})
    assert story.timeline.limits == ["round trips"] * 2 + [""] * 14 + ["--bwlimit"] * 21


def test_rounds_of_a_split_job_count_from_their_own_start() -> None:
    story = Story()
    for number, done in enumerate((10, 30, 5, 20)):
        story.add({"event": "bytes_moved", "done": done, "time": 1000.0 + number})
    assert sum(story.timeline.bins) == 50


def result(cause: str, share: float, seconds: float) -> dict[str, Any]:
    requests = {"GET, HEAD": 2}
    return {
        "event": "result", "seconds": seconds, "limited_by": cause, "limited_share": share, "requests_made": requests
    }  # fmt: skip


def test_causes_of_several_results_count_by_their_seconds() -> None:
    one, two = Story(), Story()
    one.add(result("a", 1.0, 1.0))
    two.add(result("b", 0.5, 9.0))
    assert limits_of([one, two]) == [("b", pytest.approx(0.45)), ("a", pytest.approx(0.1))]
    assert requests_of([one, two]) == {"GET, HEAD": 4}


def test_causes_of_a_process_that_was_killed() -> None:
    story = Story()
    for cause, share in (("a", 0.9), ("b", 0.6)):
        story.add({"event": "limited_by", "cause": cause, "share": share})
    assert limits_of([story]) == [("a", pytest.approx(0.6)), ("b", pytest.approx(0.4))]


def test_lines_without_sense_are_counted() -> None:
    story = Story()
    story.add({})
    story.add({"event": "bytes_moved"})
    story.add({"event": "an event of a later version", "x": 1})
    assert story.nonsense == 2


def test_bins_double_their_width_as_the_time_grows() -> None:
    line = Timeline(0.25)
    line.add(BINS * 0.25 - 0.01, 3.0)
    assert (line.width, len(line.bins)) == (0.25, BINS)
    line.add(BINS * 0.25, 5.0)
    assert (line.width, len(line.bins), sum(line.bins)) == (0.5, BINS // 2 + 1, 8.0)
    line.add(-0.1, 7.0)
    line.add(1e9, 7.0)
    assert sum(line.bins) == 8.0


def test_shares_of_a_limit_add_up_and_odd_numbers_are_nothing() -> None:
    story = Story()
    for share in (0.5, 0.25):
        story.add({"event": "limited_by", "cause": "the disk", "share": share, "time": 1.0})
    assert story.limits == {"the disk": 0.75}
    for seconds, kept in (
        (5.0, 5.0),
        (1e18, 0.0),
        (9e17, 9e17),
        (-1.0, 0.0),
        (-0.5, 0.0),
        (1e-10, 0.0),
        ("x", 0.0),
        (0, 0.0),
    ):
        story.add({"event": "result", "seconds": seconds})
        assert story.results[-1]["seconds"] == kept
