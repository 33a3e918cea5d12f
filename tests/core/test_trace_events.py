from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.trace_events import Encoder, RequestSpan, Rows, Timings, moves_part, parse_trace, phases, place_of

seconds = st.floats(0, 100, allow_nan=False)
timings = st.builds(Timings, seconds, seconds, seconds, seconds, seconds, seconds, seconds)


@given(timings)
def test_phases_follow_each_other_inside_the_request(found: Timings) -> None:
    at = 0.0
    for _, begin, end in phases(found):
        assert at <= begin < end <= found.total
        at = end


def test_phases_of_an_upload() -> None:
    found = list(phases(Timings(0.1, 0.2, 0.3, 0.3, 0.8, 1.0, 1.1)))
    assert [name for name, _, _ in found] == ["name lookup", "connect", "TLS", "body", "first byte", "response"]
    assert found[3] == ("body", 0.3, 0.8)


def test_phases_of_a_download_on_a_kept_connection() -> None:
    assert list(phases(Timings(answered=0.2, total=1.0))) == [("first byte", 0.0, 0.2), ("body", 0.2, 1.0)]


def test_a_request_without_an_answer_waits_for_its_first_byte_to_the_end() -> None:
    assert list(phases(Timings(0.0, 0.1, 0.0, 0.1, 0.0, 0.0, 2.0))) == [("connect", 0.0, 0.1), ("first byte", 0.1, 2.0)]


@given(st.lists(st.tuples(seconds, seconds)))
def test_spans_of_one_row_do_not_overlap(given_spans: list[tuple[float, float]]) -> None:
    rows = Rows(1)
    placed: dict[int, list[tuple[float, float]]] = {}
    for began, ended in sorted(((min(span), max(span)) for span in given_spans), key=lambda span: span[1]):
        row, new = rows.place(began, ended)
        assert new == (row not in placed)
        placed.setdefault(row, []).append((began, ended))
    for spans in placed.values():
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


def span(url: str, **fields: object) -> RequestSpan:
    return RequestSpan(5.0, Timings(answered=0.5, total=1.0), "PUT", url, "200", **fields)  # type: ignore[arg-type]


def test_a_request_in_the_file() -> None:
    encoder = Encoder(7)
    text = encoder.start("s3am upload", 4.0, 1e9)
    text += encoder.request(span("https://u:p@h/b/k?partNumber=3&uploadId=secret", bytes_up=9, request_id="R"))
    text += encoder.counters(6.0, {"slots": 8}) + encoder.instant("hedge", 6.0, {"part": 3})
    events = json.loads(text + encoder.end(7.0))
    request = next(event for event in events if event.get("cat") == "request")
    assert request["name"] == "PUT part 3"
    assert (request["ts"], request["dur"], request["pid"]) == (5_000_000, 1_000_000, 7)
    assert request["args"] == {
        "url": "https://h/b/k",
        "outcome": "200",
        "part": 3,
        "request_id": "R",
        "bytes_up": 9,
        "bytes_down": 0,
    }
    assert "secret" not in text
    assert "p@" not in text


@given(st.text(), st.text())
def test_no_query_and_no_password_of_any_url(user: str, query: str) -> None:
    url = f"https://{user.replace('/', '').replace('?', '').replace('#', '')}SECRET@host/path?{query}SECRET"
    assert "SECRET" not in place_of(url)


@given(st.text(max_size=40), st.integers(0, 2000))
def test_a_trace_that_is_cut_anywhere_is_read(path: str, cut: int) -> None:
    encoder = Encoder(7)
    text = encoder.start("s3am", 0.0, 0.0)
    whole = text + "".join(encoder.request(span(f"https://h/{path}")) for _ in range(5))
    found = parse_trace(whole[: max(1, min(cut, len(whole)))])
    assert found == parse_trace(whole)[: len(found)]
    assert len(found) >= whole[:cut].count(",\n")


def test_phases_that_nobody_sees_are_left_out() -> None:
    """On a kept connection."""
    text = Encoder(7).request(span("https://h/k", bytes_down=9))
    assert [name for name in ("connect", "first byte", "body") if f'"{name}"' in text] == ["first byte", "body"]
    assert len(phases(Timings(answered=0.99, total=1.0), least=0.02)) == 1
    assert [name for name, _, _ in phases(Timings(answered=0.5, total=1.0), has_body=False)] == [
        "first byte",
        "response",
    ]


def test_a_new_connection_is_always_shown() -> None:
    short = Timings(lookup=0.0001, connect=0.0003, ready=0.0003, sent=0.9, answered=0.95, total=1.0)
    assert [name for name, _, _ in phases(short, least=0.02)][:3] == ["name lookup", "connect", "body"]


def test_which_requests_move_parts() -> None:
    assert moves_part(span("https://h/k?partNumber=3&uploadId=u"))
    assert moves_part(span("https://h/k", range="bytes=0-4"))
    assert not moves_part(span("https://h/k?list-type=2"))


def test_what_is_no_trace() -> None:
    with pytest.raises(ValueError, match="not a trace"):
        parse_trace("PK")
    with pytest.raises(ValueError, match="Expecting"):
        parse_trace('[\n{"a": \n{},\n')


def test_lines_of_a_trace() -> None:
    encoder = Encoder(7)
    text = encoder.start("s3am upload", 4.5, 1e9) + encoder.instant("again", 6.25, {"part": 3})
    text += encoder.counters(6.5, {"slots": 8, "rate": 1.23456}) + encoder.wait("slot", 5.0, 5.5, {"part": 1})
    text += encoder.wait("slot", 5.0, 4.0, {})
    events = parse_trace(text + encoder.end(7.0))
    meta = {event["name"]: event for event in events if event["ph"] == "M" and event["tid"] == 0}
    assert meta["process_name"]["args"] == {"name": "s3am upload"}
    assert meta["s3am_clock"]["args"] == {"wall_clock": 1e9, "at": 4_500_000}
    assert [(e["name"], e["ts"], e["tid"], e["s"]) for e in events if e["ph"] == "i"] == [
        ("again", 6_250_000, 0, "p"),
        ("end", 7_000_000, 0, "p"),
    ]
    assert [(e["ts"], e["args"]) for e in events if e["ph"] == "C"] == [
        (6_500_000, {"slots": 8}),
        (6_500_000, {"rate": 1.235}),
    ]
    waits = [event for event in events if event.get("cat") == "wait"]
    assert [(e["ts"], e["dur"]) for e in waits] == [(5_000_000, 500_000), (5_000_000, 0)]
    named = {e["tid"]: e["args"] for e in events if e["name"] == "thread_name"}
    order = {e["tid"]: e["args"] for e in events if e["name"] == "thread_sort_index"}
    assert sorted(names["name"] for names in named.values()) == ["wait 1", "wait 2"]
    assert order == {row: {"sort_index": row} for row in named}
    assert {event["pid"] for event in events} == {7}


def test_nothing_is_known_of_a_request_by_itself() -> None:
    assert Timings() == (0.0,) * 7
    assert RequestSpan(1.0, Timings(), "GET", "u", "200")[5:] == ("", 0, 0, "")
    assert phases(Timings()) == []


def test_moments_that_are_equal_or_late() -> None:
    assert phases(Timings(sent=1.0, answered=1.0, total=1.0)) == [("body", 0.0, 1.0)]
    assert phases(Timings(sent=2.0, answered=0.5, total=1.0)) == [("body", 0.0, 1.0)]
    assert phases(Timings(lookup=2.0, total=1.0)) == [("name lookup", 0.0, 1.0)]
    assert phases(Timings(ready=2.0, total=1.0)) == []
    assert phases(Timings(ready=0.5, total=1.0)) == [("first byte", 0.5, 1.0)]
    assert phases(Timings(answered=2.0, total=1.0)) == [("first byte", 0.0, 1.0)]
    assert phases(Timings(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)) == [("name lookup", 0.0, 0.1)]
    assert phases(Timings(answered=0.25, total=1.0), least=0.25) == [("body", 0.25, 1.0)]


@pytest.mark.parametrize(("answered", "shown"), [(0.05, ["response"]), (0.06, ["first byte", "response"])])
def test_a_phase_of_a_twentieth_is_not_in_the_file(answered: float, shown: list[str]) -> None:
    asked = RequestSpan(5.0, Timings(answered=answered, total=1.0), "GET", "https://h/k", "206", range="bytes=0-4")
    events = parse_trace("[\n" + Encoder(7).request(asked))
    found = [event for event in events if event.get("cat") == "phase"]
    assert [event["name"] for event in found] == shown
    last = found[-1]
    assert (last["ts"], last["dur"], last["tid"]) == (5_000_000 + round(answered * 1e6), round(1e6 * (1 - answered)), 1)
    assert [event["args"] for event in events if event["name"] == "thread_name"] == [{"name": "request 1"}]
    assert next(event["args"] for event in events if event["name"] == "GET") == {
        "url": "https://h/k", "outcome": "206", "range": "bytes=0-4", "bytes_up": 0, "bytes_down": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h/b/a@b", "https://h/b/a@b"),
        ("https://h/b/k#f@g", "https://h/b/k"),
        ("https://h/k@2?x@y", "https://h/k@2"),
        ("https://u@h", "https://h"),
    ],
)
def test_places(url: str, shown: str) -> None:
    assert place_of(url) == shown


def test_a_row_that_became_free_last_is_taken_first() -> None:
    rows = Rows(10)
    assert [rows.place(*found) for found in ((0, 4), (1, 5), (2, 6))] == [(10, True), (11, True), (12, True)]
    assert rows.place(5, 7) == (11, False), "the row that is free at that moment, and was busy longest"
    assert rows.place(7, 8) == (11, False)
    assert rows.place(4, 9) == (10, False)
