"""Attributes in metadata, whatever others have written there: what makes no sense counts as not said."""

from __future__ import annotations

import stat

from s3amfs.core.posix_metadata import is_symlink
from s3amfs.mount.attributes import attributes
from s3amfs.mount.options import MountOptions

OPTIONS = MountOptions(uid=1, gid=2, umask=0o027)


def test_what_says_nothing_is_the_mounts() -> None:
    file = attributes(OPTIONS, {}, size=1025, modified=3, changed=4)
    assert file["st_mode"] == stat.S_IFREG | 0o640
    assert (file["st_uid"], file["st_gid"], file["st_nlink"]) == (1, 2, 1)
    assert (file["st_size"], file["st_blocks"], file["st_mtime"], file["st_ctime"]) == (1025, 3, 3, 4)
    folder = attributes(OPTIONS, {}, size=5, modified=3, changed=4, directory=True)
    assert (folder["st_mode"], folder["st_size"]) == (stat.S_IFDIR | 0o750, 0)


def test_what_metadata_says_counts_but_for_the_kind_of_a_folder() -> None:
    said = {"mode": str(0o100600), "mtime": "5.5", "uid": "10", "gid": "20"}
    file = attributes(OPTIONS, said, size=1, modified=3, changed=4)
    assert (file["st_mode"], file["st_uid"], file["st_gid"]) == (stat.S_IFREG | 0o600, 10, 20)
    assert file["st_mtime"] == file["st_atime"] == 5_500_000_000
    assert attributes(OPTIONS, said, size=1, modified=3, changed=4, directory=True)["st_mode"] == stat.S_IFDIR | 0o600
    link = {"mode": str(stat.S_IFLNK | 0o777)}
    assert attributes(OPTIONS, link, size=1, modified=3, changed=4)["st_mode"] == stat.S_IFLNK | 0o777
    assert is_symlink(link)
    assert not is_symlink(said)
    assert not is_symlink({})
