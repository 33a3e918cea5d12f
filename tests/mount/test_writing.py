"""What reaches S3, and when: streams, patches, closes, kills."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support import faults
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB


def python(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A process that runs `code`; it says a line when it is ready, and is told to go on by another."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=60)
    return process.returncode


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


WRITE_AND_WAIT = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
data = memoryview(open(sys.argv[2], "rb").read())
while data:
    data = data[os.write(fd, data):]
print(flush=True)
input()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_writer_publishes_nothing(
    watched: Mount, proxy: FaultProxy, stored: Stored, tmp_path: Path, number: int
) -> None:
    stored.put("k", b"old")
    (tmp_path / "data").write_bytes(content(3 * PART + 10, 1))
    writer = python(WRITE_AND_WAIT, watched / "k", tmp_path / "data")
    assert writer.stdout is not None
    writer.stdout.readline()
    assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) == 3)
    os.kill(writer.pid, number)
    assert ended(writer) == -number
    assert (watched / "k").read_bytes() == b"old"
    assert stored.get("k") == b"old"
    assert stored.uploads() == ["k"]
    # What was sent is not lost: a second writer of the same data sends the rest alone.
    (watched / "k").write_bytes((tmp_path / "data").read_bytes())
    assert stored.get("k") == (tmp_path / "data").read_bytes()
    assert proxy.count("UploadPart", status=200) == 4
    assert stored.uploads() == []


def test_a_killed_writer_with_threads_and_more_descriptors(mounted: Mount, stored: Stored) -> None:
    stored.put("k", b"old")
    code = """
import os, sys, threading
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
more = [os.dup(fd) for _ in range(3)]
lock = threading.Lock()
def write():
    for _ in range(100):
        with lock:
            os.write(more[0], bytes(10000))
    done.wait()
    while True:
        pass
done = threading.Barrier(5)
for _ in range(4):
    threading.Thread(target=write, daemon=True).start()
done.wait()
print(flush=True)
input()
"""
    writer = python(code, mounted / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    assert ended(writer) == -signal.SIGKILL
    assert (mounted / "k").read_bytes() == b"old"
    assert mounted.umount().rc == 0
    assert stored.get("k") == b"old"


@pytest.mark.parametrize("kill", [True, False])
def test_a_writer_that_closes_a_duplicate_and_is_killed_later(mounted: Mount, stored: Stored, kill: bool) -> None:
    """Each close is a commit: what was published by one stays, what was written after it does not come."""
    code = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"first ")
os.close(os.dup(fd))
os.write(fd, b"second")
print(flush=True)
input()
"""
    writer = python(code, mounted / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    if kill:
        writer.kill()
    else:
        writer.communicate(b"\n", timeout=30)
    ended(writer)
    assert stored.get("k") == (b"first " if kill else b"first second")


def test_a_killed_patch_changes_nothing(mounted: Mount, stored: Stored) -> None:
    stored.put("k", content(12 * MIB, 1))
    code = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(fd, b"half a change", 6000000)
print(flush=True)
input()
"""
    writer = python(code, mounted / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    ended(writer)
    assert stored.get("k") == (mounted / "k").read_bytes() == content(12 * MIB, 1)
    assert stored.uploads() == []


def kill_a_writer(path: Path, scratch: Path) -> None:
    """It has written, but not closed."""
    (scratch / "data").write_bytes(b"half")
    writer = python(WRITE_AND_WAIT, path, scratch / "data")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    ended(writer)


def test_a_killed_writer_of_a_small_new_file_leaves_nothing(mounted: Mount, stored: Stored, tmp_path: Path) -> None:
    kill_a_writer(mounted / "k", tmp_path)
    assert not (mounted / "k").exists()
    assert stored.listed() == []


@pytest.mark.parametrize("flags", [os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC, os.O_RDWR, os.O_WRONLY])
def test_a_killed_writers_new_file_is_made_anew_at_once(
    new_mount: Callable[..., Mount], stored: Stored, tmp_path: Path, flags: int
) -> None:
    """The kernel remembers its name for --metadata-ttl seconds."""
    mount = new_mount("--metadata-ttl", "60")
    kill_a_writer(mount / "k", tmp_path)
    with pytest.raises(FileNotFoundError):
        os.open(mount / "k", os.O_RDONLY)
    fd = os.open(mount / "k", flags | os.O_CREAT)
    assert os.pwrite(fd, b"new one", 0) == 7
    os.close(fd)
    assert stored.get("k") == b"new one"


def test_an_exit_without_close_publishes(mounted: Mount, stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"all of it")
    writer = python(WRITE_AND_WAIT + "os._exit(3)", mounted / "k", tmp_path / "data")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.communicate(b"\n", timeout=60)
    assert writer.returncode == 3
    assert stored.get("k") == b"all of it"


def test_a_killed_child_that_wrote_nothing_does_no_harm(mounted: Mount, stored: Stored) -> None:
    code = """
import os, signal, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"parent ")
if (child := os.fork()) == 0:
    signal.pause()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
os.write(fd, b"goes on")
os.close(fd)
"""
    assert ended(python(code, mounted / "k")) == 0
    assert stored.get("k") == b"parent goes on"


def test_what_a_killed_child_wrote_is_not_published_by_its_parent(mounted: Mount, stored: Stored) -> None:
    code = """
import errno, os, signal, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
if (child := os.fork()) == 0:
    os.write(fd, b"half of the child's")
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
try:
    os.write(fd, b"parent's")
except OSError as error:
    sys.exit(error.errno)
"""
    assert ended(python(code, mounted / "k")) == errno.EIO
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
