"""s3amfs: large objects into, across and out of S3. Importing this imports nothing else; names resolve when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .filesystem import S3AMFileSystem, register_s3
    from .filesystem.rich_callback import RichCallback

__version__ = "0.1.0"
__all__ = ["RichCallback", "S3AMFileSystem", "__version__", "register_s3"]


def __getattr__(name: str) -> Any:
    if name in ("S3AMFileSystem", "register_s3"):
        from . import filesystem

        return getattr(filesystem, name)
    if name == "RichCallback":
        from .filesystem.rich_callback import RichCallback

        return RichCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
