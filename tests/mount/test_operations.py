"""All operations in one object: what the kernel finds implemented, and in which order an unmount ends them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.mount.operations import Operations

ASKED = (
    *("chmod", "chown", "create", "flush", "fsync", "getattr", "getxattr", "listxattr", "mkdir", "mknod", "open"),
    *(
        "opendir",
        "read",
        "readdir_with_offset",
        "readlink",
        "release",
        "rename",
        "rmdir",
        "setxattr",
        "statfs",
        "symlink",
    ),
    *("truncate", "unlink", "utimens", "write"),
)


def test_each_operation_is_ours() -> None:
    missing = [
        name
        for name in ASKED
        if not next(c for c in Operations.__mro__ if name in vars(c)).__module__.startswith("s3amfs.")
    ]
    assert missing == []


def test_files_are_known_by_their_handles_and_times_by_nanoseconds() -> None:
    assert (Operations.use_ns, Operations.flag_nopath, Operations.flag_nullpath_ok) == (True, True, True)


@pytest.mark.parametrize("fails", [False, True])
def test_an_unmount_stores_what_waits_and_closes_whatever_happens(fails: bool) -> None:
    done: list[str] = []

    def settle_all() -> None:
        done.append("settled")
        if fails:
            raise OSError(5, "no")

    operations: Any = Operations.__new__(Operations)
    operations.write_back = SimpleNamespace(settle_all=settle_all)
    operations.tree = SimpleNamespace(close=lambda: done.append("closed"))
    if fails:
        with pytest.raises(OSError, match="no"):
            operations.destroy("/")
    else:
        operations.destroy("/")
    assert done == ["settled", "closed"]


def test_the_mount_is_ready_when_the_kernel_has_begun() -> None:
    ready: list[bool] = []
    operations: Any = Operations.__new__(Operations)
    operations._ready = lambda: ready.append(True)
    operations.init_with_config(None, None)
    assert ready == [True]
