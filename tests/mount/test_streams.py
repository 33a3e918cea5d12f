"""New contents that are not written quite in order: headers that come last, gaps, several writers, removal."""

from __future__ import annotations

import errno
import os
import threading
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support.files import content
from tests.support.mounts import Mount, run
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB
COPIED = 64 * MIB
"""Of a file that is opened for writing alone; docs/mount.md."""
SIZE = COPIED + 4 * PART


def opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


def write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view[:MIB], offset)
        view, offset = view[done:], offset + done


def test_a_header_that_is_written_last(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = bytearray(content(SIZE, 1))
    fd = opened(watched / "k")
    write_all(fd, data, 0)
    for place, new in ((0, b"header"), (PART - 2, b"over the edge"), (SIZE - 7, b"tail")):
        write_all(fd, new, place)
        data[place : place + len(new)] = new
    os.close(fd)
    assert stored.get("k") == data
    parts = [r.part_number for r in proxy.of("UploadPart") if r.status == 200]
    assert sorted(parts) == sorted([*range(1, SIZE // PART + 2), 1, 2]), "only what changed is sent again"
    assert proxy.count("Create") == proxy.count("Complete") == 1
    assert stored.uploads() == []


def test_a_wave_file(mounted: Mount) -> None:
    """Python's wave module writes the sizes into the header when it closes the file."""
    path = mounted / "long.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(44100)
        for number in range(72):
            sound.writeframes(content(MIB, number))
    with wave.open(str(path), "rb") as sound:
        assert sound.getnframes() == 72 * MIB // 2
        assert sound.readframes(MIB // 2) == content(MIB, 0)


def test_a_zip_file(mounted: Mount) -> None:
    """It patches the header before each member."""
    with zipfile.ZipFile(mounted / "z.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"m{number}", content(20 * MIB, number))
    with zipfile.ZipFile(mounted / "z.zip") as archive:
        assert archive.testzip() is None


def test_what_comes_too_early_waits(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(SIZE, 2)
    half = SIZE // 2
    fd = opened(watched / "k")
    halves = [
        threading.Thread(target=write_all, args=(fd, data[:half], 0)),
        threading.Thread(target=write_all, args=(fd, data[half:], half)),
    ]
    for each in halves:
        each.start()
    for each in halves:
        each.join()
    os.close(fd)
    assert stored.get("k") == data
    assert proxy.count("UploadPart", status=200) == SIZE // PART + 1


def test_holes_and_growth_far_behind_the_beginning(watched: Mount, stored: Stored) -> None:
    data = content(COPIED + PART, 3)
    fd = opened(watched / "k")
    write_all(fd, data, 0)
    end = len(data) + 3 * PART
    write_all(fd, b"after a hole", end)
    os.ftruncate(fd, end + PART)
    os.close(fd)
    assert stored.get("k") == data + bytes(3 * PART) + b"after a hole" + bytes(PART - 12)


def test_cp_of_a_sparse_file(mounted: Mount, tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.write(content(COPIED + MIB, 4))
        file.seek(20 * MIB, os.SEEK_CUR)
        file.write(b"x" * MIB)
        file.truncate(COPIED + 30 * MIB)
    run("cp", "--sparse=always", tmp_path / "sparse", mounted / "sparse")
    run("cmp", tmp_path / "sparse", mounted / "sparse")


def test_what_was_sent_and_not_copied(new_mount: Callable[..., Mount], stored: Stored, tmp_path: Path) -> None:
    """Neither changed nor read before the close, but the file goes on; with --spool-dir it can be."""
    data = bytearray(content(SIZE, 5))
    mount = new_mount("--spool-keep", COPIED)
    fd = opened(mount / "k")
    write_all(fd, data, 0)
    with pytest.raises(OSError) as failed:
        os.pwrite(fd, b"!", COPIED + 2 * MIB)
    assert failed.value.errno == errno.EFBIG
    with open(mount / "k", "rb") as reader:
        assert reader.read(100) == data[:100]
        reader.seek(COPIED + 2 * MIB)
        with pytest.raises(OSError) as failed:
            reader.read(100)
        assert failed.value.errno == errno.EBUSY
    os.close(fd)
    assert stored.get("k") == data
    spooling = new_mount("--spool-dir", tmp_path)
    fd = opened(spooling / "k")
    write_all(fd, data, 0)
    os.pwrite(fd, b"!", COPIED + 2 * MIB)
    data[COPIED + 2 * MIB] = ord("!")
    with open(spooling / "k", "rb") as reader:
        reader.seek(COPIED + 2 * MIB)
        assert reader.read(100) == data[COPIED + 2 * MIB :][:100]
    os.close(fd)
    assert stored.get("k") == data


def test_a_stream_that_is_removed(watched: Mount, stored: Stored) -> None:
    fd = opened(watched / "k")
    write_all(fd, content(SIZE, 6), 0)
    (watched / "k").unlink()
    assert not (watched / "k").exists()
    os.write(fd, b"more")
    os.close(fd)
    assert stored.listed() == []
    assert stored.uploads() == [], "what was sent of it is not left to be paid for"


def test_a_stream_that_is_cut_and_goes_on(watched: Mount, stored: Stored) -> None:
    data = content(2 * PART + 100, 7)
    fd = opened(watched / "k")
    write_all(fd, data, 0)
    os.ftruncate(fd, 2 * PART + 10)
    write_all(fd, b"x", 2 * PART + 20)
    os.ftruncate(fd, PART)
    write_all(fd, b"end", PART)
    os.close(fd)
    assert stored.get("k") == data[:PART] + b"end"


def test_a_file_whose_room_is_reserved_first(watched: Mount, stored: Stored) -> None:
    data = content(2 * PART, 8)
    fd = opened(watched / "k")
    os.posix_fallocate(fd, 0, 3 * PART)
    assert os.fstat(fd).st_size == 3 * PART
    os.posix_fallocate(fd, 0, 10)
    write_all(fd, data, 100)
    os.close(fd)
    assert stored.get("k") == bytes(100) + data + bytes(PART - 100)


def test_holes_are_copied_by_the_server(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    size = 80 * MIB
    with (watched / "k").open("wb") as file:  # as `truncate -s` makes it
        file.truncate(size)
    sent = sum(request.body_length for request in proxy.of("UploadPart", "Put"))
    assert proxy.count("CopyPart") > 8
    assert sent < 20 * MIB
    proxy.clear()
    with (watched / "k").open("r+b") as file:  # the same behind an object's content
        file.write(b"begin")
        file.truncate(2 * size)
    with (watched / "l").open("wb") as file:  # as `dd seek=` makes it
        file.write(b"a")
        file.seek(size)
        file.write(b"z")
    assert sum(request.body_length for request in proxy.of("UploadPart", "Put")) < 60 * MIB
    assert stored.get("k") == b"begin" + bytes(2 * size - 5)
    assert stored.get("l") == b"a" + bytes(size - 1) + b"z"
    listed = stored.boto.list_objects_v2(Bucket=stored.bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == ["k", "l"]
