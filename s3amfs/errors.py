"""Every error that s3amfs raises: exit code, errno and message in one place.

Each class is also the built-in exception that callers of files expect (FileNotFoundError, PermissionError, …), so
fsspec users and the mount need no second table. Two maps exist in the project: server reply -> error
(`wire/failures.py`) and error -> errno (the `errno` attribute, set here).
"""

from __future__ import annotations

import errno as _errno
from typing import ClassVar


class S3AMError(OSError):
    """Base of all errors. `str()` is one line that says what to do next; it never holds a key or a secret."""

    exit_code: ClassVar[int] = 1
    default_errno: ClassVar[int] = _errno.EIO

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(errno if errno is not None else self.default_errno, message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.errno))


def _rebuild(cls: type[S3AMError], message: str, errno: int) -> S3AMError:
    return cls(message, errno=errno)


class TransferError(S3AMError):
    """Network, server or I/O trouble that outlasted the retry budget; another attempt may succeed."""


class NetworkError(TransferError, ConnectionError):
    """The service could not be reached, or the connection was cut."""


class TransferTimeout(TransferError, TimeoutError):
    """Nothing moved for too long."""

    default_errno = _errno.ETIMEDOUT


class UploadGone(TransferError):
    """An unfinished upload was completed or aborted meanwhile."""


class Unsupported(TransferError):
    """The server cannot do what was asked."""

    default_errno = _errno.EOPNOTSUPP


class InTheClear(Unsupported):
    """The server does not encrypt as it was asked to: another form of the same request would not change that."""


class UsageError(S3AMError):
    exit_code = 2
    default_errno = _errno.EINVAL


class ObjectExists(S3AMError, FileExistsError):
    exit_code = 3
    default_errno = _errno.EEXIST


class UnfinishedUploadExists(S3AMError):
    exit_code = 4
    default_errno = _errno.EBUSY


class InvalidSource(S3AMError):
    exit_code = 5
    default_errno = _errno.EINVAL


class InvalidDestination(S3AMError):
    exit_code = 6
    default_errno = _errno.EINVAL


class MissingFolder(InvalidDestination, FileNotFoundError):
    """Of the file to be written: programs make it, then try again."""

    default_errno = _errno.ENOENT


class InvalidS3Url(S3AMError):
    exit_code = 7
    default_errno = _errno.EINVAL


class IncompatiblePartSize(S3AMError):
    exit_code = 8
    default_errno = _errno.EINVAL


class InvalidChecksumAlgorithm(S3AMError):
    exit_code = 9
    default_errno = _errno.EINVAL


class EncryptionKeyError(S3AMError, PermissionError):
    exit_code = 10
    default_errno = _errno.EACCES


class TargetFileExists(S3AMError, FileExistsError):
    exit_code = 11
    default_errno = _errno.EEXIST


class PartialDownloadExists(S3AMError, FileExistsError):
    exit_code = 12
    default_errno = _errno.EEXIST


class SeveralUnfinishedUploads(S3AMError):
    exit_code = 13
    default_errno = _errno.EBUSY


class AccessDenied(S3AMError, PermissionError):
    exit_code = 14
    default_errno = _errno.EACCES


class BadCredentials(AccessDenied):
    """There are none, or the server knows them not: no other request would fare better."""


class ObjectArchived(AccessDenied):
    """It can't be read before it is restored. Programs that read it as a file see an I/O error."""

    default_errno = _errno.EIO


class SourceChanged(S3AMError):
    exit_code = 15
    default_errno = _errno.ESTALE


class TargetChanged(SourceChanged):
    """Another object stands under the target's name than the one that was to be changed; it is left as it is."""


class ChecksumMismatch(S3AMError):
    exit_code = 16
    default_errno = _errno.EIO


class NotFound(S3AMError, FileNotFoundError):
    exit_code = 17
    default_errno = _errno.ENOENT


class TooManyDeletions(S3AMError):
    """More would be deleted than --max-delete, or its default, allows."""

    exit_code = 18
    default_errno = _errno.EPERM


class Interrupted(S3AMError):
    exit_code = 130
    default_errno = _errno.EINTR


class TransferLocked(S3AMError):
    """Another process (or thread) is at work on the same transfer."""

    default_errno = _errno.EBUSY
