from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.jobs.spill import sorted_by


@given(st.lists(st.tuples(st.binary(max_size=3), st.integers())), st.integers(1, 7))
def test_runs_on_disk_are_merged_in_order_and_stably(records: list[tuple[bytes, int]], run: int) -> None:
    found = list(sorted_by(records, lambda record: record[0], run))
    assert found == sorted(records, key=lambda record: record[0])
