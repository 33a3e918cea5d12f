"""Unmounting, and a look at mounts: ones that serve, in another PID namespace, too, and ones whose daemon is dead."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import subprocess
from pathlib import Path

from ..errors import InvalidDestination, TransferError
from .processes import find_process, processes_with, users_of
from .xattrs import NAMESPACE_XATTR, PID_XATTR, STATUS_XATTR, SYNC_XATTR

FILE_SYSTEM = "fuse.s3am"
MNT_DETACH = 2
"""umount2(2): take it away now, whoever uses it."""


ELSEWHERE_SECONDS = 30.0
"""How often it is looked whether the daemon stays because another mount namespace has the mount."""


def is_dead(directory: str) -> bool:
    """Whether a mount of ours is on `directory` (an absolute path) whose daemon is gone.

    Source of the rule: fuse(4), a connection without a daemon answers every request with ENOTCONN.
    """
    try:
        os.statvfs(directory)  # not stat: its answer may be one that the kernel remembers
    except OSError as error:
        return error.errno == errno.ENOTCONN and _type_of(directory) == FILE_SYSTEM
    return False


def clear_dead(directory: str) -> None:
    """Takes the dead mount on `directory` away. Raises TransferError."""
    done = _unmount(directory, lazily=True)
    if done:
        raise TransferError(
            f"{directory} is a mount whose daemon is dead, and could not be unmounted ({done}): "
            f"run 'umount -l {directory}' as root"
        )


def umount(directory: str) -> bool:
    """Unmounts; returns when all is in S3 and the daemon is gone: whether the daemon was still alive.

    Raises TransferError, also while the mount is in use; InvalidDestination if there is no mount of ours.
    """
    directory = os.path.realpath(directory)
    if is_dead(directory):
        clear_dead(directory)
        return False
    try:
        daemon = int(os.getxattr(directory, PID_XATTR))
        namespace = os.getxattr(directory, NAMESPACE_XATTR).decode()
    except OSError as error:
        if not os.path.ismount(directory):
            raise InvalidDestination(f"{directory} is not mounted by s3am") from None
        raise TransferError(f"{directory}: {error.strerror}; 'umount -l {directory}' removes it anyway") from None
    try:
        os.getxattr(directory, SYNC_XATTR)  # read, not set: a read-only mount can have seen deletions and times, too
    except OSError:
        raise TransferError(
            f"{directory}: some files, or times or modes, could not be stored (the mount's log says why): it is still "
            "mounted; unmount once more to give them up"
        ) from None
    device = os.stat(directory).st_dev
    found = find_process(daemon, namespace)
    watch = os.pidfd_open(found) if found is not None else -1
    try:
        said = _unmount(directory)
        if said:
            users = users_of(directory)
            by = f"in use by {', '.join(users)}" if users else said
            raise TransferError(f"{directory} was not unmounted: {by}")
        while watch >= 0 and not select.select([watch], [], [], ELSEWHERE_SECONDS)[0]:
            if elsewhere := processes_with(device):
                raise TransferError(
                    f"{directory} is unmounted here, and everything that was closed is in S3; its daemon keeps "
                    f"running, since other mount namespaces (containers) have it, too: {', '.join(elsewhere)}"
                )
    finally:
        if watch >= 0:
            os.close(watch)
    return True


def status(directory: str) -> dict[str, object]:
    """Returns the state of the mount on `directory`: its URL, its daemon, open files by state, pending changes.

    Raises InvalidDestination if there is no mount of ours, TransferError if it is dead.
    """
    directory = os.path.realpath(directory)
    if is_dead(directory):
        raise TransferError(f"the daemon of {directory} is dead: 's3am umount {directory}' removes it")
    try:
        found: dict[str, object] = json.loads(os.getxattr(directory, STATUS_XATTR))
    except OSError:
        raise InvalidDestination(f"{directory} is not mounted by s3am") from None
    return found


def _unmount(directory: str, *, lazily: bool = False) -> str:
    """By fusermount3, or by umount(2) where that program can't be run and we are root. Returns why not, or ''."""
    command = ["fusermount3", "-u", *(["-z"] if lazily else []), directory]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        if os.geteuid() != 0:
            return f"fusermount3 can't be run ({error.strerror}): install fuse3, or run 'umount {directory}' as root"
        return _umount2(directory, MNT_DETACH if lazily else 0)
    return (done.stderr.strip() or f"fusermount3 ended with {done.returncode}") if done.returncode else ""


def _umount2(directory: str, flags: int) -> str:
    if ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(directory), flags):
        return os.strerror(ctypes.get_errno())
    return ""


def _type_of(directory: str) -> str:
    """The file system that is mounted on `directory`, '' if none is."""
    found = ""
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and unescape(fields[4]) == directory:
            found = after.split(" ")[0]
    return found


def unescape(text: str) -> str:
    """A path as /proc/self/mountinfo writes it (proc(5)): space, tab, newline and backslash are octal there."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def wait_for_answer(directory: str) -> None:
    """Returns when the mount on `directory` has answered its first request."""
    with contextlib.suppress(OSError):
        os.statvfs(directory)
