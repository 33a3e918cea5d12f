"""Names that are not there: known from one listing while many new names are looked for, never longer than the TTL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3amfs.errors import AccessDenied
from s3amfs.mount.missing_names import LAG_SECONDS, LARGE_SECONDS, MOST_PAGES, STREAK, MissingNames
from s3amfs.transfers.options import ListedObject, ListPage


class Bucket:
    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.page = ListPage((), ("d/there/",))
        self.pages = 1
        self.changed = ""
        self.meanwhile = ""

    def list_folder(self, prefix: str) -> Iterator[ListPage]:
        self.asked.append(prefix)
        if self.meanwhile:
            self.missing.made(self.meanwhile)
        if self.changed:
            self.missing.changed(self.changed)
        for number in range(1, self.pages):
            yield ListPage((ListedObject(f"d/page{number}", 1, "e"),), (), "more")
        yield self.page

    def look(self, prefix: str, times: int = STREAK, ttl: float = 1.0) -> MissingNames:
        self.missing = MissingNames(self.list_folder, ttl, lambda: self.now)
        for _ in range(times):
            assert not self.missing.has(prefix)
            self.missing.missed(prefix)
        return self.missing


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def test_one_listing_for_many_names(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    assert [missing.has(f"d/{name}/") for name in ("a", "b", "there", "c")] == [True, True, False, True]
    assert not missing.has("e/a/")
    assert bucket.asked == ["d/"]


def test_a_few_names_list_nothing(bucket: Bucket) -> None:
    bucket.look("d/new/", STREAK - 1).has("d/a/")
    assert not bucket.asked


def test_it_is_not_used_after_its_time(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    assert missing.has("d/a/")
    bucket.page, bucket.now = ListPage((), ("d/a/",)), 101.0
    assert not missing.has("d/a/")
    assert bucket.asked == ["d/", "d/"]


def test_slow_misses_are_no_streak(bucket: Bucket) -> None:
    missing = bucket.look("d/new/", 0)
    for _ in range(2 * STREAK):
        bucket.now += 1.5
        missing.missed("d/new/")
    assert not missing.has("d/new/")
    assert not bucket.asked


def test_without_a_ttl_nothing_is_listed(bucket: Bucket) -> None:
    missing = bucket.look("d/new/", 0, ttl=0.0)
    for _ in range(2 * STREAK):
        bucket.now += 0.001
        missing.missed("d/new/")
        assert not missing.has("d/new/")
    assert not bucket.asked


def test_folders_of_this_mount_are_known_at_once(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    assert missing.has("d/a/")
    missing.made("d/a/")
    assert (missing.has("d/a/"), missing.has("d/b/")) == (False, True)


def test_a_folder_that_is_made_while_the_listing_comes(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    bucket.meanwhile = "d/a/"
    assert not missing.has("d/a/")
    assert (missing.has("d/a/"), missing.has("d/b/")) == (False, True)


def test_a_large_directory_is_left_alone(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    bucket.page = ListPage((), (), "more")
    assert not missing.has("d/a/")
    assert not missing.has("d/a/")
    assert bucket.asked == ["d/"]
    bucket.now += LARGE_SECONDS
    assert not missing.has("d/a/")
    assert bucket.asked == ["d/", "d/"]


def test_a_folder_that_came_whole_may_have_folders_in_it(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    assert missing.has("d/a/")
    missing.made("d/")
    assert not missing.has("d/a/")


def test_a_directory_that_may_not_be_listed(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")

    def refuse(prefix: str) -> Iterator[ListPage]:
        bucket.asked.append(prefix)
        raise AccessDenied(prefix)

    missing._list = refuse
    assert not missing.has("d/a/")
    assert not missing.has("d/b/")
    assert bucket.asked == ["d/"]


def test_a_listing_that_fails_is_made_again(bucket: Bucket) -> None:
    missing, good = bucket.look("new/"), bucket.page
    del bucket.page
    with pytest.raises(AttributeError):
        missing.has("a/")
    bucket.page = good
    assert missing.has("a/")
    assert bucket.asked == ["", ""]


def test_objects_are_known_of_the_same_listing(bucket: Bucket) -> None:
    bucket.page = ListPage((ListedObject("d/old", 1, "e"),))
    missing = bucket.look("d/new/")
    assert not missing.has_both("d/new")
    assert missing.has("d/a/")
    assert [missing.has_both(f"d/{name}") for name in ("new", "old")] == [True, False]
    assert not missing.has_both("e/new")
    bucket.now += 1.0
    assert not missing.has_both("d/new")


def test_a_folder_of_that_name_is_no_missing_name(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    assert missing.has("d/a/")
    missing.made("d/b/")
    assert [missing.has_both(f"d/{name}") for name in ("a", "b", "there")] == [True, False, False]


def test_changes_of_this_mount_are_looked_at(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    bucket.changed = "d/meanwhile"
    assert missing.has("d/a/")
    missing.changed("d/b")
    assert [missing.has_both(f"d/{name}") for name in ("a", "b", "meanwhile")] == [True, False, False]
    missing.changed_below("d/")
    assert not missing.has_both("d/a")


def test_what_is_being_stored_is_not_missing_whatever_was_listed(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    with missing.changing("d/a"):
        assert missing.has("d/a/")
        assert not missing.has_both("d/a")
    assert missing.has_both("d/b")
    assert not missing.has_both("d/a"), "a failure may have stored it, a refusal shows that somebody has"


def test_a_look_while_the_listing_is_made_again_knows_nothing(bucket: Bucket) -> None:
    """A thread that looked at the clock just before the time of the old listing was over."""
    missing = bucket.look("d/new/")
    assert missing.has("d/a/")
    page, found = bucket.page, []

    def list_again(prefix: str) -> Iterator[ListPage]:
        bucket.now -= 1.001
        found.append(missing.has("d/there/"))
        bucket.now += 1.001
        yield page

    missing._list = list_again
    bucket.now += 1.0
    assert missing.has("d/b/")
    assert found == [False]


def test_the_folders_of_what_is_stored_are_there_again(bucket: Bucket) -> None:
    """Somebody else has removed them since this mount has opened what it stores there."""
    missing = bucket.look("d/new/")
    assert missing.has("d/gone/")
    missing.changed("d/gone/below/name")
    assert not missing.has("d/gone/")
    assert not missing.has_both("d/gone")


def test_more_pages_need_more_names(bucket: Bucket) -> None:
    bucket.pages = 2
    missing = bucket.look("d/new/")
    assert missing.has("d/a/")
    assert not missing.has_both("d/page1")
    bucket.now += 1.0
    assert not missing.has("d/a/")
    for _ in range(2 * STREAK):
        missing.missed("d/new/")
    assert missing.has("d/a/")
    bucket.now, bucket.pages = bucket.now + 2.0, MOST_PAGES + 1
    assert not missing.has("d/a/")
    assert bucket.asked == ["d/"] * 3


def test_a_listing_that_lags_hides_nothing_of_this_mount(bucket: Bucket) -> None:
    missing = bucket.look("d/new/")
    assert missing.has("d/x/")
    missing.changed("d/a")
    missing.made("d/b/")
    bucket.now += 1.0
    assert missing.has("d/x/")
    assert not (missing.has_both("d/a") or missing.has("d/b/") or missing.has_both("d/b"))
    for _ in range(STREAK):
        missing.missed("d/new/")
    bucket.now += LAG_SECONDS
    for _ in range(STREAK):
        missing.missed("d/new/")
    assert missing.has("d/b/")
    assert missing.has_both("d/a")


def test_names_of_this_mount_are_kept_up_to_a_number(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3amfs.mount.missing_names.MOST_OWN", 2)
    missing = bucket.look("d/new/")
    for name in ("a", "b", "c"):
        missing.changed(f"d/{name}")
    assert list(missing._directories["d/"].own) == ["d/c"]
