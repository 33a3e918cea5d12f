"""A model of the file system: two mounts and a plain client change a bucket, and a dictionary says what must be there.

`machine(world)` is a state machine for hypothesis. One actor acts at a time; whoever acts next sees all of it
(close-to-open; times and modes, which wait a moment, are stored first). Requests of the mounts fail now and then in
manners that the client makes up for, and sometimes for good: then the operation fails, and all is as it was.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.faults import Rule, error, internal_error, lose_answer, refuse, reset, slow_down
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

SIZES = (0, 1, 100, 4096, 70_000, 300_000)
FILES = ("a", "b", "c.txt", "d/a", "d/b", "e/a", "e/ü")
FOLDERS = ("d", "e", "f")
TRANSIENT = (reset("response_head"), refuse(), internal_error(), slow_down(), lose_answer())
MODE = 0o644


@dataclass
class World:
    """mounts: two of the same bucket, each behind a proxy of its own."""

    mounts: tuple[Mount, Mount]
    proxies: tuple[FaultProxy, FaultProxy]
    boto: Any
    bucket: str
    runs: int = 0


@dataclass(frozen=True)
class Kept:
    """A file as it must be."""

    data: bytes
    mode: int = MODE
    mtime: int | None = None
    """Seconds; None: not known."""


def content(draw: int, size: int) -> bytes:
    return bytes((draw + at) % 251 for at in range(256)) * (size // 256) + bytes([draw % 251]) * (size % 256)


def machine(world: World) -> type[RuleBasedStateMachine]:
    """The state machine on `world`; each example has a folder of its own."""

    actors = st.integers(0, 1)
    names = st.sampled_from(FILES)
    folders = st.sampled_from(FOLDERS)
    data = st.builds(content, st.integers(0, 250), st.sampled_from(SIZES))

    class Model(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            world.runs += 1
            self.top = f"run{world.runs}"
            self.files: dict[str, Kept] = {}
            self.folders: set[str] = set()
            self.last = 0
            (world.mounts[0] / self.top).mkdir()

        # -- helpers ------------------------------------------------------------------------------------------------

        def path(self, actor: int, name: str) -> str:
            """Of `name` for the mount that acts; what waits in the other one is stored first."""
            if actor != self.last:
                self.settle()
            self.last = actor
            return str(world.mounts[actor] / self.top / name)

        def settle(self) -> None:
            os.getxattr(world.mounts[self.last].directory, "user.s3am.sync")

        def key(self, name: str) -> str:
            return f"{self.top}/{name}"

        def has_room(self, name: str) -> bool:
            """Whether the folder of `name` is there, and no folder has its name."""
            folder = name.rpartition("/")[0]
            return name not in self.folders and (not folder or folder in self.folders)

        def below(self, folder: str) -> list[str]:
            return [name for name in self.files if name.startswith(folder + "/")]

        def expects(self, number: int | None, act: Callable[[], None]) -> None:
            """number: the errno with which it must fail."""
            if number is None:
                act()
                return
            with pytest.raises(OSError) as found:
                act()
            assert found.value.errno == number

        # -- content ------------------------------------------------------------------------------------------------

        @rule(actor=actors, name=names, data=data)
        def write(self, actor: int, name: str, data: bytes) -> None:
            def act() -> None:
                with open(path, "wb", buffering=0) as file:
                    view = memoryview(data)
                    while view:
                        view = view[file.write(view) :]

            path = self.path(actor, name)
            folder = name.rpartition("/")[0]
            there = not folder or folder in self.folders
            self.expects(None if there else errno.ENOENT, act)
            if there:
                known = self.files.get(name, Kept(b""))
                self.files[name] = Kept(data, known.mode)

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), data=data)
        def append(self, actor: int, pick: int, data: bytes) -> None:
            name = self.pick(pick)
            with open(self.path(actor, name), "ab") as file:
                file.write(data)
            if data:
                self.files[name] = replace(self.files[name], data=self.files[name].data + data, mtime=None)

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), data=data, share=st.floats(0, 1.1))
        def overwrite(self, actor: int, pick: int, data: bytes, share: float) -> None:
            name = self.pick(pick)
            old = self.files[name].data
            at = int(share * len(old))
            with open(self.path(actor, name), "r+b") as file:
                file.seek(at)
                file.write(data)
            if data:
                new = old[:at].ljust(at, b"\0") + data + old[at + len(data) :]
                self.files[name] = replace(self.files[name], data=new, mtime=None)

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), share=st.floats(0, 1.5))
        def truncate(self, actor: int, pick: int, share: float) -> None:
            name = self.pick(pick)
            old = self.files[name].data
            size = int(share * len(old))
            os.truncate(self.path(actor, name), size)
            if size != len(old):
                self.files[name] = replace(self.files[name], data=old[:size].ljust(size, b"\0"), mtime=None)

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), mode=st.sampled_from((0o600, 0o644, 0o755)))
        def chmod(self, actor: int, pick: int, mode: int) -> None:
            name = self.pick(pick)
            os.chmod(self.path(actor, name), mode)
            self.files[name] = replace(self.files[name], mode=mode)

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), mtime=st.integers(1, 2_000_000_000))
        def utime(self, actor: int, pick: int, mtime: int) -> None:
            name = self.pick(pick)
            os.utime(self.path(actor, name), (mtime, mtime))
            self.files[name] = replace(self.files[name], mtime=mtime)

        # -- names --------------------------------------------------------------------------------------------------

        def pick(self, number: int) -> str:
            known = sorted(self.files)
            return known[number % len(known)]

        @rule(actor=actors, name=names)
        def unlink(self, actor: int, name: str) -> None:
            path = self.path(actor, name)
            self.expects(None if name in self.files else errno.ENOENT, lambda: os.unlink(path))
            self.files.pop(name, None)

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), new=names)
        def rename(self, actor: int, pick: int, new: str) -> None:
            old = self.pick(pick)
            paths = self.path(actor, old), self.path(actor, new)
            there = self.has_room(new)
            self.expects(None if there else errno.ENOENT, lambda: os.rename(*paths))
            if there:
                self.files[new] = self.files.pop(old)

        @rule(actor=actors, folder=folders)
        def mkdir(self, actor: int, folder: str) -> None:
            path = self.path(actor, folder)
            self.expects(errno.EEXIST if folder in self.folders else None, lambda: os.mkdir(path))
            self.folders.add(folder)

        @rule(actor=actors, folder=folders)
        def rmdir(self, actor: int, folder: str) -> None:
            path = self.path(actor, folder)
            wrong = errno.ENOTEMPTY if self.below(folder) else None
            self.expects(wrong if folder in self.folders else errno.ENOENT, lambda: os.rmdir(path))
            if wrong is None:
                self.folders.discard(folder)

        @rule(actor=actors, old=folders, new=folders)
        def rename_folder(self, actor: int, old: str, new: str) -> None:
            paths = self.path(actor, old), self.path(actor, new)
            wrong = None if old in self.folders else errno.ENOENT
            if wrong is None and new != old and self.below(new):
                wrong = errno.ENOTEMPTY
            self.expects(wrong, lambda: os.rename(*paths))
            if wrong is None:
                for name in self.below(old):
                    self.files[new + name[len(old) :]] = self.files.pop(name)
                self.folders.discard(old)
                self.folders.add(new)

        # -- a client without a mount -------------------------------------------------------------------------------

        @rule(name=names, data=data)
        def put(self, name: str, data: bytes) -> None:
            if self.has_room(name):
                self.settle()
                world.boto.put_object(Bucket=world.bucket, Key=self.key(name), Body=data)
                self.files[name] = Kept(data)

        @precondition(lambda self: self.files)
        @rule(pick=st.integers(0, 50))
        def delete(self, pick: int) -> None:
            self.settle()
            name = self.pick(pick)
            world.boto.delete_object(Bucket=world.bucket, Key=self.key(name))
            del self.files[name]

        # -- trouble ------------------------------------------------------------------------------------------------

        @rule(actor=actors, fault=st.sampled_from(TRANSIENT), nth=st.integers(1, 6))
        def trouble(self, actor: int, fault: Any, nth: int) -> None:
            """One of the next requests of a mount fails, and has to be made up for."""
            world.proxies[actor].rules.append(Rule("*", fault, nth=nth))

        @precondition(lambda self: self.files)
        @rule(actor=actors, pick=st.integers(0, 50), data=data)
        def refused_write(self, actor: int, pick: int, data: bytes) -> None:
            """S3 takes nothing: the fsync fails, the close publishes nothing, and the old content stays."""

            def act() -> None:
                descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
                try:
                    os.write(descriptor, data or b"x")
                    with pytest.raises(PermissionError):
                        os.fsync(descriptor)
                finally:
                    os.close(descriptor)

            path = self.path(actor, self.pick(pick))
            self.settle()
            denied = Rule(("Put", "Create"), error(403, "AccessDenied"), times=None)
            world.proxies[actor].rules.append(denied)
            try:
                self.expects(errno.EACCES, act)
            finally:
                world.proxies[actor].rules.remove(denied)

        # -- comparison ---------------------------------------------------------------------------------------------

        @invariant()
        def the_actor_sees_it(self) -> None:
            self.compare(self.last)

        def compare(self, actor: int) -> None:
            top = self.path(actor, "")
            found: dict[str, Kept] = {}
            folders = set()
            for folder, below, names in os.walk(top):
                prefix = os.path.relpath(folder, top) + "/"
                prefix = "" if prefix == "./" else prefix
                folders |= {prefix + name for name in below}
                for name in names:
                    path = os.path.join(folder, name)
                    try:
                        status = os.stat(path)
                    except FileNotFoundError:
                        assert self.is_left_by_the_server(prefix + name), path
                        continue
                    known = self.files.get(prefix + name)
                    mtime = int(status.st_mtime) if known is not None and known.mtime is not None else None
                    with open(path, "rb") as file:
                        data = file.read()
                    assert status.st_size == len(data), prefix + name
                    found[prefix + name] = Kept(data, status.st_mode & 0o777, mtime)
            assert folders == self.folders
            assert found.keys() == self.files.keys()
            for name, known in self.files.items():
                assert found[name] == known, name

        def is_left_by_the_server(self, name: str) -> bool:
            """Whether it is a prefix without a key: SeaweedFS lists a folder whose marker went first."""
            if name in self.files or name in self.folders:
                return False
            prefix, folder = self.key(name) + "/", name.rpartition("/")[0]
            parent = prefix[: prefix.rindex("/", 0, -1) + 1]
            listed = world.boto.list_objects_v2(Bucket=world.bucket, Prefix=parent, Delimiter="/")
            keys = world.boto.list_objects_v2(Bucket=world.bucket, Prefix=prefix).get("Contents", [])
            prefixes = [found["Prefix"] for found in listed.get("CommonPrefixes", [])]
            shown = name.rpartition("/")[2] in os.listdir(self.path(self.last, folder))
            return not keys and (prefix in prefixes or not shown)

        def teardown(self) -> None:
            for proxy in world.proxies:
                proxy.rules.clear()
            self.compare(1 - self.last)
            self.settle()
            listed = world.boto.list_objects_v2(Bucket=world.bucket, Prefix=f"{self.top}/").get("Contents", [])
            stored = {entry["Key"][len(self.top) + 1 :] for entry in listed if not entry["Key"].endswith("/")}
            assert stored == set(self.files)
            assert not world.boto.list_multipart_uploads(Bucket=world.bucket).get("Uploads")

    return Model
