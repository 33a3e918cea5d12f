"""One object by 1, 4 and 8 machines, each behind a line of its own: network namespaces, limited with tc tbf.

    python -m benchmarks.namespaces --size 512MiB --rate 10000000 --workers 4 8

Every worker is a namespace with a rate limit each way; the S3 services are in a namespace that has none. Prints for
each direction (upload, download, relay between two services) the seconds that one machine takes with `s3am upload` or
`download`, those of N machines with `s3am split` from start to finish, and the ratio. With `--slow` the last machine
has a tenth of the rate, and the ratio to what all lines together would allow is the one to look at. `--together` leaves
out the run of one machine, which takes longest. `--server` names the program that serves S3 (SeaweedFS, or one that
tools/servers has built): where it takes many CPU seconds a GiB, this machine's cores are the limit and not the lines.
Root only: else it says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from botocore.session import get_session

from s3amfs.core.sizes import parse_size
from s3amfs.demo.seaweed import SeaweedServer
from tests.servers.servers import SERVERS, Seaweed, Server

from .bench import make_data

HUB = "s3am-hub"
BRIDGE = "10.213.77.1"
CLI = (sys.executable, "-c", "from s3amfs.cli.main import script; script()")
MTU = "9001"
"""Bytes of a packet, as inside a VPC of AWS: headers take 0.7 % of the line, and 4.4 % with packets of 1,500 bytes."""
MIB = 1024 * 1024


def problem() -> str | None:
    """Returns the reason for which this machine can't have such namespaces; None: it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (package iproute2)"
    name = f"s3am-try{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    tried = subprocess.run(
        ["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "lo", "root", *tbf(MIB)],
        capture_output=True,
        text=True,
        check=False,
    )
    _run("ip", "netns", "del", name)
    return f"tc tbf is not there: {tried.stderr.strip()}" if tried.returncode else None


def tbf(rate: int) -> tuple[str, ...]:
    """A token bucket of `rate` bytes per second."""
    return ("tbf", "rate", f"{rate * 8}bit", "burst", "256kb", "latency", "100ms")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@contextmanager
def network(rates: list[int]) -> Iterator[None]:
    """Namespaces of machines with lines of these rates, and the hub that connects them; nothing of this machine's own
    network is touched."""
    names = names_of(len(rates))
    with ExitStack() as stack:
        for name in (HUB, *names):
            _run("ip", "netns", "add", name)
            stack.callback(_run, "ip", "netns", "del", name)
        inside = ("ip", "-n", HUB)
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "link", "add", "br0", "type", "bridge")
        _run(*inside, "addr", "add", f"{BRIDGE}/24", "dev", "br0")
        _run(*inside, "link", "set", "br0", "up")
        for number, (name, rate) in enumerate(zip(names, rates, strict=True), 2):
            port = f"p{number}"
            _run(
                *inside,
                "link",
                "add",
                port,
                "mtu",
                MTU,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "mtu",
                MTU,
                "netns",
                name,
            )
            _run(*inside, "link", "set", port, "master", "br0", "up")
            _run("ip", "-n", name, "addr", "add", f"10.213.77.{number}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _run("ip", "-n", name, "link", "set", device, "up")
            _run("tc", "-n", HUB, "qdisc", "add", "dev", port, "root", *tbf(rate))
            _run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", *tbf(rate))
        yield


def names_of(count: int) -> list[str]:
    """The namespaces of so many machines."""
    return [f"s3am-w{number}" for number in range(1, count + 1)]


class _SeaweedEverywhere(SeaweedServer):
    """Listens on all addresses."""

    def _flags(self, master: int, volume: int) -> list[str]:
        flags = super()._flags(master, volume)
        return ["-ip.bind=0.0.0.0" if flag.startswith("-ip.bind=") else flag for flag in flags]


def reachable(name: str, folder: Path) -> Server:
    """The server of this name, which listens on all addresses of the hub, where nobody but the workers is."""
    if issubclass(SERVERS[name], Seaweed):
        return Seaweed(folder, _SeaweedEverywhere())

    class Everywhere(SERVERS[name]):  # type: ignore[misc]
        def command(self) -> list[str]:
            return [word.replace("127.0.0.1", "0.0.0.0") for word in super().command()]

    return Everywhere(folder)


def address(server: Server) -> str:
    """Of `server`, for workers."""
    return f"http://{BRIDGE}:{server.port}"


def variables(server: Server) -> dict[str, str]:
    """Environment variables with its credentials."""
    return {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
    }


def client(server: Server) -> Any:
    return get_session().create_client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
    )


class Machines:
    """Commands in the namespaces."""

    def __init__(self, folder: Path, names: list[str], s3: Server, other: Server) -> None:
        self.folder, self.names = folder, names
        self.other = address(other)
        self.environment = {
            **os.environ,
            **variables(s3),
            "AWS_ENDPOINT_URL": address(s3),
            "S3AM_STATE_DIR": str(folder / "state"),
            "HOME": str(folder),
        }
        (folder / ".aws").mkdir()
        (folder / ".aws" / "credentials").write_text(
            f"[other]\naws_access_key_id = {other.access_key}\naws_secret_access_key = {other.secret_key}\n"
        )

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["ip", "netns", "exec", name, *CLI, *words], env=self.environment, cwd=self.folder)

    def run(self, name: str, *words: str) -> None:
        if self.start(name, *words).wait():
            raise SystemExit(f"s3am {' '.join(words)} failed in {name}")

    def alone(self, verb: str, *words: str) -> float:
        begun = time.monotonic()
        self.run(self.names[0], verb, *words)
        return time.monotonic() - begun

    def together(self, count: int, *words: str) -> tuple[float, float]:
        """Seconds from start to finish, and of the moves alone."""
        job = self.folder / "job"
        begun = time.monotonic()
        self.run(self.names[0], "split", "start", *words, "-o", str(job))
        moving = time.monotonic()
        shares = [
            self.start(name, "split", "move", str(job), f"{index}/{count}")
            for index, name in enumerate(self.names[:count], 1)
        ]
        if sum(share.wait() != 0 for share in shares):
            raise SystemExit("s3am split move failed")
        moved = time.monotonic()
        self.run(self.names[0], "split", "finish", str(job))
        ended = time.monotonic()
        job.unlink()
        return ended - begun, moved - moving


def measure(server: str, size: int, rate: int, counts: list[int], *, slow: bool, together: bool) -> None:
    """In the hub."""
    names = names_of(max(counts))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s3am-namespaces-")))
        s3, other = (stack.enter_context(reachable(server, folder / name)) for name in ("s3", "other"))
        machines = Machines(folder, names, s3, other)
        data = folder / "data"
        make_data(data, size)
        for service in (s3, other):
            client(service).create_bucket(Bucket="bucket")
        elsewhere = ("--src-endpoint-url", machines.other, "--src-profile", "other")
        environment = {
            **os.environ,
            **variables(other),
            "AWS_ENDPOINT_URL": other.endpoint_url,
            "S3AM_STATE_DIR": str(folder / "state"),
        }
        subprocess.run([*CLI, "upload", str(data), "s3://bucket/from"], env=environment, check=True)
        kinds: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
            "upload": ("upload", (str(data), "s3://bucket/up"), ("--exists", "overwrite")),
            "download": ("download", ("s3://bucket/up", str(folder / "down")), ("--file-exists", "overwrite")),
            "between services": (
                "upload",
                ("s3://bucket/from", "s3://bucket/copy"),
                (*elsewhere, "--exists", "overwrite"),
            ),
        }
        print(f"{server}, {size / MIB:.0f} MiB, {rate / 1e6:g} MB/s each way per machine", flush=True)
        for kind, (verb, ends, options) in kinds.items():
            if not together:
                alone = machines.alone(verb, *options, *ends)
                print(f"{kind}: one machine {alone:.1f} s ({size / alone / rate:.2f} of its line)", flush=True)
            for count in counts:
                whole, moving = machines.together(count, *options, *ends)
                lines = count - 0.9 if slow and count == max(counts) else count
                ideal = size / rate / lines
                print(
                    f"{kind}: {count} machines {whole:.1f} s ({moving:.1f} s of moves): {size / whole / rate:.2f} "
                    f"lines' worth, {moving / ideal:.2f} times the {ideal:.1f} s that {lines:g} lines allow",
                    flush=True,
                )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, default=512 * MIB)
    parser.add_argument("--rate", type=int, default=10_000_000, help="bytes per second of a machine's line")
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--slow", action="store_true", help="the last machine has a tenth of the rate")
    parser.add_argument("--together", action="store_true", help="without the run of one machine")
    parser.add_argument("--server", choices=tuple(SERVERS), default=Seaweed.name, help="what serves S3")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        measure(args.server, args.size, args.rate, args.workers, slow=args.slow, together=args.together)
        return 0
    why_not = problem() or SERVERS[args.server].why_not()
    if why_not:
        print(f"skipped: {why_not}")
        return 0
    rates = [args.rate] * max(args.workers)
    if args.slow:
        rates[-1] //= 10
    with network(rates):
        words = ["--size", str(args.size), "--rate", str(args.rate), "--workers", *map(str, args.workers)]
        words += ["--server", args.server]
        words += ["--slow"] if args.slow else []
        words += ["--together"] if args.together else []
        inside = ["ip", "netns", "exec", HUB, sys.executable, "-m", "benchmarks.namespaces", "--inside", *words]
        return subprocess.run(inside, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
