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
Deletes the object URL, everything in the folder URL with -r, or the objects
that a quoted glob (**, *, ?, [...]) matches, 1,000 keys per request. It is an
error (exit 17) if a single key does not exist, but not if -r or a glob matches
nothing. --max-delete is checked before anything is deleted."""
EXAMPLES = """\
examples:
  s3am rm s3://bucket/runs/old.bam
  s3am rm --dry-run -r s3://bucket/runs/old/
  s3am rm --max-delete 1000 's3://bucket/runs/**/*.tmp'
  s3am rm --version-id ID s3://bucket/runs/old.bam"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="s3://BUCKET/KEY, s3://BUCKET/PREFIX/ with -r, or a quoted glob")
    add = parser.add_argument
    add("-r", "--recursive", action="store_true", help="delete everything in the folder URL")
    add("--dry-run", action="store_true", help="print what would be deleted, and delete nothing")
    add(
        "--max-delete",
        metavar="N|N%",
        type=max_delete,
        help="delete nothing (exit code 18) if it would be more than N objects, or N percent",
    )
    add("--if-match", metavar="ETAG", help="delete a single object only if it has this ETag")
    add("--version-id", metavar="ID", help="permanently delete this version of a single object")
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
