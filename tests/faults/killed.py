"""`kill -9` of a sync of many small objects, at given shares of them, then --resume: what is sent or listed twice.

    python -m tests.faults.killed --objects 100000 --at 10,50,90

A server in this process stores the objects in memory and counts the requests for each; it kills the client when it has
stored the object at which that is due, before it answers. The exit code is 0 only if no object was stored twice, all
are there, and of the listing's pages at most a hundredth (and one) were asked for twice.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_right, insort
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000


@dataclass
class Bucket:
    """The objects, and what was asked for. kill_at: the process `pid` is killed once that many are stored."""

    objects: dict[str, tuple[int, str, float]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    lists: list[str] = field(default_factory=list)
    """The key behind which each page was asked for."""
    kill_at: int = 0
    pid: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, data: bytes, *, only_new: bool) -> str | None:
        """Returns the ETag; None: the condition does not hold."""
        with self.lock:
            if only_new and key in self.objects:
                return None
            if key not in self.objects:
                insort(self.keys, key)
            etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
            self.objects[key] = len(data), etag, time.time()
            self.stored[key] += 1
            if len(self.objects) == self.kill_at and self.pid:
                os.kill(self.pid, signal.SIGKILL)
            return etag

    def page(self, prefix: str, after: str) -> bytes:
        with self.lock:
            self.lists.append(after)
            at = bisect_right(self.keys, max(after, prefix))
            keys = [key for key in self.keys[at : at + PAGE] if key.startswith(prefix)]
            rows = [(key, *self.objects[key]) for key in keys]
            more = at + PAGE < len(self.keys)
        contents = "".join(
            f"<Contents><Key>{escape(quote(key))}</Key><LastModified>{iso(modified)}</LastModified>"
            f'<ETag>"{etag}"</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>'
            for key, size, etag, modified in rows
        )
        return (
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{contents}</ListBucketResult>"
        ).encode()


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


class Handler(BaseHTTPRequestHandler):
    """The four operations of S3 that a sync of small objects needs."""

    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            data = unframed(data)
        etag = self.bucket.put(self._key(), data, only_new=self.headers.get("If-None-Match") == "*")
        headers = {"ETag": f'"{etag}"'}
        self._send(*((200, b"", headers) if etag else (412, b"<Error><Code>PreconditionFailed</Code></Error>", {})))

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self._key():
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
            return
        self._send(200, self.bucket.page(query.get("prefix", ""), query.get("start-after", "")), {})

    def do_HEAD(self) -> None:
        if not self._key():
            self._send(200, b"", {})
            return
        found = self.bucket.objects.get(self._key())
        if found is None:
            self._send(404, b"", {})
            return
        size, etag, modified = found
        self._send(200, bytes(size), {"ETag": f'"{etag}"', "Last-Modified": formatdate(modified, usegmt=True)})

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path.lstrip("/").partition("/")[2])

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error."""


def unframed(data: bytes) -> bytes:
    """The content of an aws-chunked body."""
    found, at = b"", 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end].split(b";")[0], 16)
        if not size:
            return found
        found += data[end + 2 : end + 2 + size]
        at = end + 2 + size + 2


@dataclass(frozen=True)
class Found:
    """After a kill and a run with --resume."""

    exit_code: int
    missing: int
    twice: int
    """Objects that were stored more than once."""
    pages: int
    repeated: int
    """Pages of the second run that lie before the place where the first one was killed, and all pages there are."""
    output: str = ""


def killed(folder: Path, objects: int, percent: int) -> Found:
    """Syncs `objects` files up, is killed, and goes on."""
    source = folder / "source"
    for number in range(objects):
        path = source / f"d{number // 1000:03d}" / f"{number:07d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%016d" % number)
    bucket = Bucket(kill_at=max(1, objects * percent // 100))
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"bucket": bucket}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
    }
    command = [sys.executable, "-m", "s3amfs.cli.main", "sync", str(source), "s3://bucket/p/"]
    root = Path(__file__).resolve().parents[2]
    try:
        with open(folder / "first", "wb") as output:
            first = subprocess.Popen(command, env=environment, cwd=root, stdout=output, stderr=output)
            bucket.pid = first.pid
            first.wait()
        bucket.pid = 0
        done, before = len(bucket.objects), len(bucket.lists)
        second = subprocess.run(
            [*command, "--resume"], env=environment, cwd=root, capture_output=True, text=True, check=False
        )
        listed = len(bucket.lists) - before
    finally:
        server.shutdown()
        server.server_close()
    if first.returncode != -signal.SIGKILL:
        raise AssertionError((folder / "first").read_text())
    twice = sum(count > 1 for count in bucket.stored.values())
    pages = -(-done // PAGE)
    return Found(
        second.returncode, objects - len(bucket.objects), twice, pages, min(listed, pages), second.stderr[-2000:]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--at", default="10,50,90", help="percent of the objects")
    args = parser.parse_args()
    good = True
    for percent in map(int, args.at.split(",")):
        with tempfile.TemporaryDirectory(prefix="s3am-killed-") as name:
            found = killed(Path(name), args.objects, percent)
        print(
            f"killed at {percent} % of {args.objects:,}: exit {found.exit_code} after --resume, "
            f"{found.missing} missing, {found.twice} stored twice, {found.repeated} of {found.pages} pages listed "
            "again",
            flush=True,
        )
        good = good and not (found.exit_code or found.missing or found.twice)
        good = good and found.repeated <= found.pages // 100 + 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
