"""Choices for a mount. Plain data."""

from __future__ import annotations

import os
from dataclasses import field

from ..core.define import define
from ..core.sizes import GIB, MIB

LEAST_CACHE_DISK = 64 * MIB
"""Bytes: less is not worth a cache on disk."""


@define(frozen=True, slots=True)
class MountOptions:
    """Options of `s3am mount`."""

    read_only: bool = False
    allow_other: bool = False
    uid: int = field(default_factory=os.getuid)
    """Owner of what names none in its metadata."""
    gid: int = field(default_factory=os.getgid)
    umask: int = 0o022
    """For objects and directories without a mode of their own."""
    part_size: int | None = None
    """Bytes; None: chosen."""
    cache_size: int = 48 * MIB
    """Bytes that may be read ahead, all open files together."""
    cache_dir: str | None = None
    """Where blocks that were read are kept on disk; None: nowhere."""
    cache_disk: int = 10 * GIB
    """Bytes of `cache_dir` that may be taken."""
    spool_dir: str | None = None
    """Where changed files wait for their close; None: the folder for temporary files."""
    spool_keep: int = GIB
    """Bytes of a stream that are kept in the spool until its close, without `spool_dir`."""
    write_back: float = 0.0
    """Seconds in which small files are published after their close; 0: by it."""
    metadata_ttl: float = 1.0
    """Seconds after which other writers' changes are seen."""
    log_file: str | None = None
    trace_file: str | None = None
    """Where each request is recorded; None: nowhere."""
    foreground: bool = False
    debug: bool = False
    """Operations and requests are logged."""
    fuse_options: tuple[str, ...] = ()
    """As after mount's -o: 'name' or 'name=value'."""
