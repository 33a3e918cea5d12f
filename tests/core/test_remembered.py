"""What the doctor found out, kept for 30 days: by endpoint, bucket and identity, and never misread."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.findings import CAPABILITIES, Finding
from s3amfs.core.remembered import (
    CONDITIONS,
    FEATURES,
    KEPT_SECONDS,
    conditions_of,
    encryption_of,
    features_of,
    name_of,
    parse,
    with_findings,
)

FOUND = [
    Finding("put-if-none-match", "no", "200"),
    Finding("checksum-trailer", "yes", "200"),
    Finding("copy", "unknown", ""),
]
NAME = name_of("https://s3.example.org", "b", "AKID")


def test_what_is_unknown_is_not_kept() -> None:
    has = parse(with_findings("", NAME, FOUND, 1000.0), NAME, 2000.0)
    assert has == {"put-if-none-match": False, "checksum-trailer": True}
    assert conditions_of(has) == {("put", "nothing"): False}
    assert features_of(has) == {"trailers": True}


def test_encryption_that_was_looked_at() -> None:
    assert encryption_of({"sse-c": False, "sse-s3": True, "copy": True}) == {"sse-c": False, "AES256": True}


OTHERS = [("https://s3.example.org", "c", "AKID"), ("https://x", "b", "AKID"), ("https://s3.example.org", "b", "")]


@pytest.mark.parametrize("other", OTHERS)
def test_it_is_about_one_endpoint_bucket_and_identity(other: tuple[str, str, str]) -> None:
    assert parse(with_findings("", NAME, FOUND, 1000.0), name_of(*other), 1000.0) == {}


def test_it_expires() -> None:
    text = with_findings("", NAME, FOUND, 1000.0)
    assert parse(text, NAME, 1000.0 + KEPT_SECONDS) == {}
    assert parse(text, NAME, 999.0) == {}  # a clock that was set back


def test_other_services_stay() -> None:
    text = with_findings(with_findings("", NAME, FOUND, 1000.0), "other", FOUND[:1], 1001.0)
    assert parse(text, NAME, 1002.0)
    assert parse(text, "other", 1002.0) == {"put-if-none-match": False}


def test_nothing_secret_is_kept() -> None:
    assert "AKID" not in with_findings("", NAME, FOUND, 1000.0)


leaves = st.none() | st.booleans() | st.floats() | st.text()
documents = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(json.dumps)


@given(st.text() | documents)
def test_other_texts_are_nothing(text: str) -> None:
    assert parse(text, NAME, 1000.0) == {}
    assert parse(with_findings(text, NAME, FOUND, 1000.0), NAME, 1000.0)


BROKEN = [
    {"version": 2, "services": {NAME: {"at": 1000, "has": {"copy": True}}}},
    {"version": 1, "services": {NAME: {"at": "x", "has": {}}}},
    {"version": 1, "services": {NAME: {"at": 1000, "has": []}}},
]


@pytest.mark.parametrize("broken", BROKEN)
def test_other_versions_and_damage_are_nothing(broken: object) -> None:
    assert parse(json.dumps(broken), NAME, 1000.0) == {}


def test_every_name_is_a_capability() -> None:
    assert set(CONDITIONS) | set(FEATURES) <= set(CAPABILITIES)


def test_the_text_and_the_name_as_they_are_kept() -> None:
    """Files of an earlier version of s3amfs are read: neither may change."""
    assert name_of("https://x", None, "") == name_of("https://x", "", "") == "c677adf25f8f58edc34f9581e5e8ed64"
    assert with_findings("", "n", FOUND, 1000.9) == (
        '{\n "version": 1,\n "services": {\n  "n": {\n   "at": 1000,\n   "has": {\n'
        '    "put-if-none-match": false,\n    "checksum-trailer": true\n   }\n  }\n }\n}'
    )


def test_findings_of_thirty_days_count() -> None:
    text = with_findings("", NAME, FOUND, 1000.0)
    assert parse(text, NAME, 1000.0) == parse(text, NAME, 1000.0 + 30 * 86400 - 1) != {}
    assert parse(text, NAME, 1000.0 + 30 * 86400) == {}


def test_of_more_than_two_hundred_services_the_newest_stay() -> None:
    old = {f"n{number}": {"at": number, "has": {}} for number in range(1, 200)}
    odd = {"untimed": {"at": "x"}, "nothing": None}
    text = json.dumps({"version": 1, "services": {**old, **odd}})
    kept = json.loads(with_findings(text, "new", FOUND, 1000.0))["services"]
    assert list(kept) == ["new", *(f"n{number}" for number in range(199, 0, -1))]
