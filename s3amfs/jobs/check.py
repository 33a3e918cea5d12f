"""`check`: two trees compared by content, from the checksums that S3 stores; nothing is moved or changed."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..core.define import define
from ..core.entries import Entry, Kind, printable
from ..core.locations import LocalPath, S3Location
from ..core.merge import OutOfOrder, Pair, merge
from ..core.ssec import CustomerKey
from ..core.tree_events import Totals
from ..engine.file_io import hash_range
from ..errors import S3AMError
from ..verbs.verify import verify
from .content import Compared, object_and_bytes, two_objects
from .job_options import TreeOptions
from .sides import Ends, Sides

AT_A_TIME = 16
AHEAD = 256
"""Comparisons begun ahead of the one that is printed next."""


@define(frozen=True, slots=True)
class Checked:
    """state: '=' equal, '+' only in SRC, '-' only in DST, '*' differs, '!' not known."""

    key: str
    state: str
    reason: str = ""

    def text(self) -> str:
        why = f" ({printable(self.reason)})" if self.state == "!" else ""
        return f"{self.state} {printable(self.key)}{why}"

    def json(self) -> dict[str, object]:
        return {"event": "checked", "key": self.key, "state": self.state, "reason": self.reason}


def check(ends: Ends, options: TreeOptions, on_checked: Callable[[Checked], None], *, download: bool = False) -> Totals:
    """Compares the trees. on_checked: called for each key, in order, in this thread.

    download: read objects of which nothing is stored to compare with. The exit code in the totals: 1 if anything is not
    known, else 16 if anything differs. Raises what makes the whole impossible, as `sync` does.
    """
    ends.check()
    begun = time.monotonic()
    totals = Totals("check", str(ends.source), str(ends.target))
    try:
        _pass(_Check(ends, options, download), on_checked, totals, sort=False)
    except OutOfOrder:
        totals.counts.clear()
        _pass(_Check(ends, options, download), on_checked, totals, sort=True)
    totals.seconds = time.monotonic() - begun
    differs = any(totals.counts.get(state) for state in "+-*")
    totals.exit_code = 1 if totals.counts.get("!") else 16 if differs else 0
    return totals


def _pass(job: _Check, on_checked: Callable[[Checked], None], totals: Totals, *, sort: bool) -> None:
    for checked in job.run(sort):
        totals.count(checked.state)
        on_checked(checked)


class _Check:
    def __init__(self, ends: Ends, options: TreeOptions, download: bool) -> None:
        self._ends = ends
        self._options = options
        self._download = download

    def run(self, sort: bool) -> Iterator[Checked]:
        sides = Sides(self._ends, self._options, sort=sort)
        waiting: deque[Future[Checked]] = deque()
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="s3am-check") as pool:
            try:
                for pair in merge(sides.source, sides.target):
                    if Kind.FOLDER in {entry.kind for entry in (pair.source, pair.target) if entry is not None}:
                        continue
                    waiting.append(pool.submit(self._one, pair))
                    while waiting and (len(waiting) > AHEAD or waiting[0].done()):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                sides.close()
                for future in waiting:
                    future.cancel()
        for problem in sides.broken:
            yield Checked("", "!", problem)

    def _one(self, pair: Pair) -> Checked:
        source, target = pair.source, pair.target
        unknown = pair.source_unknown or pair.target_unknown
        problem = next((entry.problem for entry in (source, target) if entry is not None and entry.problem), "")
        if problem or unknown:
            return Checked(pair.key, "!", problem or unknown)
        if source is None or target is None:
            return Checked(pair.key, "+" if target is None else "-")
        if source.size != target.size:
            return Checked(pair.key, "*", "size differs")
        try:
            compared = self._compare(source, target)
        except OSError as error:
            return Checked(pair.key, "!", str(error) if isinstance(error, S3AMError) else f"{error.strerror}")
        if compared.equal is None:
            return Checked(pair.key, "!", f"{compared.how}; --download reads it")
        return Checked(pair.key, "=" if compared.equal else "*", compared.how)

    def _compare(self, source: Entry, target: Entry) -> Compared:
        ends, options = self._ends, self._options
        key = source.key
        if isinstance(ends.source, S3Location) and isinstance(ends.target, S3Location):
            one, other = _below(ends.source, key), _below(ends.target, key)
            keys = options.source_key_for(one), options.key_for(other)
            compared = two_objects(
                ends.reader.head(one.bucket, one.key, customer_key=keys[0]),
                ends.client.head(other.bucket, other.key, customer_key=keys[1]),
            )
            if compared.equal is None and self._download:
                digests = (
                    verify(one, ends.reader, checksum="sha256", customer_key=keys[0]),
                    verify(other, ends.client, checksum="sha256", customer_key=keys[1]),
                )
                return Compared(digests[0] == digests[1], "sha256 of both, downloaded")
            return compared
        if isinstance(ends.source, LocalPath):
            assert isinstance(ends.target, S3Location)
            location = _below(ends.target, key)
            return self._with_file(os.path.join(ends.source.path, key), source, location, options.key_for(location))
        assert isinstance(ends.target, LocalPath)
        location = _below(ends.source, key)
        return self._with_file(os.path.join(ends.target.path, key), target, location, options.source_key_for(location))

    def _with_file(self, path: str, entry: Entry, location: S3Location, customer_key: CustomerKey | None) -> Compared:
        ends = self._ends
        client = ends.reader if isinstance(ends.source, S3Location) else ends.client
        info = client.head(location.bucket, location.key, customer_key=customer_key)
        if entry.kind is Kind.LINK:
            data = os.readlink(os.fsencode(path))
            return object_and_bytes(client, location.bucket, location.key, info, data, customer_key)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = object_and_bytes(client, location.bucket, location.key, info, fd, customer_key)
            if found.equal is None and self._download:
                digest = verify(location, client, checksum="sha256", customer_key=customer_key)
                return Compared(digest == _sha256(fd), "sha256 of both, downloaded")
            return found
        finally:
            os.close(fd)


def _below(tree: S3Location, key: str) -> S3Location:
    return S3Location(tree.bucket, tree.key + key)


def _sha256(fd: int) -> str:
    import hashlib

    running = hashlib.sha256()
    hash_range(fd, 0, os.fstat(fd).st_size, running.update)
    return running.hexdigest()
