"""The fsspec front end: `S3AMFileSystem` (`system.py`), open files (`files.py`), s3fs's arguments (`arguments.py`)."""

from __future__ import annotations

from .system import S3AMFileSystem, register_s3

__all__ = ["S3AMFileSystem", "register_s3"]
