from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.entries import Entry, order
from s3amfs.core.merge import Pair
from s3amfs.core.shadow import FoldersWin

KEYS = st.sets(st.lists(st.text("a-0", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join), max_size=10)


@given(KEYS, KEYS)
def test_a_file_is_shadowed_where_its_source_has_keys_below_it(source: set[str], target: set[str]) -> None:
    pairs = [
        (Pair(key, Entry(key) if key in source else None, Entry(key) if key in target else None), key)
        for key in sorted(source | target, key=order)
    ]
    found = {pair.key: shadowed for pair, _, shadowed in FoldersWin[str]().filter(pairs)}
    assert set(found) == source | target
    for key, shadowed in found.items():
        below = any(other.startswith(key + "/") for other in source)
        assert shadowed is (key in source and below)
