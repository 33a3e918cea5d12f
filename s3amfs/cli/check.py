"""`s3am check`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .tree_options import add_filters, add_links, ends_of, finish, options_of, source_options

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "compare two trees by content, downloading nothing where a checksum is stored"
DESCRIPTION = """\
Prints a line for each key: '= KEY' equal, '+ KEY' only in SRC, '- KEY' only in DST, '* KEY' differs, '! KEY' not
known, with the reason. Contents are compared by the checksums and ETags that S3 stores; where there are none, the line
is '!' unless --download is given. Exit code 0 if all are equal, 1 if anything is not known, else 16."""
EXAMPLES = """\
examples:
  s3am check data/ s3://bucket/data/
  s3am check s3://bucket/data/ s3://other/data/ | grep -v '^='"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from .options import add_key_options

    parser.add_argument("source", metavar="SRC")
    parser.add_argument("target", metavar="DST")
    parser.add_argument("--download", action="store_true", help="read what has no stored checksum to compare with")
    add_filters(parser, names=True)
    add_links(parser)
    add_key_options(parser, what="objects at the S3 side, or at DST")
    add_key_options(parser, "src-", "objects at an s3:// SRC")
    source_options(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    from ..jobs.check import check

    ends = ends_of(args, output)
    options = options_of(args, output, ends, "compare", "check")
    totals = check(ends, options, output.entry, download=args.download)
    if args.json:
        return finish(totals, output)
    return totals.exit_code
