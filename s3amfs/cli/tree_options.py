"""Options that commands over trees share: filters in the order of the command line, limits, how objects are stored."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.deletions import parse_max_delete
from ..core.filters import Filters, KeyGlob, Rule, glob_of, parse_rules
from ..errors import UsageError
from .options import add_key_options, bwlimit_of, checked, connect_from, given_key, pair, source_client
from .worker_options import workers_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.locations import LocalPath, S3Location
    from ..core.ssec import CustomerKey
    from ..core.tree_events import EntryDone, Totals
    from ..core.trees.prices import Prices
    from ..engine.connect import S3Client
    from ..jobs.job_options import KeyFor, TreeOptions
    from ..jobs.sides import Ends
    from ..transfers.options import ObjectOptions
    from .output import Output

max_delete = checked(parse_max_delete)


class _AddRule(argparse.Action):
    """Appends to one list, so that the order of the command line is kept over all filter options."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        rules = list(getattr(namespace, "rules", None) or ())
        if self.const == "file":
            rules += _rules_of(values)
        else:
            if not values:
                raise argparse.ArgumentError(self, "the pattern is empty")
            rules.append(Rule(self.const == "include", values))
        namespace.rules = rules


def _rules_of(path: str) -> Sequence[Rule]:
    return parse_rules(read_text(path, "filter file"), path)


def read_text(path: str, what: str) -> str:
    """A text that the user names; '-' is standard input. Raises UsageError."""
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"the {what} {path} can't be read: {error.strerror}") from None


def add_filters(parser: argparse.ArgumentParser, *, names: bool = False) -> None:
    """--exclude, --include, --filter-from; names: --files-from, too."""
    group = parser.add_argument_group(
        "filters",
        "The last filter that matches decides. Without / a pattern matches at any depth.",
    )
    _add(group.add_argument, "--exclude", "exclude", "GLOB", "leave out files and folders that match")
    _add(
        group.add_argument,
        "--include",
        "include",
        "GLOB",
        "include what matches, even if an earlier filter leaves it out",
    )
    _add(
        group.add_argument,
        "--filter-from",
        "file",
        "FILE",
        "read filters from FILE: lines of '+ GLOB' (include) and '- GLOB' (exclude)",
    )
    if names:
        group.add_argument(
            "--files-from", metavar="FILE|-", help="consider only the names listed in FILE, one per line, on both sides"
        )


def _add(add: Callable[..., object], option: str, const: str, metavar: str, text: str) -> None:
    add(option, metavar=metavar, action=_AddRule, const=const, dest="rules", default=None, help=text)


def filters_of(args: argparse.Namespace) -> Filters:
    """The filters in their order."""
    return Filters(args.rules or ())


def add_tree_options(parser: argparse.ArgumentParser, *, own: bool = True) -> None:
    """Links, folders, what is kept of files; own: --dry-run and --resume, too."""
    group = parser.add_argument_group("trees")
    add = group.add_argument
    if own:
        add("--dry-run", action="store_true", help="print what would be done and why, and change nothing")
        add(
            "--resume",
            action="store_true",
            help="continue a killed run of this job, without listing again what it had finished",
        )
    add("--price-file", metavar="FILE", help="with --dry-run: estimate the cost from the prices in FILE (JSON)")
    add_links(group)
    add("--create-empty-dirs", action="store_true", help="transfer empty folders, too (as 'dir/' objects in S3)")
    add("--preserve", action="store_true", help="keep mode, mtime and owner (in metadata, as the mount does)")


def refuse_tree_options(args: argparse.Namespace, advice: str) -> None:
    """Where there is no tree. advice: what to do. Raises UsageError for an option that would be ignored."""
    given = {
        "--price-file": args.price_file is not None,
        "--create-empty-dirs": args.create_empty_dirs,
        "--preserve": args.preserve,
        "--skip-symlinks": args.skip_symlinks,
        "--keep-symlinks": args.keep_symlinks,
        "--exclude, --include and --filter-from": bool(args.rules),
    }
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise UsageError(f"{', '.join(names)}: only for folders and prefixes: {advice}")


def add_links(parser: argparse._ActionsContainer) -> None:
    """Adds the options for symbolic links."""
    links = parser.add_mutually_exclusive_group()
    links.add_argument(
        "--follow-symlinks", action="store_true", help="transfer the files that symbolic links point to (default)"
    )
    links.add_argument("--skip-symlinks", action="store_true", help="ignore symbolic links")
    links.add_argument(
        "--keep-symlinks", action="store_true", help="transfer symbolic links as links, as the mount does"
    )


def add_object_options(parser: argparse.ArgumentParser) -> None:
    """How new objects are stored."""
    group = parser.add_argument_group("new objects")
    add = group.add_argument
    add("--content-type", metavar="TYPE", help="Content-Type (default: the source's, or guessed from the name)")
    add("--metadata", metavar="NAME=VALUE", type=pair, action="append", default=[], help="user metadata; repeatable")
    add_directive(group)
    add("--tag", metavar="NAME=VALUE", type=pair, action="append", default=[], help="object tag; repeatable")
    add(
        "--storage-class",
        metavar="CLASS",
        help="such as STANDARD_IA (default: STANDARD, or the source's from S3 to S3)",
    )
    add("--acl", metavar="ACL", help="canned ACL, such as bucket-owner-full-control")
    add("--sse", choices=("AES256", "aws:kms", "aws:kms:dsse"), help="encrypt with a key of the service")
    add("--sse-kms-key-id", metavar="ID", help="KMS key for --sse aws:kms (default: the AWS managed key)")
    add_key_options(parser, what="the S3 side, or of DST from S3 to S3")
    add_key_options(parser, "src-", "SRC from S3 to S3")


def add_directive(group: argparse._ActionsContainer) -> None:
    """--metadata-directive."""
    group.add_argument(
        "--metadata-directive",
        choices=("COPY", "REPLACE"),
        default="COPY",
        help="S3 to S3: keep the source's metadata and headers (COPY, default), or only those given here",
    )


def source_options(parser: argparse.ArgumentParser) -> None:
    """An s3:// SRC of another service."""
    source = parser.add_argument_group("an s3:// SRC of another service or account (the bytes pass through here)")
    source.add_argument("--src-endpoint-url", metavar="URL", help="S3 service of SRC")
    source.add_argument("--src-profile", metavar="NAME", help="AWS profile for SRC")
    source.add_argument("--src-region", metavar="NAME", help="region of SRC")
    source.add_argument("--src-no-sign-request", action="store_true", help="send no credentials to the service of SRC")


def run_tree(args: argparse.Namespace, output: Output, verb: str, exists: str = "compare") -> int:
    """Runs a job over a tree and prints it. exists: as TreeOptions has it."""
    from ..jobs.ledger import Listener
    from ..jobs.sync import sync

    ends = ends_of(args, output)
    options = options_of(args, output, ends, exists, verb)
    shows_all = args.dry_run or args.verbose or args.debug

    def on_entry(entry: EntryDone) -> None:
        shown = args.json or shows_all or entry.action not in ("same", "skip") or _is_named(entry)
        output.entry(entry, shown=shown)

    prices = _prices(args)
    listener = Listener(on_entry, output.warn, output.tree_progress)
    with _workers(args, ends, output) as ends:
        totals = sync(ends, options, listener, verb)
    if prices is not None:
        leaves = ends.direction == "down" or ends.source_client is not None
        totals.cost = prices.cost(totals.requests, totals.retrieved, totals.bytes if leaves else 0)
        totals.currency = prices.currency
    return finish(totals, output)


def _prices(args: argparse.Namespace) -> Prices | None:
    """Raises UsageError."""
    from ..core.trees.prices import parse_prices

    if args.price_file is None:
        return None
    if not args.dry_run:
        raise UsageError("--price-file estimates the cost of a run: give --dry-run, too")
    return parse_prices(read_text(args.price_file, "price file"), args.price_file)


@contextmanager
def _workers(args: argparse.Namespace, ends: Ends, output: Output) -> Iterator[Ends]:
    """`ends`, with the workers of a cluster for large objects where the options name one."""
    address = workers_of(args, output)
    if address is None:
        yield ends
        return
    from ..jobs.dask_cluster import Cluster, ClusterVerbs, connected

    limit = bwlimit_of(args) if hasattr(args, "bwlimit") else 0
    assert isinstance(limit, int)
    slots = getattr(args, "upload_slots", None) or getattr(args, "download_slots", None)
    with connected(address) as dask:
        yield replace(ends, verbs=ClusterVerbs(Cluster(dask, slots, limit)))


def _is_named(entry: EntryDone) -> bool:
    """Whether to name an entry that is skipped although the user asked for it."""
    return entry.action == "skip" and entry.reason.startswith("exists at the target")


def finish(totals: Totals, output: Output) -> int:
    """Prints the last line; returns the exit code."""
    from ..errors import TooManyDeletions

    output.result(totals.text(), totals.json())
    if totals.refused:
        return output.error(TooManyDeletions(f"nothing was deleted: {totals.refused}"))
    if totals.exit_code and (failed := totals.counts.get("fail")):
        output.warn(f"{failed:,} {'entry' if failed == 1 else 'entries'} failed: see the lines that begin with 'fail'")
    return totals.exit_code


def ends_of(args: argparse.Namespace, output: Output) -> Ends:
    """SRC and DST. Raises UsageError, InvalidSource, InvalidDestination, InvalidS3Url."""
    from ..core.locations import S3Location
    from ..jobs.sides import Ends

    source, target = tree_of(args.source, "source"), tree_of(args.target, "target")
    glob = _glob_of(source)
    if glob is not None and isinstance(source, S3Location):
        source = replace(source, key=glob.root)
    client = connect_from(args, output)
    reader = source_client(args, output) if hasattr(args, "src_endpoint_url") else None
    return Ends(source, target, client, reader)


def _glob_of(source: LocalPath | S3Location) -> KeyGlob | None:
    """A glob in an s3:// SRC."""
    from ..core.locations import S3Location

    return glob_of(source.key.removesuffix("/")) if isinstance(source, S3Location) else None


def tree_of(text: str, what: str) -> LocalPath | S3Location:
    """A folder or a prefix as users write it."""
    from ..core.locations import LocalPath, local_path, parse_s3_url
    from ..jobs.sides import folder_of

    if text.startswith("s3:"):
        return folder_of(parse_s3_url(text, what=what))
    found = local_path(text, what=what)
    return LocalPath(found.path.rstrip("/") or "/")


def options_of(args: argparse.Namespace, output: Output, ends: Ends, exists: str, verb: str) -> TreeOptions:
    """Returns the job's options from the arguments. Raises UsageError."""
    from ..core.compare import Rules
    from ..core.locations import S3Location
    from ..jobs.job_options import TreeOptions, no_key

    def given(name: str) -> bool:
        return bool(getattr(args, name, False))

    glob = _glob_of(tree_of(args.source, "source"))
    links = "skip" if args.skip_symlinks else "keep" if args.keep_symlinks else "follow"
    rules = Rules(
        ends.direction,
        size_only=given("size_only"),
        checksum=given("checksum") and verb == "sync",
        exact_timestamps=given("exact_timestamps"),
        update=given("update"),
        existing=given("existing"),
        ignore_existing=given("ignore_existing") or exists in ("refuse", "skip"),
        preserve=given("preserve"),
        empty_folders=given("create_empty_dirs"),
        keep_links=links == "keep",
        always=exists == "overwrite",
    )
    if given("track_renames") and not args.delete:
        raise UsageError("--track-renames needs --delete: without it the old names stay")
    own = _key_for(args, output, ends.client, "")
    of_source = _key_for(args, output, ends.reader, "src_") or (own if ends.direction == "down" else None)
    return TreeOptions(
        rules,
        filters=filters_of(args),
        names=_names(getattr(args, "files_from", None)),
        only=glob.pattern[len(glob.root) :] if glob is not None else None,
        delete=given("delete") or given("delete_excluded"),
        delete_excluded=given("delete_excluded"),
        max_delete=getattr(args, "max_delete", None),
        backup_dir=_backup_dir(args, ends),
        track_renames=given("track_renames"),
        dry_run=given("dry_run"),
        resume=given("resume"),
        links=links,  # type: ignore[arg-type]
        exists=exists,  # type: ignore[arg-type]
        object=object_options(args),
        copy_metadata=getattr(args, "metadata_directive", "COPY") == "COPY",
        checksum=getattr(args, "checksum", None) if verb == "upload" else None,
        download_checksum=getattr(args, "checksum", None) if verb == "download" else None,
        sparse=given("sparse"),
        part_size=getattr(args, "part_size", None),
        bwlimit=bwlimit_of(args) if hasattr(args, "bwlimit") else 0,
        key_for=own or no_key if isinstance(ends.target, S3Location) else no_key,
        source_key_for=of_source or no_key,
    )


def object_options(args: argparse.Namespace, customer_key: CustomerKey | None = None) -> ObjectOptions:
    """How new objects are stored; downloads have none of these options."""
    from ..transfers.options import ObjectOptions

    if not hasattr(args, "storage_class"):
        return ObjectOptions()
    return ObjectOptions(
        content_type=args.content_type,
        metadata=dict(args.metadata),
        storage_class=args.storage_class,
        acl=args.acl,
        tags=dict(args.tag) if args.tag else None,
        sse=args.sse,
        sse_kms_key_id=args.sse_kms_key_id,
        customer_key=customer_key,
    )


def _key_for(args: argparse.Namespace, output: Output, client: S3Client, prefix: str) -> KeyFor | None:
    from ..jobs.job_options import keys_of_master

    if not hasattr(args, f"{prefix}sse_key"):
        return None
    key, is_master = given_key(args, output, prefix)
    if key is None:
        return None
    return keys_of_master(key, client) if is_master else lambda _location: key


def _names(path: str | None) -> frozenset[str] | None:
    if path is None:
        return None
    lines = read_text(path, "list of names").split("\n")
    return frozenset(line.removesuffix("\r").removeprefix("./") for line in lines if line.strip())


def _backup_dir(args: argparse.Namespace, ends: Ends) -> LocalPath | S3Location | None:
    from ..core.locations import LocalPath

    if getattr(args, "backup_dir", None) is None:
        return None
    where = tree_of(args.backup_dir, "target")
    if isinstance(where, LocalPath) is not isinstance(ends.target, LocalPath):
        raise UsageError("--backup-dir must be on the same side as DST: a local folder, or s3://BUCKET/PREFIX")
    return where
