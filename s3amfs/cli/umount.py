"""`s3am umount`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "unmount, once everything written is in S3"
DESCRIPTION = """\
Unmounts DIR. Returns when everything written to the mount is in S3, or fails
with an error. If the mount is in use it stays mounted, and the error lists the
processes that use it."""
EXAMPLES = """\
examples:
  s3am umount /mnt/bucket"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="where the mount is")


def run(args: argparse.Namespace, output: Output) -> int:
    from ..mount.unmount import umount

    if not umount(args.directory):
        output.warn(f"the daemon of {args.directory} had died: 's3am pending' lists what it had not published")
    output.note({"event": "unmounted", "directory": args.directory})
    return 0
