"""Lines and JSON of jobs: what is in them, what is left out, one line each."""

from __future__ import annotations

import pytest

from s3amfs.core.tree_events import EntryDone, Listed, PrefixTotal, Totals, time_text


def test_listed_objects() -> None:
    found = Listed("a\nb", 5, 1767607200.0, "e", "STANDARD", "v1")
    assert found.text() == f"2026-01-05 10:00:00 {'5':>14} a\\nb  v1"
    assert found.json() == {
        "event": "listed",
        "key": "a\nb",
        "size": 5,
        "modified": 1767607200.0,
        "etag": "e",
        "storage_class": "STANDARD",
        "version_id": "v1",
    }
    gone = Listed("k", version_id="v", is_latest=True, deleted=True)
    assert "DELETED" in gone.text()
    assert gone.json()["is_latest"] is gone.json()["delete_marker"] is True
    assert Listed("bucket").text() == "-" * 19 + " " * 16 + "bucket"
    assert time_text(None) == "-" * 19


def test_prefixes_and_their_total() -> None:
    assert PrefixTotal("a/").text().split() == ["PREFIX", "a/"]
    assert PrefixTotal("a/").json() == {"event": "prefix", "prefix": "a/"}
    counted = PrefixTotal("a/", 3, 2048)
    assert counted.text().split() == ["2048", "2", "KiB", "3", "a/"]
    assert counted.json() == {"event": "prefix", "prefix": "a/", "objects": 3, "bytes": 2048}
    total = PrefixTotal("a/", 0, 0, total=True)
    assert total.text().split() == ["0", "0", "B", "0", "total"]
    assert total.json()["event"] == "result"


@pytest.mark.parametrize(
    ("action", "dry_run", "shown"),
    [
        ("upload", False, "upload k (new, 1 KiB)"),
        ("upload", True, "would upload k (new, 1 KiB)"),
        ("same", True, "same k (new, 1 KiB)"),
        ("skip", True, "skip k (new, 1 KiB)"),
        ("fail", True, "fail k (new, 1 KiB)"),
        ("skip", False, "skip k (new, 1 KiB)"),
    ],
)
def test_entries(action: str, dry_run: bool, shown: str) -> None:
    done = EntryDone("k", action, "new", 1024, dry_run, {"to": "x"})
    assert done.text() == shown
    expected = {"event": "entry", "key": "k", "action": action, "reason": "new", "size": 1024, "to": "x"}
    assert done.json() == expected | ({"dry_run": True} if dry_run else {})
    assert EntryDone("k", "delete", "gone\n").text() == "delete k (gone\\n)"


def test_totals() -> None:
    assert Totals("sync", "a", "s3://b").text() == "sync a to s3://b: nothing to do; 0 B in 0.0 s"
    totals = Totals("sync", "a", "s3://b", bytes=2048, seconds=1.26)
    for action in ("upload", "same", "upload"):
        totals.count(action)
    assert totals.counts == {"upload": 2, "same": 1}
    assert totals.text() == "sync a to s3://b: 1 same, 2 upload; 2 KiB in 1.3 s"
    assert totals.json() == {
        "event": "result",
        "verb": "sync",
        "source": "a",
        "target": "s3://b",
        "entries": {"upload": 2, "same": 1},
        "bytes": 2048,
        "seconds": 1.26,
        "exit_code": 0,
        "dry_run": False,
    }


def test_totals_of_what_would_be_done() -> None:
    totals = Totals("rm", "s3://b", "", dry_run=True, requests={"PUT": 1000}, notes=["n"], refused="too much")
    assert totals.text() == "rm s3://b: would: nothing to do; 0 B; requests: 1,000 PUT"
    found = totals.json()
    assert (found["requests"], found["notes"], found["refused"]) == ({"PUT": 1000}, ["n"], "too much")
