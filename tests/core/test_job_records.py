from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.entries import Entry, Kind
from s3amfs.core.job_records import End, Extra, JobHeader, Known, Position, Record, Watermark, decode, encode, read

TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
NUMBERS = st.integers(0, 2**63)
ENTRIES = st.builds(Entry, TEXT, NUMBERS, NUMBERS, st.sampled_from(Kind), TEXT, st.none() | TEXT, NUMBERS, NUMBERS)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(JobHeader, TEXT, TEXT, TEXT, st.floats(0, 1e9), TEXT),
    st.builds(Known, TEXT, TEXT, TEXT, st.sampled_from(["", "p", "pl"])),
    st.builds(Extra, ENTRIES),
    st.builds(Position, TEXT, NUMBERS, NUMBERS, NUMBERS),
    st.builds(End, st.integers(0, 255)),
)


@given(RECORDS)
def test_records_come_back(record: Record) -> None:
    assert decode(encode(record)) == record


@given(st.lists(RECORDS, min_size=1, max_size=5), st.data())
def test_a_cut_or_damaged_line_ends_what_is_read(records: list[Record], data: st.DataObject) -> None:
    lines = [encode(record) for record in records]
    which = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[which]) - 1))
    damaged = lines[which][:at] + bytes([lines[which][at] ^ 1]) + lines[which][at + 1 :]
    cut = lines[which][:at]
    for spoilt in (damaged, cut):
        found = [record for record, _ in read([*lines[:which], spoilt, *lines[which + 1 :]])]
        assert found == records[:which]


@given(st.permutations(list(range(8))), st.integers(0, 8))
def test_the_position_is_behind_all_that_is_finished(finished: list[int], count: int) -> None:
    mark = Watermark()
    numbers = [mark.begin(f"k{number}", (number, 0)) for number in range(8)]
    done = set()
    for which in finished[:count]:
        mark.finish(numbers[which])
        done.add(which)
        until = next((number for number in range(8) if number not in done), 8)
        assert mark.position == (f"k{until - 1}" if until else "")
        assert mark.counts == ((until - 1, 0) if until else (0, 0))
