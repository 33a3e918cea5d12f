from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.report_data import Story
from s3amfs.core.report_page import page
from tests.core.test_report_data import lines, result

VOID = {"meta", "rect"}


class Checker(HTMLParser):
    """Raises AssertionError where elements are not nested, or one of them would run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe", "object", "a")
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def checked(*stories: Story) -> str:
    text = page(stories)
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return text


@given(st.lists(lines, max_size=20))
def test_any_lines_make_a_page(found: list[dict[str, Any]]) -> None:
    story = Story("<b>")
    for line in found:
        story.add(line)
    checked(story)
    checked(story, story)


def test_times_that_are_almost_nothing_make_a_page() -> None:
    story = Story()
    story.add({"event": "result", "seconds": 5e-324, "bytes_sent": 1})
    story.add({"event": "part_finished", "number": 1, "length": 5, "attempts": 1, "seconds": 5e-324})
    checked(story)


def test_the_page_of_a_transfer() -> None:
    story = Story()
    for line in (
        {"event": "transfer_started", "verb": "upload", "source": "f", "target": "s3://b/<k>", "time": 10.0},
        {"event": "bytes_moved", "done": 5 << 20, "time": 10.5},
        {"event": "part_finished", "number": 7, "length": 5 << 20, "attempts": 2, "seconds": 2.0},
        {"event": "part_retried", "number": 7, "attempt": 1, "delay": 0.5, "reason": "SlowDown & more"},
        {
            **result("round trips", 0.8, 4.0),
            "verb": "upload",
            "source": "f",
            "target": "s3://b/<k>",
            "bytes_sent": 4096,
        },
    ):
        story.add(line)
    text = checked(story)
    for shown in (
        "upload f to s3://b/&lt;k&gt;",
        "limited by: round trips (80 % of the time)",
        "<td class=n>7</td>",
        "2.5 MiB/s",
        "SlowDown &amp; more",
        "GET, HEAD",
        "rate over time",
    ):
        assert shown in text


def test_the_page_of_many_machines_and_of_a_tree() -> None:
    one, two = Story("one.jsonl"), Story("two.jsonl")
    one.add({"event": "entry", "key": "k<", "action": "fail", "reason": "a FIFO", "size": None})
    two.add({"event": "error", "message": "no such bucket"})
    text = checked(one, two)
    for shown in ("<h2>one.jsonl</h2>", "<h2>two.jsonl</h2>", "k&lt;", "a FIFO", "error: no such bucket"):
        assert shown in text


def story_of(*found: dict[str, Any]) -> Story:
    story = Story()
    for line in found:
        story.add(line)
    return story


def test_the_timeline_has_a_colour_for_each_cause_and_is_never_narrow() -> None:
    causes = [f"cause {number:02}" for number in range(20)]
    lines = [{"event": "limited_by", "cause": cause, "share": 0.1, "time": 10.0 * n} for n, cause in enumerate(causes)]
    text = checked(story_of({"event": "bytes_moved", "done": 1, "time": 0.0}, *lines))
    assert all(cause in text for cause in causes)
    short = checked(
        story_of({"event": "bytes_moved", "done": 0, "time": 0.0}, {"event": "bytes_moved", "done": 1, "time": 1.0})
    )
    assert "viewBox='0 0 60 " in short, "a byte is a bar, too"
    assert "<h2>Timeline</h2>" not in checked(story_of({"event": "bytes_moved", "done": 0, "time": 1.0}))


def test_attempts_that_are_left_out_are_counted() -> None:
    failed = {"event": "part_retried", "number": 1, "attempt": 1, "delay": 0.5, "reason": "reset"}
    kept = len(story_of(*[failed] * 5000).retried)
    assert "the last" not in checked(story_of(*[failed] * kept))
    assert f"the last {kept} of {kept + 1:,}" in checked(story_of(*[failed] * (kept + 1)))


def test_the_rate_of_a_run() -> None:
    text = checked(story_of({"event": "result", "seconds": 2.0, "bytes_sent": 4096}))
    assert "<p>4 KiB in 2.0 s, 2 KiB/s</p>" in text
    assert "in 0.0 s</p>" in checked(story_of({"event": "result", "seconds": 0, "bytes_sent": 4096}))
    assert "in 2.0 s</p>" in checked(story_of({"event": "result", "seconds": 2.0, "bytes_sent": 0}))


def test_bars_of_a_timeline() -> None:
    """Two bins: 4 KiB in a quarter of a second, then half of it for a named cause."""
    story = Story()
    story.timeline.add(0.0, 4096.0)
    story.timeline.add(0.3, 2048.0)
    story.timeline.limits[1] = "the disk"
    text = checked(story)
    assert (
        "<rect x='0' y='0.0' width='1' height='120.0' fill='#888888'><title>0.0 s: 16 KiB/s</title></rect>"
        "<rect x='1' y='60.0' width='1' height='60.0' fill='#4063d8'><title>0.2 s: 8 KiB/s</title></rect>"
    ) in text
    assert (
        "<p>0.5 s from left to right; the highest bar is 16 KiB/s. <span class='s' style='background:#4063d8'>" in text
    )


def test_results_have_a_table_if_there_are_several() -> None:
    one = {"event": "result", "verb": "cp", "source": "a", "target": "b", "bytes": 2048, "seconds": 2.0, "exit_code": 0}
    assert "<h2>Results</h2>" not in checked(story_of(one))
    text = checked(story_of(one, {**one, "exit_code": 4, "limited_by": "the disk", "limited_share": 0.5}))
    cells = "<td>cp</td><td>a</td><td>b</td><td class=n>2 KiB</td><td class=n>2.0 s</td>"
    assert f"<tr>{cells}<td></td></tr><tr>{cells}<td>the disk</td></tr>" in text
    assert "<title>s3am: 2 results</title>" in text
    assert "<p>exit code 4</p>" in text
    assert "<p>4 KiB in 2.0 s, 2 KiB/s</p>" in text, "processes of one job ran at the same time"
    assert "<tr><td>the disk</td><td class=n>25 %</td></tr>" in text


def test_slowest_parts_come_first() -> None:
    parts = [{"event": "part_finished", "number": n, "length": 2048, "seconds": n / 2} for n in (0, 2, 1)]
    text = checked(story_of(*parts, {"event": "no event"}, {}))
    rows = "".join(
        f"<tr><td class=n>{number}</td><td class=n>2 KiB</td><td class=n>{time} s</td>{rate}<td></td></tr>"
        for number, time, rate in (
            (2, "1.00", "<td class=n>2 KiB/s</td>"),
            (1, "0.50", "<td class=n>4 KiB/s</td>"),
            (0, "0.00", "<td></td>"),
        )
    )
    assert rows in text
    assert "<li>1 lines made no sense and were left out</li>" in text


def test_groups_stand_in_the_order_of_what_matters() -> None:
    story = Story()
    for action in ("same", "skip", "upload", "delete", "fail"):
        story.add({"event": "entry", "key": "k", "action": action, "reason": "r", "size": 1000})
    for number in range(202):
        story.add({"event": "entry", "key": f"{number}", "action": "upload", "reason": "r", "size": 5})
    for state in ("!", "=", "?"):
        story.add({"event": "checked", "key": "k", "state": state, "reason": "r"})
    text = checked(story)
    order = ("!", "fail", "delete", "?", "upload", "skip", "=", "same")
    at = [text.index(f"<b>{action}</b>: r (") for action in order]
    assert at == sorted(at)
    assert "<b>fail</b>: r (1 entries, 1,000 bytes)</summary><ul><li>k</li></ul></details>" in text
    assert "<li>198</li></ul><p>and 3 more</p>" in text


def test_a_page_of_nothing() -> None:
    assert "<h1>s3am</h1>\n<p>0 B in 0.0 s</p></body>" in checked(Story())
