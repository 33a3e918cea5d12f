"""`s3am doctor`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import connect_from

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "test what an S3 service can do"
DESCRIPTION = """\
Tests what the S3 service can do, with at most 40 requests and about 10 MiB of
data below URL. Prints one line per capability: yes, no or unknown, its name,
and the answer that shows it.

The test objects are deleted afterwards, with their versions (one by one, with
about ten more requests, where the service has no DeleteObjects). A bucket that
locks new objects by default gets none. Later transfers use the result for 30
days, or until an answer contradicts it."""
EXAMPLES = """\
examples:
  s3am doctor s3://bucket
  s3am doctor --json s3://bucket/scratch/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="s3://BUCKET[/PREFIX]", help="where to put the test objects")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..verbs.doctor import doctor

    where = parse_s3_url(args.url)
    for finding in doctor(where, connect_from(args, output)):
        output.result(finding.text(), finding.json())
    return 0
