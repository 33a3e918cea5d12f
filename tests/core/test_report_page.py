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
