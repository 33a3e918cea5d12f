"""`s3am ls`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import connect_from

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "list buckets, folders and objects"
DESCRIPTION = """\
Lists one level of folders and objects below URL, or everything with -r: time
(UTC), bytes and key of each object, as the pages of the listing arrive.
Without a URL it lists your buckets. Quote URLs that contain **, *, ? or [...]."""
EXAMPLES = """\
examples:
  s3am ls s3://
  s3am ls s3://bucket/runs/
  s3am ls -r --json s3://bucket/runs/
  s3am ls 's3://bucket/runs/**/*.bam'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", default="s3://", help="s3://BUCKET[/PREFIX], or a quoted glob")
    parser.add_argument("-r", "--recursive", action="store_true", help="list everything below URL, not one level")
    parser.add_argument("--versions", action="store_true", help="list all versions and delete markers")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..jobs.inventory import list_buckets, list_objects

    if args.url in ("s3://", "s3:"):
        for bucket in list_buckets(connect_from(args, output)):
            output.result(bucket.text(), bucket.json())
        return 0
    where = parse_s3_url(args.url)
    client = connect_from(args, output)
    for found in list_objects(where, client, recursive=args.recursive, versions=args.versions):
        output.entry(found)
    return 0
