"""`s3am pending`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import age, connect_from

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "list unfinished uploads and what they hold"
DESCRIPTION = """\
Lists unfinished uploads, whose parts S3 stores and charges for: key, age,
parts, bytes, whether this machine has the manifest to resume it, owner and
upload ID. Also lists interrupted jobs, and changes that a mount has not
published, with the local file that holds them. Without a URL it lists those of
all buckets."""
EXAMPLES = """\
examples:
  s3am pending s3://bucket
  s3am pending --older-than 7d s3://bucket/runs/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="s3://BUCKET[/PREFIX]", nargs="?", help="default: all buckets")
    parser.add_argument(
        "--older-than", metavar="AGE", type=age, help="only uploads that began at least this long ago, such as 7d"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..jobs.jobs_left import jobs_left
    from ..verbs.pending import pending

    where = parse_s3_url(args.url) if args.url is not None else None
    client = connect_from(args, output)
    bucket, prefix = (where.bucket, where.key) if where is not None else (None, "")
    for found in pending(client, bucket, prefix, older_than=args.older_than):
        output.result(found.text(), found.json())
    for job in jobs_left(where, older_than=args.older_than):
        output.result(job.text(), job.json())
    return 0
