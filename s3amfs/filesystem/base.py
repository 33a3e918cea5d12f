"""The base of `S3AMFileSystem`, without its operations: arguments, the engine's client, slots, options of transfers."""

from __future__ import annotations

import asyncio
import itertools
import os
import weakref
from dataclasses import replace
from typing import Any, Literal

import fsspec
import s3fs

from ..core.events import TransferResult
from ..core.expected import NOTHING
from ..core.locations import S3Location
from ..core.sizes import parse_size
from ..engine.client import S3Client
from ..engine.connect import connect
from ..engine.limits import SlotGate
from ..engine.loop import SMALL_BYTES, hang_up
from ..objects.ranges import Pinned
from ..transfers.options import ObjectOptions, UploadOptions
from ..wire.aws.botocore_errors import built_in_errors
from ..wire.aws.log_redaction import hide_secrets
from .arguments import customer_key, object_options, part_size_of, service
from .bridge import run

THRESHOLD = 16 * 1024 * 1024
"""Below it one request does."""

_numbers = itertools.count()
_living: set[int] = set()
"""A number for each instance of the process; when the last one goes, no connection is kept for later."""

Unfinished = Literal["resume", "restart", "error"]


class EngineFileSystem(s3fs.S3FileSystem):  # type: ignore[misc]
    """Arguments as in `S3AMFileSystem`."""

    _pid: int

    def __init__(
        self,
        *args: Any,
        part_size: int | str | None = None,
        slots: int | None = None,
        multipart_threshold: int | str | None = None,
        checksum: str = "auto",
        on_unfinished: Unfinished = "resume",
        **kwargs: Any,
    ) -> None:
        hide_secrets()
        super().__init__(*args, **kwargs)
        if on_unfinished not in ("resume", "restart", "error"):
            raise ValueError(f"on_unfinished={on_unfinished!r}: give 'resume', 'restart' or 'error'")
        if checksum not in ("auto", "crc64nvme", "crc32c", "md5", "none"):
            raise ValueError(f"checksum={checksum!r}: give 'auto', 'crc64nvme', 'crc32c', 'md5' or 'none'")
        if slots is not None and slots < 1:
            raise ValueError(f"slots={slots!r}: give 1 or more, or None")
        self.part_size = parse_size(part_size) if part_size is not None else None
        self.slots = slots
        self.threshold = parse_size(multipart_threshold) if multipart_threshold is not None else THRESHOLD
        self.checksum_choice = checksum
        self.on_unfinished = on_unfinished
        self.cache_type_is_chosen = "default_cache_type" in kwargs
        self._concurrency = kwargs.get("max_concurrency")
        self._own_gates = self._make_gates()
        self._service = service(self)
        self._client: S3Client | None = None
        self._last_transfer: TransferResult | None = None
        number = next(_numbers)
        _living.add(number)
        weakref.finalize(self, _gone, number).atexit = False

    # -- the engine's side ------------------------------------------------------------------------------------------

    def _make_gates(self) -> tuple[SlotGate, SlotGate] | None:
        if self.slots is None:
            return None
        return SlotGate(self.slots, SMALL_BYTES), SlotGate(self.slots, SMALL_BYTES)

    def _reset_after_fork(self) -> None:
        """Replaces what threads held or locked: threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        fsspec.asyn.reset_lock()
        fsspec.asyn.iothread[0] = fsspec.asyn.loop[0] = None
        self._pid = os.getpid()
        self._loop = None if self.asynchronous else fsspec.asyn.get_loop()
        self._s3 = None
        if self._session_is_owned:
            self.session = None
        self._set_session_lock = asyncio.Lock()
        self._own_gates = self._make_gates()
        self._client = None

    @property
    def last_transfer(self) -> TransferResult | None:
        """The last `put`, `get` or `cp` of an object that this instance has moved; None: there was none yet.

        Its `bytes_sent`, `bytes_copied`, `seconds`, `parts`, `retries`, `limited_by`, `limited_share` and `proof` say
        how it went.
        Transfers that run at a time overwrite each other's. `limited_by` is '' where it took less than a second.
        """
        return self._last_transfer

    def keep_result(self, result: TransferResult) -> None:
        """Takes note of a transfer that has succeeded. Any thread."""
        self._last_transfer = result

    @property
    def loop(self) -> Any:
        """The event loop; in a forked child a new one."""
        self._reset_after_fork()
        return self._loop

    @property
    def client(self) -> S3Client:
        """The engine's client; reads configuration files at first use. Not where s3fs alone knows the service."""
        self._reset_after_fork()
        if self._client is None:
            assert self._service is not None
            self._client = connect(self._service)
        return self._client

    async def ready_client(self) -> S3Client:
        """The client with credentials that need no fetching."""
        self._reset_after_fork()
        if self._client is None or not self._client.session.credentials_fresh():
            await run(lambda: self.client.session.refresh_credentials())
        return self.client

    async def set_session(self, refresh: bool = False, kwargs: Any = None) -> Any:
        if refresh:
            self._client = None  # reads the configuration and credentials again
        return await super().set_session(refresh=refresh)

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        """s3fs's requests; what fails with them is a built-in error, too."""
        with built_in_errors(exclusive=bool(kwargs.get("IfNoneMatch"))):
            return await super()._call_s3(method, *akwarglist, **kwargs)

    call_s3 = fsspec.asyn.sync_wrapper(_call_s3)

    _connect = set_session
    connect = fsspec.asyn.sync_wrapper(set_session)

    def gates(self) -> tuple[SlotGate, SlotGate]:
        """Slots for sending and for receiving: this instance's, or those that all instances share."""
        if self._own_gates is not None:
            return self._own_gates
        engine = self.client.engine
        return engine.sending, engine.receiving

    def location(self, path: str, version_id: str | None = None) -> S3Location:
        bucket, key, version = self.split_path(path)
        return S3Location(bucket, key, version_id or version)

    def object_options(self, given: dict[str, Any]) -> ObjectOptions | None:
        """Options of a new object; None if only s3fs can do what is asked."""
        known = self._service
        if known is None or ("RequestPayer" in given and bool(given["RequestPayer"]) != known.requester_pays):
            return None
        return object_options({**self.s3_additional_kwargs, **given})

    def upload_options(
        self,
        options: ObjectOptions,
        *,
        exclusive: bool = False,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
    ) -> UploadOptions:
        modes: dict[str, Any] = {"resume": "continue", "restart": "restart", "error": "refuse"}
        slots = self.slots_of(max_concurrency)
        return UploadOptions(
            unfinished=modes[self.on_unfinished],
            exists="overwrite",
            expected=NOTHING if exclusive else None,
            part_size=self.part_size if self.part_size is not None else part_size_of(chunksize),
            upload_slots=slots,
            download_slots=slots,
            object=options,
            source_key=customer_key(self.s3_additional_kwargs, "CopySource") or customer_key(self.s3_additional_kwargs),
            checksum=self.checks,
        )

    @property
    def checks(self) -> Any:
        """As verbs take it."""
        return None if self.checksum_choice == "auto" else self.checksum_choice

    def slots_of(self, max_concurrency: int | None) -> int | None:
        """Of one transfer: `slots`, or the smaller limit that s3fs's own argument sets."""
        given = [n for n in (self.slots, max_concurrency or self._concurrency) if n is not None]
        return min(given) if given else None

    def pinned(self, location: S3Location, slots: int | None = None) -> Pinned:
        """`location` as it is now, read with at most `slots` requests at a time. Blocks; raises OSError."""
        key = customer_key(self.s3_additional_kwargs)
        info = self.client.head(location.bucket, location.key, version_id=location.version_id, customer_key=key)
        if self.version_aware and info.version_id:
            location = replace(location, version_id=info.version_id)
        return Pinned(self.client, location, info, key, self.gates()[1], spread=True, slots=slots)

    async def look_up(self, path: str, version_id: str | None) -> dict[str, Any]:
        """Returns s3fs's info of `path`, also where it is newer than the cached listing. Raises FileNotFoundError.

        Where an object has the name of a folder, it is the object's.
        """
        found: dict[str, Any]
        try:
            found = await self._info(path, version_id=version_id)
        except FileNotFoundError:
            found = await self._info(path, version_id=version_id, refresh=True)
            self.forget(path)  # s3fs may look once more
        if found["type"] == "directory":
            found = await self.object_beside(path) or found
        return found

    async def object_beside(self, path: str) -> dict[str, Any] | None:
        """Returns s3fs's info of the object with the name of the folder `path`; None: there is none.

        Raises FileNotFoundError if nothing is cached and neither is there.
        S3 has 'a' beside 'a/b'. The cached listing of the folder above has both; s3fs's `info` takes the first.
        """
        name = self._strip_protocol(path)
        if path.endswith("/") or not self.split_path(name)[1]:
            return None
        try:
            listing = self._ls_from_cache(self._parent(name))
        except FileNotFoundError:
            listing = None
        if listing is None:
            listing = [await self._info(name, refresh=True)]
        return next((entry for entry in listing if entry["type"] == "file" and entry["name"] == name), None)

    def forget(self, path: str) -> None:
        """Invalidates cached listings of `path` and the folders above it."""
        while path:
            self.invalidate_cache(path)
            path = self._parent(path)

    def is_large(self, size: int) -> bool:
        return size >= self.threshold


def _gone(number: int) -> None:
    _living.discard(number)
    if not _living:
        hang_up()
