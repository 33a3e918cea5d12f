"""Ten bottlenecks built on real servers: does `limited by` name each of them?

    python -m tests.faults.bottlenecks [NAME ...]

The last line is `bottlenecks: N of M named`; the exit code is 0 only if all are. It needs about a minute, a machine
that does nothing else, and FUSE for the slow disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from s3amfs.core.bottleneck import Cause
from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client
from tests.support import faults
from tests.support.cli import Cli, Result
from tests.support.faults import Recorded, Rule
from tests.support.files import make_file
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


@dataclass
class World:
    """The servers, and a folder with `big` (160 MiB)."""

    folder: Path
    s3: SeaweedServer
    web: HttpServer
    cli: Cli
    number: int = 0

    @property
    def target(self) -> str:
        self.number += 1
        return f"s3://bottlenecks/k{self.number}"

    def upload(self, *words: object, proxy: FaultProxy | None = None) -> Result:
        """An upload through `proxy`."""
        env = {"AWS_ENDPOINT_URL": proxy.endpoint_url} if proxy is not None else {}
        return self.cli("upload", "--json", *words, self.target, env=env)


def limited_by(result: Result) -> str:
    """The cause that the result names; '' if it names none."""
    if result.rc:
        return f"exit {result.rc}: {result.stderr.strip()}"
    return str(
        next((line for line in reversed(result.json_lines()) if line["event"] == "result"), {}).get("limited_by")
    )


def slow_source(world: World) -> str:
    """Each connection gets 1 MiB/s."""
    url = world.web.add("/slow", world.folder / "big", rate=float(MIB))
    return limited_by(world.upload("--part-size", "5M", "--download-slots", "16", url))


def slow_disk(world: World) -> str:
    with slow_folder(world.folder / "big", 30.0 * MIB) as folder:
        return limited_by(world.upload("--part-size", "5M", folder / "f"))


def throttling(world: World) -> str:
    """The service takes two parts a second, and answers all others with SlowDown."""
    taken: list[float] = []

    def too_many(request: Recorded) -> bool:
        if request.kind != "UploadPart":
            return False
        now = time.monotonic()
        if len([at for at in taken if now - at < 1.0]) >= 2:
            return True
        taken.append(now)
        return False

    with FaultProxy(world.s3.endpoint_url) as proxy:
        proxy.rules.append(Rule(too_many, faults.slow_down()))
        return limited_by(world.upload("--part-size", "5M", world.folder / "small", proxy=proxy))


def round_trips(world: World) -> str:
    """Every answer takes 300 ms, as over a line around the world."""
    with FaultProxy(world.s3.endpoint_url) as proxy:
        proxy.rules.append(Rule("*", faults.delay(0.3)))
        return limited_by(world.upload("--part-size", "5M", "--upload-slots", "4", world.folder / "big", proxy=proxy))


def one_core(world: World) -> str:
    """The command shares one core with two programs that take all they get, and that come first."""
    core = min(os.sched_getaffinity(0))
    burners = [
        subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"]) for _ in range(2)
    ]
    pinned = Cli(world.folder / "home", world.s3.environment())
    pinned.command = ["nice", "-n", "10", "taskset", "-c", str(core), *pinned.command]
    try:
        return limited_by(pinned("upload", "--json", world.folder / "big", world.target))
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def bwlimit(world: World) -> str:
    return limited_by(world.upload("--part-size", "5M", "--bwlimit", "12M", world.folder / "small"))


def small_memory(world: World) -> str:
    """Memory for two requests, and a source that gives each connection 4 MiB/s."""
    url = world.web.add("/slow4", world.folder / "small", rate=4.0 * MIB)
    return limited_by(world.upload("--part-size", "5M", "--memory", "65M", url))


def slow_target(world: World) -> str:
    with FaultProxy(world.s3.endpoint_url) as proxy:
        proxy.rules.append(Rule("UploadPart", faults.throttle(1.0 * MIB)))
        return limited_by(world.upload("--part-size", "5M", "--upload-slots", "8", world.folder / "small", proxy=proxy))


def tiny_objects(world: World) -> str:
    """Each of 600 objects takes 300 ms."""
    folder = world.folder / "tiny"
    folder.mkdir()
    for number in range(600):
        (folder / f"f{number}").write_bytes(b"x")
    with FaultProxy(world.s3.endpoint_url) as proxy:
        proxy.rules.append(Rule("*", faults.delay(0.3)))
        return limited_by(world.upload("-r", folder, proxy=proxy))


def failing_dns(world: World) -> str:
    """The command is asked by SIGUSR1 while it tries again."""
    env = {"AWS_ENDPOINT_URL": "http://no-such-host.invalid:9"}
    running = world.cli.start("upload", world.folder / "small", world.target, env=env)
    asked = running.kill_when(lambda: "waiting:" in running.stderr(), signal.SIGUSR1, 20.0)
    running.wait_until(lambda: "limited by: " in running.stderr(), 5.0)
    said = running.stderr()
    running.kill()
    running.wait()
    return said.partition("limited by: ")[2].partition(" (")[0] if asked else said


BOTTLENECKS: dict[str, tuple[Callable[[World], str], Cause]] = {
    "slow source": (slow_source, Cause.SOURCE),
    "slow disk": (slow_disk, Cause.SOURCE_DISK),
    "throttling": (throttling, Cause.THROTTLING),
    "round trips": (round_trips, Cause.ROUND_TRIPS),
    "one core": (one_core, Cause.CPU),
    "bwlimit": (bwlimit, Cause.BWLIMIT),
    "small memory": (small_memory, Cause.MEMORY),
    "slow target": (slow_target, Cause.TARGET),
    "tiny objects": (tiny_objects, Cause.ROUND_TRIPS),
    "failing DNS": (failing_dns, Cause.FAILURES),
}


@contextlib.contextmanager
def slow_folder(file: Path, rate: float) -> Iterator[Path]:
    """A folder with `f`, which is `file` at `rate` bytes per second."""
    with tempfile.TemporaryDirectory(prefix="s3am-slow-") as name:
        command = [sys.executable, "-m", "tests.support.slow_disk", str(file), name, str(rate)]
        process = subprocess.Popen(command)
        try:
            while not os.path.ismount(name):
                if process.poll() is not None:
                    raise OSError("the slow disk can't be mounted")
                time.sleep(0.02)
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=False)
            process.kill()
            process.wait()


def main(names: list[str]) -> int:
    right = 0
    wanted = {name: BOTTLENECKS[name] for name in names or BOTTLENECKS}
    with tempfile.TemporaryDirectory(prefix="s3am-bottlenecks-") as name, SeaweedServer() as s3, HttpServer() as web:
        folder = Path(name)
        make_file(folder / "big", 160 * MIB, 1)
        make_file(folder / "small", 40 * MIB, 2)
        world = World(folder, s3, web, Cli(folder / "home", s3.environment()))
        boto_client(s3.endpoint_url, s3.access_key, s3.secret_key).create_bucket(Bucket="bottlenecks")
        for title, (play, cause) in wanted.items():
            began = time.monotonic()
            found = play(world)
            right += found == cause.value
            mark = "right" if found == cause.value else "WRONG"
            print(f"{mark}  {title:13} {found} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"bottlenecks: {right} of {len(wanted)} named")
    return 0 if right == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
