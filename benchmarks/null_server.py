"""An S3 server that costs next to nothing: takes parts and forgets them, gives one file. One thread a connection.

    python -m benchmarks.null_server FILE CRC64NVME [CERTIFICATE KEY] [--fail SHARE --seed N]

It prints its port. The checksum trailer of a part is echoed, as if the server had computed it; nothing is checked.
Objects named `down…` are FILE; all others do not exist, ever, but If-None-Match is obeyed. `--fail 0.1` has a tenth of
all requests fail, at random: 500, 503 SlowDown, or a reset before, within or after the body. GET /received says how
many bytes of bodies have come.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import random
import re
import socket
import ssl
import struct
import threading

BUFFER = 1024 * 1024
ETAG = b'ETag: "9b2cf535f27731c974343645a3985328"\r\n'
NAMESPACE = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
CREATED = b"<InitiateMultipartUploadResult %b><UploadId>u</UploadId></InitiateMultipartUploadResult>" % NAMESPACE
COMPLETED = (
    b"<CompleteMultipartUploadResult %b><ETag>&quot;9b2cf535f27731c974343645a3985328-2&quot;</ETag>"
    b"</CompleteMultipartUploadResult>"
) % NAMESPACE
NO_UPLOADS = b"<ListMultipartUploadsResult %b><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>" % NAMESPACE
NO_OBJECTS = b"<ListBucketResult %b><IsTruncated>false</IsTruncated></ListBucketResult>" % NAMESPACE
TROUBLE = b"<Error><Code>InternalError</Code><Message>drawn</Message></Error>"
TAKEN = b"<Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>drawn</Message></Error>"
TRAILER = re.compile(rb"x-amz-checksum-(\w+):([\w+/=]+)\s*\Z")


class Faults:
    """Draws which request fails and how; counts what is received."""

    KINDS = ("500", "503", "reset before", "reset within", "reset after")

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.received = 0
        self.stored = set[bytes]()
        """Paths of objects that came in one request: a second conditional one is refused."""

    def draw(self, length: int) -> tuple[str, int]:
        """What becomes of a request ('' : nothing), and how many of its `length` bytes are read before."""
        with self._lock:
            if self._random.random() >= self._share:
                return "", length
            kind = self._random.choice(self.KINDS)
            place = {"503": 0, "reset before": 0, "reset within": self._random.randint(0, length)}
            return kind, place.get(kind, length)

    def count(self, received: int) -> None:
        with self._lock:
            self.received += received


class Connection:
    def __init__(self, sock: socket.socket, path: str, checksum: str, faults: Faults) -> None:
        self._sock = sock
        self._faults = faults
        self._file = open(path, "rb")  # noqa: SIM115 - closed in `serve`
        self._size = os.fstat(self._file.fileno()).st_size
        self._checksum = checksum.encode()
        self._buffer = memoryview(bytearray(BUFFER))
        self._rest = b""

    def serve(self) -> None:
        with self._sock, self._file, contextlib.suppress(OSError):
            while self._one():
                pass

    def _one(self) -> bool:
        head = self._rest
        while b"\r\n\r\n" not in head:
            more = self._sock.recv(65536)
            if not more:
                return False
            head += more
        head, _, self._rest = head.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        method, target, _ = lines[0].split(b" ", 2)
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(b":") for line in lines[1:])}
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if target == b"/received":
            self._say(200, b"", b"%d" % self._faults.received)
            return True
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":  # boto3's over TLS
            self._answer(method, target, headers, self._drain_chunked())
            return True
        length = int(headers.get(b"content-length", b"0"))
        fault, read = self._faults.draw(length)
        tail = self._drain(read)
        if fault:
            return self._fail(fault, read == length)
        self._answer(method, target, headers, tail)
        return True

    def _fail(self, fault: str, whole: bool) -> bool:
        """Answers with an error or cuts the connection; whether it can be used on."""
        if fault.isdigit():
            self._say(int(fault), b"" if whole else b"Connection: close\r\n", SLOW_DOWN if fault == "503" else TROUBLE)
            return whole
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing is a reset
        return False

    def _drain(self, left: int) -> bytes:
        """Reads the body; returns its last bytes."""
        tail, self._rest = self._rest[:left], self._rest[left:]
        left -= len(tail)
        self._faults.count(len(tail))
        while left:
            count = self._sock.recv_into(self._buffer, min(left, BUFFER))
            if not count:
                raise OSError("cut")
            left -= count
            self._faults.count(count)
            tail = (tail + bytes(self._buffer[max(0, count - 100) : count]))[-100:]
        return tail

    def _drain_chunked(self) -> bytes:
        """As `_drain`, of a body in chunks (RFC 9112, section 7.1)."""
        tail = b""
        while size := int(self._line(), 16):
            tail = (tail + self._drain(size))[-100:]
            self._line()
        while self._line():
            pass
        return tail

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            more = self._sock.recv(65536)
            if not more:
                raise OSError("cut")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _answer(self, method: bytes, target: bytes, headers: dict[bytes, bytes], tail: bytes) -> None:
        path, _, query = target.partition(b"?")
        if method in (b"GET", b"HEAD") and path.rsplit(b"/", 1)[-1].startswith(b"down"):
            self._give(method, headers)
        elif method == b"HEAD":
            bucket = path.strip(b"/").count(b"/") == 0
            self._say(200 if bucket else 404, b"x-amz-bucket-region: us-east-1\r\n", b"")
        elif method == b"GET":
            self._say(200, b"", NO_UPLOADS if b"uploads" in query else NO_OBJECTS)
        elif method == b"POST":
            self._say(
                200, b"x-amz-checksum-algorithm: CRC64NVME\r\n", CREATED if query.startswith(b"uploads") else COMPLETED
            )
        elif path in self._faults.stored and headers.get(b"if-none-match") == b"*":
            self._say(412, b"", TAKEN)
        else:
            if method == b"PUT" and not query:
                self._faults.stored.add(path)
            trailer = TRAILER.search(tail)
            name = b"crc64nvme"
            given = trailer[2] if trailer else headers.get(b"x-amz-checksum-crc64nvme")
            echo = b"x-amz-checksum-%b: %b\r\n" % (trailer[1] if trailer else name, given) if given else b""
            self._say(204 if method == b"DELETE" else 200, ETAG + echo, b"")

    def _say(self, status: int, headers: bytes, body: bytes) -> None:
        kind = b"Content-Type: application/xml\r\n" if body else b""
        length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
        self._sock.sendall(b"HTTP/1.1 %d X\r\n%b%b%b\r\n%b" % (status, headers, kind, length, body))

    def _give(self, method: bytes, headers: dict[bytes, bytes]) -> None:
        wanted = re.fullmatch(rb"bytes=(\d+)-(\d*)", headers.get(b"range", b""))
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2] or self._size), self._size - 1) if wanted else self._size - 1
        told = (
            ETAG.replace(b'"\r', b'-2"\r') + b"Accept-Ranges: bytes\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        )
        if wanted:
            told += b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, self._size)
        else:
            told += b"x-amz-checksum-crc64nvme: %b\r\nx-amz-checksum-type: FULL_OBJECT\r\n" % self._checksum
        length = last + 1 - first
        status = 206 if wanted else 200
        self._sock.sendall(b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (status, told, length))
        if method == b"HEAD":
            return
        if isinstance(self._sock, ssl.SSLSocket):
            with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as whole, memoryview(whole) as view:
                for at in range(first, last + 1, BUFFER):
                    with view[at : min(at + BUFFER, last + 1)] as piece:
                        self._sock.sendall(piece)
        while first <= last and not isinstance(self._sock, ssl.SSLSocket):
            first += os.sendfile(self._sock.fileno(), self._file.fileno(), first, last + 1 - first)


def _serve(sock: socket.socket, context: ssl.SSLContext | None, path: str, checksum: str, faults: Faults) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):
        Connection(context.wrap_socket(sock, server_side=True) if context else sock, path, checksum, faults).serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null_server")
    parser.add_argument("file")
    parser.add_argument("checksum")
    parser.add_argument("certificate", nargs="*", help="the certificate and its key: https")
    parser.add_argument("--fail", type=float, default=0.0, help="share of the requests that fail")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    context = None
    if args.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.certificate)
    faults = Faults(args.fail, args.seed)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_serve, args=(sock, context, args.file, args.checksum, faults), daemon=True).start()


if __name__ == "__main__":
    main()
