"""--dask and --processes: which workers move the parts of an object, given or chosen."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import UsageError
from .options import bwlimit_of, slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.client import S3Client
    from ..engine.line import Direction
    from .output import Output


def add_workers(parser: argparse.ArgumentParser) -> None:
    """--dask and --processes."""
    group = parser.add_argument_group("several processes (need dask: pip install 's3amfs[dask]')")
    workers = group.add_mutually_exclusive_group()
    workers.add_argument(
        "--dask", metavar="ADDRESS", help="move the parts with this dask cluster; local:N: N on this machine"
    )
    workers.add_argument(
        "--processes",
        metavar="N",
        type=slots,
        help="N processes of this machine move the parts; 1: only this one (default: chosen)",
    )


def workers_of(args: argparse.Namespace, output: Output) -> str | None:
    """Returns the address of the cluster whose workers move the parts; None: none do.

    Raises UsageError for options that workers do not take.
    """
    address: str | None = args.dask or (f"local:{args.processes}" if (args.processes or 1) > 1 else None)
    if address is None:
        return None
    if getattr(args, "bwlimit_file", None) is not None or getattr(args, "dry_run", False):
        raise UsageError("--bwlimit-file and --dry-run are not for --dask and --processes: leave one of them out")
    if getattr(args, "sparse", False):
        raise UsageError("--sparse is not for --dask and --processes: leave one of them out")
    if not isinstance(bwlimit_of(args) if hasattr(args, "bwlimit") else 0, int):
        raise UsageError("a schedule of --bwlimit is not for --dask and --processes: give one rate")
    for prefix in ("", "src_"):
        if any(getattr(args, f"{prefix}sse_key{how}", None) is not None for how in ("", "_file", "_base64")):
            raise UsageError("customer keys would have to travel to the workers: use 's3am split' with key files")
    if getattr(args, "trace", None) is not None:
        output.warn("the trace has the requests of this process, not those of the workers")
    return address


def chosen_workers(
    args: argparse.Namespace,
    output: Output,
    client: S3Client,
    bucket: str,
    direction: Direction,
    size: Callable[[], int],
) -> str | None:
    """Returns the address of as many processes as one object is worth, where no option forbids them; None: this one.

    bucket, direction, size: as in `local_processes`.
    """
    from ..jobs.local_processes import local_processes

    if args.processes is not None or _keeps_to_one(args):
        return None
    count = local_processes(client, bucket, direction, size)
    if count == 1:
        return None
    output.detail(f"{count} processes move the parts: one would end at its cores (--processes 1: this one alone)")
    return f"local:{count}"


_OF_ONE_PROCESS = (
    *("bwlimit", "bwlimit_file", "memory", "trace", "report", "dry_run", "sparse", "checksum", "expect_md5"),
    *("expect_sha256", "upload_slots", "download_slots", "checksum_slots", "sse_key", "sse_key_file"),
    *("sse_key_base64", "src_sse_key", "src_sse_key_file", "src_sse_key_base64"),
)
"""Options that workers do not take, or whose user wants to see, or limit, what one process does."""


def _keeps_to_one(args: argparse.Namespace) -> bool:
    return any(getattr(args, name, None) for name in _OF_ONE_PROCESS)
