"""`s3am check`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .tree_options import add_filters, add_links, ends_of, finish, options_of, source_options

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "compare two trees by content, without a download where S3 stores checksums"
DESCRIPTION = """\
Compares two trees by content and prints one line per key:

  = KEY   equal               + KEY   only in SRC
  * KEY   different           - KEY   only in DST
  ! KEY   could not be compared, with the reason

Contents are compared by the checksums and ETags that S3 stores. Where there is
none, the line begins with '!' unless --download is given. Exit code 0 if all
are equal, 1 if any could not be compared, else 16."""
EXAMPLES = """\
examples:
  s3am check data/ s3://bucket/data/
  s3am check s3://bucket/data/ s3://other/data/ | grep -v '^='"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from .options import add_key_options

    parser.add_argument("source", metavar="SRC", help="folder or s3://BUCKET[/PREFIX]")
    parser.add_argument("target", metavar="DST", help="folder or s3://BUCKET[/PREFIX]")
    parser.add_argument(
        "--download", action="store_true", help="download objects that have no stored checksum, and compare them"
    )
    add_filters(parser, names=True)
    add_links(parser)
    add_key_options(parser, what="the S3 side, or of DST from S3 to S3")
    add_key_options(parser, "src-", "SRC from S3 to S3")
    source_options(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    from ..jobs.check import check

    ends = ends_of(args, output)
    options = options_of(args, output, ends, "compare", "check")
    totals = check(ends, options, output.entry, download=args.download)
    if args.json:
        return finish(totals, output)
    return totals.exit_code
