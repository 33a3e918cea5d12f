"""`s3am demo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import size

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "demonstrate a killed and resumed upload on a real S3 server"
DESCRIPTION = """\
Starts an S3 server (SeaweedFS), an FTP and an HTTP server on free ports of
this machine and in a temporary folder; uploads a file, kills the upload and
resumes it; copies, downloads and verifies the object; then removes everything.
Requires: pip install 's3amfs[demo]'."""
EXAMPLES = """\
examples:
  s3am demo
  s3am demo --size 1GiB"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size", metavar="SIZE", type=size, default=256 * 1024 * 1024, help="size of the file (default 256MiB)"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    from ..demo.run import main

    return main(size=args.size)
