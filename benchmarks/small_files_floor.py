"""A new small file through FUSE into S3: what Python, mfusepy and libcurl cost at least, beside `s3am mount`.

    python -m benchmarks.small_files_floor [--files 1000] [--rounds 3]

The bare file system does nothing else: no conditions, no metadata, no cache, no retries, one signature and one PUT at
the close. In turns with the mount, on SeaweedFS; CPU milliseconds of the daemon for each file. As root.
"""

from __future__ import annotations

import argparse
import base64
import errno
import hashlib
import hmac
import multiprocessing
import os
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import mfusepy
import pycurl
from awscrt import checksums

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client

from .mount import Daemon


class Bare(mfusepy.Operations):  # type: ignore[misc]
    """Files are bytes in memory until they are closed."""

    use_ns = True

    def __init__(self, server: SeaweedServer) -> None:
        self.server, self.files, self.local = server, dict[str, bytes](), threading.local()
        self.host, self.day = server.endpoint_url.partition("://")[2], time.strftime("%Y%m%d", time.gmtime())
        key = b"AWS4" + server.secret_key.encode()
        for word in (self.day, server.region, "s3", "aws4_request"):
            key = hmac.digest(key, word.encode(), "sha256")
        self.key = key

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path not in self.files:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1, "st_size": len(self.files[path])}

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self.files[path] = b""
        return 1

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self.files[path] += data
        return len(data)

    def flush(self, path: str, fh: int) -> int:
        data = self.files[path]
        crc = base64.b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode()
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = [f"host:{self.host}", f"x-amz-checksum-crc64nvme:{crc}"]
        headers += ["x-amz-content-sha256:UNSIGNED-PAYLOAD", f"x-amz-date:{now}"]
        names = "host;x-amz-checksum-crc64nvme;x-amz-content-sha256;x-amz-date"
        scope = f"{self.day}/{self.server.region}"
        request = "\n".join(["PUT", f"/bench{path}", "", *headers, "", names, "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}/s3/aws4_request\n{digest}"
        signature = hmac.digest(self.key, text.encode(), "sha256").hex()
        credential = f"Credential={self.server.access_key}/{scope}/s3/aws4_request"
        headers.append(f"Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}")
        curl = getattr(self.local, "curl", None)
        if curl is None:
            curl = self.local.curl = pycurl.Curl()
            curl.setopt(pycurl.CUSTOMREQUEST, "PUT")
            curl.setopt(pycurl.WRITEFUNCTION, lambda body: None)
        curl.setopt(pycurl.URL, f"http://{self.host}/bench{path}")
        curl.setopt(pycurl.HTTPHEADER, [*headers, "Expect:", "Content-Type:"])
        curl.setopt(pycurl.POSTFIELDS, data)
        curl.perform()
        return 0 if curl.getinfo(pycurl.RESPONSE_CODE) == 200 else -errno.EIO


def serve(server: SeaweedServer, folder: str) -> None:
    mfusepy.FUSE(Bare(server), folder, foreground=True)


def cost(daemon: Daemon, files: int, number: int) -> float:
    """CPU milliseconds a file."""
    before = daemon.cpu()
    for name in range(files):
        with open(daemon.folder / f"{number}-{name}", "wb", buffering=0) as file:
            file.write(b"x" * 100)
    return (daemon.cpu() - before) / files * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3am-floor-") as name, SeaweedServer() as server:
        boto_client(server.endpoint_url, server.access_key, server.secret_key).create_bucket(Bucket="bench")
        bare, ours = Path(name) / "bare", Path(name) / "ours"
        bare.mkdir()
        ours.mkdir()
        process = multiprocessing.get_context("fork").Process(target=serve, args=(server, str(bare)))
        process.start()
        environment = {**os.environ, **server.environment(), "S3AM_STATE_DIR": f"{name}/state"}
        mount = [sys.executable, "-m", "s3amfs.cli.main", "mount", "s3://bench/ours", str(ours), "--foreground"]
        mounted = subprocess.Popen(mount, env=environment, stdout=subprocess.DEVNULL)
        while not (os.path.ismount(bare) and os.path.ismount(ours)):
            time.sleep(0.05)
        daemons = [Daemon("bare", bare, process.pid or 0), Daemon("s3am mount", ours, mounted.pid)]
        for number in range(args.rounds + 1):  # the first one warms up
            for daemon in daemons:
                daemon.cpus_in.append(cost(daemon, args.files if number else 50, number))
        for daemon in daemons:
            subprocess.run(["umount", str(daemon.folder)], check=True)
            print(f"{daemon.name}: {statistics.median(daemon.cpus_in[1:]):.2f} ms CPU a file")
        process.join()
        mounted.wait()


if __name__ == "__main__":
    main()
