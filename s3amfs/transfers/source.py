"""The source of an upload: examined once, then read in parts (files, ranged URLs, S3 objects) or as one stream."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Protocol

from ..core.checksums import Crc
from ..core.failures import Failure, Kind
from ..core.holes import in_holes
from ..core.http import origin, plain_content_type
from ..core.locations import LocalPath, Location, S3Location, Stdin, Url, last_component
from ..core.manifest import SourceIdentity, difference, unsettled_seconds
from ..core.parts import Part
from ..engine.attempt import Move, PartResult
from ..engine.client import S3Client
from ..engine.file_io import hash_range
from ..engine.part_buffer import PartBuffer
from ..engine.part_problem import PartProblem
from ..engine.sinks import HashSink
from ..engine.sources import FileSource, LocalSource, MemorySource, RangedSource
from ..engine.targets import Target, relay, send
from ..engine.url_source import Probe, UrlSource, UrlStream, probe, stream_request
from ..errors import AccessDenied, InvalidSource, NotFound
from ..wire.curl.multi import protocols
from ..wire.failures import to_error
from .content_type import guess_content_type
from .options import ObjectInfo, UploadOptions
from .received import receive, receive_all
from .report import Report
from .s3_source import S3Source, look_at_source
from .waiting_stream import WaitingStream

Hashes = dict[int, tuple[int, str]]
"""Part number -> (CRC, MD5 in hex) of the source's bytes."""


Opener = Callable[[], UrlStream]


class ByteStream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class UploadSource:
    """Base: a source that is only a stream. identity: what must not change. ranged: parts can be read by themselves."""

    ranged = False
    remote = False
    endpoint: str | None = None
    """Name of the line that its bytes come over; None: they are here."""
    needs_look = False
    """Whether only `check`, after the last byte, shows that all of it was of one state."""

    def __init__(self, identity: SourceIdentity, content_type: str | None = None) -> None:
        self.identity = identity
        self.content_type = content_type
        self.digests: dict[str, bytes] = {}
        """Digests of the whole content that the source sent: name -> bytes."""
        self.info: ObjectInfo | None = None
        """Of an object in S3."""

    @property
    def size(self) -> int | None:
        return self.identity.size

    def move(self, target: Target) -> Move:
        """How a part gets to `target`."""
        raise TypeError("a stream has no parts")

    def holes(self, parts: Iterable[Part]) -> list[Part]:
        """Those of `parts` that are known to be zeros."""
        return []

    def hashes(self, parts: Iterable[Part], crc: str, client: S3Client, report: Report) -> Hashes:
        """CRC and MD5 of some parts, read for that. Raises the error of the source."""
        raise TypeError("a stream has no parts")

    def stream(self) -> ByteStream:
        """The source from its beginning to its end."""
        raise TypeError("this source is read in parts")

    def in_memory(self, client: S3Client, report: Report) -> LocalSource:
        """All of a small source that needs a look, received and checked. Raises its error, SourceChanged."""
        raise TypeError("only what needs a look is held")

    def check(self) -> None:
        """Raises SourceChanged if the source is no longer what it was at the beginning."""

    def close(self) -> None:
        """Lets go of files and connections."""


class FileUpload(UploadSource):
    ranged = True

    def __init__(self, path: str) -> None:
        self._file = FileSource(path, by_ctime=True)
        super().__init__(self._file.identity, guess_content_type(path))

    def move(self, target: Target) -> Move:
        return lambda part, attempt: send(target, self._file, part)

    def holes(self, parts: Iterable[Part]) -> list[Part]:
        return in_holes(parts, self._file.data_after) if self._file.is_sparse else []

    def hashes(self, parts: Iterable[Part], crc: str, client: S3Client, report: Report) -> Hashes:
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            return dict(pool.map(lambda part: (part.number, hash_file_part(self._file.fd, part, crc)), parts))

    def stream(self) -> ByteStream:
        return open(self._file.fd, "rb", buffering=0, closefd=False)

    def check(self) -> None:
        try:
            self._file.check()
        except PartProblem as problem:
            raise to_error(problem.failure, self._file.path) from None

    def close(self) -> None:
        self._file.close()


class RangedUpload(UploadSource):
    """A URL whose ranges work, or an object of another S3 service."""

    ranged = True
    remote = True

    def __init__(
        self,
        source: RangedSource,
        opener: Opener,
        content_type: str | None,
        *,
        endpoint: str,
        clients: tuple[S3Client, ...] = (),
        look: Callable[[], SourceIdentity] | None = None,
    ) -> None:
        """look: looks at the source again; None: an S3 object's ETag with each range is proof."""
        super().__init__(source.identity, content_type)
        self._look = look
        self.needs_look = look is not None
        self._source = source
        self._opener = opener
        self._clients = clients
        self._open: UrlStream | None = None
        self.endpoint = endpoint

    def move(self, target: Target) -> Move:
        return lambda part, attempt: relay(target, self._source, part)

    def stream(self) -> ByteStream:
        self._open = self._opener()
        return self._open

    def check(self) -> None:
        if self._look is not None:
            require_same(self.identity, self._look())

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def hashes(self, parts: Iterable[Part], crc: str, client: S3Client, report: Report) -> Hashes:
        found: Hashes = {}

        def keep(result: PartResult) -> None:
            assert result.crc is not None
            found[result.number] = (result.crc, result.etag)

        def sink(part: Part) -> HashSink:
            return HashSink(part, self._source.accept(part), crc)

        assert self.endpoint is not None
        receive(self._source, parts, sink, client, endpoint=self.endpoint, others=self._clients, on_part=keep)
        return found

    def in_memory(self, client: S3Client, report: Report) -> LocalSource:
        assert self.size is not None and self.endpoint is not None
        received = receive_all(self._source, self.size, client, endpoint=self.endpoint, on_event=report.on_event)
        self.check()
        return received


class StreamUpload(UploadSource):
    """Standard input, a pipe, or a URL without ranges."""

    def __init__(
        self,
        identity: SourceIdentity,
        opener: Callable[[], ByteStream],
        content_type: str | None = None,
        *,
        owned: bool = True,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(identity, content_type)
        self._owned = owned
        self._check = check
        self._opener = opener
        self._open: ByteStream | None = None

    def stream(self) -> ByteStream:
        self._open = self._opener()
        return self._open

    def check(self) -> None:
        self._check()

    def close(self) -> None:
        close = getattr(self._open, "close", None)
        if close is not None and self._owned:
            close()


class EmptyUpload(UploadSource):
    """A remote source of 0 bytes: there is no range to ask for."""

    ranged = True

    def move(self, target: Target) -> Move:
        empty = MemorySource()
        empty.put(1, PartBuffer())
        return lambda part, attempt: send(target, empty, part)

    def hashes(self, parts: Iterable[Part], crc: str, client: S3Client, report: Report) -> Hashes:
        return {}

    def stream(self) -> ByteStream:
        return io.BytesIO()


def open_source(
    source: Location,
    client: S3Client,
    options: UploadOptions,
    *,
    source_client: S3Client | None = None,
    stdin: BinaryIO | None = None,
    report: Report,
) -> UploadSource:
    """Looks at `source` and opens it. Raises NotFound, AccessDenied, InvalidSource, TransferError."""
    if isinstance(source, LocalPath):
        return _open_local(source)
    if isinstance(source, Stdin):
        if stdin is None:
            raise InvalidSource("there is no standard input to read")
        return StreamUpload(SourceIdentity(url="-"), lambda: WaitingStream(stdin), owned=False)
    if isinstance(source, S3Location):
        reader = source_client or client
        info = look_at_source(reader, source, options)
        ranges = S3Source(reader, source, info, options)
        whole = Part(1, 0, info.size)
        content_type = plain_content_type(info.content_type)

        def open_stream() -> UrlStream:
            return UrlStream(
                reader.engine.loop(1),
                ranges.request(whole),
                identity=ranges.identity,
                describe=source.url,
            )

        found: UploadSource = EmptyUpload(ranges.identity, content_type)
        if info.size:
            endpoint = reader.endpoint(source.bucket)
            found = RangedUpload(ranges, open_stream, content_type, endpoint=endpoint, clients=(reader,))
        found.info = info
        return found
    return _open_url(source, client, options, report)


def require_same(before: SourceIdentity, now: SourceIdentity) -> None:
    """Raises SourceChanged if the source of a transfer is no longer what it was at the beginning."""
    differs = difference(before, now)
    if differs is not None:
        failure = Failure(Kind.CHANGED, f"the source changed while it was read ({differs})", of_source=True)
        raise to_error(failure, before.url)


def require_readable(source: LocalPath) -> os.stat_result:
    """Returns the status of a local source, before any request. Raises NotFound, AccessDenied, InvalidSource."""
    try:
        there = os.stat(source.path)
    except FileNotFoundError:
        raise NotFound(f"{source.path} does not exist: check the spelling") from None
    except NotADirectoryError:
        raise NotFound(f"{source.path} does not exist: a part of the path is not a directory") from None
    except PermissionError:
        raise AccessDenied(f"{source.path} may not be read: check its permissions") from None
    if stat.S_ISDIR(there.st_mode):
        raise InvalidSource(f"{source.path} is a directory: give a file")
    if not os.access(source.path, os.R_OK):
        raise AccessDenied(f"{source.path} may not be read: check its permissions")
    return there


def _open_local(source: LocalPath) -> UploadSource:
    there = require_readable(source)
    try:
        if stat.S_ISREG(there.st_mode) and (there.st_size or not _holds_any(source.path)):
            return FileUpload(source.path)
        identity = SourceIdentity(url="file://" + os.path.abspath(source.path))
        return StreamUpload(identity, lambda: open(source.path, "rb", buffering=0))
    except FileNotFoundError:
        raise NotFound(f"{source.path} does not exist: check the spelling") from None
    except PermissionError:
        raise AccessDenied(f"{source.path} may not be read: check its permissions") from None


def _holds_any(path: str) -> bool:
    """Files of /proc say that they are empty."""
    with open(path, "rb", buffering=0) as file:
        return bool(file.read(1))


def _open_url(source: Url, client: S3Client, options: UploadOptions, report: Report) -> UploadSource:
    if source.scheme not in protocols():
        return _open_with_fsspec(source)
    config = client.session.config
    timeouts = (config.connect_timeout, config.stall_timeout)

    def look() -> Probe:
        return probe(client.engine, source, verify_tls=options.verify_tls, policy=client.policy, timeouts=timeouts)

    seen = look()
    unsettled = unsettled_seconds(seen.identity, time.time())
    if unsettled:  # once: what changes all the time is found changed at the end
        time.sleep(unsettled)
        seen = look()
    content_type = seen.content_type or guess_content_type(last_component(source))
    identity = seen.identity
    opened: UploadSource

    def open_stream() -> UrlStream:
        return UrlStream(
            client.engine.loop(1),
            stream_request(source.url, seen.options),
            identity=identity,
            describe=source.display,
            name=last_component(source),
        )

    if identity.size == 0:
        opened = EmptyUpload(identity, content_type)
    elif seen.ranges:
        opened = RangedUpload(
            UrlSource(source, seen),
            open_stream,
            content_type,
            endpoint=origin(source.url),
            look=lambda: look().identity,  # a file that is changed in place changes below an answer that has begun
        )
    else:
        report.warn("the source has no byte ranges: it is read as one stream, its parts held in memory")

        def look_again() -> None:
            if identity.etag is not None or identity.last_modified is not None:
                require_same(identity, look().identity)

        opened = StreamUpload(identity, open_stream, content_type, check=look_again)
    opened.digests = seen.digests
    return opened


def _open_with_fsspec(source: Url) -> UploadSource:
    from ..engine.fsspec_source import FsspecStream

    stream = FsspecStream(source)
    identity = SourceIdentity(url=source.display, size=stream.size, etag=stream.version)
    return StreamUpload(identity, lambda: stream, guess_content_type(last_component(source)), check=stream.check)


def hash_file_part(fd: int, part: Part, crc: str) -> tuple[int, str]:
    """(CRC, MD5 in hex) of a range of a file; shorter if the file is."""
    import hashlib

    running, md5 = Crc(crc), hashlib.md5(usedforsecurity=False)
    hash_range(fd, part.offset, part.end, running.update, md5.update)
    return running.value, md5.hexdigest()


__all__ = ["UploadSource", "open_source"]
