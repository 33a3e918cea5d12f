"""`s3am upload`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from ..errors import UsageError
from .options import (
    add_bwlimit,
    add_key_options,
    add_memory,
    add_seen,
    bwlimit_of,
    connect_from,
    digest,
    given_key,
    key_of,
    pair,
    part_size,
    slots,
    source_client,
)
from .tree_options import add_directive, object_options, refuse_tree_options
from .upload_many import add_many, run_list, run_recursive
from .worker_options import add_workers, chosen_workers, workers_of

if TYPE_CHECKING:
    from ..core.locations import Location, S3Location
    from ..core.ssec import CustomerKey
    from ..engine.connect import S3Client
    from ..transfers.options import UploadOptions
    from .output import Output

SUMMARY = "stream a file, URL, S3 object or standard input into S3"
DESCRIPTION = """\
Streams SRC into the object DST. SRC is a file, a file:, http(s):, ftp(s): or
sftp: URL, s3://BUCKET/KEY, or - for standard input. If DST ends in / or is a
bare bucket, the last component of SRC is appended. From s3:// to s3:// the
service copies by itself: no byte passes through this machine.

With -r, SRC is a folder or s3://BUCKET/PREFIX, and everything in it is stored
below DST. Existing keys are listed and left alone unless --exists is given.
With --from-list, every source in a list is stored below DST.

Part size and parallelism are chosen from the source, the size and the network
unless you set them."""
EXAMPLES = """\
examples:
  s3am upload genome.bam s3://bucket/runs/
  s3am upload ftp://ftp.example.org/pub/big.tar s3://bucket/big.tar
  s3am upload --resume ftp://ftp.example.org/pub/big.tar s3://bucket/big.tar
  s3am upload s3://bucket/big.tar s3://other/copy.tar
  tar c data | s3am upload - s3://bucket/data.tar
  s3am upload -r data/ s3://bucket/data/
  s3am upload --from-list urls.txt s3://bucket/mirror/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="file, URL, s3://BUCKET/KEY, or - for standard input")
    parser.add_argument("target", metavar="DST", nargs="?", help="s3://BUCKET/KEY, or s3://BUCKET/PREFIX/")
    add_many(parser)
    add_transfer_arguments(parser)
    add_workers(parser)


def add_transfer_arguments(parser: argparse.ArgumentParser, *, hidden: Collection[str] = ()) -> None:
    """Adds the options for the upload of one object. hidden: those that the help does not show (the caller refuses
    them, and says what to use instead)."""

    def shown(option: str, text: str) -> str:
        return argparse.SUPPRESS if option in hidden else text

    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help=shown("--resume", "continue the unfinished upload of DST; with -r and --from-list: the interrupted job"),
    )
    again.add_argument(
        "--force", action="store_true", help="abort all unfinished uploads of DST and start from scratch"
    )
    add = parser.add_argument
    add(
        "--exists",
        choices=("overwrite", "skip"),
        help="replace an existing DST, or leave it and succeed (default: fail with exit code 3)",
    )
    add(
        "--if-none-match",
        action="store_true",
        help="fail if DST exists, even if another client creates it during the upload",
    )
    add(
        "--part-size",
        metavar="SIZE",
        type=part_size,
        help="size of each part, 5MiB to 5GiB; 5M, 5MB and 5MiB are the same",
    )
    add("--download-slots", metavar="N", type=slots, help="number of parallel requests to a remote SRC")
    add("--upload-slots", metavar="N", type=slots, help="number of parallel requests to S3")
    add(
        "--checksum",
        choices=("crc64nvme", "crc32c", "md5", "none"),
        help="checksum of the content (default: crc64nvme where the server supports it)",
    )
    add("--expect-md5", metavar="HEX", type=digest("MD5", 16), help="store DST only if SRC has this MD5")
    add("--expect-sha256", metavar="HEX", type=digest("SHA-256", 32), help="store DST only if SRC has this SHA-256")
    add_bwlimit(parser)
    add_memory(parser)
    add_seen(parser)
    add("--dry-run", action="store_true", help=shown("--dry-run", "print what would be done, and change nothing"))
    _add_object_arguments(parser)
    add_key_options(parser, what="DST")
    add_key_options(parser, "src-", "an s3:// SRC")
    source = parser.add_argument_group("an s3:// SRC of another service or account (the bytes pass through here)")
    source.add_argument("--src-endpoint-url", metavar="URL", help="S3 service of SRC")
    source.add_argument("--src-profile", metavar="NAME", help="AWS profile for SRC")
    source.add_argument("--src-region", metavar="NAME", help="region of SRC")
    source.add_argument("--src-no-sign-request", action="store_true", help="send no credentials to the service of SRC")


def _add_object_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the new object")
    add = group.add_argument
    add("--content-type", metavar="TYPE", help="Content-Type (default: the source's, or guessed from the name)")
    add("--metadata", metavar="NAME=VALUE", type=pair, action="append", default=[], help="user metadata; repeatable")
    add("--tag", metavar="NAME=VALUE", type=pair, action="append", default=[], help="object tag; repeatable")
    add(
        "--storage-class",
        metavar="CLASS",
        help="such as STANDARD_IA (default: STANDARD, or the source's from S3 to S3)",
    )
    add("--acl", metavar="ACL", help="canned ACL, such as bucket-owner-full-control")
    add("--sse", choices=("AES256", "aws:kms", "aws:kms:dsse"), help="encrypt with a key of the service")
    add("--sse-kms-key-id", metavar="ID", help="KMS key for --sse aws:kms (default: the AWS managed key)")
    add_directive(group)


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import LocalPath, S3Location, parse_source, resolve_target
    from ..transfers.source import require_readable
    from ..verbs.upload import upload
    from ..wire.messages import check_headers

    if args.from_list is not None or args.recursive:
        return run_list(args, output) if args.from_list is not None else run_recursive(args, output)
    if args.target is None:
        raise UsageError("the following arguments are required: DST; see 's3am upload --help'")
    refuse_tree_options(args, "give -r, or leave it out")
    workers = workers_of(args, output)
    source = parse_source(args.source)
    target = resolve_target(args.target, source)
    keys = given_key(args, output), given_key(args, output, "src_")
    if isinstance(source, LocalPath):
        require_readable(source)
    check_headers(object_options(args).content_headers())
    client = connect_from(args, output)
    reader = source_client(args, output) if isinstance(source, S3Location) else None
    options = options_of(args, output, client, source, reader, target, keys)
    if workers is None and isinstance(source, LocalPath):
        workers = chosen_workers(args, output, client, target.bucket, "up", lambda: require_readable(source).st_size)
    if workers is not None:
        return _by_workers(workers, source, target, client, reader, options, output)
    upload(
        source,
        target,
        client,
        options,
        source_client=reader,
        stdin=sys.stdin.buffer,
        on_event=output.on_event,
    )
    return 0


def _by_workers(
    address: str,
    source: Location,
    target: S3Location,
    client: S3Client,
    reader: S3Client | None,
    options: UploadOptions,
    output: Output,
) -> int:
    from ..jobs.dask_cluster import Cluster, connected, transfer_with

    with connected(address) as dask:
        transfer_with(Cluster(dask), source, target, client, options, reader=reader, on_event=output.on_event)
    return 0


def options_of(
    args: argparse.Namespace,
    output: Output,
    client: S3Client,
    source: object,
    reader: S3Client | None,
    target: S3Location,
    keys: tuple[tuple[CustomerKey | None, bool], tuple[CustomerKey | None, bool]],
) -> UploadOptions:
    from ..core.expected import NOTHING
    from ..core.locations import S3Location
    from ..transfers.options import UploadOptions

    source_key = None
    if isinstance(source, S3Location):
        source_key = key_of(args, source, reader or client, output, "src_", keys[1])
    expect = (("md5", args.expect_md5), ("sha256", args.expect_sha256))
    return UploadOptions(
        unfinished="resume" if args.resume else "restart" if args.force else "refuse",
        exists=args.exists or "refuse",
        expected=NOTHING if args.if_none_match else None,
        part_size=args.part_size,
        download_slots=args.download_slots,
        upload_slots=args.upload_slots,
        object=object_options(args, key_of(args, target, client, output, before=keys[0])),
        source_key=source_key,
        checksum=args.checksum,
        expect=tuple((name, digest) for name, digest in expect if digest is not None),
        bwlimit=bwlimit_of(args),
        dry_run=args.dry_run,
        verify_tls=args.ca_bundle or not args.no_verify_tls,
    )
