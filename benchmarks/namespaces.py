"""One object by 1, 4 and 8 machines, each behind a line of its own: network namespaces, limited with tc tbf.

    python -m benchmarks.namespaces --size 512MiB --rate 10000000 --workers 4 8

Every worker is a namespace with a rate limit each way; the S3 services are in a namespace that has none. Prints for
each direction (upload, download, relay between two services) the seconds that one machine takes with `s3am upload` or
`download`, those of N machines with `s3am split` from start to finish, and the ratio. With `--slow` the last machine
has a tenth of the rate, and the ratio to what all lines together would allow is the one to look at. `--together` leaves
out the run of one machine, which takes longest; `--kinds` leaves out directions, so that several of these programs can
run at once, each in networks of its own. `--server` names the program that serves S3 (SeaweedFS, or one that
tools/servers has built): where it takes many CPU seconds a GiB, this machine's cores are the limit and not the lines.
`--traces` keeps a trace of every `split move`. Root only: else it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
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

BRIDGE = "10.213.77.1"
CLI = (sys.executable, "-c", "from s3amfs.cli.main import script; script()")
READY = """
import json, sys, time
import awscrt.auth, botocore.client, botocore.session, urllib3
import s3amfs.cli.split, s3amfs.engine.connect, s3amfs.jobs.split_download
from s3amfs.cli.main import script
print(time.process_time(), flush=True)
sys.argv[1:] = json.loads(sys.stdin.readline())
script()
"""
"""A process that has loaded its program and waits for its command: machines have cores of their own for that."""
STARTS = 3
"""Of Python, one after the other: `start`, the moves beside each other, `finish`."""
MTU = "9001"
"""Bytes of a packet, as inside a VPC of AWS: headers take 0.7 % of the line, and 4.4 % with packets of 1,500 bytes."""
MIB = 1024 * 1024
KINDS = ("upload", "download", "between services")


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
def network(tag: str, rates: list[int]) -> Iterator[None]:
    """Namespaces of machines with lines of these rates, and the hub that connects them; nothing of this machine's own
    network is touched. tag: makes their names unique."""
    hub, names = hub_of(tag), names_of(tag, len(rates))
    with ExitStack() as stack:
        for name in (hub, *names):
            _run("ip", "netns", "add", name)
            stack.callback(_run, "ip", "netns", "del", name)
        inside = ("ip", "-n", hub)
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
            _run("tc", "-n", hub, "qdisc", "add", "dev", port, "root", *tbf(rate))
            _run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", *tbf(rate))
        yield


def hub_of(tag: str) -> str:
    """The namespace of the services."""
    return f"s3am-hub-{tag}"


def names_of(tag: str, count: int) -> list[str]:
    """The namespaces of so many machines."""
    return [f"s3am-w{number}-{tag}" for number in range(1, count + 1)]


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

    def __init__(self, folder: Path, names: list[str], s3: Server, other: Server, traces: Path | None = None) -> None:
        """traces: a folder for those of the moves."""
        self.folder, self.names, self.traces = folder, names, traces
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

    def _traced(self, run: str, index: int) -> tuple[str, ...]:
        return ("--trace", str(self.traces / f"{run}-{index}.json")) if self.traces is not None else ()

    def together(self, run: str, count: int, *words: str) -> tuple[float, float, float, float]:
        """Seconds from start to finish, of the moves alone, between the ends of the first and the last one, and the
        CPU seconds of a start of Python.

        Those of the whole have three such starts. Processes load their program before: this machine's cores are not
        those of so many, which would do that side by side. run: its name, for traces.
        """
        job = self.folder / "job"
        names = self.names[:count]
        ready = [Ready(self, name) for name in (names[0], *names, names[0])]
        start = min(process.start for process in ready)
        starter, *movers, finisher = ready
        begun = time.monotonic()
        starter.done("split", "start", *words, "-o", str(job))
        moving = time.monotonic()
        shares = [
            mover.go("split", "move", str(job), f"{index}/{count}", *self._traced(run, index))
            for index, mover in enumerate(movers, 1)
        ]
        ends: list[float] = []

        def wait(share: subprocess.Popen[bytes]) -> None:
            if share.wait() == 0:
                ends.append(time.monotonic())

        waiting = [threading.Thread(target=wait, args=(share,)) for share in shares]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        if len(ends) < count:
            raise SystemExit("s3am split move failed")
        moved = max(ends)
        finisher.done("split", "finish", str(job))
        ended = time.monotonic()
        job.unlink()
        return ended - begun + STARTS * start, moved - moving + start, moved - min(ends), start


class Ready:
    """A process of a machine that waits for its command."""

    def __init__(self, machines: Machines, name: str) -> None:
        self._name = name
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-c", READY],
            env=machines.environment,
            cwd=machines.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.start = float(self._process.stdout.readline())
        """CPU seconds."""

    def go(self, *words: str) -> subprocess.Popen[bytes]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        self._process.stdin.close()
        return self._process

    def done(self, *words: str) -> None:
        if self.go(*words).wait():
            raise SystemExit(f"s3am {' '.join(words)} failed in {self._name}")


def measure(args: argparse.Namespace) -> None:
    """In the hub."""
    size, rate, counts = args.size, args.rate, args.workers
    names = names_of(args.inside, max(counts))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s3am-namespaces-")))
        s3, other = (stack.enter_context(reachable(args.server, folder / name)) for name in ("s3", "other"))
        if args.traces is not None:
            args.traces.mkdir(parents=True, exist_ok=True)
        machines = Machines(folder, names, s3, other, args.traces)
        data = folder / "data"
        make_data(data, size)
        for service in (s3, other):
            client(service).create_bucket(Bucket="bucket")
        kinds = kinds_of(machines, data)
        for kind, service in (("download", s3), ("between services", other)):
            if kind in args.kinds:
                environment = {
                    **os.environ,
                    **variables(service),
                    "AWS_ENDPOINT_URL": service.endpoint_url,
                    "S3AM_STATE_DIR": str(folder / "state"),
                }
                subprocess.run([*CLI, "upload", str(data), "s3://bucket/from"], env=environment, check=True)
        if "upload" not in args.kinds:
            data.unlink()
        print(f"{args.server}, {size / MIB:.0f} MiB, {rate / 1e6:g} MB/s each way per machine", flush=True)
        for kind in args.kinds:
            verb, ends, options = kinds[kind]
            if not args.together:
                alone = machines.alone(verb, *options, *ends)
                print(f"{kind}: one machine {alone:.1f} s ({size / alone / rate:.2f} of its line)", flush=True)
            for count in counts:
                whole, moving, tail, start = machines.together(f"{kind.split()[0]}-{count}", count, *options, *ends)
                lines = count - 0.9 if args.slow and count == max(counts) else count
                ideal = size / rate / lines
                print(
                    f"{kind}: {count} machines {whole:.1f} s ({moving:.1f} s of moves, which end within {tail:.1f} s; "
                    f"{STARTS} starts of {start:.1f} s each): "
                    f"{size / whole / rate:.2f} lines' worth, {moving / ideal:.3f} times the {ideal:.1f} s that "
                    f"{lines:g} lines allow",
                    flush=True,
                )


def kinds_of(machines: Machines, data: Path) -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Verb, ends and options of each direction."""
    elsewhere = ("--src-endpoint-url", machines.other, "--src-profile", "other")
    return {
        "upload": ("upload", (str(data), "s3://bucket/up"), ("--exists", "overwrite")),
        "download": (
            "download",
            ("s3://bucket/from", str(machines.folder / "down")),
            ("--file-exists", "overwrite"),
        ),
        "between services": (
            "upload",
            ("s3://bucket/from", "s3://bucket/copy"),
            (*elsewhere, "--exists", "overwrite"),
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, default=512 * MIB)
    parser.add_argument("--rate", type=int, default=10_000_000, help="bytes per second of a machine's line")
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--slow", action="store_true", help="the last machine has a tenth of the rate")
    parser.add_argument("--together", action="store_true", help="without the run of one machine")
    parser.add_argument("--server", choices=tuple(SERVERS), default=Seaweed.name, help="what serves S3")
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS, help="directions")
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="a folder for a trace of every 'split move'")
    parser.add_argument("--inside", metavar="TAG", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        measure(args)
        return 0
    why_not = problem() or SERVERS[args.server].why_not()
    if why_not:
        print(f"skipped: {why_not}")
        return 0
    rates = [args.rate] * max(args.workers)
    if args.slow:
        rates[-1] //= 10
    tag = str(os.getpid())
    with network(tag, rates):
        inside = ["ip", "netns", "exec", hub_of(tag), sys.executable, "-m", "benchmarks.namespaces", "--inside", tag]
        return subprocess.run([*inside, *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
