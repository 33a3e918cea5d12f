"""`s3am report`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "make an HTML report from JSON lines"
DESCRIPTION = """\
Makes one HTML page from the JSON lines that --report FILE.jsonl (or --json)
wrote, even if the command was killed. Give several files to combine several
processes. The page shows a timeline, what limited the transfers, the slowest
and the failed parts, the requests by price class, and the entries of a tree
grouped by cause. It loads nothing from the network."""
EXAMPLES = """\
examples:
  s3am upload --report upload.jsonl big.tar s3://bucket/ && s3am report upload.jsonl
  s3am report -o all.html move-1.jsonl move-2.jsonl move-3.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE.jsonl", nargs="+", help="one file per process")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.html",
        help="the page (default: the name of the first file, with .html for .jsonl)",
    )


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.report_page import page
    from .report_file import read_story

    target: str = args.output or f"{args.files[0].removesuffix('.jsonl')}.html"
    if not target.endswith(".html"):
        raise UsageError(f"{target} is not the name of a page: it must end in .html")
    stories = [read_story(path) for path in args.files]
    for path, story in zip(args.files, stories, strict=True):
        if not (story.results or story.errors or story.started or story.groups):
            raise UsageError(f"{path} has no events: give a file that --report FILE.jsonl or --json wrote")
    try:
        with open(target + ".new", "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(page(stories))
        os.replace(target + ".new", target)
    except OSError as error:
        raise UsageError(f"the page {target} can't be written: {error.strerror}") from None
    output.result(target, {"event": "report", "file": target})
    return 0
