"""All operations that the kernel asks of the mount, by path or handle. Called by several threads of libfuse.

Errors are OSErrors with an errno; each that a program may not explain to its user is logged with its reason.
"""

from __future__ import annotations

from typing import Any

import mfusepy

from .attribute_operations import AttributeOperations
from .file_operations import FileOperations
from .name_operations import NameOperations


class Operations(AttributeOperations, FileOperations, NameOperations, mfusepy.Operations):  # type: ignore[misc]
    use_ns = True
    flag_nopath = flag_nullpath_ok = True  # an open file is known by its handle: no path has to be made for each read

    def init_with_config(self, connection: Any, config: Any) -> None:
        self._ready()

    def destroy(self, path: str) -> None:
        try:
            self.write_back.settle_all()
        finally:
            self.tree.close()
