"""Judgements of `s3am doctor`: what one answer, or two, prove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.findings import CAPABILITIES, Answer, Finding, in_order, refuses, supported

OK = Answer(200)
FAILED = Answer(412, "PreconditionFailed")
DENIED = Answer(403, "AccessDenied", denied=True)
ODD = Answer(500, "InternalError", odd=True)


@pytest.mark.parametrize(
    ("answer", "shown", "result"),
    [
        (OK, True, "yes"),
        (OK, False, "no"),
        (Answer(501), True, "no"),
        (DENIED, True, "unknown"),
        (ODD, True, "unknown"),
    ],
)
def test_what_is_shown_by_an_accepted_request(answer: Answer, shown: bool, result: str) -> None:
    assert supported("put", answer, shown=shown, but="nothing is there").result == result


@pytest.mark.parametrize(
    ("answer", "kept", "without", "result"),
    [
        (FAILED, True, OK, "yes"),
        (FAILED, None, None, "yes"),
        (OK, True, OK, "no"),  # accepted and not stored: the condition is ignored, or worse
        (FAILED, False, OK, "no"),  # refused, and stored all the same
        (FAILED, True, Answer(400), "unknown"),  # the right request is refused, too
        (Answer(501, "NotImplemented"), True, OK, "no"),
        (Answer(405, "MethodNotAllowed"), True, OK, "unknown"),
        (DENIED, True, OK, "unknown"),
        (ODD, True, OK, "unknown"),
    ],
)
def test_what_is_shown_by_a_refused_request(
    answer: Answer, kept: bool | None, without: Answer | None, result: str
) -> None:
    assert refuses("put-if-match", answer, kept=kept, without=without).result == result


def test_a_replaced_object_is_named() -> None:
    assert "no longer what it was" in refuses("put-if-none-match", OK, kept=False).evidence


@given(st.sets(st.sampled_from(sorted(CAPABILITIES))))
def test_every_capability_has_one_line(names: set[str]) -> None:
    table = in_order([Finding(name, "yes", "200") for name in names], "not asked")
    assert [finding.capability for finding in table] == list(CAPABILITIES)
    assert {finding.capability for finding in table if finding.result == "unknown"} == set(CAPABILITIES) - names


def test_the_table_has_at_least_twenty() -> None:
    assert len(CAPABILITIES) >= 20


@pytest.mark.parametrize(("status", "ok"), [(0, False), (199, False), (200, True), (299, True), (300, False)])
def test_answers_that_are_a_success(status: int, ok: bool) -> None:
    assert Answer(status).ok is ok


@pytest.mark.parametrize("status", [400, 404, 409, 412, 422])
def test_statuses_of_a_refusal(status: int) -> None:
    assert refuses("put-if-match", Answer(status)).result == "yes"
    for other in (status - 1, status + 1):
        assert refuses("put-if-match", Answer(other)).result == "unknown"


def test_evidence_and_text() -> None:
    assert str(Answer(0)) == "no answer"
    assert str(Answer(0, "no request left", odd=True)) == "no request left"
    assert str(FAILED) == "412 PreconditionFailed"
    assert str(OK) == "200"
    finding = supported("put", OK, shown=False, but="nothing is there")
    assert finding.evidence == "200, but nothing is there"
    assert finding.text() == "no      put                       200, but nothing is there"
    assert refuses("put", OK, kept=None).evidence == "accepted (200)"
    assert refuses("put", Answer(400, "NotImplemented")).evidence == "the header is refused (400 NotImplemented)"
    assert refuses("put", Answer(400, "UnsupportedHeader")).result == "no"
