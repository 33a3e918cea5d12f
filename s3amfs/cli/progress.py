"""The progress bar: bytes, rate, time left, parts, retries. Sole user of rich, loaded only where a bar is shown."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from ..core.events import BytesMoved, Event, PartFinished, PartRetried, TransferStarted
from ..core.sizes import format_size


class _Speed(ProgressColumn):
    """In the units of everything else, which rich's own has not."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("?" if speed is None else f"{format_size(int(speed))}/s", style="progress.data.speed")


class Progress:
    """One bar on stderr for one transfer."""

    def __init__(self, started: TransferStarted) -> None:
        self._parts = started.parts
        self._done = started.resumed_parts
        self._retries = 0
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            _Speed(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[parts]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(
            started.verb, total=started.size, completed=started.resumed_bytes, parts=self._text()
        )
        self._bar.start()

    def show(self, event: Event) -> None:
        if isinstance(event, BytesMoved):
            self._bar.update(self._task, completed=event.done)
        elif isinstance(event, PartFinished):
            self._done += 1
            self._bar.update(self._task, parts=self._text())
        elif isinstance(event, PartRetried):
            self._retries += 1
            self._bar.update(self._task, parts=self._text())

    def line(self, text: str) -> None:
        """Prints above the bar."""
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._bar.stop()

    def _text(self) -> str:
        of = f"/{self._parts}" if self._parts is not None else ""
        retries = f", {self._retries} retries" if self._retries else ""
        return f"part {self._done}{of}{retries}"
