"""All that the operations of the mount share: the tree, the open files, and how a file is published."""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Callable

from ..core.locations import S3Location
from ..engine.interruptible import holding
from ..engine.loop import bytes_moved, recent_limit, requests_made
from ..errors import NotFound
from ..transfers.options import StoredInfo
from .attributes import Attributes
from .caller import caller
from .context import Service
from .handle_table import Files
from .moves import Moves
from .namespace import Tree
from .open_directory import DirectoryNames
from .open_file import OpenFile
from .processes import pid_namespace
from .write_back import WriteBack
from .xattrs import NAMESPACE_XATTR, PID_XATTR, STATUS_XATTR, SYNC_XATTR


class Shared:
    """mountpoint: absolute path. ready: called when the kernel has accepted the mount."""

    def __init__(self, tree: Tree, service: Service, mountpoint: str, ready: Callable[[], None]) -> None:
        self.tree = tree
        self.files = Files(service)
        tree.on_stored_again = self._stored_again
        self.options = service.options
        self.moves = Moves()
        self.write_back = WriteBack(self.options.write_back, self._publish, self._release)
        self._mountpoint = mountpoint.rstrip("/")
        self._ready = ready
        self._directories: dict[int, DirectoryNames] = {}
        self._numbers = itertools.count(1)
        self._last_writers: dict[int, tuple[int, int]] = {}
        self._looking_again: dict[str, int] = {}
        self._direct = set[int]()
        self._of_root: dict[str, Callable[[], bytes]] = {
            PID_XATTR: lambda: str(os.getpid()).encode(),
            NAMESPACE_XATTR: lambda: pid_namespace().encode(),
            STATUS_XATTR: self._status,
            SYNC_XATTR: self._sync,
        }

    def _open_at(self, path: str | None) -> OpenFile | None:
        if path is None or not self.files:
            return None
        hidden = self.files.hidden(path)
        if hidden is not None:
            return hidden
        try:
            return self.files.at(self.tree.key(path))
        except NotFound:
            return None
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None

    def _attributes(self, path: str) -> Attributes:
        file = self._open_at(path)
        if file is not None and (file.changed or file.unlinked):
            return self._of_open(file)
        return self.tree.times.with_access(path, self.tree.attributes(path, self.files.shown_size(path)))

    def _of_open(self, file: OpenFile) -> Attributes:
        """The attributes of an open file, as the kernel may have them."""
        found = file.attributes
        if not file.unlinked:
            path, version = self.files.path_of(file), file.shown
            if version and (larger := self.files.shown_size(path)) > found["st_size"]:
                version, found["st_size"] = "", larger
            self.tree.answered.note(path, version)
            found = self.tree.times.with_access(path, found)
        return found

    def _status(self) -> bytes:
        where = S3Location(self.tree.bucket, self.tree.root).url
        up, down = bytes_moved()
        limit = recent_limit()
        found = {
            "url": where,
            "pid": os.getpid(),
            "open": self.files.states(),
            "waiting": self.tree.changes.count + self.write_back.count,
            "requests": requests_made(),
            "bytes_up": up,
            "bytes_down": down,
            "limited_by": limit.cause.value if limit is not None else "",
        }
        return json.dumps(found).encode()

    def _sync(self) -> bytes:
        self.write_back.settle_all()
        self.tree.changes.store_all()
        return b""

    def _owner(self) -> dict[str, str]:
        uid, gid, _ = caller()
        pairs = (("uid", uid, self.options.uid), ("gid", gid, self.options.gid))
        return {name: str(value) for name, value, usual in pairs if value != usual}

    def _publish(self, file: OpenFile) -> None:
        """Not while a rename moves it: then what is stored under its old name would not get the new one."""
        while not self._publish_now(file, unless=self.moves.has):
            self.moves.wait(lambda: file.key)

    def _publish_now(self, file: OpenFile, *, unless: Callable[[str], bool] = lambda key: False) -> bool:
        """unless: of its key; returns whether it was not so."""
        waiting = self.tree.changes.take(file.key)
        published, late = False, {}
        try:
            # Whoever waits for the lock finds what it stored, not what was there before.
            with holding(file.lock), self.tree.changing(file.key):
                if file.changed and unless(file.key):
                    return False
                published = file.publish()
                stored = file.published
                if published and stored is not None:
                    late = file.take_late_metadata()
                    self.tree.remember(self.files.path_of(file), stored, file.changed_at)
        finally:
            if not published and waiting is not None:
                self.tree.changes.put_back(file.key, waiting)
        if published:
            self.write_back.forget(file.key)
        if stored is not None and late:
            self.tree.changes.put(file.key, stored, late)
        return True

    def _settle(self, path: str) -> None:
        """A file that was closed at `path` and waits to be published is published now.

        Raises what went wrong, also if that was before.
        """
        if self.write_back.count and (file := self._open_at(path)) is not None:
            self.write_back.settle([file])
        if self.write_back.has_failures:
            self.write_back.confirm(self.tree.key(path))

    def _settle_below(self, key: str) -> None:
        """The same for all in the folder `key`, too."""
        if self.write_back.count:
            self.write_back.settle(self.files.below(key))
        self.write_back.confirm(key)

    def _release(self, number: int) -> None:
        file = self.files.drop(number)
        if file is None:
            return
        try:
            # After a close that failed nothing may appear: what was written is kept.
            if file.changed and not file.failed:
                self._publish(file)
        finally:
            file.close()
            self.files.forget(file)

    def _stored_again(self, key: str, etag: str, stored: StoredInfo) -> None:
        """The tree has copied an object, so its ETag may have changed: an open file continues with the new one."""
        file = self.files.at(key)
        if file is not None:
            file.stored_again(etag, stored.etag, stored.version_id)
