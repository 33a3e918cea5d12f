"""Which files are open, and what the kernel may keep of them: no mount, no server."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.mount.context import Service
from s3amfs.mount.handle_table import RELEASED_SECONDS, Files
from s3amfs.transfers.options import ObjectInfo


def info(etag: str) -> ObjectInfo:
    return ObjectInfo(size=1, etag=etag)


def new_files() -> Files:
    options: Any = SimpleNamespace(spool_dir=None, spool_keep=0)
    return Files(cast(Service, SimpleNamespace(options=options)))


def test_a_file_that_is_still_being_closed_leaves_its_pages_to_the_next_opening() -> None:
    files = new_files()
    number, closing = files.hold("/a", "a", info("1"), {}, writes=False)
    assert files.pages("/a", closing) == "new"
    assert files.drop(number) is closing  # its spool and connections go now, in another thread
    _, reopened = files.hold("/a", "a", info("1"), {}, writes=False)
    assert reopened is not closing
    assert files.pages("/a", reopened) == "old"
    files.forget(closing)


def test_pages_belong_to_the_version_that_is_still_read() -> None:
    files = new_files()
    number, older = files.hold("/a", "a", info("1"), {}, writes=False)
    _, newer = files.hold("/a", "a", info("2"), {}, writes=False)
    assert newer is not older
    assert files.pages("/a", newer) == "none"
    assert files.drop(number) is older
    assert files.pages("/a", newer) == "new"


def test_the_size_of_a_path_is_the_largest_that_is_read_unless_a_new_version_is_written() -> None:
    files = new_files()
    assert files.shown_size("/a") == 0
    number, older = files.hold("/a", "a", info("1"), {}, writes=False)
    older.size = 9
    files.hold("/a", "a", info("2"), {}, writes=False)
    assert [files.shown_size(path) for path in ("/a", "/b")] == [9, 0]
    files.show_exact("/a")
    assert files.shown_size("/a") == 0
    assert files.drop(number) is older
    files.forget(older)
    assert files.shown_size("/a") == info("2").size


def test_what_is_written_is_shown_as_large_as_it_is_until_its_last_writer_closes_it() -> None:
    files = new_files()
    readers = []
    for version, size in (("1", 9), ("2", 8)):
        number, older = files.hold("/a", "a", info(version), {}, writes=False)
        older.size = size
        readers.append((number, older))
    writers = [files.hold("/a", "a", info("3"), {}, writes=True)[0] for _ in range(2)]
    assert files.shown_size("/a") == 0
    assert files.drop(readers[0][0]) is readers[0][1]
    files.forget(readers[0][1])
    assert files.shown_size("/a") == 0, "the other version is still open, but so is what is written"
    files.moved("/a", "/b")
    assert [files.shown_size(path) for path in ("/a", "/b")] == [0, 0]
    assert files.drop(writers[0]) is None
    assert files.shown_size("/b") == 0
    files.drop(writers[1])
    assert [files.shown_size(path) for path in ("/a", "/b")] == [0, 8]
    assert files.path_of(readers[1][1]) == "/b"


def test_a_file_is_joined_whatever_is_stored_of_it_while_its_name_leads_to_it() -> None:
    files = new_files()
    number, file = files.hold("/a", "a", info("1"), {}, writes=True)
    joined = files.join(file, writes=True, opener=7)
    assert joined is not None
    assert (files[joined], files.handle(joined).opener, files.writing_handles(file)) == (file, 7, 2)
    assert files.drop(joined) is None
    files.hide("a", f"/{HIDDEN}00000001")
    assert files.join(file, writes=False) is None
    number, file = files.hold("/b", "b", info("1"), {}, writes=False)
    files.drop(number)
    assert files.join(file, writes=False) is None


HIDDEN = ".fuse_hidden00000002"


def test_a_name_that_libfuse_makes_up_hides_a_file_until_its_last_handle_is_long_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    files = new_files()
    assert not files.is_hiding("/a", f"/{HIDDEN}00000001", "a")
    number, file = files.hold("/a", "a", info("1"), {}, writes=False)
    assert files.is_hiding("/a", f"/{HIDDEN}00000001", "a")
    assert not files.is_hiding("/a", f"/{HIDDEN}0000000b", "a")
    assert not files.is_hiding("/a", f"/d/{HIDDEN}00000001", "a")
    assert files.closing_at("/a") is None
    assert files.drop(number) is file
    assert files.closing_at("/a") is file
    assert files.is_hiding("/a", f"/{HIDDEN}00000001", "a")
    files.forget(file)
    assert files.closing_at("/a") is None
    assert files.is_hiding("/a", f"/{HIDDEN}00000001", "a")
    assert files.hide("a", f"/{HIDDEN}00000001") is None
    assert files.unhide(f"/{HIDDEN}00000001")
    assert not files.unhide(f"/{HIDDEN}00000001")
    now += RELEASED_SECONDS
    assert not files.is_hiding("/a", f"/{HIDDEN}00000002", "a")
