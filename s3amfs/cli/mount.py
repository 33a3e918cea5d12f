"""`s3am mount`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import config_of, seconds, size

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "mount a bucket or prefix as a directory (FUSE)"
DESCRIPTION = """\
Mounts s3://BUCKET[/PREFIX] on DIR. Returns when the mount is ready; a daemon
serves it in the background. A program's close() returns 0 only when the object
is in S3, complete and checked. Requires: pip install 's3amfs[mount]', and
libfuse 3."""
EXAMPLES = """\
examples:
  s3am mount s3://bucket/runs /mnt/runs
  s3am mount --read-only --allow-other s3://bucket /mnt/bucket
  s3am umount /mnt/runs"""


def octal(text: str) -> int:
    """Parses an octal number, such as a umask. Raises ArgumentTypeError."""
    try:
        return int(text, 8)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an octal number, such as 022") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="s3://BUCKET[/PREFIX]")
    parser.add_argument("directory", metavar="DIR", nargs="?", help="an existing directory")
    add = parser.add_argument
    add("--status", action="store_true", help="show the state of an existing mount: s3am mount --status DIR")
    add("--metrics", action="store_true", help="the same in the text format of Prometheus: s3am mount --metrics DIR")
    add("--read-only", action="store_true", help="refuse changes")
    add(
        "--allow-other",
        action="store_true",
        help="let other users in (unless root mounts, /etc/fuse.conf must contain user_allow_other)",
    )
    add("--uid", type=int, help="owner of files whose metadata names none")
    add("--gid", type=int, help="group of files whose metadata names none")
    add("--umask", type=octal, help="octal umask for files and directories whose metadata has no mode")
    add("--part-size", metavar="SIZE", type=size, help="size of each part of an upload, 5MiB to 5GiB (default: chosen)")
    add("--cache-size", metavar="SIZE", type=size, help="memory for cached and prefetched data (default 48MiB)")
    add("--cache-dir", metavar="DIR", help="also cache read data on disk, below DIR")
    add("--cache-disk", metavar="SIZE", type=size, help="limit of the disk cache (default 10GiB)")
    add("--spool-dir", metavar="DIR", help="folder for changes that wait for close() (default: TMPDIR, else /tmp)")
    add(
        "--spool-keep",
        metavar="SIZE",
        type=size,
        help="how much of a file being written stays readable and rewritable before close() (default 1GiB)",
    )
    add(
        "--write-back",
        metavar="SECONDS",
        type=seconds,
        help="let close() of a small file return early, and publish the file within this time",
    )
    add(
        "--metadata-ttl",
        metavar="SECONDS",
        type=seconds,
        help="how long cached metadata is used, so how late changes by other clients are seen (default 1)",
    )
    add("--log-file", metavar="FILE", help="log of failed operations (default: mount.log in the state folder)")
    add(
        "--trace",
        metavar="FILE",
        dest="trace_file",
        help="write a trace of every request to FILE, which grows as long as the mount lives",
    )
    add("--foreground", action="store_true", help="stay in the foreground and log to stderr")
    add("-o", metavar="OPT[,OPT…]", action="append", default=[], dest="fuse_options", help="more options for FUSE")


def run(args: argparse.Namespace, output: Output) -> int:
    from dataclasses import fields

    from ..core.locations import parse_s3_url
    from ..errors import UsageError
    from ..mount.daemon import mount
    from ..mount.options import LEAST_CACHE_DISK, MountOptions

    if args.status or args.metrics:
        return _status(args.directory or args.url, output, metrics=args.metrics)
    if args.directory is None:
        raise UsageError("the directory is missing: write s3am mount s3://BUCKET[/PREFIX] DIR")
    if args.cache_disk is not None and args.cache_dir is None:
        raise UsageError("--cache-disk limits the disk cache: give --cache-dir, too")
    if args.cache_disk is not None and args.cache_disk < LEAST_CACHE_DISK:
        raise UsageError("--cache-disk is at least 64MiB")
    location = parse_s3_url(args.url)
    given = {
        field.name: getattr(args, field.name)
        for field in fields(MountOptions)
        if getattr(args, field.name, None) is not None
    }
    if args.fuse_options:
        given["fuse_options"] = tuple(option for text in args.fuse_options for option in text.split(",") if option)
    else:
        given.pop("fuse_options", None)
    mount(location, args.directory, MountOptions(**given), config_of(args, output))
    event = "unmounted" if args.foreground else "mounted"
    output.note({"event": event, "url": location.url, "directory": args.directory})
    return 0


def _status(directory: str, output: Output, *, metrics: bool) -> int:
    from ..mount.unmount import status

    found = status(directory)
    if metrics:
        from ..core.prometheus import metrics_of_mount

        text = metrics_of_mount(directory, found).rstrip("\n")
        output.result(text, {"event": "status", "directory": directory, **found})
        return 0
    files = found["open"]
    assert isinstance(files, dict)
    states = ", ".join(f"{count} {state}" for state, count in sorted(files.items())) or "none"
    text = (
        f"{directory}: {found['url']}, daemon {found['pid']}, open files: {states}, changes waiting: {found['waiting']}"
    )
    output.result(text, {"event": "status", "directory": directory, **found})
    return 0
