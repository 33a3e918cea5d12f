"""`s3am upload -r` and `s3am upload --from-list`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import UsageError
from .options import bwlimit_of, connect_from, given_key, source_client
from .tree_options import add_filters, add_tree_options, finish, read_text, refuse_tree_options, run_tree, tree_of

if TYPE_CHECKING:
    from .output import Output


def add_many(parser: argparse.ArgumentParser) -> None:
    """Options of many sources."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-r", "--recursive", action="store_true", help="upload everything in the folder SRC")
    what.add_argument(
        "--from-list",
        metavar="FILE|-",
        help="upload every source listed in FILE, one per line: SOURCE, or SOURCE<TAB>KEY; give only DST, a prefix",
    )
    add_filters(parser)
    add_tree_options(parser, own=False)


def run_recursive(args: argparse.Namespace, output: Output) -> int:
    """`upload -r`. Returns the exit code. Raises UsageError for options of one object."""
    if args.target is None:
        raise UsageError("the following arguments are required: DST; see 's3am upload --help'")
    if args.force or args.expect_md5 or args.expect_sha256:
        raise UsageError("--force and --expect-… are for one object: leave -r out")
    exists = "refuse" if args.if_none_match else args.exists or "refuse"
    return run_tree(args, output, "upload", exists=exists)


def run_list(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import S3Location
    from ..jobs.from_list import parse_list, upload_list
    from ..transfers.options import UploadOptions
    from .tree_options import object_options

    if args.target is not None:
        raise UsageError("--from-list takes no SRC: give the list, and a prefix as DST")
    if args.force or args.expect_md5 or args.expect_sha256 or args.dask or args.processes:
        raise UsageError("--force, --expect-…, --dask and --processes are not for --from-list: leave one of them out")
    prefix = tree_of(args.source, "target")
    if not isinstance(prefix, S3Location):
        raise UsageError(f"{args.source} is not a prefix in S3: write s3://BUCKET/PREFIX/")
    refuse_tree_options(args, "--from-list takes single files and objects; leave it out, or give -r")
    if given_key(args, output)[1]:
        raise UsageError("--from-list takes no master key: upload such objects one by one or with -r")
    lines = parse_list(read_text(args.from_list, "list").split("\n"), prefix.key)
    client = connect_from(args, output)
    options = UploadOptions(
        exists=args.exists or "refuse",
        part_size=args.part_size,
        download_slots=args.download_slots,
        upload_slots=args.upload_slots,
        object=object_options(args, given_key(args, output)[0]),
        source_key=given_key(args, output, "src_")[0],
        checksum=args.checksum,
        bwlimit=bwlimit_of(args),
        dry_run=args.dry_run,
        verify_tls=args.ca_bundle or not args.no_verify_tls,
    )
    reader = source_client(args, output)
    totals = upload_list(lines, prefix, client, options, output.entry, source_client=reader, resume=args.resume)
    return finish(totals, output)
