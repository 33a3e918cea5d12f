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
