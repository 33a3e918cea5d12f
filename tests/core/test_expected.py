"""What a change expects under a name: which condition it carries, when the name is looked at, what an answer means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.expected import AWS, NOTHING, WHATEVER, Expected, holds, is_lost, plan, this_etag
from s3amfs.core.failures import Failure, Kind

EXPECTED = st.sampled_from([NOTHING, WHATEVER, this_etag("a"), this_etag("a", weak=True), this_etag("")])
OBEYS = st.sampled_from([True, False, None])


@given(EXPECTED, OBEYS)
def test_what_is_expected_is_always_protected(expected: Expected, obeys: bool | None) -> None:
    """By the server's word, or by looks; whoever has only the looks is warned."""
    found = plan(expected, obeys)
    if expected == WHATEVER:
        assert (found.condition, found.look, found.warn) == (WHATEVER, False, False)
        return
    trusted = found.condition == expected and obeys is True
    assert found.look is not trusted
    assert found.warn is (found.condition == WHATEVER)


def test_an_unknown_server_gets_the_condition_and_is_looked_after() -> None:
    assert plan(NOTHING, None).condition == NOTHING
    assert plan(NOTHING, None).look
    assert not plan(NOTHING, None).warn


def test_weak_and_empty_etags_are_no_conditions() -> None:
    """A strong comparison never meets them (RFC 9110, section 13.1.1)."""
    for expected in (this_etag("a", weak=True), this_etag("")):
        assert plan(expected, True).condition == WHATEVER
        assert plan(expected, True).look


@given(st.one_of(st.none(), st.text("ab", max_size=2)))
def test_what_holds(etag: str | None) -> None:
    assert holds(WHATEVER, etag)
    assert holds(NOTHING, etag) is (etag is None)
    assert holds(this_etag("a"), etag) is (etag == "a")


def test_a_condition_is_lost_by_412_and_an_etag_also_by_404() -> None:
    failed, missing = Failure(Kind.CONDITION, ""), Failure(Kind.MISSING, "", 404, "NoSuchKey")
    assert is_lost(NOTHING, failed)
    assert is_lost(this_etag("a"), failed)
    assert is_lost(this_etag("a"), missing)
    assert not is_lost(NOTHING, missing)
    assert not is_lost(WHATEVER, failed)
    assert not is_lost(this_etag("a"), Failure(Kind.MISSING, "", 404, "NoSuchBucket"))


def test_amazon_obeys_every_condition_that_it_documents() -> None:
    assert {condition for condition, obeyed in AWS.items() if obeyed} == {
        *((operation, kind) for operation in ("put", "complete", "copy") for kind in ("nothing", "etag")),
        ("delete", "etag"),
    }
    assert all(AWS.values())
