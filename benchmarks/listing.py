"""A million unchanged keys: what `s3am sync` needs in requests, seconds and memory where nothing differs.

    python -m benchmarks.listing --keys 1000000 [--delay 0.05]
    python -m benchmarks.listing --pages [--keys 1000000] [--delay 0.05]

A server of listings alone stands for both sides; it sends whole pages, so that what is measured is the client. Other
tools that are installed run beside it. `--pages`: one flat prefix is listed, page after page and in parallel, with
nothing done about the keys; it prints the requests and the rates of both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
NAME = "{prefix}object-{number:09d}.bin"
_ROWS = [
    f"<Contents><Key>PREFIXobject-ABOVE{low:03d}.bin</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified>"
    f"<ETag>&quot;{'0' * 23}ABOVE{low:03d}&quot;</ETag><Size>{low}</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
    for low in range(1000)
]
"""Of a thousand keys, without what is above the thousands of their numbers: the server must not be what is measured."""


def _after(query: dict[str, str]) -> str:
    """The key behind which a page begins, of either version of the operation."""
    return query.get("start-after") or query.get("continuation-token") or query.get("marker", "")


def _rows(prefix: str, first: int, last: int) -> str:
    parts = []
    while first < last:
        end = min(last, first - first % 1000 + 1000)
        rows = "".join(_ROWS[first % 1000 : first % 1000 + end - first])
        parts.append(rows.replace("ABOVE", f"{first // 1000:06d}").replace("PREFIX", prefix))
        first = end
    return "".join(parts)


def _page(keys: int, query: dict[str, str]) -> bytes:
    """A page of ListObjects, of either version."""
    prefix, after = query.get("prefix", ""), _after(query)
    first = int(after[-13:-4]) + 1 if after else 0
    last = min(first + min(PAGE, int(query.get("max-keys", PAGE))), keys)
    more = last < keys
    end = NAME.format(prefix=prefix, number=last - 1)
    token = f"<NextContinuationToken>{end}</NextContinuationToken>" if more else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name><Prefix>{prefix}</Prefix><KeyCount>{last - first}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{_rows(prefix, first, last)}{token}</ListBucketResult>"
    ).encode()


class _Connection(asyncio.Protocol):
    """Answers ListObjects with numbered keys, and HEAD of buckets; one request at a time, without bodies."""

    keys = 0
    delay = 0.0
    requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            if method == "GET":
                _Connection.requests += 1
                asyncio.get_running_loop().call_later(self.delay, self._list, target)
            else:
                is_object = urlsplit(target).path.strip("/").count("/") > 0
                self._send(b"", "404 Not Found" if is_object else "200 OK")

    def _list(self, target: str) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        self._send(_page(self.keys, query), "200 OK")

    def _send(self, body: bytes, status: str) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def serve(keys: int, delay: float, pipe: Connection) -> None:
    """Serves until the pipe says something; then sends the number of requests and its CPU seconds."""
    _Connection.keys, _Connection.delay = keys, delay
    asyncio.run(_serve(pipe))
    pipe.send((_Connection.requests, time.process_time()))


async def _serve(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=200)
    pipe.send(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, pipe.recv)


def list_all(keys: int, delay: float, width: int) -> tuple[float, int, str]:
    """Lists one prefix in this process: seconds, requests, CPU a page. width: pages in flight at most."""
    from s3amfs.engine.connect import S3Config, connect
    from s3amfs.jobs import listing

    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(keys, delay, there), daemon=True)
    server.start()
    client = connect(S3Config(endpoint_url=f"http://127.0.0.1:{here.recv()}", access_key="key", secret_key="secret"))
    listing.WIDTH = width
    begun, cpu = time.monotonic(), time.process_time()
    found = listing.Listing(client, "bucket", listing.ListOptions(prefix="a/"))
    count = sum(len(page.keys) for page in found.columns())
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    here.send("end")
    requests, server_cpu = here.recv()
    server.terminate()
    assert count == keys, f"{count} keys of {keys}"
    return (
        wall,
        requests,
        f"{cpu / requests * 1000:.1f} ms CPU a page here, {server_cpu / requests * 1000:.1f} ms there",
    )


def compare_pages(keys: int, delay: float) -> None:
    from s3amfs.jobs.pages import WIDTH

    rates: list[float] = []
    for name, width in (("page after page", 1), ("in parallel", WIDTH)):
        wall, requests, cpu = list_all(keys, delay, width)
        rates.append(keys / wall)
        print(f"{name}: {wall:.1f} s, {keys / wall:,.0f} keys/s, {requests:,} requests, {cpu}", flush=True)
    print(f"in parallel {rates[1] / rates[0]:.1f} times the rate")


def measure(command: list[str], keys: int, delay: float) -> str:
    """Runs `command` against a new server: a line of what it took."""
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(keys, delay, there), daemon=True)
    server.start()
    endpoint = f"http://127.0.0.1:{here.recv()}"
    with tempfile.TemporaryDirectory(prefix="s3am-listing-") as home:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "S3_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_R_TYPE": "s3",
            "RCLONE_CONFIG_R_PROVIDER": "Other",
            "RCLONE_CONFIG_R_ENDPOINT": endpoint,
            "RCLONE_CONFIG_R_ACCESS_KEY_ID": "key",
            "RCLONE_CONFIG_R_SECRET_ACCESS_KEY": "secret",
        }
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
    here.send("end")
    requests, _ = here.recv()
    server.terminate()
    cpu = usage.ru_utime + usage.ru_stime
    return (
        f"exit {os.waitstatus_to_exitcode(status)}, {wall:.1f} s, CPU {cpu:.1f} s, {usage.ru_maxrss / 1024:.0f} MiB, "
        f"{requests} requests"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each page takes longer")
    parser.add_argument("--pages", action="store_true", help="only list, serially and in parallel")
    args = parser.parse_args()
    if args.pages:
        compare_pages(args.keys, args.delay)
        return 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ours = [sys.executable, "-m", "s3amfs.cli.main", "sync", "s3://bucket/a/", "s3://bucket/b/"]
    tools = {"s3am": ours}
    if shutil.which("s5cmd"):
        tools["s5cmd"] = ["s5cmd", "sync", "s3://bucket/a/*", "s3://bucket/b/"]
    if shutil.which("rclone"):
        tools["rclone"] = ["rclone", "sync", "--size-only", "--fast-list", "r:bucket/a", "r:bucket/b"]
    for keys in (1000, args.keys):
        for name, command in tools.items():
            print(f"{name}, {keys:,} keys: {measure(command, keys, args.delay)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
