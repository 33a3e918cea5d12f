"""A file system for one large file and nothing else (read_floor.py): `/down` is read from a server, `/up` written."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import mfusepy
import pycurl
from awscrt import checksums

from s3amfs.mount.daemon import _keep_memory
from s3amfs.mount.fuse import MOST_BACKGROUND, _memory, keep_thread
from s3amfs.wire.curl.handle import BUFFER_BYTES, RECEIVE_BYTES

PIECE, AHEAD, PART, PARALLEL = 4 << 20, 4, 8 << 20, 4
Chunks = list[bytes]


class Files(mfusepy.Operations):  # type: ignore[misc]
    use_ns = True

    def __init__(self, url: str, size: int, crc: bool) -> None:
        self.url, self.size, self.crc, self.sizes = url, size, crc, {"/down": size}
        self.turn, self.local, self.pool = threading.Lock(), threading.local(), ThreadPoolExecutor(PARALLEL)
        self.pieces, self.part, self.parts = dict[int, Future[Chunks]](), bytearray(), list[Future[Chunks]]()

    def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
        if path != "/" and path not in self.sizes:
            raise FileNotFoundError(2, path)
        return {"st_mode": 0o100644 if path in self.sizes else 0o40755, "st_size": self.sizes.get(path, 0)}

    def open(self, path: str, *given: Any) -> None:  # and create, whose mode comes before its file
        given[-1].direct_io = self.sizes.setdefault(path, 0) == 0

    create = open

    def truncate(self, path: str, length: int, fi: Any = None) -> None:
        """Nothing is stored."""

    def read(self, target: memoryview, offset: int) -> int:
        end = min(offset + len(target), self.size)
        for number in range(offset // PIECE, -(-end // PIECE)):
            with self.turn:
                for wanted in range(number, min(number + AHEAD + 1, -(-self.size // PIECE))):
                    if wanted not in self.pieces:
                        self.pieces[wanted] = self.pool.submit(self.request, "down", wanted * PIECE)
                self.pieces.pop(number - 2, None)
                piece, at = self.pieces[number], number * PIECE
            for chunk in piece.result():
                first, last = max(offset, at), min(end, at + len(chunk))
                if first < last:
                    target[first - offset : last - offset] = memoryview(chunk)[first - at : last - at]
                at += len(chunk)
        return end - offset

    def write(self, data: memoryview) -> int:
        self.part += data
        if len(self.part) >= PART:
            self.parts.append(self.pool.submit(self.request, "up?partNumber=1&uploadId=u", part=self.part))
            self.part = bytearray()
            if len(self.parts) > PARALLEL:
                self.parts.pop(0).result()
        return len(data)

    def flush(self, path: str, fi: Any) -> None:
        while self.parts:
            self.parts.pop().result()

    def request(self, path: str, offset: int = 0, part: bytearray | None = None) -> Chunks:
        chunks, at, crc = Chunks(), 0, 0
        curl = self.local.curl = getattr(self.local, "curl", None) or pycurl.Curl()

        def give(size: int) -> bytes:
            nonlocal at
            at += size
            return bytes(memoryview(part or b"")[at - size : at])

        options: dict[int, Any] = {pycurl.URL: f"{self.url}/{path}", pycurl.WRITEFUNCTION: chunks.append}
        if part is None:
            options |= {pycurl.RANGE: f"{offset}-{offset + PIECE - 1}", pycurl.BUFFERSIZE: RECEIVE_BYTES}
        else:
            options |= {pycurl.UPLOAD: 1, pycurl.INFILESIZE_LARGE: len(part), pycurl.READFUNCTION: give}
            options |= {pycurl.UPLOAD_BUFFERSIZE: BUFFER_BYTES, pycurl.HTTPHEADER: ["Expect:"]}
        for option, value in options.items():
            curl.setopt(option, value)
        curl.perform()
        for chunk in (chunks if part is None else [part]) if self.crc else ():
            crc = checksums.crc64nvme(chunk, crc)
        return chunks


class Bare(mfusepy.FUSE):  # type: ignore[misc]
    def init_fuse_3(self, connection: Any, config: Any) -> None:
        connection.contents.max_background = MOST_BACKGROUND
        super().init_fuse_3(connection, config)

    def _wrapper(self, func: Any, *args: Any) -> int:
        keep_thread()
        return int(super()._wrapper(func, *args))

    def read(self, path: bytes, buf: Any, size: int, offset: int, fip: Any) -> int:
        return int(self.operations.read(_memory(buf, size), offset))

    def write(self, path: bytes, buf: Any, size: int, offset: int, fip: Any) -> int:
        return int(self.operations.write(_memory(buf, size)))


def serve(url: str, size: int, crc: bool, folder: str) -> None:
    _keep_memory()
    Bare(Files(url, size, crc), folder, raw_fi=True, foreground=True, max_idle_threads=16)
