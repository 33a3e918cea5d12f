"""Job files and shares of `s3am split`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.split_job import Fronts, Share, SplitJob, format_job, parse_job, parse_share
from s3amfs.errors import UsageError

JOB = SplitJob(
    "upload",
    "/data/big",
    "s3://b/k",
    "https://s3.example.org",
    SourceIdentity("file:///data/big", size=11, mtime_ns=5),
    11,
    5,
    upload_id="u",
    expect=(("md5", "00" * 16),),
    master_keys=(True, False),
)

shares = st.integers(1, 40).flatmap(lambda of: st.builds(Share, st.integers(1, of), st.just(of)))


def test_a_job_survives_its_file() -> None:
    assert parse_job(format_job(JOB), "job") == JOB


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no job file"),
        ("[]", "no job file"),
        ('{"a": 1}', "no job file"),
        (format_job(JOB)[:-9], "cut off"),
        (format_job(JOB).replace('"version": 1', '"version": 2'), "another version"),
        (format_job(JOB).replace('"part_size": 5', '"part_size": -5'), "damaged"),
        (format_job(JOB).replace('"kind": "upload"', '"kind": "x"'), "damaged"),
        (format_job(JOB).replace('"size": 11,\n "part', '"siz": 11,\n "part'), "damaged"),
    ],
)
def test_other_files_are_refused(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        parse_job(text, "job")


def test_no_key_is_in_a_job() -> None:
    assert not [name for name in json.loads(format_job(JOB)) if "key" in name and not name.endswith(("file", "keys"))]


@given(st.integers(1, 40), st.integers(0, 500))
def test_every_part_has_one_owner(of: int, count: int) -> None:
    moved = [number for index in range(1, of + 1) for number in Share(index, of).own(count)]
    assert sorted(moved) == list(range(1, count + 1))
    for number in moved:
        assert number in Share(Share(1, of).owner(number), of).own(count)


@given(shares, st.sets(st.integers(1, 300)), st.integers(1, 10), st.integers(0, 40))
def test_help_leaves_what_owners_have_in_hand(share: Share, missing: set[int], most: int, in_hand: int) -> None:
    helped = share.to_help(missing, most, in_hand)
    assert len(helped) <= most
    assert set(helped) <= missing
    for number in helped:
        before = [n for n in missing if share.owner(n) == share.owner(number) and n < number]
        assert len(before) >= in_hand


@given(shares, st.sets(st.integers(1, 300), min_size=1))
def test_all_of_the_dead_is_helped_with(share: Share, missing: set[int]) -> None:
    dead = {share.owner(number) for number in missing}
    assert set(share.to_help(missing, len(missing), 32, dead)) == missing


def test_an_owner_is_dead_when_its_front_stands_still() -> None:
    fronts = Fronts(Share(1, 2), 10.0)
    assert fronts.still({2, 4, 6}, 0.0) == set()
    assert fronts.still({2, 4}, 9.0) == set()  # a helper has moved the last one: that tells nothing of the owner
    assert fronts.still({2, 4}, 10.0) == {2}
    assert fronts.still({4}, 11.0) == set()


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(UsageError):
        parse_share(text)


def test_a_share() -> None:
    assert parse_share("3/8") == Share(3, 8)
