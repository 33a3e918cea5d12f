"""The two trees of a job: what they are, how they are listed, and which keys of them take part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import field, replace

from ..core.compare import Direction
from ..core.define import define
from ..core.entries import Entry, Kind
from ..core.events import TransferResult
from ..core.filters import NO_FILTERS, compile_glob, glob_of
from ..core.locations import LocalPath, Location, S3Location
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..errors import InvalidDestination, UsageError
from ..transfers.options import DownloadOptions, UploadOptions
from ..transfers.report import OnEvent, ignore
from ..verbs.download import download
from ..verbs.upload import upload
from .job_options import TreeOptions
from .listing import Listing, ListOptions
from .walk import WalkOptions, check_root, walk

Tree = LocalPath | S3Location


class ObjectVerbs:
    """Uploads or downloads one object, in this process."""

    def upload(
        self,
        source: Location,
        target: S3Location,
        client: S3Client,
        options: UploadOptions,
        *,
        source_client: S3Client | None = None,
        on_event: OnEvent = ignore,
        gate: SlotGate | None = None,
    ) -> TransferResult:
        """As `verbs.upload`."""
        return upload(source, target, client, options, source_client=source_client, on_event=on_event, gate=gate)

    def download(
        self,
        source: S3Location,
        target: LocalPath,
        client: S3Client,
        options: DownloadOptions,
        *,
        on_event: OnEvent = ignore,
        gate: SlotGate | None = None,
    ) -> TransferResult:
        """As `verbs.download`."""
        return download(source, target, client, options, on_event=on_event, gate=gate)


@define(frozen=True, slots=True)
class Ends:
    """SRC and DST of a job, and who reads and writes them. source_client: of another service than `client`."""

    source: Tree
    target: Tree
    client: S3Client
    source_client: S3Client | None = None
    verbs: ObjectVerbs = field(default_factory=ObjectVerbs)
    """Moves large objects."""

    @property
    def direction(self) -> Direction:
        """Raises UsageError where nothing of it is in S3."""
        if isinstance(self.source, S3Location):
            return "across" if isinstance(self.target, S3Location) else "down"
        if isinstance(self.target, S3Location):
            return "up"
        raise UsageError("neither SRC nor DST is in S3: give s3://BUCKET[/PREFIX] for one of them")

    @property
    def reader(self) -> S3Client:
        return self.source_client or self.client

    def check(self, backup: Tree | None = None) -> None:
        """Raises NotFound, InvalidSource, InvalidDestination, AccessDenied, UsageError, before anything is done.

        backup: where `--backup-dir` keeps what is replaced or deleted.
        """
        direction = self.direction
        if isinstance(self.source, LocalPath):
            check_root(self.source.path)
        if isinstance(self.target, LocalPath) and os.path.lexists(self.target.path):
            _check_folder(self.target.path)
        if direction == "across" and _overlap(self.source, self.reader, self.target, self.client):
            raise UsageError(f"{self.source} and {self.target} overlap: give separate prefixes")
        for name, tree, client in (("SRC", self.source, self.reader), ("DST", self.target, self.client)):
            if backup is not None and _overlap(backup, self.client, tree, client):
                raise InvalidDestination(
                    f"--backup-dir {backup} and {name} {tree} overlap, so that what is kept would be part of {name} or "
                    "replace something there: give a separate folder"
                )

    def names(self) -> tuple[str, str]:
        """Returns the names that identify both trees, endpoint included."""
        return _name(self.source, self.reader), _name(self.target, self.client)


def _check_folder(path: str) -> None:
    if not os.path.isdir(path):
        raise InvalidDestination(f"{path} is not a folder: give a folder")


def _overlap(one: Tree, client: S3Client, other: Tree, other_client: S3Client) -> bool:
    """Whether one of two trees lies in the other, or both are one. client, other_client: their services."""
    if isinstance(one, S3Location) and isinstance(other, S3Location):
        names = [
            (service.session.endpoint_id(tree.bucket), tree.bucket, tree.key)
            for tree, service in ((one, client), (other, other_client))
        ]
    elif isinstance(one, LocalPath) and isinstance(other, LocalPath):
        names = [("", "", os.path.join(os.path.realpath(tree.path), "")) for tree in (one, other)]
    else:
        return False
    return names[0][:2] == names[1][:2] and (names[0][2].startswith(names[1][2]) or names[1][2].startswith(names[0][2]))


def _name(tree: Tree, client: S3Client) -> str:
    if isinstance(tree, LocalPath):
        return "file://" + os.path.abspath(tree.path)
    return f"{tree.url} at {client.session.endpoint_id(tree.bucket)}"


def folder_of(location: S3Location) -> S3Location:
    """`s3://b/p` is the folder `p/`."""
    if location.key and not location.key.endswith("/"):
        return replace(location, key=location.key + "/")
    return location


class Sides:
    """The listings of both trees, opened. broken: why one of them ended early."""

    def __init__(self, ends: Ends, options: TreeOptions, *, after: str = "", sort: bool = False) -> None:
        self._ends = ends
        self._options = options
        self._after = after
        self._sort = sort
        self.broken: list[str] = []
        self.listings: list[Listing] = []
        self.clock_offset = 0
        keep = self._keep(with_filters=True)
        try:
            self.source = self._watch(self._open(ends.source, ends.reader, keep))
            self.target = self._watch(self._open_target(keep))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for listing in self.listings:
            listing.close()

    @property
    def requests(self) -> int:
        return sum(listing.requests for listing in self.listings)

    def whole_source(self) -> Iterator[Entry]:
        """All entries of the source that take part, from its first, whatever has been done already."""
        return self._watch(self._open(self._ends.source, self._ends.reader, self._keep(with_filters=True), after=""))

    def _open_target(self, keep: Callable[[str], bool] | None) -> Iterator[Entry]:
        ends, options = self._ends, self._options
        if options.exists == "overwrite" and isinstance(ends.target, S3Location):
            ends.client.check_bucket(ends.target.bucket)
            return iter(())
        if options.delete_excluded:
            keep = self._keep(with_filters=False)
        return self._open(ends.target, ends.client, keep, target=True)

    def _open(
        self,
        tree: Tree,
        client: S3Client,
        keep: Callable[[str], bool] | None,
        *,
        target: bool = False,
        after: str | None = None,
    ) -> Iterator[Entry]:
        """after: other than that of both listings."""
        options = self._options
        after = self._after if after is None else after
        if isinstance(tree, LocalPath):
            unfiltered = target and options.delete_excluded
            entries = walk(
                tree.path,
                WalkOptions(
                    links=options.links,
                    filters=NO_FILTERS if unfiltered else options.filters,
                    target=target,
                    after=after,
                    only_below=self._below_names(),
                ),
            )
            return entries if keep is None else (entry for entry in entries if _is_kept(entry, keep))
        glob = glob_of(options.only) if options.only is not None else None
        listed = ListOptions(
            root=tree.key, prefix=glob.prefix if glob is not None else "", after=after, sort=self._sort, keep=keep
        )
        listing = Listing(client, tree.bucket, listed)
        self.listings.append(listing)
        self.clock_offset = listing.clock_offset
        return iter(listing)

    def _keep(self, *, with_filters: bool) -> Callable[[str], bool] | None:
        """Which keys take part; None: all."""
        filters, names = self._options.filters, self._options.names
        tests: list[Callable[[str], bool]] = []
        if names is not None:
            tests.append(names.__contains__)
        if self._options.only is not None:
            pattern = compile_glob(self._options.only)
            tests.append(lambda key: pattern.fullmatch(key) is not None)
        if filters and with_filters:
            tests.append(filters.includes)
        if not tests:
            return None
        return tests[0] if len(tests) == 1 else lambda key: all(test(key) for test in tests)

    def _below_names(self) -> Callable[[str], bool] | None:
        names = self._options.names
        if names is None:
            return None
        folders = {name[: at + 1] for name in names for at, character in enumerate(name) if character == "/"}
        return lambda folder: folder in folders or folder in names

    def _watch(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if entry.kind is Kind.END:
                self.broken.append(entry.problem)
            yield entry


def _is_kept(entry: Entry, keep: Callable[[str], bool]) -> bool:
    return entry.kind in (Kind.GAP, Kind.END) or keep(entry.key)
