"""What reaches S3, and when: streams, patches, closes, kills."""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support import faults
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.mounts import Mount, run
from tests.support.proxy import FaultProxy
from tests.support.python_process import ended, python

MIB = 1024 * 1024
PART = 5 * MIB


def test_parts_leave_while_more_is_written(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(3 * PART + 1, 1)
    with open(watched / "k", "wb", buffering=0) as file:
        file.write(data[: 2 * PART])
        assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) == 2)
        assert stored.listed() == []
        file.write(data[2 * PART :])
    assert stored.get("k") == data
    assert proxy.count("Create") == proxy.count("Complete") == 1
    assert proxy.count("UploadPart") == 4


def test_a_small_file_is_one_put(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    (watched / "k").write_bytes(b"small")
    assert stored.get("k") == b"small"
    assert proxy.count("Put") == 1
    assert proxy.count("Create") == 0


def test_a_changed_byte_moves_one_part(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = bytearray(content(40 * MIB, 2))
    stored.boto.put_object(
        Bucket=stored.bucket, Key="k", Body=bytes(data), Metadata={"mine": "kept"}, ContentType="text/x"
    )
    with open(watched / "k", "r+b", buffering=0) as file:
        file.seek(22 * MIB)
        file.write(b"!")
    data[22 * MIB] = ord("!")
    assert stored.get("k") == bytes(data)
    assert stored.head("k")["Metadata"]["mine"] == "kept"
    assert stored.head("k")["ContentType"] == "text/x"
    assert proxy.count("CopyPart") >= 2
    assert sum(r.body_length for r in proxy.of("UploadPart")) < 2 * PART
    assert sum(r.response_length for r in proxy.of("GetRange", "Get")) < 2 * PART


def test_append_to_a_large_object(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(40 * MIB, 2)
    stored.put("k", data)
    with open(watched / "k", "ab") as file:
        file.write(b"tail")
    assert stored.get("k") == data + b"tail"
    assert sum(r.body_length for r in proxy.of("UploadPart", "Put")) < 2 * PART


def test_a_file_that_is_mapped_for_writing(mounted: Mount, stored: Stored) -> None:
    stored.put("k", bytes(MIB))
    with open(mounted / "k", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[5:8] = b"abc"
    assert stored.get("k")[:9] == b"\0\0\0\0\0abc\0"


def test_close_is_the_commit(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    stored.put("k", b"old")
    proxy.rules.append(Rule(("Put", "Complete"), faults.error(403, "AccessDenied")))
    for size in (5, 2 * PART):
        file = open(watched / "k", "wb", buffering=0)  # noqa: SIM115 - it is closed below, by hand
        file.write(content(size, 1))
        with pytest.raises(PermissionError):
            file.close()
        assert stored.get("k") == b"old"


def test_fsync_is_a_commit(mounted: Mount, stored: Stored) -> None:
    with open(mounted / "k", "wb", buffering=0) as file:
        file.write(b"one")
        os.fsync(file.fileno())
        assert stored.get("k") == b"one"
        file.write(b"two")
        assert stored.get("k") == b"one"
    assert stored.get("k") == b"onetwo"


def test_an_error_of_a_part_is_told_by_the_next_write_or_close(
    watched: Mount, proxy: FaultProxy, stored: Stored
) -> None:
    proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied")))
    with pytest.raises(PermissionError), open(watched / "k", "wb", buffering=0) as file:
        file.write(bytes(2 * PART))
    assert stored.listed() == []


@pytest.mark.parametrize("size", [10, 12 * MIB])
def test_a_base_that_changed_is_not_patched(mounted: Mount, stored: Stored, size: int) -> None:
    stored.put("k", content(size, 1))
    file = open(mounted / "k", "r+b", buffering=0)  # noqa: SIM115 - it is closed below, by hand
    file.write(b"changed")
    stored.put("k", b"by somebody else")
    with pytest.raises(OSError, match="Stale"):
        file.close()
    assert stored.get("k") == b"by somebody else"
    assert mounted.umount().rc == 0
    kept = [line for line in mounted.log.read_text().splitlines() if "what was written is in" in line]
    path = Path(kept[-1].rpartition(" is in ")[2])
    assert path.read_bytes()[:7] == b"changed"
    path.unlink()


def test_unlinked_while_open(mounted: Mount, stored: Stored) -> None:
    stored.put("k", b"old content")
    with open(mounted / "k", "r+b", buffering=0) as file:
        assert file.read() == b"old content"
        (mounted / "k").unlink()
        assert stored.listed() == []
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        assert file.read() == b"old content"
        file.seek(0)
        file.write(b"new")
        file.seek(0)
        assert file.read() == b"new content"
        assert os.fstat(file.fileno()).st_size == 11
    assert stored.listed() == []


def test_what_was_not_read_before_it_was_unlinked_is_stale(mounted: Mount, stored: Stored) -> None:
    stored.put("k", b"old content")
    with open(mounted / "k", "rb", buffering=0) as file:
        (mounted / "k").unlink()
        with pytest.raises(OSError, match="Stale"):
            file.read()


def test_a_reader_stays_on_its_version(mounted: Mount, stored: Stored) -> None:
    stored.put("k", bytes(40 * MIB))
    with open(mounted / "k", "rb", buffering=0) as file:
        file.read(1)
        stored.put("k", b"x" * 40 * MIB)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with pytest.raises(OSError, match="Stale"):
            os.pread(file.fileno(), 10, 39 * MIB)


def test_several_writers_at_once(new_mount: Callable[..., Mount], stored: Stored) -> None:
    mount = new_mount()
    data = {f"k{n}": content(20 * MIB + n, n) for n in range(4)}
    code = "import sys; open(sys.argv[1], 'wb').write(open(sys.argv[2], 'rb').read())"
    folder = mount.directory.parent
    for name, each in data.items():
        (folder / name).write_bytes(each)
    writers = [python(code, mount / name, folder / name) for name in data]
    assert [ended(writer) for writer in writers] == [0] * 4
    for name, each in data.items():
        assert stored.get(name) == each
        assert (mount / name).read_bytes() == each
    assert mount.peak_memory < 256 * MIB


def test_a_reader_of_a_growing_file_publishes_nothing(watched: Mount, stored: Stored) -> None:
    stored.put("k", b"old")
    data = content(2 * PART, 1)
    with open(watched / "k", "wb", buffering=0) as file:
        file.write(data[:PART])
        with open(watched / "k", "rb") as reader:
            assert reader.read(10) == data[:10]
        assert stored.get("k") == b"old"
        file.write(data[PART:])
    assert stored.get("k") == data


def test_a_parent_that_opens_a_file_for_its_child(watched: Mount, stored: Stored) -> None:
    stored.put("k", b"old")
    with open(watched / "k", "wb") as file:
        child = subprocess.Popen(["sh", "-c", "read line; echo new"], stdin=subprocess.PIPE, stdout=file)
    assert stored.get("k") == b"old"
    child.communicate(b"\n", timeout=30)
    assert (watched / "k").read_bytes() == b"new\n"
    assert watched.umount().rc == 0
    assert stored.get("k") == b"new\n"


def test_output_of_several_commands_of_which_one_is_killed(mounted: Mount, stored: Stored) -> None:
    subprocess.run(["bash", "-c", "{ sh -c 'kill -9 $$'; echo rest; } > " + str(mounted / "k")], check=True, timeout=30)
    assert stored.get("k") == b"rest\n"


def test_a_file_that_is_renamed_and_touched_while_it_is_open(mounted: Mount, stored: Stored) -> None:
    data = content(12 * MIB, 1)
    (mounted / "d").mkdir()
    (mounted / "d" / "k").write_bytes(data)
    with open(mounted / "d" / "k", "r+b", buffering=0) as file:
        os.utime(mounted / "d" / "k", (10**9, 10**9))
        os.fsync(file.fileno())
        assert stored.head("d/k")["Metadata"]["mtime"] == "1000000000.000000000"
        (mounted / "d").rename(mounted / "e")
        assert os.pread(file.fileno(), 10, 11 * MIB) == data[11 * MIB : 11 * MIB + 10]
        file.write(b"new")
        assert (mounted / "e" / "k").stat().st_size == len(data)
    assert stored.get("e/k") == b"new" + data[3:]
    assert not (mounted / "d").exists()
    assert stored.listed("d") == []


def test_access_times_are_those_that_were_set(mounted: Mount, stored: Stored) -> None:
    (mounted / "d").mkdir()
    file = mounted / "d" / "k"
    file.write_bytes(b"1")
    run("touch", "-a", "-d", "@7", file)
    written = file.stat().st_mtime_ns
    assert (file.stat().st_atime, written > 10**18) == (7, True)
    os.utime(file, ns=(5, 9 * 10**9 + 1))
    run("touch", "-m", "-d", "@8", file)
    assert (file.stat().st_atime_ns, file.stat().st_mtime) == (5, 8)
    (mounted / "d").rename(mounted / "e")
    file = mounted / "e" / "k"
    assert (file.stat().st_atime_ns, file.stat().st_mtime) == (5, 8)
    with open(file, "r+b") as opened:
        os.utime(opened.fileno(), ns=(6, 7))
        assert (os.fstat(opened.fileno()).st_atime_ns, file.stat().st_mtime_ns) == (6, 7)
    assert (file.stat().st_atime_ns, file.stat().st_mtime_ns) == (6, 7)
    os.utime(mounted / "e", ns=(3, 4))
    assert ((mounted / "e").stat().st_atime_ns, (mounted / "e").stat().st_mtime_ns) == (3, 4)
    file.write_bytes(b"12")
    assert file.stat().st_atime_ns == file.stat().st_mtime_ns > 10**18


def test_an_access_time_goes_with_its_file(mounted: Mount) -> None:
    for name in "de":
        (mounted / name).mkdir()
        (mounted / name / "f").write_bytes(b"1")
    os.utime(mounted / "d" / "f", ns=(9, 9))
    os.utime(mounted / "e" / "f", ns=(5, 9))
    run("rm", "-r", mounted / "e")
    (mounted / "d").rename(mounted / "e")
    assert (mounted / "e" / "f").stat().st_atime_ns == 9


def test_a_change_of_mode_leaves_the_time_of_what_others_stored(mounted: Mount, stored: Stored) -> None:
    stored.put("k", b"1")
    written = (mounted / "k").stat().st_mtime_ns
    assert written == int(stored.head("k")["LastModified"].timestamp()) * 10**9
    while time.time_ns() < written + 2 * 10**9:  # a copy would have another second
        time.sleep(0.1)
    (mounted / "k").chmod(0o600)
    run("sync", "-f", mounted / "k")
    assert (mounted / "k").stat().st_mtime_ns == written
    (mounted / "k").rename(mounted / "l")
    assert (mounted / "l").stat().st_mtime_ns == written


def test_the_time_of_a_directory_that_its_content_implies(mounted: Mount, stored: Stored) -> None:
    stored.put("i/x", b"1")
    run("touch", "-m", "-d", "@8", mounted / "i")
    (mounted / "i").chmod(0o700)
    found = (mounted / "i").stat()
    assert (found.st_mtime, found.st_mode & 0o777) == (8, 0o700)
