"""botocore's own files, read once a process."""

from __future__ import annotations

import functools
from typing import Any

from botocore import loaders


def read_data_once() -> None:
    """Sessions share what botocore reads from its own files, as the clients of one session do: most of their cost."""
    read, services = loaders.JSONFileLoader.load_file, loaders.Loader.list_available_services
    read_file = functools.cache(lambda path: read(loaders.JSONFileLoader(), path))
    found: dict[tuple[str, ...], Any] = {}

    def list_services(self: Any, type_name: str) -> Any:
        key = (type_name, *self.search_paths)
        if key not in found:
            found[key] = services(self, type_name)
        return found[key]

    loaders.JSONFileLoader.load_file = lambda self, path: read_file(path)
    loaders.Loader.list_available_services = list_services
