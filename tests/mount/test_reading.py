"""Readers of a kernel mount: what the caches save, which version is seen, trouble in the middle, long directories."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mount.conftest import Stored
from tests.support.faults import Answer, Recorded, Rule, answer_by, error, reset, stall
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def drop_pages(path: Path) -> None:
    """The kernel forgets what it has of the file's content."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end


# -- caches ----------------------------------------------------------------------------------------------------------


def test_a_second_open_fetches_nothing(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(12 * MIB, 1)
    stored.put("k", data)
    assert (watched / "k").read_bytes() == data
    fetched = proxy.count("GetRange")
    assert (watched / "k").read_bytes() == data
    drop_pages(watched / "k")  # now it comes from the mount's own memory
    assert (watched / "k").read_bytes() == data
    assert proxy.count("GetRange") == fetched


def test_the_cache_is_bounded(new_mount: Callable[..., Mount], proxy: FaultProxy, stored: Stored) -> None:
    """Of three files that are read through a cache of 8 MiB, little is left."""
    mount = new_mount("--cache-size", "8M", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    data = content(12 * MIB, 2)
    for name in "abc":
        stored.put(name, data)
        assert (mount / name).read_bytes() == data
        drop_pages(mount / name)
    before = sum(request.response_length for request in proxy.of("GetRange"))
    assert (mount / "a").read_bytes() == data
    assert sum(request.response_length for request in proxy.of("GetRange")) - before == len(data)


def test_a_file_without_times_has_that_of_its_object(new_mount: Callable[..., Mount], stored: Stored) -> None:
    """Always the same: whenever it changes, the kernel drops what it has read."""
    mount = new_mount("--metadata-ttl", "0")
    stored.put("k", b"x")
    expected = stored.head("k")["LastModified"].timestamp()
    assert os.stat(mount / "k").st_mtime == expected
    with open(mount / "k", "rb") as file:
        assert os.fstat(file.fileno()).st_mtime == expected


def test_the_kernel_reads_ahead_a_mebibyte_where_it_may(mounted: Mount) -> None:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    device = next(fields[2] for fields in map(str.split, lines) if fields[4] == str(mounted.directory))
    expected = "1024" if os.geteuid() == 0 else "128"
    assert Path(f"/sys/class/bdi/{device}/read_ahead_kb").read_text().strip() == expected


def test_what_is_written_here_replaces_what_was_cached(mounted: Mount, stored: Stored) -> None:
    stored.put("k", b"a" * 100_000)
    with open(mounted / "k", "rb") as reader:
        assert reader.read(10) == b"a" * 10
        (mounted / "k").write_bytes(b"b" * 100_000)
        assert (mounted / "k").read_bytes() == b"b" * 100_000
    assert (mounted / "k").read_bytes() == b"b" * 100_000
    os.rename(mounted / "k", mounted / "other")
    (mounted / "k").write_bytes(b"c" * 100_000)
    assert (mounted / "k").read_bytes() == b"c" * 100_000
    assert (mounted / "other").read_bytes() == b"b" * 100_000
    os.rename(mounted / "other", mounted / "k")
    assert (mounted / "k").read_bytes() == b"b" * 100_000


# -- versions --------------------------------------------------------------------------------------------------------


def read_or_stale(descriptor: int, at: int) -> bytes:
    """What can be read there: nothing, if the version is gone."""
    try:
        return os.pread(descriptor, MIB, at)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return b""


def test_two_versions_open_at_once_are_not_mixed(mounted: Mount, stored: Stored) -> None:
    old, new = content(6 * MIB, 3), content(6 * MIB, 4)
    stored.put("k", old)
    with open(mounted / "k", "rb", buffering=0) as first:
        assert first.read(MIB) == old[:MIB]
        stored.put("k", new)
        eventually(lambda: os.getxattr(mounted / "k", "user.s3am.etag").decode() == hashlib.md5(new).hexdigest())
        with open(mounted / "k", "rb", buffering=0) as second:
            for at in range(0, 6 * MIB, MIB):
                assert os.pread(second.fileno(), MIB, at) == new[at : at + MIB]
                got = read_or_stale(first.fileno(), at)
                assert got == old[at : at + len(got)]
            for at in range(0, 6 * MIB, MIB):
                assert os.pread(second.fileno(), MIB, at) == new[at : at + MIB]
    assert (mounted / "k").read_bytes() == new


def test_a_size_that_the_kernel_believes_cuts_no_other_version(new_mount: Callable[..., Mount], stored: Stored) -> None:
    """The kernel keeps attributes for a minute here, the mount looks again after a moment."""
    mount = new_mount("--metadata-ttl", "0.1", "-o", "attr_timeout=60,entry_timeout=60")
    stored.put("k", b"old")
    assert os.stat(mount / "k").st_size == 3
    stored.put("k", b"new and longer")
    etag = hashlib.md5(b"new and longer").hexdigest()
    eventually(lambda: os.getxattr(mount / "k", "user.s3am.etag").decode() == etag)
    assert (mount / "k").read_bytes() == b"new and longer"


# -- trouble and company ---------------------------------------------------------------------------------------------


def test_a_server_that_restarts_in_the_middle(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(40 * MIB, 5)
    stored.put("k", data)
    with open(watched / "k", "rb") as file:
        found = file.read(5 * MIB)
        proxy.rules.append(Rule("GetRange", reset("response_body"), nth=(1, 3)))
        proxy.down()
        with ThreadPoolExecutor(1) as pool:
            rest = pool.submit(file.read)
            os.sched_yield()
            proxy.up()
            found += rest.result(timeout=100)
    assert found == data


def test_several_readers_of_one_file_and_of_several(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    sums = {}
    for number in range(3):
        data = content(16 * MIB, 10 + number)
        stored.put(f"k{number}", data)
        sums[f"k{number}"] = hashlib.sha256(data).hexdigest()
    names = [name for name in sums for _ in range(3)]
    commands = [subprocess.Popen(["sha256sum", watched / name], stdout=subprocess.PIPE, text=True) for name in names]
    for name, command in zip(names, commands, strict=True):
        assert command.communicate(timeout=120)[0].split()[0] == sums[name]
    assert sum(request.response_length for request in proxy.of("GetRange")) <= 1.25 * 3 * 16 * MIB


# -- directories -----------------------------------------------------------------------------------------------------

PAGE = 1000
KEYS = 100_000


def listing(request: Recorded) -> Answer:
    """A page of a directory of 100,000 objects."""
    prefix, begin = request.query["prefix"], int(request.query.get("continuation-token") or 0)
    if not prefix.startswith("long"):
        return Answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    items = "".join(
        f"<Contents><Key>long/{n:06}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>"
        "<Size>1</Size></Contents>"
        for n in range(begin, begin + PAGE)
    )
    more = begin + PAGE < KEYS
    token = f"<NextContinuationToken>{begin + PAGE}</NextContinuationToken>" if more else ""
    text = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>"
    return Answer(200, text.encode())


def test_a_directory_of_100_000_begins_at_once(watched: Mount, proxy: FaultProxy) -> None:
    memory = watched.peak_memory
    proxy.rules.append(Rule("List", answer_by(listing)))
    with os.scandir(watched / "long") as entries:
        first = next(entries)
        assert first.name == "000000"
        assert proxy.count("List") <= 4  # the directory itself was looked at as well
        names = [first.name, *(entry.name for entry in entries)]
    assert names == [f"{n:06}" for n in range(KEYS)]
    assert watched.peak_memory - memory < 64 * MIB


def test_a_listing_that_breaks_off_is_not_taken_for_the_end(new_mount: Callable[..., Mount], proxy: FaultProxy) -> None:
    mount = new_mount("--retry-budget", "0", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    proxy.rules += [
        Rule(lambda request: "continuation-token" in request.query, error(500, "InternalError")),
        Rule("List", answer_by(listing)),
    ]
    names = ctypes.create_string_buffer(32768)
    getdents = ctypes.CDLL(None, use_errno=True).getdents64
    descriptor = os.open(mount / "long", os.O_RDONLY)
    while (found := getdents(descriptor, names, len(names))) > 0:
        pass
    assert (found, ctypes.get_errno()) == (-1, errno.EIO)
    assert getdents(descriptor, names, len(names)) == -1
    os.close(descriptor)


def test_stalled_readers_do_not_stop_others(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    for number in range(14):
        stored.put(f"slow{number}", b"x" * 10)
    stored.put("quick", b"y" * 10)
    rule = Rule(lambda request: request.kind == "GetRange" and "slow" in request.path, stall("before_response"))
    proxy.rules.append(rule)
    with ThreadPoolExecutor(15) as pool:
        readers = [pool.submit((watched / f"slow{number}").read_bytes) for number in range(14)]
        assert proxy.wait_for(lambda: rule.seen >= 14)
        try:
            assert pool.submit((watched / "quick").read_bytes).result(timeout=30) == b"y" * 10
            assert not any(reader.done() for reader in readers)
        finally:
            proxy.rules.clear()
            proxy.down()  # cuts those that stand still: they are tried again
            proxy.up()
        assert {reader.result(timeout=60) for reader in readers} == {b"x" * 10}
