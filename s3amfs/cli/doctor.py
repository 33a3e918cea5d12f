"""`s3am doctor`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import connect_from

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "show what an S3 service can do, proven by its behaviour"
DESCRIPTION = """\
Sends at most 40 requests below URL, about 10 MiB in all, and prints a line for each capability: yes, no or unknown, its
name, and the answer that shows it. Probe objects are removed, old versions too (one by one, in about ten requests
more, where the service has no DeleteObjects); a bucket that locks new objects by default gets none. The result is
remembered for 30 days and used by later transfers, until an answer contradicts it."""
EXAMPLES = """\
examples:
  s3am doctor s3://bucket
  s3am doctor --json s3://bucket/scratch/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="s3://BUCKET[/PREFIX]")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..verbs.doctor import doctor

    where = parse_s3_url(args.url)
    for finding in doctor(where, connect_from(args, output)):
        output.result(finding.text(), finding.json())
    return 0
