"""Who asks: of the request that this thread of libfuse answers."""

from __future__ import annotations

import mfusepy


def caller() -> tuple[int, int, int]:
    """User, group and thread id; (0, 0, 0) for what the kernel does by itself."""
    uid, gid, thread = mfusepy.fuse_get_context()
    return uid, gid, thread
