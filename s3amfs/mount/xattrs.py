"""Extended attributes of a mount: facts of an object to read, and some of the root for `s3am umount`."""

from __future__ import annotations

from collections.abc import Callable

from ..transfers.options import ObjectInfo

XATTRS: dict[str, Callable[[ObjectInfo], str]] = {
    "user.s3am.etag": lambda info: info.etag,
    "user.s3am.content-type": lambda info: info.content_type or "",
    "user.s3am.checksum": lambda info: next((f"{n}:{v}" for n, v in info.checksums.items()), ""),
}
PID_XATTR = "user.s3am.pid"
"""Of the mount's root: its daemon."""
NAMESPACE_XATTR = "user.s3am.pid-namespace"
"""Of the mount's root: the PID namespace in which that number counts."""
STATUS_XATTR = "user.s3am.status"
"""Of the mount's root: JSON, for `s3am mount --status`."""
SYNC_XATTR = "user.s3am.sync"
"""Reading it from the root, or setting it, stores all times and modes that wait."""
