"""At which path each open file is, and which ones are at a path."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.mount.open_paths import OpenPaths

FILES: list[Any] = [object() for _ in range(4)]
PATHS = ("/a", "/a/b", "/a/b/c", "/ab", "/c")

places = st.tuples(st.just("put"), st.sampled_from(FILES), st.sampled_from(PATHS))
ends = st.tuples(st.just("take"), st.sampled_from(FILES))
moves = st.tuples(st.just("move"), st.sampled_from(PATHS), st.sampled_from(("/d", "/c/d")))


@given(st.lists(st.one_of(places, ends, moves), max_size=20))
def test_both_directions_agree_with_a_plain_dictionary(steps: list[Any]) -> None:
    found, model = OpenPaths(), dict[Any, str]()
    for step in steps:
        if step[0] == "put":
            found.put(step[1], step[2])
            model[step[1]] = step[2]
        elif step[0] == "take":
            assert found.take(step[1]) == model.pop(step[1], None)
        else:
            _, old, new = step
            there = {path for path in model.values() if f"{path}/".startswith(f"{old}/")}
            assert dict(found.move(old, new)) == {path: new + path[len(old) :] for path in there}
            model = {file: new + path[len(old) :] if path in there else path for file, path in model.items()}
        assert {file: found.of(file) for file in found} == model
        for path in {*PATHS, *model.values()}:
            assert set(found.at(path)) == {file for file, at in model.items() if at == path}


def test_a_closed_file_is_nowhere() -> None:
    with pytest.raises(KeyError):
        OpenPaths().of(cast(Any, object()))
