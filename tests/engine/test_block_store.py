"""`BlockStore`: blocks come back as they were kept or not at all, whatever happened to their files."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from s3amfs.core import block_cache as layout
from s3amfs.core.block_cache import BLOCK, SEGMENT
from s3amfs.engine.block_store import BlockStore
from s3amfs.errors import InvalidDestination
from tests.support.files import content

MIB = 1024 * 1024
SIZE = SEGMENT + 2 * BLOCK + 1000
DATA = content(SIZE, 4)
NAME = layout.version_name("https://s3", "b", "k", "e", None, SIZE)


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, notices: list[str]) -> BlockStore:
    return BlockStore(str(tmp_path / "cache"), 64 * MIB, notices.append)


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in tmp_path.rglob("*.*") if path.is_file())


def all_of(store: BlockStore) -> dict[int, bytes]:
    return {block.start: block.data for block in store.read(NAME, 0, SIZE, SIZE)}


def test_what_was_kept_is_there_for_another_process(store: BlockStore, tmp_path: Path) -> None:
    store.write(NAME, 0, [DATA[:1000], DATA[1000:]], SIZE)
    other = BlockStore(str(tmp_path / "cache"), 64 * MIB, pytest.fail)
    assert b"".join(all_of(other).values()) == DATA
    assert (other.hits, other.misses) == (SIZE, 0)


def test_only_whole_blocks_are_kept(store: BlockStore) -> None:
    store.write(NAME, 100, [DATA[100 : 3 * BLOCK - 1]], SIZE)
    assert all_of(store) == {BLOCK: DATA[BLOCK : 2 * BLOCK]}


def test_nobody_else_may_read_it(store: BlockStore, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store.write(NAME, 0, [DATA], SIZE)
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    assert "k" not in {path.name for path in files(tmp_path)}


def test_a_cache_that_is_removed_is_made_again_for_this_user_alone(
    store: BlockStore, tmp_path: Path, notices: list[str]
) -> None:
    store.write(NAME, 0, [DATA], SIZE)
    shutil.rmtree(tmp_path / "cache")
    old = os.umask(0)
    try:
        store.write(NAME, 0, [DATA], SIZE)
    finally:
        os.umask(old)
    other = BlockStore(str(tmp_path / "cache"), 64 * MIB, notices.append)
    assert (b"".join(all_of(other).values()), notices) == (DATA, [])


@pytest.mark.parametrize("at", [0, layout.IDENTITY_BYTES + 5, layout.TABLE_BYTES + 77])
def test_damage_is_a_miss_and_is_mended(store: BlockStore, tmp_path: Path, at: int) -> None:
    store.write(NAME, 0, [DATA], SIZE)
    first = next(path for path in files(tmp_path) if path.name.endswith(".0"))
    damaged = bytearray(first.read_bytes())
    damaged[at] ^= 1
    first.write_bytes(damaged)
    found = all_of(store)
    assert 0 not in found
    assert all(DATA[start : start + len(data)] == data for start, data in found.items())
    store.write(NAME, 0, [DATA], SIZE)
    assert b"".join(all_of(store).values()) == DATA


@pytest.mark.parametrize("left", [0, 10, layout.IDENTITY_BYTES, layout.TABLE_BYTES + 5, layout.TABLE_BYTES + BLOCK + 5])
def test_a_file_cut_short_holds_only_what_is_whole(store: BlockStore, tmp_path: Path, left: int) -> None:
    store.write(NAME, 0, [DATA[:SEGMENT]], SIZE)
    os.truncate(files(tmp_path)[0], left)
    expected = {0: DATA[:BLOCK]} if left > layout.TABLE_BYTES + BLOCK else {}
    assert all_of(store) == expected


def test_a_block_at_another_place_is_a_miss(store: BlockStore, tmp_path: Path) -> None:
    """A file under another's name: its identity says whose it is."""
    store.write(NAME, 0, [DATA], SIZE)
    first, second = files(tmp_path)
    second.replace(first)
    assert all_of(store) == {}


def test_the_limit_holds_and_what_was_used_last_stays(store: BlockStore, tmp_path: Path, notices: list[str]) -> None:
    names = [layout.version_name("https://s3", "b", str(number), "e", None, SEGMENT) for number in range(12)]
    data = content(SEGMENT, 6)
    for number, name in enumerate(names):
        store.write(name, 0, [data], SEGMENT)
        for path in files(tmp_path):
            if path.name.startswith(name):
                os.utime(path, (number + 1, number + 1))
        store.read(names[0], 0, BLOCK, SEGMENT)
        assert sum(path.stat().st_blocks * 512 for path in files(tmp_path)) <= 64 * MIB
    left = {path.name.partition(".")[0] for path in files(tmp_path)}
    assert {names[0], *names[-2:]} <= left
    assert names[1] not in left
    assert notices == []


def test_a_version_is_discarded_whole(store: BlockStore, tmp_path: Path) -> None:
    store.discard(NAME)
    store.write(NAME, 0, [DATA], SIZE)
    store.discard(NAME)
    assert all_of(store) == {}
    assert files(tmp_path) == []


def test_a_disk_that_takes_nothing_is_said_once(
    store: BlockStore, tmp_path: Path, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("s3amfs.engine.block_store.write_all_at", full)
    store.write(NAME, 0, [DATA], SIZE)
    store.write(NAME, 0, [DATA], SIZE)
    assert all_of(store) == {}
    assert len(notices) == 1
    assert "No space left" in notices[0]


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_a_folder_of_others_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "cache" / "s3am-blocks"
    folder.parent.mkdir()
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o755)
    elif kind == "link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.write_bytes(b"")
    with pytest.raises(InvalidDestination, match="--cache-dir"):
        BlockStore(str(folder.parent), 64 * MIB, pytest.fail)


def test_what_can_not_be_removed_fails_no_read(tmp_path: Path, notices: list[str]) -> None:
    store = BlockStore(str(tmp_path / "cache"), SEGMENT, notices.append)
    strange = tmp_path / "cache" / "s3am-blocks" / "00" / "folder"
    strange.mkdir(parents=True)
    os.utime(strange, (1, 1))
    store.write(NAME, 0, [DATA], SIZE)
    store.write(NAME, 0, [DATA], SIZE)
    assert len(notices) == 1
    assert "kept below its limit" in notices[0]


def test_a_folder_that_can_not_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache" / "s3am-blocks").mkdir(mode=0o700, parents=True)
    (tmp_path / "cache" / "s3am-blocks" / "lock").mkdir()
    with pytest.raises(InvalidDestination, match="--cache-dir"):
        BlockStore(str(tmp_path / "cache"), 64 * MIB, pytest.fail)
