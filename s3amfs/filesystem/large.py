"""Objects that verbs move in parts, each in a thread of its own; the counterpart of `small.py`."""

from __future__ import annotations

import errno
import io
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.locations import LocalPath, Url
from ..objects.ranges import read_whole
from ..objects.writer import ObjectWriter
from ..transfers.job import stream_job
from ..transfers.options import DownloadOptions
from ..verbs.download import download
from ..verbs.upload import upload
from .arguments import customer_key, part_size_of
from .bridge import Cancelled, on_event_of, pass_on_warning, run
from .local import check_folder_of
from .ranges import limits

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

    from ..core.locations import S3Location
    from ..transfers.options import StoredInfo, UploadOptions
    from .base import EngineFileSystem

DOWNLOAD_EXISTS: dict[str, Any] = {"resume": "resume", "restart": "discard", "error": "refuse"}
"""on_unfinished -> what happens to the partial file of an earlier download."""
READ_BYTES = 4 * 1024 * 1024


async def upload_file(
    fs: EngineFileSystem,
    source: LocalPath | Url | S3Location,
    target: S3Location,
    options: UploadOptions,
    callback: Callback,
) -> None:
    """Makes `target` the object that `source` is; a copy inside S3 if that is one of its objects. Raises S3AMError."""
    client = await fs.ready_client()
    cancelled = Cancelled()
    verb = partial(upload, on_event=on_event_of(callback, cancelled, fs.keep_result), gate=fs.gates()[0])
    await run(lambda: verb(source, target, client, options), cancelled)


async def get_file(
    fs: EngineFileSystem,
    source: S3Location,
    lpath: str,
    callback: Callback,
    *,
    chunksize: int | None,
    max_concurrency: int | None,
) -> None:
    """Makes the file `lpath` what `source` is. chunksize, max_concurrency: as s3fs's. Raises S3AMError, OSError."""
    check_folder_of(lpath)
    options = DownloadOptions(
        file_exists="overwrite",
        download_exists=DOWNLOAD_EXISTS[fs.on_unfinished],
        wait=True,
        part_size=fs.part_size if fs.part_size is not None else part_size_of(chunksize),
        download_slots=fs.slots_of(max_concurrency),
        customer_key=customer_key(fs.s3_additional_kwargs),
    )
    client = await fs.ready_client()
    target, cancelled = LocalPath(lpath), Cancelled()
    verb = partial(download, on_event=on_event_of(callback, cancelled, fs.keep_result), gate=fs.gates()[1])
    await run(lambda: verb(source, target, client, options), cancelled)


async def get_into(fs: EngineFileSystem, rpath: str, file: Any, callback: Callback, version_id: str | None) -> None:
    """Writes an object into an open file, in order."""
    given = {"version_id": version_id} if version_id else {}
    if fs._service is None:
        await fs.set_session()
    with await run(lambda: fs._open(rpath, "rb", **given)) as opened:
        callback.set_size(opened.size)
        while data := await run(partial(opened.read, READ_BYTES)):
            await run(partial(_write_all, file, data))
            callback.relative_update(len(data))


def _write_all(file: Any, data: bytes) -> None:
    """Writes all of `data`: a raw file may take less at a time (Python, io.RawIOBase). Raises BlockingIOError."""
    view = memoryview(data)
    while view:
        taken = file.write(view if len(view) < len(data) else data)
        if taken == 0 or (taken is None and isinstance(file, io.RawIOBase)):
            raise BlockingIOError(errno.EAGAIN, "the file takes no more now: open it in blocking mode")
        if not isinstance(taken, int):  # some files do not say how much they took, and take all
            return
        view = view[taken:]


async def pipe_file(fs: EngineFileSystem, data: Any, target: S3Location, options: UploadOptions) -> dict[str, Any]:
    """Stores `data` in parts. Returns S3's answer in s3fs's form. Raises S3AMError."""
    client, gate = await fs.ready_client(), fs.gates()[0]

    def store() -> StoredInfo:
        writer = ObjectWriter(stream_job(client, target, options, on_event=pass_on_warning, gate=gate))
        try:
            writer.write(data)
            return writer.close()
        except BaseException:
            writer.abort(keep=True)
            raise

    return response_of(await run(store))


async def cat(fs: EngineFileSystem, source: S3Location, start: int | None, end: int | None, slots: int | None) -> bytes:
    """The bytes of [start, end) as Python slices have them. slots: most requests at a time; None: adapted."""
    await fs.ready_client()

    def whole() -> bytes:
        pinned = fs.pinned(source, slots)
        return read_whole(pinned, *limits(start, end, pinned.info.size))

    return await run(whole)


def response_of(stored: StoredInfo) -> dict[str, Any]:
    """Returns S3's answer in s3fs's form."""
    response = {"ETag": f'"{stored.etag}"', "VersionId": stored.version_id}
    return {name: value for name, value in response.items() if value is not None}
