"""Code blocks of the manual's pages: found, run as printed, and compared with the output that the page shows.

Comments in a page's source, which readers do not see, say what a block needs:

    <!-- not run: WHY -->       above a block that no test can run
    <!-- made by: COMMANDS -->  above a block of text: the commands (their exit status does not matter) print its lines
    <!-- run: COMMANDS -->      what has to be there before the next block

In a block of sh, lines that begin with '# ' are the output of the command above them; in a block of Python, the comment
of a `print` is. A number stands for any number (of Python: for itself), spaces for any spaces, … for anything.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^<!-- run: (?P<before>.*?) -->"
    r"|(?:<!-- (?P<mark>not run|made by): (?P<said>.*?) -->\n)?(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)```",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"[0-9a-f]{6,}\u2026|(?<!HTTP )(?<!\d)\d+(?:\.\d+)?(?: (?:[KMGT]i)?B\b)?|\u2026")
PRINTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block, or one comment with commands (kind 'sh', no mark)."""

    kind: str
    text: str
    mark: str = ""
    """'', 'not run' or 'made by'."""
    said: str = ""
    """The reason of 'not run', the commands of 'made by'."""
    line: int = 0


def blocks(page: str) -> list[Block]:
    """All blocks of a page's source, in order."""
    found = []
    for one in BLOCK.finditer(page):
        line = page.count("\n", 0, one.start()) + 1
        if one["before"] is not None:
            found.append(Block("sh", one["before"], line=line))
        else:
            text = re.sub(rf"^{one['indent']}", "", one["text"], flags=re.MULTILINE)
            found.append(Block(one["kind"], text, one["mark"] or "", one["said"] or "", line))
    return found


def expected(block: Block) -> list[str]:
    """Lines that the page shows as output of this block, as regular expressions of whole lines."""
    if block.kind == "python":
        return [re.escape(line).replace("\u2026", ".*") for line in PRINTED.findall(block.text)]
    if block.kind == "sh":
        return [pattern(line[2:].strip()) for line in block.text.splitlines() if line.startswith("# ")]
    return [pattern(line.strip()) for line in block.text.splitlines() if line.strip()]


def pattern(line: str) -> str:
    """A regular expression of what a command may print where the page shows `line`."""
    ends = [(m.start(), m.end()) for m in NUMBER.finditer(line)]
    cuts = [0, *itertools.chain.from_iterable(ends), len(line)]
    found = ""
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        piece = line[start:end]
        if number % 2 == 0:
            found += re.sub(r"(?:\\ )+", r"\\s+", re.escape(piece))
        elif piece.endswith("\u2026"):
            found += ".*" if piece == "\u2026" else r"[0-9a-f]+\S*"
        else:
            found += r"[\d.,]+" + (" (?:[KMGT]i)?B" if piece.endswith("B") else "")
    return found


def missing(wanted: list[str], printed: str) -> list[str]:
    """Those of the regular expressions `wanted` that no line of `printed` matches, taken in order."""
    lines = [line.strip() for line in printed.splitlines()]
    at, found = 0, []
    for one in wanted:
        fits = (number for number, line in enumerate(lines[at:], at + 1) if re.fullmatch(one, line))
        if (next_at := next(fits, None)) is None:
            found.append(one)
        else:
            at = next_at
    return found


class Runner:
    """Runs blocks of one page in `folder`, with what stands for the places that the page names."""

    def __init__(self, folder: Path, environment: dict[str, str], places: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment
        self._places = places

    def local(self, text: str) -> str:
        """`text` with the places of this test instead of those of the page."""
        for name, place in self._places.items():
            text = text.replace(name, place)
        return text

    def shown(self, text: str) -> str:
        """The reverse: output with the places that the page names."""
        for name, place in self._places.items():
            text = text.replace(place, name)
        return text

    def run(self, found: list[Block]) -> Iterator[str]:
        """Runs every block that has no reason against it. Yields what is wrong, with its line in the page."""
        wanted = [b for b in found if b.mark != "not run" and (b.kind in ("sh", "python") or b.mark)]
        for is_python, group in itertools.groupby(wanted, key=lambda block: block.kind == "python"):
            together = list(group)
            yield from self._python(together) if is_python else self._shell(together)

    def _shell(self, found: list[Block]) -> Iterator[str]:
        for block in found:
            made_by = block.mark == "made by"
            text = block.said if made_by else block.text
            flags = "-uc" if made_by else "-euo"
            command = ["bash", flags, *([] if made_by else ["pipefail", "-c"]), self.local(text)]
            yield from self._done(command, block, strict=not made_by)

    def _python(self, found: list[Block]) -> Iterator[str]:
        """Blocks that follow each other share one interpreter: later ones use names of earlier ones."""
        joined = "\n".join(block.text for block in found)
        whole = Block("python", joined, line=found[0].line)
        yield from self._done(["bash", "-c", 'exec python -c "$0"', self.local(joined)], whole)

    def _done(self, command: list[str], block: Block, *, strict: bool = True) -> Iterator[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        printed = self.shown(done.stdout)
        if strict and done.returncode != 0:
            yield f"line {block.line}: exit {done.returncode}\n{block.text}\n--- printed:\n{printed}"
        for line in missing(expected(block), printed):
            yield f"line {block.line}: not printed: {line}\n--- printed:\n{printed}"


def path_with(*folders: Path) -> str:
    """PATH with these folders before those that it has."""
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])
