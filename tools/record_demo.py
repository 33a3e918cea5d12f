"""Draws docs/demo.svg: what `s3am demo` prints, line by line at the pace at which it came. Made by `make recording`.

It needs nothing but the demonstration itself. Figures differ from run to run; tests/demo compares everything else of
the committed picture with a run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"
SIZE = "256MiB"
COLUMNS = 108
LINE_HEIGHT = 18
MARGIN = 16
CHARACTER = 7.8
LONGEST_WAIT = 1.5
"""Seconds; longer waits between two lines are cut to this."""
HOLD = 8.0
"""Seconds for which the last picture stands before the recording begins again."""
STYLE = """\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d6deeb;white-space:pre}
.c{fill:#82d99f;font-weight:600}.t{fill:#8ab4f8}
@media (prefers-reduced-motion:no-preference){text{opacity:0;animation:s %.1fs infinite}}
"""
FIGURES = re.compile(r"\d+(?:\.\d+)?(?: (?:[KMGT]i)?B)?")
FOLDER = re.compile(r"/\S*s3am-demo-[^\s/]*")
URL = re.compile(r"(ftp|http)://127\.0\.0\.1:\d+")


def record(size: str = SIZE) -> list[tuple[float, str]]:
    """Runs `s3am demo` and returns (seconds since its first line, line) of what it prints, long waits cut.

    Raises CalledProcessError if the demonstration fails.
    """
    command = [sys.executable, "-m", "s3amfs.cli.main", "demo", "--size", size]
    found: list[tuple[float, str]] = []
    shown, last = 0.0, time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            now = time.monotonic()
            shown += min(now - last, LONGEST_WAIT) if found else 0.0
            last = now
            found.append((shown, line.rstrip("\n")))
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return found


def plain(line: str) -> str:
    """The line without what belongs to one run on one machine: the temporary folder and ports."""
    return URL.sub(r"\1://127.0.0.1", FOLDER.sub("/tmp/s3am-demo", line))


def without_figures(lines: list[str]) -> list[str]:
    """The words of the lines, with # for each number and size, to compare two recordings whatever their line breaks."""
    return FIGURES.sub("#", plain("\n".join(lines))).split()


def wrapped(line: str) -> list[str]:
    """The line in pieces of at most COLUMNS characters, cut at spaces."""
    pieces: list[str] = []
    while len(line) > COLUMNS:
        cut = line.rfind(" ", 0, COLUMNS)
        cut = cut if cut > len(line) - len(line.lstrip()) else COLUMNS
        pieces.append(line[:cut])
        line = "      " + line[cut:].lstrip()
    return [*pieces, line]


def draw(recorded: list[tuple[float, str]]) -> str:
    """The SVG: one <text> a line, which appears when it was printed. Readers without motion see all at once."""
    seconds = recorded[-1][0] + HOLD
    y = MARGIN + LINE_HEIGHT
    styles, texts = [], [f'<text x="{MARGIN}" y="{y}" style="opacity:1;animation:none" class="c">$ s3am demo</text>']
    y += LINE_HEIGHT
    for number, (at, line) in enumerate(recorded):
        share = 100 * at / seconds
        shown = min(100, share + 0.1)
        styles.append(f"@keyframes k{number}{{0%,{share:.1f}%{{opacity:0}}{shown:.1f}%,100%{{opacity:1}}}}")
        kind = "c" if line.lstrip().startswith("$ ") else "t" if re.match(r"\d+\. ", line) else ""
        for piece in wrapped(plain(line)):
            style = f' style="animation-name:k{number}"' + (f' class="{kind}"' if kind else "")
            texts.append(f'<text x="{MARGIN}" y="{y}"{style}>{escape(piece)}</text>')
            y += LINE_HEIGHT
    width, height = round(COLUMNS * CHARACTER + 2 * MARGIN), y + MARGIN
    frame = f'<rect width="{width}" height="{height}" rx="8" fill="#10151d"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    title = "<title>A recording of s3am demo</title>"
    style = f"<style>\n{STYLE % seconds}{''.join(styles)}\n</style>"
    return "\n".join([head, title, style, frame, *texts, "</svg>", ""])


def texts_of(svg: str) -> list[str]:
    """The lines of a picture below its command."""
    from xml.etree import ElementTree

    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(one.itertext()) for one in found][1:]


if __name__ == "__main__":
    PICTURE.write_text(draw(record()), encoding="utf-8")
