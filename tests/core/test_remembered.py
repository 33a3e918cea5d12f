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
