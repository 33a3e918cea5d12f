"""Changes that wait a moment, each of one version."""

from __future__ import annotations

import threading

import pytest

from s3amfs.engine.interruptible import asking
from s3amfs.errors import Interrupted
from s3amfs.mount import deferred_metadata
from s3amfs.mount.deferred_metadata import Changes, Waiting
from s3amfs.transfers.options import ObjectInfo

BASE = ObjectInfo(size=1, etag="1", metadata={"mode": "33188", "owner": "me"})
OTHER = ObjectInfo(size=1, etag="2")


class Applied:
    def __init__(self) -> None:
        self.seen: list[tuple[str, Waiting]] = []
        self.error: OSError | None = None

    def __call__(self, key: str, waiting: Waiting) -> None:
        if self.error is not None:
            raise self.error
        self.seen.append((key, waiting))


@pytest.fixture
def applied() -> Applied:
    return Applied()


@pytest.fixture
def changes(applied: Applied) -> Changes:
    return Changes(applied, delay=3600)


def test_changes_of_one_version_become_one(changes: Changes, applied: Applied) -> None:
    changes.put("k", BASE, {"mtime": "1"})
    changes.put("k", BASE, {"mode": "33152"})
    changes.store_all()
    [(key, waiting)] = applied.seen
    assert key == "k"
    assert waiting.changes == {"mtime": "1", "mode": "33152"}
    assert waiting.metadata == {"mtime": "1", "mode": "33152", "owner": "me"}
    assert changes.of("k") is None


def test_what_a_killed_process_has_waited_for_waits_on(
    changes: Changes, applied: Applied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred_metadata, "REMOVAL_DELAY", 3600)
    for key in ("k", "l"):
        changes.put(key, BASE, {"mode": "33152"})
    changes.remove_later("gone", BASE)
    applied.error = Interrupted("killed")
    for wait in (changes.store_all, lambda: changes.store("l"), lambda: changes.settle("gone")):
        with asking(lambda: True), pytest.raises(Interrupted):
            wait()
    assert changes.count == 3
    applied.error = None
    changes.store_all()
    assert sorted(key for key, _ in applied.seen) == ["gone", "k", "l"]


def test_changes_of_another_version_do_not_join(changes: Changes) -> None:
    changes.put("k", BASE, {"mtime": "1"})
    changes.put("k", OTHER, {"mode": "33152"})
    waiting = changes.of("k")
    assert waiting is not None
    assert (waiting.base, waiting.changes) == (OTHER, {"mode": "33152"})


def test_a_removal_is_kept_off_by_what_replaces_it(changes: Changes, applied: Applied) -> None:
    changes.remove_later("d/k", BASE)
    assert changes.removals_in("d/") == {"d/k"}
    changes.keep("d/k")
    assert changes.of("d/k") is None
    changes.put("d/k", BASE, {"mtime": "1"})
    changes.keep("d/k")  # which is no removal
    assert changes.of("d/k") is not None
    changes.settle("d/k")
    assert applied.seen == []


def test_a_removal_is_done_before_something_new_comes(changes: Changes, applied: Applied) -> None:
    changes.remove_later("k", BASE)
    changes.settle("k")
    assert [(key, waiting.removal) for key, waiting in applied.seen] == [("k", True)]


def test_a_removal_happens_by_itself(applied: Applied) -> None:
    happened = threading.Event()

    def apply(key: str, waiting: Waiting) -> None:
        happened.set()

    Changes(apply, delay=3600).remove_later("k", BASE)
    assert happened.wait(30)


def test_what_could_not_be_stored_is_said_once(changes: Changes, applied: Applied) -> None:
    applied.error = OSError(5, "no")
    changes.put("k", BASE, {"mtime": "1"})
    with pytest.raises(OSError, match="1 files could not be stored"):
        changes.store_all()
    changes.store_all()


def test_after_all_was_stored_a_change_is_stored_at_once(changes: Changes, applied: Applied) -> None:
    changes.store_all()
    changes.put("k", BASE, {"mtime": "1"})
    assert len(applied.seen) == 1


def test_a_failure_in_another_thread_is_known_to_whoever_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def apply(key: str, waiting: Waiting) -> None:
        began.set()
        assert go_on.wait(30)
        raise OSError(5, "no")

    monkeypatch.setattr(deferred_metadata.log, "error", lambda *_: over.wait(30))  # it comes late
    changes = Changes(apply, delay=0.0)
    changes.put("k", BASE, {"mtime": "1"})
    assert began.wait(30)
    threading.Timer(0.1, go_on.set).start()
    try:
        with pytest.raises(OSError, match="1 files could not be stored"):
            changes.store_all()
    finally:
        over.set()
