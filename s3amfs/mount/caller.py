"""The caller: of the request that this thread of libfuse answers."""

from __future__ import annotations

import mfusepy

from .processes import is_being_killed


def caller() -> tuple[int, int, int]:
    """User, group and thread id; (0, 0, 0) for what the kernel does by itself."""
    uid, gid, thread = mfusepy.fuse_get_context()
    return uid, gid, thread


def is_gone() -> bool:
    """Whether the process that waits for this request is being killed. Only in a thread that answers a request.

    A signal that the process handles ends no wait (as on NFS): programs don't expect EINTR of files.
    """
    return bool(mfusepy._libfuse.fuse_interrupted()) and is_being_killed(caller()[2])
