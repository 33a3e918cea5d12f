"""Trees of which a file fails: what is raised, skipped and done all the same is what s3fs does with the same tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import s3fs

from s3amfs import S3AMFileSystem
from tests.support.faults import Recorded, Rule, error
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZES = {"a": 10, "b": 2 * MIB, "c": 6 * MIB, "d": 20}
"""Some for one request, some for parts."""


@pytest.fixture(params=["s3fs", "s3amfs"])
def either(request: pytest.FixtureRequest, watched_arguments: dict[str, Any]) -> Any:
    """s3fs sets the measure: the same tests hold for both."""
    if request.param == "s3amfs":
        return S3AMFileSystem(**watched_arguments, skip_instance_cache=True)
    ours = {"multipart_threshold", "part_size"}
    theirs = {name: value for name, value in watched_arguments.items() if name not in ours}
    return s3fs.S3FileSystem(**theirs, skip_instance_cache=True)


@pytest.fixture
def tree(boto: Any, bucket: str) -> str:
    for name, size in SIZES.items():
        boto.put_object(Bucket=bucket, Key=f"tree/{name}", Body=name.encode() * size)
    return f"{bucket}/tree"


def lose(proxy: FaultProxy, name: str) -> None:
    """Listings still have it, but whoever asks for it learns that it is gone."""

    def asks(request: Recorded) -> bool:
        return f"tree/{name}" in (request.key, request.headers.get("x-amz-copy-source", "").partition("/")[2])

    proxy.rules.append(Rule(asks, error(404, "NoSuchKey")))


def keys(boto: Any, bucket: str, prefix: str) -> list[str]:
    found = boto.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [entry["Key"].removeprefix(prefix) for entry in found]


@pytest.mark.parametrize("lost", ["a", "c"])
@pytest.mark.parametrize("given", [{}, {"on_error": "ignore"}, {"on_error": "omit"}, {"on_error": "raise"}])
def test_copies(
    either: Any, proxy: FaultProxy, boto: Any, bucket: str, tree: str, given: dict[str, str], lost: str
) -> None:
    """Only "ignore" skips what is gone. All others are copied in any case."""
    lose(proxy, lost)
    both = [f"{tree}/{name}" for name in SIZES], [f"{bucket}/copy/{name}" for name in SIZES]
    if given.get("on_error") == "ignore":
        either.cp(*both, **given)
    else:
        with pytest.raises(FileNotFoundError):
            either.cp(*both, **given)
    assert keys(boto, bucket, "copy/") == [name for name in SIZES if name != lost]


@pytest.mark.parametrize("lost", ["a", "c"])
def test_copies_of_trees(either: Any, proxy: FaultProxy, boto: Any, bucket: str, tree: str, lost: str) -> None:
    """They skip what is gone unless told otherwise."""
    lose(proxy, lost)
    either.cp(f"{tree}/", f"{bucket}/copy/", recursive=True)
    assert keys(boto, bucket, "copy/") == [name for name in SIZES if name != lost]


def test_copies_ignore_nothing_else(either: Any, proxy: FaultProxy, boto: Any, bucket: str, tree: str) -> None:
    proxy.rules.append(Rule(lambda r: r.method in ("PUT", "POST") and r.key.endswith("/c"), error(403, "AccessDenied")))
    with pytest.raises(PermissionError):
        either.cp(tree, f"{bucket}/copy", recursive=True, on_error="ignore")


@pytest.mark.parametrize("lost", ["a", "c"])
@pytest.mark.parametrize("given", [{}, {"on_error": "ignore"}])
def test_gets(either: Any, proxy: FaultProxy, tree: str, tmp_path: Path, given: dict[str, str], lost: str) -> None:
    """Whatever they are told, the first failure is raised (s3fs's get knows no on_error)."""
    lose(proxy, lost)
    with pytest.raises(FileNotFoundError):
        either.get(tree, str(tmp_path / "out"), recursive=True, **given)


@pytest.mark.parametrize("failing", ["a", "c"])
@pytest.mark.parametrize("given", [{}, {"on_error": "ignore"}])
def test_puts(
    either: Any, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path, given: dict[str, str], failing: str
) -> None:
    for name, size in SIZES.items():
        (tmp_path / name).write_bytes(name.encode() * size)
    proxy.rules.append(
        Rule(lambda r: r.method in ("PUT", "POST") and r.key == f"tree/{failing}", error(403, "AccessDenied"))
    )
    with pytest.raises(PermissionError):
        either.put(f"{tmp_path}/", f"{bucket}/tree/", recursive=True, **given)
    assert failing not in keys(boto, bucket, "tree/")


def test_cats(either: Any, proxy: FaultProxy, tree: str) -> None:
    lose(proxy, "c")
    paths = [f"{tree}/{name}" for name in SIZES]
    left = {f"{tree}/{name}": name.encode() * size for name, size in SIZES.items() if name != "c"}
    assert either.cat(paths, on_error="omit") == left
    found = either.cat(paths, on_error="return")
    assert isinstance(found.pop(f"{tree}/c"), FileNotFoundError)
    assert found == left
    with pytest.raises(FileNotFoundError):
        either.cat(paths)


def test_the_engine_moves_what_is_large_all_the_same(
    watched: S3AMFileSystem, proxy: FaultProxy, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(bytes(6 * MIB))
    watched.put(str(tmp_path / "in"), f"{bucket}/k", on_error="ignore")
    watched.get(f"{bucket}/k", str(tmp_path / "out"), on_error="ignore")
    assert proxy.count("Create") == 1
    assert proxy.count("GetRange", status=206) >= 2
