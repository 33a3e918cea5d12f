"""Programs that know nothing of S3, on a real kernel mount."""

from __future__ import annotations

import filecmp
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.mount.conftest import Stored
from tests.support.files import digest, make_file
from tests.support.mounts import Mount, run
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three parts and a bit."""
    path = tmp_path / "file"
    make_file(path, 26 * MIB + 3, 1)
    return path


@pytest.fixture
def tree(tmp_path: Path, file: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "a").write_bytes(file.read_bytes())
    (folder / "sub" / "y").write_text("y")
    (folder / "sub" / "nothing").touch()
    (folder / "link").symlink_to("sub/y")
    (folder / "a").chmod(0o640)
    os.utime(folder / "a", ns=(10**18, 10**18 + 123456789))
    os.utime(folder / "sub", (10**9, 10**9))
    return folder


def same_tree(one: Path, other: Path) -> bool:
    found = filecmp.dircmp(one, other)
    equal = not (found.left_only or found.right_only or found.funny_files)
    _, wrong, errors = filecmp.cmpfiles(one, other, found.common_files, shallow=False)
    return equal and not wrong and not errors and all(same_tree(one / d, other / d) for d in found.common_dirs)


def test_cp_in_and_out(mounted: Mount, file: Path, tmp_path: Path, stored: Stored) -> None:
    run("cp", file, mounted / "big")
    assert stored.get("big") == file.read_bytes()
    run("cp", mounted / "big", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(file)


def test_cp_keeps_times_and_modes(mounted: Mount, tree: Path, stored: Stored) -> None:
    run("cp", "-p", tree / "a", mounted / "a")
    run("cp", "-p", tree / "sub" / "y", mounted / "y")
    assert stored.head("y")["Metadata"]["mtime"].startswith(str(int((tree / "sub" / "y").stat().st_mtime)))
    mounted.remount()
    found = (mounted / "a").stat()
    assert found.st_mtime_ns == 10**18 + 123456789
    assert found.st_mode & 0o777 == 0o640


def test_cp_of_trees(mounted: Mount, tree: Path, tmp_path: Path) -> None:
    run("cp", "-r", tree, mounted / "tree")
    assert same_tree(tree, mounted / "tree")
    run("cp", "-a", mounted / "tree", tmp_path / "back")
    assert same_tree(tree, tmp_path / "back")


def changes(*options: object) -> list[str]:
    return run("rsync", "-i", *options).splitlines()


def test_a_second_rsync_finds_nothing_to_do(mounted: Mount, tree: Path) -> None:
    assert changes("-a", f"{tree}/", f"{mounted.directory}/copy/")
    assert changes("-a", f"{tree}/", f"{mounted.directory}/copy/") == []
    assert same_tree(tree, mounted / "copy")
    mounted.remount()
    # This server keeps no metadata of directories: their times are known to a mount alone.
    assert [line for line in changes("-aO", f"{tree}/", f"{mounted.directory}/copy/") if line[1] != "d"] == []


@pytest.mark.parametrize("how", [["--inplace"], ["--append"], ["--partial"], ["--inplace", "--no-whole-file"], []])
def test_rsync_of_a_file_that_grew(mounted: Mount, tree: Path, how: list[str]) -> None:
    changes("-a", *how, f"{tree}/", f"{mounted.directory}/copy/")
    with open(tree / "a", "ab") as file:
        file.write(b"more")
    assert any(line.endswith(" a") for line in changes("-a", *how, f"{tree}/", f"{mounted.directory}/copy/"))
    assert changes("-a", *how, f"{tree}/", f"{mounted.directory}/copy/") == []
    assert same_tree(tree, mounted / "copy")


def test_a_second_rsync_into_the_root_finds_nothing_to_do(mounted: Mount, tree: Path) -> None:
    tree.chmod(0o750)
    os.utime(tree, (10**9, 10**9))
    assert changes("-a", f"{tree}/", f"{mounted.directory}/")
    assert changes("-a", f"{tree}/", f"{mounted.directory}/") == []
    assert mounted.directory.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("how", [[], ["--inplace"], ["--partial"], ["--delete"]])
def test_what_rsync_of_a_large_file_costs(
    watched: Mount, proxy: FaultProxy, tmp_path: Path, file: Path, stored: Stored, how: list[str]
) -> None:
    """One upload and one copy inside S3: for its name, its times and its mode together."""
    (tmp_path / "from").mkdir()
    file.rename(tmp_path / "from" / "big")
    os.utime(tmp_path / "from" / "big", (10**9, 10**9))
    changes("-a", *how, f"{tmp_path}/from/", f"{watched.directory}/to/")
    assert watched.umount().rc == 0
    assert stored.head("to/big")["Metadata"]["mtime"].startswith("1000000000")
    assert proxy.count("UploadPart") == 6
    assert proxy.count("Copy") == 1
    assert proxy.count("Create") == 1
    assert proxy.count("CopyPart") == proxy.count("GetRange") == proxy.count("Get") == 0


def test_a_second_rsync_sends_nothing(watched: Mount, proxy: FaultProxy, tree: Path, stored: Stored) -> None:
    """Not only no file: no request that would store, copy or remove anything, nor one that reads contents."""
    words = ("-a", "--delete", f"{tree}/", f"{watched.directory}/copy/")
    changes(*words)
    watched.remount()
    before = stored.listed()
    proxy.clear()
    # This server keeps no metadata of directories: their times are known to a mount alone.
    assert [line for line in changes("-O", *words) if line[1] != "d"] == []
    assert watched.umount().rc == 0
    assert [asked for asked in proxy.requests if asked.method in ("PUT", "POST", "DELETE")] == []
    read = {asked.key for asked in proxy.of("Get", "GetRange")}
    assert read <= {"copy/link"}, "a link's target is an object's content"
    assert stored.listed() == before


def test_rsync_delete(mounted: Mount, tree: Path) -> None:
    changes("-a", f"{tree}/", f"{mounted.directory}/copy/")
    (tree / "a").unlink()
    (tree / "sub" / "empty").rmdir()
    assert (
        len([line for line in changes("-a", "--delete", f"{tree}/", f"{mounted.directory}/copy/") if "delet" in line])
        == 2
    )
    assert same_tree(tree, mounted / "copy")


def test_mv(mounted: Mount, tree: Path, stored: Stored) -> None:
    run("cp", "-r", tree, mounted / "tree")
    run("mv", mounted / "tree", mounted / "moved")
    assert same_tree(tree, mounted / "moved")
    assert stored.listed("tree/") == []
    run("mv", mounted / "moved" / "a", mounted / "b")
    run("mv", "-n", mounted / "moved" / "sub" / "y", mounted / "b")
    assert (mounted / "b").stat().st_size == (tree / "a").stat().st_size
    assert (mounted / "moved" / "sub" / "y").read_text() == "y"
    run("mv", "-f", mounted / "moved" / "sub" / "y", mounted / "b")
    assert stored.get("b") == b"y"


def test_tar(mounted: Mount, tree: Path) -> None:
    run("tar", "cf", mounted / "t.tar", "-C", tree, ".")
    (mounted / "out").mkdir()
    run("tar", "xf", mounted / "t.tar", "-C", mounted / "out")
    assert same_tree(tree, mounted / "out")


def test_git_clone(mounted: Mount, tmp_path: Path) -> None:
    git = ("git", "-c", "user.name=n", "-c", "user.email=e@localhost", "-c", "safe.directory=*", "-C")
    origin = tmp_path / "origin"
    run("git", "init", "-q", origin)
    for number in range(20):
        (origin / f"f{number}").write_text(f"{number}\n" * 1000)
    run(*git, origin, "add", ".")
    run(*git, origin, "commit", "-q", "-m", "first")
    run("git", "-c", "safe.directory=*", "clone", "-q", origin, mounted / "clone")
    run(*git, mounted / "clone", "fsck", "--strict")
    (mounted / "clone" / "f0").write_text("changed")
    run(*git, mounted / "clone", "commit", "-q", "-a", "-m", "second")
    assert run(*git, mounted / "clone", "status", "--porcelain") == ""


def test_sqlite(mounted: Mount) -> None:
    database = mounted / "db"
    run("sqlite3", database, "create table t(a); insert into t values (1), (2);")
    run("sqlite3", database, "begin; insert into t values (4); rollback; insert into t values (8);")
    mounted.remount()
    assert run("sqlite3", database, "select sum(a) from t; pragma integrity_check").split() == ["11", "ok"]


def test_dd_truncate_append_and_holes(mounted: Mount, file: Path, tmp_path: Path) -> None:
    local, ours = tmp_path / "local", mounted / "ours"
    for path in (local, ours):
        run("cp", file, path)
        shell = f"printf hello | dd of={path} bs=1 seek=12345678 conv=notrunc status=none; echo tail >> {path}"
        run("sh", "-c", shell)
    assert digest(ours) == digest(local)
    for path in (local, ours):
        run("truncate", "-s", "9M", path)
        run("truncate", "-s", "21M", path)
    assert digest(ours) == digest(local)
    run("dd", "if=/dev/zero", f"of={mounted / 'holes'}", "bs=1", "count=1", "seek=30000000", "status=none")
    assert (mounted / "holes").read_bytes() == bytes(30_000_001)


def test_shell_redirections(mounted: Mount, file: Path, stored: Stored) -> None:
    run("sh", "-c", f"cat {file} > {mounted / 'one'}")
    assert stored.get("one") == file.read_bytes()
    run("bash", "-c", f"{{ echo a; cat {file}; echo b; }} > {mounted / 'two'}")
    assert stored.get("two") == b"a\n" + file.read_bytes() + b"b\n"
    run("sh", "-c", f": > {mounted / 'one'}")
    assert stored.get("one") == b""


def test_pandas(mounted: Mount) -> None:
    frame = pd.DataFrame({"a": range(100_000), "b": [f"text {i}" for i in range(100_000)]})
    frame.to_parquet(mounted / "t.parquet")
    frame.to_csv(mounted / "t.csv", index=False)
    assert pd.read_parquet(mounted / "t.parquet").equals(frame)
    assert pd.read_csv(mounted / "t.csv").equals(frame)


@pytest.mark.parametrize("how", ["write", "randwrite"])
def test_fio(mounted: Mount, how: str, tmp_path: Path) -> None:
    job = ("--name=j", f"--directory={mounted.directory}", "--size=24m", "--bs=128k", "--ioengine=psync")
    checks = ("--verify=crc32c", "--do_verify=1", "--end_fsync=1", "--fallocate=none")
    run("fio", *job, f"--rw={how}", *checks, cwd=tmp_path)


def test_a_program_that_maps_what_it_reads(mounted: Mount, file: Path) -> None:
    run("cp", file, mounted / "big")
    code = """
import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.sha256(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)).hexdigest())
"""
    assert run(sys.executable, "-c", code, mounted / "big").strip() == digest(file)
