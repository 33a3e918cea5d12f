"""Looking at many files: HEADs ahead of being asked, long directories, what changes meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support.faults import Rule, error, reset
from tests.support.mounts import Mount, run
from tests.support.proxy import FaultProxy


def put_many(stored: Stored, prefix: str, count: int) -> dict[str, int]:
    sizes = {f"{n:05}": n % 7 for n in range(count)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: stored.put(prefix + name, b"x" * sizes[name], mode="33184"), sizes))
    return sizes


def test_every_file_is_looked_at_once_and_trouble_is_tried_again(
    new_mount: Callable[..., Mount], proxy: FaultProxy, stored: Stored
) -> None:
    sizes = put_many(stored, "many/", 400)
    mount = new_mount("--metadata-ttl", "60", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    proxy.rules += [Rule("Head", error(503, "SlowDown"), nth=20), Rule("Head", reset("before_response"), nth=150)]
    for _ in range(2):
        # Not DirEntry.stat(): Python 3.10 holds its lock meanwhile, and the proxy, a thread here, could not answer.
        found = {name: os.stat(mount / "many" / name) for name in os.listdir(mount / "many")}
        assert {name: stat.st_size for name, stat in found.items()} == sizes
        assert {stat.st_mode & 0o777 for stat in found.values()} == {0o640}
    looked = [request.key for request in proxy.of("Head") if request.key.startswith("many/0")]
    assert len(set(looked)) == 400
    assert len(looked) <= 410


def test_what_is_written_while_it_is_looked_at_is_seen(mounted: Mount, stored: Stored) -> None:
    """The answers of HEADs that were sent before a change do not count after it."""
    put_many(stored, "many/", 200)
    for name in sorted(os.listdir(mounted / "many")):
        if int(name) % 5 == 4:
            (mounted / "many" / name).write_bytes(b"y" * 100)
            assert os.stat(mounted / "many" / name).st_size == 100
        else:
            assert os.stat(mounted / "many" / name).st_size == int(name) % 7


def test_attributes_come_with_further_names_once_some_were_asked_for(
    new_mount: Callable[..., Mount], stored: Stored
) -> None:
    """As `ls -l` does it: what is written meanwhile is seen nevertheless."""
    sizes = put_many(stored, "many/", 700)
    mount = new_mount("--metadata-ttl", "60", "--debug")
    found: dict[str, os.stat_result] = {}
    with os.scandir(mount / "many") as entries:
        for entry in entries:
            if int(entry.name) % 100 == 50:
                (mount / "many" / entry.name).write_bytes(b"y" * 100)
                sizes[entry.name] = 100
            found[entry.name] = os.stat(mount / "many" / entry.name)
    assert {name: stat.st_size for name, stat in found.items()} == sizes
    assert {stat.st_mode & 0o777 for name, stat in found.items()} == {0o640}
    assert mount.log.read_text().count(" getattr /many/") < 400, "the first names alone are asked for one by one"
    plain = new_mount("--debug", prefix="many/")
    assert sorted(os.listdir(plain.directory)) == sorted(sizes)
    assert " getattr /0" not in plain.log.read_text(), "names alone cost no HEADs"
    requests = [line for line in plain.log.read_text().splitlines() if " HEAD " in line and "/many/0" in line]
    assert requests == []


def test_programs_that_ask_for_attributes_of_other_kinds(mounted: Mount, stored: Stored, tmp_path: Path) -> None:
    stored.put("a", b"1")
    for name in ("security.selinux", "system.posix_acl_access", "trusted.x"):
        with pytest.raises(OSError) as raised:
            os.getxattr(mounted / "a", name)
        assert raised.value.errno in (errno.EOPNOTSUPP, errno.ENODATA), "the kernel answers some of them itself"
    run("cp", "-a", mounted / "a", tmp_path / "copy")
    run("cp", "-a", tmp_path / "copy", mounted / "b")
    run("cp", "--preserve=all", mounted / "a", mounted / "c")
    assert (mounted / "b").read_bytes() == (mounted / "c").read_bytes() == b"1"
    for program in (["rsync", "-aX"], ["rsync", "-aAX"]):
        if shutil.which("rsync"):
            run(*program, f"{mounted.directory}/", tmp_path / "out")
            run(*program, f"{tmp_path}/out/", mounted / "back")
    for program in (["getfattr", "-m", "-", "-d"], ["getfacl", "-c"]):
        if shutil.which(program[0]):
            run(*program, mounted / "a")
