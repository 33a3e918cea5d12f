from __future__ import annotations

from dataclasses import replace

import pytest

from s3amfs.core.compare import SECOND, Action, Remembered, Rules, judge
from s3amfs.core.entries import Entry, Kind
from s3amfs.core.merge import Pair

NOW = 1_700_000_000 * SECOND
FILE = Entry("k", 5, NOW, changed=NOW, inode=7)
OBJECT = Entry("k", 5, NOW, etag="e")
UP, DOWN, ACROSS = Rules("up"), Rules("down"), Rules("across")


def action(pair: Pair, rules: Rules, remembered: Remembered | None = None) -> Action:
    return judge(pair, rules, remembered).action


def test_up_a_file_two_seconds_older_than_its_object_is_unchanged() -> None:
    def found(lead: float) -> Action:
        return action(Pair("k", FILE, replace(OBJECT, modified=NOW + int(lead * SECOND))), UP)

    assert found(2) is Action.SAME
    assert found(1.9) is Action.LOOK
    assert found(-5) is Action.LOOK


def test_up_the_later_of_both_times_counts() -> None:
    stored = replace(OBJECT, modified=NOW + 10 * SECOND)
    assert action(Pair("k", replace(FILE, changed=NOW + 9 * SECOND), stored), UP) is Action.LOOK


def test_up_the_clocks_difference_is_taken_off() -> None:
    stored = replace(OBJECT, modified=NOW + 3 * SECOND)
    assert action(Pair("k", FILE, stored), replace(UP, clock_offset=2 * SECOND)) is Action.LOOK


def test_down_equal_seconds_are_equal() -> None:
    def found(of_object: int, of_file: int) -> Action:
        pair = Pair("k", replace(OBJECT, modified=NOW + of_object), replace(FILE, modified=NOW + of_file))
        return action(pair, DOWN)

    assert NOW % SECOND == 0
    assert found(0, 0) is Action.SAME
    assert found(999, 0) is Action.SAME, "downloads set whole seconds"
    assert found(999, 999) is Action.SAME
    assert found(-SECOND, 0) is Action.LOOK
    assert found(0, 999) is Action.LOOK, "somebody has written it in the second of its object"
    assert found(999, 1) is Action.LOOK


def test_across_equal_etags_are_equal() -> None:
    assert action(Pair("k", OBJECT, replace(OBJECT, modified=1)), ACROSS) is Action.SAME
    assert action(Pair("k", OBJECT, replace(OBJECT, etag="other")), ACROSS) is Action.LOOK


@pytest.mark.parametrize("rules", [UP, DOWN, ACROSS])
def test_what_is_remembered_wins(rules: Rules) -> None:
    source, target = (FILE, OBJECT) if rules is UP else (OBJECT, FILE)
    pair = Pair("k", source, replace(target, modified=NOW + 100 * SECOND))
    known = Remembered(source.fingerprint, pair.target.fingerprint)  # type: ignore[union-attr]
    assert action(pair, rules, known) is Action.SAME
    assert action(pair, rules, Remembered(source.fingerprint, "other")) is Action.LOOK
    assert action(pair, rules, Remembered("other", known.target)) is Action.LOOK


@pytest.mark.parametrize(
    ("now", "then", "found"),
    [
        (DOWN, "p", Action.SAME),
        (replace(DOWN, preserve=True), "", Action.LOOK),
        (replace(DOWN, preserve=True), "l", Action.LOOK),
        (replace(DOWN, preserve=True), "pl", Action.SAME),
        (replace(UP, keep_links=True), "p", Action.LOOK),
        (replace(UP, keep_links=True), "l", Action.SAME),
        (replace(ACROSS, preserve=True), "", Action.SAME),
        (replace(UP, preserve=True, exact_timestamps=True), "", Action.LOOK),  # the times are known to be as they were
    ],
)
def test_a_run_that_kept_less_is_looked_after(now: Rules, then: str, found: Action) -> None:
    source, target = (FILE, OBJECT) if now.direction == "up" else (OBJECT, FILE)
    known = Remembered(source.fingerprint, target.fingerprint, then)
    assert action(Pair("k", source, target), now, known) is found


def test_the_objects_time_is_not_the_kept_one() -> None:
    assert action(Pair("k", OBJECT, FILE), replace(DOWN, preserve=True)) is Action.LOOK
    stored = replace(OBJECT, modified=NOW + 9 * SECOND)
    assert action(Pair("k", FILE, stored), replace(UP, preserve=True)) is Action.SAME


def test_options() -> None:
    old = Pair("k", FILE, replace(OBJECT, modified=NOW - 9 * SECOND))
    newer = Pair("k", replace(FILE, size=6), replace(OBJECT, modified=NOW + 9 * SECOND))
    only_source, only_target = Pair("k", FILE, None), Pair("k", None, OBJECT)
    assert action(old, replace(UP, exact_timestamps=True)) is Action.MOVE
    assert action(old, replace(UP, size_only=True)) is Action.SAME
    assert (
        action(Pair("k", FILE, replace(OBJECT, modified=NOW + 9 * SECOND)), replace(UP, checksum=True)) is Action.LOOK
    )
    assert action(newer, UP) is Action.MOVE
    assert action(newer, replace(UP, update=True)) is Action.SKIP
    assert action(newer, replace(UP, ignore_existing=True)) is Action.SKIP
    assert action(only_source, UP) is Action.MOVE
    assert action(only_source, replace(UP, existing=True)) is Action.SKIP
    assert action(only_target, UP) is Action.EXTRA


def test_unknown_is_not_absent() -> None:
    assert action(Pair("k", None, OBJECT, source_unknown="denied"), UP) is Action.PROBLEM
    assert action(Pair("k", FILE, None, target_unknown="lost"), UP) is Action.PROBLEM
    assert action(Pair("k", replace(FILE, problem="a FIFO"), OBJECT), UP) is Action.PROBLEM


def test_folders_count_only_where_asked() -> None:
    empty, full = Entry("d/", kind=Kind.FOLDER, empty=True), Entry("d/", kind=Kind.FOLDER)
    asked = replace(UP, empty_folders=True)
    assert action(Pair("d/", empty, None), UP) is Action.SKIP
    assert action(Pair("d/", empty, None), asked) is Action.MAKE_FOLDER
    assert action(Pair("d/", full, None), asked) is Action.SKIP
    assert action(Pair("d/", full, full), asked) is Action.SAME
    assert action(Pair("d/", None, full), UP) is Action.SKIP
    assert action(Pair("d/", None, full), asked) is Action.EXTRA
    assert action(Pair("d/", full, None), ACROSS) is Action.MAKE_FOLDER


def test_folders_by_direction() -> None:
    empty, full = Entry("d/", kind=Kind.FOLDER, empty=True), Entry("d/", kind=Kind.FOLDER)
    down, across = replace(DOWN, empty_folders=True), replace(ACROSS, empty_folders=True)
    assert action(Pair("d/", full, None), down) is Action.MAKE_FOLDER, "an object has nothing in it"
    assert action(Pair("d/", full, None), replace(down, existing=True)) is Action.SKIP
    assert action(Pair("d/", full, None), DOWN) is Action.SKIP
    assert action(Pair("d/", full, FILE), UP) is Action.PROBLEM
    assert action(Pair("d/", FILE, full), UP) is Action.PROBLEM
    assert action(Pair("d/", None, full), down) is Action.SKIP, "a local folder with something in it stays"
    assert action(Pair("d/", None, empty), down) is Action.EXTRA
    assert action(Pair("d/", None, empty), DOWN) is Action.SKIP
    assert action(Pair("d/", None, full), across) is Action.EXTRA
    assert action(Pair("d/", None, full), ACROSS) is Action.EXTRA


def test_a_link_in_the_place_of_a_file_is_replaced_unless_links_are_kept() -> None:
    link = Entry("k", 5, NOW, Kind.LINK, changed=NOW, inode=7)
    assert action(Pair("k", OBJECT, link), DOWN) is Action.MOVE
    assert action(Pair("k", OBJECT, link), replace(DOWN, keep_links=True)) is Action.SAME
    assert action(Pair("k", replace(OBJECT, kind=Kind.LINK), link), DOWN) is Action.SAME
    assert action(Pair("k", OBJECT, FILE), DOWN) is Action.SAME


@pytest.mark.parametrize(
    ("rules", "lead", "newer"),
    [
        (UP, 1, True),
        (UP, 0, False),
        (replace(UP, clock_offset=5), 5, False),
        (replace(UP, clock_offset=5), 6, True),
        (DOWN, SECOND, True),
        (DOWN, SECOND - 1, False),
        (replace(DOWN, clock_offset=-2 * SECOND), SECOND, False),
        (replace(DOWN, clock_offset=-SECOND), SECOND, False),
        (replace(DOWN, clock_offset=-SECOND + 1), SECOND, True),
        (ACROSS, 1, True),
        (ACROSS, 0, False),
    ],
)
def test_a_newer_target_is_left_by_update(rules: Rules, lead: int, newer: bool) -> None:
    source, target = (FILE, OBJECT) if rules.direction == "up" else (OBJECT, FILE)
    if rules.direction == "across":
        target = replace(OBJECT, etag="other")
    pair = Pair("k", source, replace(target, size=6, modified=NOW + lead))
    assert action(pair, replace(rules, update=True)) is (Action.SKIP if newer else Action.MOVE)
    equal = Pair("k", source, replace(target, modified=NOW + lead))
    if not newer and rules.direction != "down":
        assert action(equal, replace(rules, update=True)) is Action.LOOK


def test_gaps_and_problems_come_first() -> None:
    gap = Entry("d/", kind=Kind.GAP, problem="denied")
    assert action(Pair("d/", gap, None), UP) is Action.PROBLEM
    assert action(Pair("d/", None, gap), UP) is Action.PROBLEM
    assert action(Pair("k", FILE, replace(OBJECT, problem="archived")), UP) is Action.PROBLEM
    assert action(Pair("k", FILE, replace(OBJECT, problem="archived")), replace(UP, always=True)) is Action.PROBLEM
    assert action(Pair("k", FILE, OBJECT), replace(UP, always=True)) is Action.MOVE
    assert action(Pair("k", OBJECT, replace(OBJECT, modified=1)), replace(ACROSS, update=True)) is Action.SAME
    assert action(Pair("k", replace(OBJECT, etag=""), replace(OBJECT, etag="")), ACROSS) is Action.LOOK
