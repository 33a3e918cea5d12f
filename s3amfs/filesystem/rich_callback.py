"""A progress bar for `put`, `get` and their relatives, by rich.

    with RichCallback() as bar:
        fs.put("big.bam", "s3am://bucket/", callback=bar)

One line for each object that moves, in bytes. It works in a notebook, too (with `rich[jupyter]`). Callbacks are called
in the threads of transfers; rich's bars may be used from any.
"""

from __future__ import annotations

import os
from typing import Any

from fsspec.callbacks import Callback
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class RichCallback(Callback):  # type: ignore[misc]
    """description: of the line; None: the object's name. bar: one of rich's to show it in; None: a bar of its own."""

    def __init__(self, description: str | None = None, bar: Progress | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._owns = bar is None
        self._bar = bar or Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._description = description or ""
        self._task: TaskID | None = None

    def __enter__(self) -> RichCallback:
        self._bar.start()
        return self

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> RichCallback:
        """The callback of one object of a `put` or `get`, which counts objects itself: they have the lines then."""
        if self._task is not None:
            self._bar.update(self._task, visible=False)
        return RichCallback(os.path.basename(str(path_1).rstrip("/")), self._bar)

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
        """Shows how far it is; fsspec calls it at each change."""
        if self.size is None and not self.value:
            return
        if self._task is None:
            if self._owns:
                self._bar.start()
            self._task = self._bar.add_task(self._description, total=self.size)
        self._bar.update(self._task, completed=self.value, total=self.size)
        super().call(hook_name, **kwargs)

    def close(self) -> None:
        """Ends the bar, if it is its own."""
        if self._owns:
            self._bar.stop()
