"""Job files and shares of `s3am split`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.split_job import Share, SplitJob, format_job, parse_job, parse_share
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


def test_a_job_survives_its_file() -> None:
    assert parse_job(format_job(JOB), "job") == JOB


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "not a job file"),
        ("[]", "not a job file"),
        ('{"a": 1}', "not a job file"),
        (format_job(JOB)[:-9], "cut off"),
        (format_job(JOB).replace('"version": 3', '"version": 4'), "another version"),
        (format_job(JOB).replace('"version": 3', '"version": "3"'), "another version"),
        (format_job(JOB).replace('"part_size": 5', '"part_size": -5'), "damaged"),
        (format_job(JOB).replace('"kind": "upload"', '"kind": "x"'), "damaged"),
        (format_job(JOB).replace('"size": 11,\n "part', '"siz": 11,\n "part'), "damaged"),
    ],
)
def test_other_files_are_refused(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        parse_job(text, "job")


def test_a_job_of_an_earlier_version_is_read() -> None:
    """It says nothing of what was asked for, nor what it replaces; and its own readers refuse jobs that do."""
    text = json.loads(format_job(JOB))
    assert text["version"] == 3
    del text["replaces"]
    assert parse_job(json.dumps({**text, "version": 2}), "job") == JOB
    del text["asked"]
    assert parse_job(json.dumps({**text, "version": 1}), "job") == JOB


def test_no_key_is_in_a_job() -> None:
    assert not [name for name in json.loads(format_job(JOB)) if "key" in name and not name.endswith(("file", "keys"))]


@given(st.integers(1, 40), st.integers(0, 500))
def test_every_part_has_one_owner(of: int, count: int) -> None:
    moved = [number for index in range(1, of + 1) for number in Share(index, of).own(count)]
    assert sorted(moved) == list(range(1, count + 1))
    for number in moved:
        assert number in Share(Share(1, of).owner(number), of).own(count)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(UsageError):
        parse_share(text)


def test_a_share() -> None:
    assert parse_share("3/8") == Share(3, 8)
    assert [Share(2, 3).owner(number) for number in range(1, 8)] == [1, 2, 3, 1, 2, 3, 1]
    assert list(Share(2, 3).own(8)) == [2, 5, 8]


def test_the_text_of_a_job_begins_with_its_kind_and_has_a_line_for_each_field() -> None:
    plain = replace(JOB, master_keys=(False, False), expect=(), upload_id="")
    assert format_job(plain).startswith('{\n "format": "s3am split job",\n "version": 3,\n "kind": "upload",\n')
    assert plain == SplitJob(JOB.kind, JOB.source, JOB.target, JOB.endpoint, JOB.identity, JOB.size, JOB.part_size)
    assert plain.plan.part_size == 5
