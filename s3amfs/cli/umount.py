"""`s3am umount`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "unmount; returns when every pending byte is in S3"
DESCRIPTION = """\
Unmounts DIR. Returns when every pending byte is in S3, or fails with an error; a mount that is in use stays, and the
error says who uses it."""
EXAMPLES = """\
examples:
  s3am umount /mnt/bucket"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..mount.unmount import umount

    if not umount(args.directory):
        output.warn(f"the daemon of {args.directory} was dead: 's3am pending' lists what it had not published")
    output.note({"event": "unmounted", "directory": args.directory})
    return 0
