from __future__ import annotations

from s3amfs.core.compare import Rules
from s3amfs.core.filters import Filters, Rule
from s3amfs.core.locations import S3Location
from s3amfs.jobs.job_options import TreeOptions, digest_of, no_key


def test_the_digest_changes_with_what_decides() -> None:
    plain = TreeOptions(Rules("up"))
    others = [
        TreeOptions(Rules("up", size_only=True)),
        TreeOptions(Rules("up"), filters=Filters((Rule(False, "*.tmp"),))),
        TreeOptions(Rules("up"), names=frozenset({"a"})),
        TreeOptions(Rules("up"), delete=True),
        TreeOptions(Rules("up"), links="keep"),
    ]
    assert len({digest_of(options) for options in (plain, *others)}) == len(others) + 1
    assert digest_of(plain) == digest_of(TreeOptions(Rules("up"), part_size=1, dry_run=True))


def test_some_options_are_known_to_the_verbs_alone() -> None:
    assert not TreeOptions(Rules("down")).only_verbs
    assert TreeOptions(Rules("down"), sparse=True).only_verbs
    assert TreeOptions(Rules("down"), download_checksum="none").only_verbs
    assert TreeOptions(Rules("down"), bwlimit=1).only_verbs


def test_no_key_is_none() -> None:
    assert no_key(S3Location("b", "x")) is None
