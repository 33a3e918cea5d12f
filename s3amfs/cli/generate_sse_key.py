"""`s3am generate-sse-key`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "write a new encryption key to a file"
DESCRIPTION = """\
Writes 32 random bytes to FILE, readable for its owner alone, never over an existing file. Keep a copy: nobody can
restore what is encrypted with a lost key."""
EXAMPLES = """\
examples:
  s3am generate-sse-key key
  s3am upload --sse-key-file key genome.bam s3://bucket/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..verbs.keys import generate_key_file

    generate_key_file(args.file)
    output.result(f"{args.file}: a new key; keep a copy of it", {"event": "key", "file": args.file})
    return 0
