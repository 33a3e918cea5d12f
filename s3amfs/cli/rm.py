"""`s3am rm`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from .options import connect_from
from .tree_options import add_filters, filters_of, max_delete

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "delete objects"
DESCRIPTION = """\
Deletes the object URL; with -r everything in the folder URL; or what a quoted glob matches (**, *, ?, [...]), a
thousand keys a request. One absent key is an error; nothing that matches is none. --max-delete is judged before the
first deletion."""
EXAMPLES = """\
examples:
  s3am rm s3://bucket/runs/old.bam
  s3am rm --dry-run -r s3://bucket/runs/old/
  s3am rm --max-delete 1000 's3://bucket/runs/**/*.tmp'
  s3am rm --version-id ID s3://bucket/runs/old.bam"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL")
    add = parser.add_argument
    add("-r", "--recursive", action="store_true", help="everything in the folder URL")
    add("--dry-run", action="store_true", help="say what would be deleted")
    add("--max-delete", metavar="N|N%", type=max_delete, help="refuse (exit 18) to delete more, or a larger share")
    add("--if-match", metavar="ETAG", help="delete one object only if it has this ETag")
    add("--version-id", metavar="ID", help="delete a version of one object, permanently")
    add_filters(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url
    from ..jobs.remove import RemoveOptions, remove

    where = replace(parse_s3_url(args.url), version_id=args.version_id)
    options = RemoveOptions(
        recursive=args.recursive,
        dry_run=args.dry_run,
        max_delete=args.max_delete,
        if_match=args.if_match,
        filters=filters_of(args),
    )
    totals = remove(where, connect_from(args, output), options, lambda entry: output.entry(entry))
    output.result(totals.text(), totals.json())
    return totals.exit_code
