"""`s3am sync`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import add_seen
from .tree_options import add_filters, add_object_options, add_tree_options, max_delete, run_tree, source_options
from .worker_options import add_workers

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "make one tree like another, moving only what differs"
DESCRIPTION = """\
Makes DST like SRC: a local folder and s3://BUCKET[/PREFIX], either way, or from S3 to S3. An entry of equal size and
time is left alone; of another time, it is compared by the checksum that S3 stores before a byte moves. Nothing is
deleted without --delete, and then last, only if all of SRC could be read and nothing failed. Repeat a killed run with
the same command: nothing is sent twice; --resume also lists nothing twice."""
EXAMPLES = """\
examples:
  s3am sync data/ s3://bucket/data/
  s3am sync --dry-run --delete data/ s3://bucket/data/
  s3am sync --delete --exclude '*.tmp' --max-delete 100 s3://bucket/data/ data/
  s3am sync s3://bucket/data/ s3://other/data/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC")
    parser.add_argument("target", metavar="DST")
    add = parser.add_argument
    add("--delete", action="store_true", help="delete what is only at DST, at the end")
    add("--delete-excluded", action="store_true", help="delete at DST also what the filters leave out")
    add(
        "--max-delete",
        metavar="N|N%",
        type=max_delete,
        help="refuse (exit 18) to delete more, or a larger share (default: 50%% of more than 100)",
    )
    add("--backup-dir", metavar="URL", help="keep there what is replaced or deleted at DST")
    add("--track-renames", action="store_true", help="with --delete: rename at DST what was renamed at SRC")
    compare = parser.add_argument_group("what counts as changed")
    how = compare.add_mutually_exclusive_group()
    how.add_argument("--size-only", action="store_true", help="another size, nothing else")
    how.add_argument("--checksum", action="store_true", help="another content, always looked at")
    how.add_argument("--exact-timestamps", action="store_true", help="another time too, without a look at the content")
    compare.add_argument("--update", action="store_true", help="leave alone what is newer at DST")
    compare.add_argument("--existing", action="store_true", help="make nothing new at DST")
    compare.add_argument("--ignore-existing", action="store_true", help="leave alone whatever exists at DST")
    add_filters(parser, names=True)
    add_tree_options(parser)
    add_object_options(parser)
    add_seen(parser)
    source_options(parser)
    add_workers(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    return run_tree(args, output, "sync")
