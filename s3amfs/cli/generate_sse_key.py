"""`s3am generate-sse-key`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "write a new encryption key to a file"
DESCRIPTION = """\
Writes 32 random bytes to FILE, which must not exist, with mode 0600. Keep a
copy: an object that is encrypted with a lost key cannot be recovered."""
EXAMPLES = """\
examples:
  s3am generate-sse-key key
  s3am upload --sse-key-file key genome.bam s3://bucket/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the key file; it must not exist")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..verbs.keys import generate_key_file

    generate_key_file(args.file)
    output.result(f"{args.file}: a new key; keep a copy of it", {"event": "key", "file": args.file})
    return 0
