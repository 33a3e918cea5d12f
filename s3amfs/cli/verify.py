"""`s3am verify`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from .options import add_key_options, add_seen, connect_from, given_key, key_of, size

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "print an object's checksum, or prove it equal to a file or URL"
DESCRIPTION = """\
Reads the object and prints its checksum (md5 unless --checksum is given), and
nothing else.

With --against, compares the object with a file, a URL or another object. Where
S3 stores a checksum the object is not downloaded. Prints how the two were
compared; exit code 16 if they differ."""
EXAMPLES = """\
examples:
  s3am verify --checksum sha256 s3://bucket/runs/genome.bam
  s3am verify --against genome.bam s3://bucket/runs/genome.bam"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="s3://BUCKET/KEY")
    parser.add_argument("--checksum", metavar="NAME", help="algorithm: md5, sha256, crc64nvme, … (default md5)")
    parser.add_argument("--against", metavar="FILE_OR_URL", help="file, URL or object to compare with")
    parser.add_argument(
        "--part-size", metavar="SIZE", type=size, help="ignored; scripts written for S3AM 2 may give it"
    )
    parser.add_argument("--version-id", metavar="ID", help="use this version of the object")
    add_key_options(parser)
    add_seen(parser, report=False)


def run(args: argparse.Namespace, output: Output) -> int:
    from ..core.checksums import hasher
    from ..core.locations import parse_s3_url, parse_source
    from ..errors import InvalidSource, UsageError
    from ..verbs.verify import verify, verify_against

    checksum = "md5" if args.checksum is None else args.checksum
    hasher(checksum)
    if args.against is not None and args.checksum is not None:
        raise UsageError("--checksum and --against exclude each other: --against takes what S3 stores")
    source = replace(parse_s3_url(args.url), version_id=args.version_id)
    if not source.key:
        raise InvalidSource(f"{source.url} names a bucket, not an object: give s3://BUCKET/KEY")
    other = parse_source(args.against) if args.against is not None else None
    given = given_key(args, output)
    client = connect_from(args, output)
    key = key_of(args, source, client, output, before=given)
    if other is None:
        found = verify(source, client, checksum=checksum, customer_key=key)
        output.result(found, {"event": "checksum", "url": source.url, "checksum": checksum, "hex": found})
        return 0
    verify_tls = args.ca_bundle or not args.no_verify_tls
    proof = verify_against(source, other, client, customer_key=key, verify_tls=verify_tls)
    output.result(
        f"{source.url} and {other} are equal: {proof.text}",
        {"event": "equal", "url": source.url, "against": str(other), "proof": proof.text, "size": proof.size},
    )
    return 0
