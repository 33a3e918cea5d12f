"""`s3am du`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import connect_from

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "sum up objects and bytes below a prefix"
DESCRIPTION = """\
Prints the size and the number of objects of each folder directly below URL,
and the total. Unfinished uploads are not counted: 's3am pending' lists them."""
EXAMPLES = """\
examples:
  s3am du s3://bucket/runs/
  s3am du 's3://bucket/runs/**/*.bam'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="s3://BUCKET[/PREFIX], or a quoted glob")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..jobs.inventory import disk_usage

    where = parse_s3_url(args.url)
    for found in disk_usage(where, connect_from(args, output)):
        output.entry(found)
    return 0
