"""`s3am mount`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import config_of, seconds, size

if TYPE_CHECKING:
    from .output import Output

SUMMARY = "mount a bucket or prefix as a directory (FUSE)"
DESCRIPTION = """\
Mounts s3://BUCKET[/PREFIX] on DIR. Returns when the mount answers and serves in the background. close() is the commit:
it returns 0 only when the object is in S3, complete and checked. Needs the extra: pip install 's3amfs[mount]'."""
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
        raise argparse.ArgumentTypeError(f"{text!r} is no octal number, such as 022") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="s3://BUCKET[/PREFIX]")
    parser.add_argument("directory", metavar="DIR", nargs="?")
    add = parser.add_argument
    add("--status", action="store_true", help="say what the mount on DIR, the only argument then, is at")
    add("--metrics", action="store_true", help="the same in Prometheus' text format, for a textfile collector")
    add("--read-only", action="store_true", help="nothing can be changed")
    add("--allow-other", action="store_true", help="let other users in (needs user_allow_other in /etc/fuse.conf)")
    add("--uid", type=int, help="owner of files that have none")
    add("--gid", type=int, help="group of files that have none")
    add("--umask", type=octal, help="octal; for files and directories without a mode of their own")
    add("--part-size", metavar="SIZE", type=size, help="5MiB to 5GiB")
    add("--cache-size", metavar="SIZE", type=size, help="memory for what is read ahead")
    add("--cache-dir", metavar="DIR", help="keep what was read on disk, in a folder of this user alone")
    add("--cache-disk", metavar="SIZE", type=size, help="of --cache-dir, at most this much (10GiB)")
    add("--spool-dir", metavar="DIR", help="where files that are not written in order wait for their close")
    add("--spool-keep", metavar="SIZE", type=size, help="of a stream, what can be read or written again (1GiB)")
    add("--write-back", metavar="SECONDS", type=seconds, help="publish small files within that time after their close")
    add("--metadata-ttl", metavar="SECONDS", type=seconds, help="others' changes are seen after that (default 1)")
    add("--log-file", metavar="FILE", help="why operations failed (default: mount.log in the state folder)")
    add("--trace", metavar="FILE", dest="trace_file", help="write each request to FILE, which grows (see 'upload')")
    add("--foreground", action="store_true", help="stay in the foreground")
    add("-o", metavar="OPT[,OPT…]", action="append", default=[], dest="fuse_options", help="options for FUSE")


def run(args: argparse.Namespace, output: Output) -> int:
    from dataclasses import fields

    from ..core.locations import parse_s3_url
    from ..errors import UsageError
    from ..mount.daemon import mount
    from ..mount.options import LEAST_CACHE_DISK, MountOptions

    if args.status or args.metrics:
        return _status(args.directory or args.url, output, metrics=args.metrics)
    if args.directory is None:
        raise UsageError("the directory is missing: s3am mount s3://BUCKET[/PREFIX] DIR")
    if args.cache_disk is not None and args.cache_dir is None:
        raise UsageError("--cache-disk says how much of --cache-dir may be taken: give that, too")
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
        f"{directory}: {found['url']}, daemon {found['pid']}, open files: {states}, waiting: {found['waiting']} changes"
    )
    output.result(text, {"event": "status", "directory": directory, **found})
    return 0
