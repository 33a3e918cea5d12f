"""Times, mode, owner and extended attributes: whose they are. No mount, no server."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.mount.attribute_operations import AttributeOperations
from s3amfs.mount.file_times import FileTimes
from s3amfs.mount.xattrs import SYNC_XATTR
from s3amfs.transfers.options import ObjectInfo


class FilesTable(dict[int, Any]):
    def path_of(self, file: Any) -> str:
        return "/now"

    def shown_size(self, path: str) -> int:
        return 7


TIMES = {"st_mtime": 9, "st_atime": 9}


class Operations(AttributeOperations):
    """file: the one that is open at every path, or None."""

    def __init__(self, file: Any = None, info: ObjectInfo | None = None) -> None:
        self.file, self.changes = file, []
        tree: Any = SimpleNamespace(
            attributes=lambda path, at_least: {"of": "tree", "st_size": at_least, **TIMES},
            times=FileTimes(),
            answered=SimpleNamespace(note=lambda path, etag: self.noted.append((path, etag))),
            change=lambda path, changes: self.changes.append((path, changes)),
            entry=lambda path: SimpleNamespace(info=info),
        )
        files: Any = FilesTable({1: file})
        self.noted: list[tuple[str, str]] = []
        self.tree, self.files, self._of_root = tree, files, {SYNC_XATTR: lambda: b"synced"}
        self.synced = 0

    def _open_at(self, path: str | None) -> Any:
        return self.file

    def _sync(self) -> bytes:
        self.synced += 1
        return b""


def open_file(*, changed: bool = False, unlinked: bool = False) -> Any:
    return SimpleNamespace(
        changed=changed,
        unlinked=unlinked,
        attributes={"of": "file", "st_size": 5, **TIMES},
        shown="" if changed or unlinked else "1",
        change_metadata=lambda changes: changed,
    )


def test_a_file_that_is_being_changed_has_its_own_attributes() -> None:
    assert Operations().getattr("/a") == {"of": "tree", "st_size": 7, **TIMES}
    assert Operations(open_file()).getattr("/a") == {"of": "tree", "st_size": 7, **TIMES}
    operations = Operations(open_file(changed=True))
    assert operations.getattr("/a") == {"of": "file", "st_size": 5, **TIMES}
    assert operations.noted == [("/now", "")], "of no version that is in S3"
    operations = Operations(open_file(unlinked=True))
    assert operations.getattr("/a") == {"of": "file", "st_size": 5, **TIMES}
    assert operations.noted == []


def test_an_open_file_is_shown_no_smaller_than_another_version_that_is_read() -> None:
    operations = Operations(open_file())
    assert operations.getattr(None, SimpleNamespace(fh=1)) == {"of": "file", "st_size": 7, **TIMES}
    assert operations.noted == [("/now", "")]


def test_changes_go_with_the_content_or_alone() -> None:
    for file in (open_file(changed=True), open_file(unlinked=True)):
        operations = Operations(file)
        assert operations.chmod("/a", 0o100600) == 0
        assert operations.changes == []
    operations = Operations(open_file())
    operations.chmod("/a", 0o100600)
    operations.utimens(None, 1_500_000_000, 1_500_000_000)
    operations.utimens("/a", None, None)
    operations.chown("/a", 7, -1)
    assert operations.changes == [
        ("/a", {"mode": str(0o100600)}),
        ("/now", {"mtime": "1.500000000"}),
        ("/a", {"uid": "7"}),
    ]


def test_an_access_time_is_that_which_was_set() -> None:
    operations = Operations()
    operations.utimens("/a", None, 5)
    assert operations.changes == [], "it is not stored"
    assert operations.getattr("/a")["st_atime"] == 5
    assert operations.getattr("/b")["st_atime"] == 9
    operations.utimens("/a", 9, None)
    assert operations.getattr("/a")["st_atime"] == 5
    operations.utimens("/a", 10, 6)
    assert operations.getattr("/a")["st_atime"] == 9, "that of another mtime is forgotten"


def test_attributes_are_read_by_name_and_not_listed() -> None:
    operations = Operations(info=ObjectInfo(size=1, etag="e"))
    assert operations.getxattr("/a", "user.s3am.etag") == b"e"
    assert operations.getxattr("/", SYNC_XATTR) == b"synced"
    assert operations.listxattr("/a") == []
    for wrong in (
        lambda: operations.getxattr("/a", "user.other"),
        lambda: Operations().getxattr("/d", "user.s3am.etag"),
    ):
        with pytest.raises(OSError) as found:
            wrong()
        assert found.value.errno == errno.ENODATA
    with pytest.raises(OSError) as found:
        operations.setxattr("/a", "user.other", b"", 0)
    assert found.value.errno == errno.EOPNOTSUPP
    assert operations.setxattr("/", SYNC_XATTR, b"", 0) == 0
    assert operations.synced == 1


def test_there_is_always_room() -> None:
    found = Operations().statfs("/")
    assert found["f_bavail"] * found["f_bsize"] >= 2**50
    assert found["f_namemax"] == 255
