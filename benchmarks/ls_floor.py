"""`ls -l` of new names: what Python, libcurl and mfusepy cost at least, beside `s3am mount`.

    python -m benchmarks.ls_floor [--names 5000] [--rounds 3] [--only s3am]

`plain` is a program that lists all pages and then sends a HEAD for each object, as many at a time as the mount does,
and puts the headers into a dictionary. `bare` does the same under a file system of mfusepy's for `ls -l`:
the names come with the pages, a getattr waits for its HEAD. No retries, no caches, no other files; one signature for
each request. In turns, each time a new process with nothing in memory, on SeaweedFS. As root.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import multiprocessing
import os
import stat
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import mfusepy
import pycurl

from s3amfs.core.locations import S3Location
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config, connect
from s3amfs.mount.listings import AHEAD
from s3amfs.transfers.one_request import begin_put
from s3amfs.wire.s3 import api as s3api
from tests.conftest import boto_client

from .bench import s3am
from .mount import Daemon, drop_caches

Heads = dict[str, dict[str, str]]
Access = tuple[str, str, str]
"""Host and port, access key, secret key."""
TAG = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Fetcher:
    """All requests of one thread. found: header lines by key."""

    def __init__(self, access: Access) -> None:
        self.host, self.access_key, secret = access
        self.multi, self.found = pycurl.CurlMulti(), Heads()
        self.scope = time.strftime("%Y%m%d/us-east-1/s3/aws4_request", time.gmtime())
        key = b"AWS4" + secret.encode()
        for word in self.scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        self.key = key

    def signed(self, method: str, path: str, query: str = "") -> list[str]:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = [f"host:{self.host}", "x-amz-content-sha256:UNSIGNED-PAYLOAD", f"x-amz-date:{now}"]
        names = "host;x-amz-content-sha256;x-amz-date"
        request = "\n".join([method, path, query, *headers, "", names, "UNSIGNED-PAYLOAD"])
        text = f"AWS4-HMAC-SHA256\n{now}\n{self.scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self.key, text.encode(), "sha256").hex()
        credential = f"Credential={self.access_key}/{self.scope}, SignedHeaders={names}, Signature={signature}"
        return [*headers[1:], f"Authorization: AWS4-HMAC-SHA256 {credential}"]

    def pages(self) -> Any:
        """Lists of keys, page after page."""
        curl, token = pycurl.Curl(), ""
        while True:
            begin = f"continuation-token={quote(token, safe='~')}&" if token else ""
            query = f"{begin}list-type=2&prefix="
            curl.setopt(pycurl.HTTPHEADER, self.signed("GET", "/bench", query))
            curl.setopt(pycurl.URL, f"http://{self.host}/bench?{query}")
            root = ElementTree.fromstring(curl.perform_rb())
            yield [str(key.text) for key in root.iterfind(f"{TAG}Contents/{TAG}Key")]
            token = root.findtext(f"{TAG}NextContinuationToken") or ""
            if not token:
                return

    def heads(self, keys: list[str]) -> None:
        todo, active, free = iter(keys), 0, [pycurl.Curl() for _ in range(AHEAD)]
        for curl in free:
            curl.setopt(pycurl.NOBODY, 1)
        while free or active:
            while free and (key := next(todo, None)) is not None:
                curl, lines = free.pop(), list[bytes]()
                curl.item = key, lines
                curl.setopt(pycurl.URL, f"http://{self.host}/bench/{key}")
                curl.setopt(pycurl.HTTPHEADER, self.signed("HEAD", f"/bench/{key}"))
                curl.setopt(pycurl.HEADERFUNCTION, lines.append)
                self.multi.add_handle(curl)
                active += 1
            if not active:
                return
            self.multi.perform()
            _, done, failed = self.multi.info_read()
            assert not failed, failed
            for curl in done:
                key, lines = curl.item
                self.multi.remove_handle(curl)
                split = [line.decode("latin-1").partition(":") for line in lines]
                self.found[key] = {name.lower(): value.strip() for name, _, value in split}
                free.append(curl)
                active -= 1
            if not done:
                self.multi.select(1.0)


class Bare(mfusepy.Operations):  # type: ignore[misc]
    use_ns = True

    def __init__(self, access: Access) -> None:
        self.fetcher = Fetcher(access)

    def readdir(self, path: str, fh: int) -> Any:
        keys = [key for page in self.fetcher.pages() for key in page]
        threading.Thread(target=self.fetcher.heads, args=(keys,), daemon=True).start()
        return [".", "..", *keys]

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        while (found := self.fetcher.found.get(path[1:])) is None:
            time.sleep(0.001)
        mtime = int(float(found["x-amz-meta-mtime"]) * 1e9)
        return {"st_mode": stat.S_IFREG | 0o644, "st_size": int(found["content-length"]), "st_mtime": mtime}


def plain(access: Access, answer: Any) -> None:
    began, cpu = time.monotonic(), time.process_time()
    fetcher = Fetcher(access)
    fetcher.heads([key for page in fetcher.pages() for key in page])
    answer.send((time.monotonic() - began, time.process_time() - cpu, len(fetcher.found)))


def mounted(folder: Path, names: int, server: SeaweedServer, pid: int) -> list[float]:
    """Seconds of `ls -l` on a file system that has just been mounted, CPU seconds of its daemon and the server's."""
    daemon, remote = Daemon("", folder, pid), Daemon("", folder, server.pid)
    before, there = daemon.cpu(), remote.cpu()
    began = time.monotonic()
    found = subprocess.run(["ls", "-l", str(folder)], check=True, capture_output=True).stdout.count(b"\n")
    wall = time.monotonic() - began
    assert found == names + 1, found
    figures = [wall, daemon.cpu() - before, remote.cpu() - there]
    subprocess.run(["umount", str(folder)], check=True)
    return figures


def serve(access: Access, folder: str) -> None:
    mfusepy.FUSE(Bare(access), folder, foreground=True, attr_timeout=60, entry_timeout=60)


def turn(name: str, server: SeaweedServer, work: Path, names: int) -> list[float]:
    drop_caches()
    access = server.endpoint_url.partition("://")[2], server.access_key, server.secret_key
    folder = Path(tempfile.mkdtemp(dir=work))
    context = multiprocessing.get_context("fork")
    if name == "plain":
        here, there = context.Pipe()
        before = Daemon("", folder, server.pid).cpu()
        process = context.Process(target=plain, args=(access, there))
        process.start()
        wall, cpu, found = here.recv()
        process.join()
        assert found == names, found
        return [wall, cpu, Daemon("", folder, server.pid).cpu() - before]
    if name == "bare":
        process = context.Process(target=serve, args=(access, str(folder)))
        process.start()
        pid, end = process.pid, process.join
    else:
        environment = {**os.environ, **server.environment(), "S3AM_STATE_DIR": str(work / "state")}
        command = s3am("mount", "s3://bench", str(folder), "--foreground")
        given = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        pid, end = given.pid, given.wait
    while not os.path.ismount(folder):
        time.sleep(0.05)
    figures = mounted(folder, names, server, pid or 0)
    end()
    return figures


def fill(server: SeaweedServer, names: int) -> None:
    config = S3Config(endpoint_url=server.endpoint_url, access_key=server.access_key, secret_key=server.secret_key)
    client, left, came = connect(config), threading.Semaphore(64), threading.Semaphore(0)
    client.check_bucket("bench")  # it has credentials from then on
    failed = []

    def done(stored: object) -> None:
        if stored is None:
            failed.append(1)
        left.release()
        came.release()

    for number in range(names):
        left.acquire()
        options = s3api.ObjectOptions(metadata={"mtime": f"{1_600_000_000 + number}.5", "mode": "33188"})
        begin_put(client, S3Location("bench", f"name-{number:06}"), b"x", options, None, done)
    for _ in range(names):
        came.acquire()
    assert not failed, len(failed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ls_floor", description=__doc__)
    parser.add_argument("--names", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("plain", "bare", "s3am"))
    args = parser.parse_args()
    which = [args.only] if args.only else ["plain", "bare", "s3am"]
    with tempfile.TemporaryDirectory(prefix="s3am-floor-") as name, SeaweedServer() as server:
        boto_client(server.endpoint_url, server.access_key, server.secret_key).create_bucket(Bucket="bench")
        fill(server, args.names)
        turn("plain", server, Path(name), args.names)  # warms the server up
        figures: dict[str, list[list[float]]] = {each: [] for each in which}
        for _ in range(args.rounds):
            for each in which:
                figures[each].append(turn(each, server, Path(name), args.names))
                print(each, *(f"{value:.2f}" for value in figures[each][-1]), flush=True)
        for each in which:
            wall, cpu, there = (statistics.median(values) for values in zip(*figures[each], strict=True))
            print(f"{each}: {wall:.2f} s, {cpu:.2f} CPU s, the server's {there:.2f}")


if __name__ == "__main__":
    main()
