"""Customer keys of objects: derived from a master key, read from files, made new. Their forms are in core/ssec.py."""

from __future__ import annotations

import os

from ..core.locations import S3Location
from ..core.ssec import KEY_SIZE, CustomerKey
from ..engine.buckets import location_of
from ..engine.client import S3Client
from ..errors import AccessDenied, EncryptionKeyError, InvalidDestination, TargetFileExists


def object_key(master: CustomerKey, location: S3Location, client: S3Client) -> CustomerKey:
    """The key of one object under a master key (contract, "SSE-C master keys").

    Raises EncryptionKeyError where the bucket's location, which is part of the derivation, can't be found out.
    """
    found = location_of(client, location.bucket)
    if found is None:
        raise EncryptionKeyError(
            f"the location of bucket {location.bucket} cannot be read (s3:GetBucketLocation), but keys are "
            "derived from it: get that permission"
        )
    return master.derive(location.bucket, location.key, found)


def generate_key_file(path: str) -> None:
    """Writes 32 random bytes to a new file of mode 0600. Raises TargetFileExists, InvalidDestination, AccessDenied."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise TargetFileExists(f"{path} exists: a key is never overwritten; give another file") from None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise InvalidDestination(f"{path}: there is no such directory") from None
    except PermissionError:
        raise AccessDenied(f"{path} may not be written: check the permissions of its directory") from None
    try:
        os.write(fd, os.urandom(KEY_SIZE))
        os.fsync(fd)
    finally:
        os.close(fd)


def read_key_file(path: str) -> tuple[CustomerKey, bool]:
    """The key in a file, and whether others than its owner may read it. Raises EncryptionKeyError."""
    try:
        with open(path, "rb") as file:
            content = file.read(4096)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise EncryptionKeyError(f"the key file {path} can't be read: {error.strerror}") from None
    return CustomerKey.from_file_content(content), bool(mode & 0o077)
