"""`s3am cancel`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import age, connect_from

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "abort unfinished uploads of an object"
DESCRIPTION = """\
Aborts the unfinished uploads of URL, or with --prefix of every key that begins
with it: S3 stores their parts, and charges for them, until then. Also removes
local changes that a mount could not publish, and the records of interrupted
jobs. It is not an error if there is nothing to cancel."""
EXAMPLES = """\
examples:
  s3am cancel s3://bucket/runs/genome.bam
  s3am cancel --prefix --older-than 7d s3://bucket/runs/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="s3://BUCKET/KEY; with --prefix: s3://BUCKET[/PREFIX]")
    parser.add_argument(
        "--prefix", action="store_true", help="cancel uploads of every key that begins with that of URL"
    )
    parser.add_argument(
        "--older-than", metavar="AGE", type=age, help="only uploads that began at least this long ago, such as 7d"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be cancelled, and change nothing")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..jobs.jobs_left import forget, jobs_left
    from ..verbs.cancel import cancel

    target = parse_s3_url(args.url, what="target")
    client = connect_from(args, output)
    verb = "would abort" if args.dry_run else "aborted"
    for found in cancel(target, client, prefix=args.prefix, older_than=args.older_than, dry_run=args.dry_run):
        output.result(f"{verb} {found.what}", {**found.cancelled(), "dry_run": args.dry_run})
    for job in jobs_left(target, older_than=args.older_than, below=args.prefix):
        if args.dry_run or forget(job):
            output.result(f"{'would forget' if args.dry_run else 'forgot'} {job.text()}", job.json("forgotten"))
        else:
            output.warn(f"{job.text()}: it cannot be cancelled while it runs")
    return 0
