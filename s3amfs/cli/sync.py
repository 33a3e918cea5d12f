"""`s3am sync`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import add_seen
from .tree_options import add_filters, add_object_options, add_tree_options, max_delete, run_tree, source_options
from .worker_options import add_workers

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "make one tree equal to another, transferring only what differs"
DESCRIPTION = """\
Makes DST equal to SRC, transferring only what differs: from a local folder to
s3://BUCKET[/PREFIX], back, or from S3 to S3.

A file of equal size and time is skipped. If only the time differs, the file is
compared with the checksum that S3 stores before anything is transferred.
Nothing is deleted without --delete. Deletions come last, and only if SRC could
be read completely and no transfer failed. If a run is killed, repeat the same
command: nothing is sent twice. With --resume nothing is listed twice either."""
EXAMPLES = """\
examples:
  s3am sync data/ s3://bucket/data/
  s3am sync --dry-run --delete data/ s3://bucket/data/
  s3am sync --delete --exclude '*.tmp' --max-delete 100 s3://bucket/data/ data/
  s3am sync s3://bucket/data/ s3://other/data/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="folder or s3://BUCKET[/PREFIX]")
    parser.add_argument("target", metavar="DST", help="folder or s3://BUCKET[/PREFIX]")
    add = parser.add_argument
    add("--delete", action="store_true", help="at the end, delete from DST what SRC does not have")
    add("--delete-excluded", action="store_true", help="also delete from DST what the filters leave out")
    add(
        "--max-delete",
        metavar="N|N%",
        type=max_delete,
        help="delete nothing (exit 18) if it would be more than N entries, or N%% of DST (default: 50%% of over 100)",
    )
    add("--backup-dir", metavar="URL", help="keep what is replaced or deleted at DST below this folder or prefix")
    add(
        "--track-renames",
        action="store_true",
        help="with --delete: rename at DST what was renamed at SRC, instead of sending it again",
    )
    compare = parser.add_argument_group("what counts as changed")
    how = compare.add_mutually_exclusive_group()
    how.add_argument("--size-only", action="store_true", help="compare sizes only")
    how.add_argument("--checksum", action="store_true", help="compare contents even if size and time are equal")
    how.add_argument(
        "--exact-timestamps",
        action="store_true",
        help="treat any difference in time as a change, without comparing contents",
    )
    compare.add_argument("--update", action="store_true", help="skip files that are newer at DST")
    compare.add_argument("--existing", action="store_true", help="only update what DST already has")
    compare.add_argument("--ignore-existing", action="store_true", help="only add what DST does not have")
    add_filters(parser, names=True)
    add_tree_options(parser)
    add_object_options(parser)
    add_seen(parser)
    source_options(parser)
    add_workers(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    return run_tree(args, output, "sync")
