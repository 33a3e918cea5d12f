"""`s3am download`."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import UsageError
from .options import (
    add_bwlimit,
    add_key_options,
    add_memory,
    add_seen,
    bwlimit_of,
    connect_from,
    given_key,
    key_of,
    range_size,
    slots,
)
from .tree_options import add_filters, add_tree_options, refuse_tree_options, run_tree
from .worker_options import add_workers, chosen_workers, workers_of

if TYPE_CHECKING:
    from ..core.locations import LocalPath, S3Location
    from ..engine.connect import S3Client
    from ..transfers.options import DownloadOptions
    from .output import Output

SUMMARY = "download an S3 object into a local file"
DESCRIPTION = """\
Downloads the object SRC into the local file DST in parallel ranges, and
compares it with the checksum that S3 stores. If DST is a directory, the last
component of SRC is appended. Until it is complete, the data is in
.NAME.partial beside DST, and .NAME.progress records which ranges are done."""
EXAMPLES = """\
examples:
  s3am download s3://bucket/runs/genome.bam .
  s3am download --download-exists resume s3://bucket/runs/genome.bam genome.bam
  s3am download -r 's3://bucket/runs/**/*.bam' runs/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="s3://BUCKET/KEY; with -r: s3://BUCKET/PREFIX or a quoted glob")
    parser.add_argument("target", metavar="DST", help="file or directory")
    add = parser.add_argument
    add(
        "--file-exists",
        choices=("overwrite", "skip"),
        help="replace an existing DST, or leave it and succeed (default: fail with exit code 11)",
    )
    add(
        "--download-exists",
        choices=("resume", "discard"),
        help="continue an interrupted download of DST, or start over (default: fail with exit code 12)",
    )
    add("--version-id", metavar="ID", help="download this version of the object")
    add("--part-size", metavar="SIZE", type=range_size, help="size of each range, such as 16MiB")
    add("--download-slots", metavar="N", type=slots, help="number of parallel requests")
    add("--checksum-slots", metavar="N", type=slots, help="number of threads that check data on disk when resuming")
    add(
        "--checksum",
        choices=("crc64nvme", "crc32c", "md5", "none"),
        help="compare with this checksum only; none: do not compare (default: whatever S3 stores)",
    )
    add("--sparse", action="store_true", help="write blocks of zeros as holes in the file")
    add_bwlimit(parser)
    add_memory(parser)
    add_seen(parser)
    add_workers(parser)
    add("--dry-run", action="store_true", help="print what would be done, and change nothing")
    add(
        "-r",
        "--recursive",
        action="store_true",
        help="download everything below a prefix, or what a quoted glob matches, into the folder DST",
    )
    add("--resume", action="store_true", help="with -r: continue where the last run of this job was killed")
    add_filters(parser)
    add_tree_options(parser, own=False)
    add_key_options(parser, what="SRC")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import parse_s3_url, resolve_download_target
    from ..errors import InvalidSource
    from ..transfers.options import DownloadOptions
    from ..verbs.download import download

    if args.recursive:
        if args.version_id is not None:
            raise UsageError("--version-id is for one object: leave -r out")
        return run_tree(args, output, "download", exists=args.file_exists or "refuse")
    if args.resume:
        raise UsageError("--resume is for -r: to continue one object, use --download-exists resume")
    refuse_tree_options(args, "give -r, or leave it out")
    workers = workers_of(args, output)
    source = replace(parse_s3_url(args.source, what="source"), version_id=args.version_id)
    if not source.key:
        raise InvalidSource(f"{source.url} names a bucket, not an object: give s3://BUCKET/KEY")
    target = resolve_download_target(args.target, source, os.path.isdir)
    given = given_key(args, output)
    client = connect_from(args, output)
    options = DownloadOptions(
        file_exists=args.file_exists or "refuse",
        download_exists=args.download_exists or "refuse",
        part_size=args.part_size,
        download_slots=args.download_slots,
        checksum_slots=args.checksum_slots,
        checksum=args.checksum,
        customer_key=key_of(args, source, client, output, before=given),
        sparse=args.sparse,
        bwlimit=bwlimit_of(args),
        dry_run=args.dry_run,
    )
    if workers is None:
        workers = chosen_workers(args, output, client, source.bucket, "down", lambda: _size(client, source))
    if workers is not None:
        return _by_workers(workers, source, target, client, options, output)
    download(source, target, client, options, on_event=output.on_event)
    return 0


def _size(client: S3Client, source: S3Location) -> int:
    return client.head(source.bucket, source.key, version_id=source.version_id).size


def _by_workers(
    address: str,
    source: S3Location,
    target: LocalPath,
    client: S3Client,
    options: DownloadOptions,
    output: Output,
) -> int:
    from ..jobs.dask_cluster import Cluster, connected, download_with

    with connected(address) as dask:
        download_with(Cluster(dask), source, target, client, options, on_event=output.on_event)
    return 0
