"""Both trees of a job: which are refused, and what identifies them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.errors import InvalidDestination, NotFound, UsageError
from s3amfs.jobs.sides import Ends, folder_of

CLIENT: Any = SimpleNamespace(session=SimpleNamespace(endpoint_id=lambda bucket: f"endpoint of {bucket}"))


def ends(source: Any, target: Any, source_client: Any = None) -> Ends:
    return Ends(source, target, CLIENT, source_client)


def test_a_prefix_is_a_folder() -> None:
    assert folder_of(S3Location("b", "p")).key == "p/"
    assert folder_of(S3Location("b", "p/")).key == "p/"
    assert folder_of(S3Location("b", "")).key == ""


def test_directions(tmp_path: Path) -> None:
    here, there = LocalPath(str(tmp_path)), S3Location("b", "p/")
    assert [ends(*pair).direction for pair in ((here, there), (there, here), (there, there))] == [
        "up",
        "down",
        "across",
    ]
    with pytest.raises(UsageError, match="neither"):
        ends(here, here).check()


def test_what_cannot_be_a_tree(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotFound):
        ends(LocalPath(str(tmp_path / "none")), S3Location("b", "")).check()
    with pytest.raises(InvalidDestination):
        ends(S3Location("b", ""), LocalPath(str(file))).check()


@pytest.mark.parametrize(
    ("one", "other", "refused"), [("p/", "p/q/", True), ("p/q/", "p/", True), ("p/", "pq/", False)]
)
def test_trees_that_lie_in_each_other(one: str, other: str, refused: bool) -> None:
    pair = S3Location("b", one), S3Location("b", other)
    if refused:
        with pytest.raises(UsageError, match="overlap"):
            ends(*pair).check()
    else:
        ends(*pair).check()
    elsewhere: Any = SimpleNamespace(session=SimpleNamespace(endpoint_id=lambda bucket: "another service"))
    ends(*pair, source_client=elsewhere).check()  # only the names are alike


def test_trees_that_lie_in_each_other_by_other_credentials() -> None:
    same_service: Any = SimpleNamespace(session=CLIENT.session)
    with pytest.raises(UsageError, match="overlap"):
        ends(S3Location("b", "p/"), S3Location("b", "p/q/"), source_client=same_service).check()


def test_names_have_the_endpoint(tmp_path: Path) -> None:
    names = ends(LocalPath(str(tmp_path)), S3Location("b", "p/")).names()
    assert names == (f"file://{tmp_path}", "s3://b/p/ at endpoint of b")
    assert cast(Any, ends(S3Location("b", ""), S3Location("c", ""))).reader is CLIENT


@pytest.mark.parametrize(
    ("backup", "refused"),
    [("p/", True), ("p/old/", True), ("", True), ("q/", True), ("q/old/", True), ("old/", False), ("pq/", False)],
)
def test_a_backup_in_s3_overlaps_neither_tree(backup: str, refused: bool) -> None:
    trees = ends(S3Location("b", "p/"), S3Location("b", "q/"))
    trees.check()
    trees.check(S3Location("other", backup))
    if refused:
        with pytest.raises(InvalidDestination, match="overlap"):
            trees.check(S3Location("b", backup))
    else:
        trees.check(S3Location("b", backup))


@pytest.mark.parametrize(
    ("backup", "refused"),
    [("dst", True), ("./dst/old", True), ("link/old", True), (".", True), ("dst/../old", False), ("dst2", False)],
)
def test_a_local_backup_is_no_part_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backup: str, refused: bool
) -> None:
    (tmp_path / "dst").mkdir()
    (tmp_path / "link").symlink_to("dst")
    monkeypatch.chdir(tmp_path)
    trees = ends(S3Location("b", "p/"), LocalPath("dst"))
    if refused:
        with pytest.raises(InvalidDestination, match="overlap"):
            trees.check(LocalPath(backup))
    else:
        trees.check(LocalPath(backup))
