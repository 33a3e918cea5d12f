"""`--backup-dir`: keeps a copy of entries before they are replaced or deleted at the target."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from dataclasses import replace

from ..core.entries import Entry
from ..core.locations import LocalPath, S3Location
from ..engine.client import S3Client
from ..transfers.options import ObjectOptions, UploadOptions
from ..verbs.upload import upload
from .job_options import TreeOptions
from .local_target import TargetChanged, is_as_listed


class Backup:
    """Copies of what stands at the target, below the backup folder, under the same keys. Any thread."""

    def __init__(self, target: S3Location | LocalPath, client: S3Client, options: TreeOptions) -> None:
        self._target = target
        self._client = client
        self._options = options

    @property
    def wanted(self) -> bool:
        return self._options.backup_dir is not None

    def keep(self, entry: Entry) -> Entry:
        """Keeps what was listed as `entry`, and returns it as it is now: another name of a file changes its ctime.

        Raises S3AMError, OSError; then it must not be replaced.
        """
        where = self._options.backup_dir
        if isinstance(where, S3Location):
            assert isinstance(self._target, S3Location)
            source = S3Location(self._target.bucket, self._target.key + entry.key)
            target = S3Location(where.bucket, where.key + entry.key)
            key = self._options.key_for
            options = UploadOptions(
                exists="overwrite",
                unfinished="continue",
                object=ObjectOptions(customer_key=key(target)),
                source_key=key(source),
                state_dir=self._options.state_dir,
            )
            upload(source, target, self._client, options, gate=self._client.engine.sending)
        elif where is not None:
            assert isinstance(self._target, LocalPath)
            return self._keep_file(entry, os.path.join(self._target.path, entry.key), where.path)
        return entry

    def _keep_file(self, entry: Entry, path: str, folder: str) -> Entry:
        """A second name of the file, where the file system allows it; else a copy."""
        if not is_as_listed(os.lstat(path), entry):
            raise TargetChanged(f"{entry.key} changed since it was listed: kept")
        to = os.path.join(folder, entry.key)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        beside = f"{to}.s3am-{os.getpid()}.partial"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        try:
            os.link(path, beside, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            shutil.copy2(path, beside, follow_symlinks=False)
        os.replace(beside, to)
        return replace(entry, changed=os.lstat(path).st_ctime_ns)
