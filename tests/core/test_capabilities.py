"""One judge: odd answers change nothing, and a part that is refused has few forms to go in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.capabilities import (
    NO_ECHO,
    TRIES_PER_FORM,
    Evidence,
    Form,
    Refused,
    judge,
    may_refuse_feature,
    names_as_unsupported,
    next_form,
    refuses_condition,
    refuses_copy,
    takes_unequal_parts,
)
from s3amfs.core.failures import Failure, Kind

failures = st.builds(
    Failure,
    kind=st.sampled_from(list(Kind)),
    message=st.sampled_from(["", "InvalidRequest: Content-MD5 is required", "Unsupported header 'x-amz-trailer'"]),
    status=st.sampled_from([0, 400, 403, 405, 412, 500, 501, 503]),
    code=st.sampled_from(["", "NotImplemented", "SignatureDoesNotMatch", "InvalidStorageClass", NO_ECHO]),
    of_source=st.booleans(),
)
situations = st.builds(
    Refused,
    form=st.sampled_from(list(Form)),
    times=st.integers(1, 3),
    failure=failures,
    trailers=st.sampled_from([None, True, False]),
    fixed=st.booleans(),
    local=st.booleans(),
    etag_compares=st.booleans(),
)
ODD = Failure(Kind.FATAL, "Bad Request (HTTP 400)", status=400)
REFUSED = Refused(Form.TRAILER, 1, ODD, None)


def test_only_the_evidence_counts() -> None:
    assert judge(Evidence.WORKED)
    assert not judge(Evidence.WORKED_WITHOUT)


@given(failures)
def test_a_source_says_nothing_about_the_target(failure: Failure) -> None:
    blamed = replace(failure, of_source=True)
    assert not may_refuse_feature(blamed)
    assert not names_as_unsupported(blamed)
    assert not refuses_copy(blamed)


@given(failures)
def test_what_is_retried_in_any_case_is_no_refusal_of_a_feature(failure: Failure) -> None:
    if failure.kind in (
        Kind.SERVER,
        Kind.NETWORK,
        Kind.TIMEOUT,
        Kind.THROTTLE,
        Kind.EXPIRED,
        Kind.GONE,
        Kind.CONDITION,
    ):
        assert not may_refuse_feature(failure)


@pytest.mark.parametrize(
    "code",
    [
        "InvalidStorageClass",
        "MetadataTooLarge",
        "EntityTooLarge",
        "NoSuchBucket",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "AccessControlListNotSupported",
    ],
)
def test_codes_that_name_another_reason(code: str) -> None:
    assert not may_refuse_feature(replace(ODD, code=code))
    assert code == "EntityTooLarge" or not refuses_copy(replace(ODD, code=code))  # relayed, it would fail as well
    assert next_form(replace(REFUSED, failure=replace(ODD, code=code))) is None


@given(situations)
def test_forms_come_to_an_end(refused: Refused) -> None:
    """However a server answers, a part is sent a handful of times at most."""
    times = dict.fromkeys(Form, 0)
    form: Form | None = refused.form
    for _ in range(3 * TRIES_PER_FORM + 1):
        assert form is not None
        times[form] += 1
        form = next_form(replace(refused, form=form, times=times[form]))
        if form is None:
            return
    pytest.fail("it goes on")


@given(situations)
def test_a_form_that_the_user_chose_or_that_is_proven_stays(refused: Refused) -> None:
    if refused.form is Form.TRAILER and (refused.fixed or refused.trailers):
        assert next_form(refused) in (Form.TRAILER, None)


@given(situations)
def test_what_cannot_be_read_twice_gets_no_digest(refused: Refused) -> None:
    if not refused.local and refused.form is not Form.DIGEST:
        assert next_form(refused) is not Form.DIGEST


def test_one_odd_answer_is_repeated_as_it_was() -> None:
    assert next_form(REFUSED) is Form.TRAILER
    assert next_form(replace(REFUSED, times=2)) is Form.PLAIN


def test_where_no_etag_compares_the_digest_does() -> None:
    assert next_form(replace(REFUSED, times=2, etag_compares=False)) is Form.DIGEST
    assert next_form(replace(REFUSED, times=2, etag_compares=False, local=False)) is Form.PLAIN


@pytest.mark.parametrize(
    "failure",
    [
        Failure(Kind.UNSUPPORTED, "the server does not know checksum trailers", code=NO_ECHO),
        Failure(Kind.FATAL, "InvalidArgument: Unsupported header 'x-amz-trailer' received", status=400),
        Failure(Kind.FATAL, "MalformedTrailerError (HTTP 400)", status=400, code="MalformedTrailerError"),
    ],
)
def test_a_server_that_names_trailers_is_not_asked_twice(failure: Failure) -> None:
    assert next_form(replace(REFUSED, failure=failure)) is Form.PLAIN


def test_object_lock_asks_for_a_digest() -> None:
    lock = Failure(Kind.FATAL, "InvalidRequest: Content-MD5 OR x-amz-checksum- HTTP header is required", status=400)
    assert next_form(Refused(Form.PLAIN, 1, lock, None)) is Form.DIGEST
    assert next_form(Refused(Form.PLAIN, 1, lock, None, local=False)) is None


def test_a_check_is_left_out_only_where_the_server_does_not_know_it() -> None:
    """A size or checksum that differs is damage found, whatever its status is."""
    differs = "InvalidRequest: The provided 'x-amz-mp-object-size' header does not match what was computed"
    assert not names_as_unsupported(Failure(Kind.FATAL, differs, status=400, code="InvalidRequest"))
    assert not names_as_unsupported(Failure(Kind.CORRUPT, "BadDigest", status=400, code="BadDigest"))
    assert names_as_unsupported(Failure(Kind.UNSUPPORTED, "NotImplemented", status=501, code="NotImplemented"))
    assert names_as_unsupported(Failure(Kind.FATAL, "Unsupported header 'x-amz-mp-object-size'", status=400))


@pytest.mark.parametrize("failure", [ODD, Failure(Kind.UNSUPPORTED, "", status=405), Failure(Kind.UNSUPPORTED, "")])
def test_copies_that_go_through_this_machine_instead(failure: Failure) -> None:
    assert refuses_copy(failure)


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.CONDITION, Kind.MISSING, Kind.CORRUPT, Kind.SERVER, Kind.KEY])
def test_refusals_that_a_relay_would_not_mend(kind: Kind) -> None:
    assert not refuses_copy(Failure(kind, "no", status=400))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("0123.r2.cloudflarestorage.com", False),
        ("r2.cloudflarestorage.com", False),
        ("s3.eu-west-1.amazonaws.com", True),
        ("notamazonaws.com", None),
        ("localhost", None),
    ],
)
def test_equal_parts_by_the_name_of_the_endpoint(host: str, expected: bool | None) -> None:
    assert takes_unequal_parts(host) is expected


@pytest.mark.parametrize(
    ("failure", "relays"),
    [
        (Failure(Kind.DENIED, "no copies here", status=403, code="AccessDenied"), True),
        (Failure(Kind.DENIED, "", status=403, code="SignatureDoesNotMatch"), True),
        (Failure(Kind.FATAL, "", status=411, code="MissingContentLength"), True),
        (Failure(Kind.DENIED, "", status=403, code="InvalidAccessKeyId"), False),
        (Failure(Kind.DENIED, "", status=401, code="Unauthorized"), False),
        (Failure(Kind.FATAL, "", status=400, code="QuotaExceeded"), False),
        (Failure(Kind.CORRUPT, "", status=400, code="BadDigest"), False),
    ],
    ids=lambda value: value.code if isinstance(value, Failure) else "",
)
def test_which_refused_copies_are_relayed(failure: Failure, relays: bool) -> None:
    assert refuses_copy(failure) is relays


FORMS = {400, 405, 411, 413, 415, 501}


@pytest.mark.parametrize("status", [0, 300, 399, *range(400, 418), 422, 499, 500, 501, 502, 503])
def test_statuses_that_may_be_due_to_the_form(status: int) -> None:
    assert may_refuse_feature(Failure(Kind.FATAL, "no", status=status)) is (status in FORMS)


@pytest.mark.parametrize(
    ("kind", "status", "code", "message", "says"),
    [
        (Kind.FATAL, 400, "", "If-None-Match is not supported", True),
        (Kind.UNSUPPORTED, 501, "NotImplemented", "conditional writes", True),
        (Kind.FATAL, 501, "PreconditionNotSupported", "no", True),
        (Kind.FATAL, 500, "", "If-None-Match is not supported", False),
        (Kind.FATAL, 401, "", "If-None-Match is not supported", False),
        (Kind.FATAL, 502, "", "If-Match", False),
        (Kind.FATAL, 400, "", "no such thing", False),
        (Kind.CONDITION, 400, "PreconditionFailed", "If-Match", False),
        (Kind.CONDITION, 412, "PreconditionFailed", "If-Match", False),
    ],
)
def test_a_server_that_takes_no_condition_names_it(
    kind: Kind, status: int, code: str, message: str, says: bool
) -> None:
    failure = Failure(kind, message, status=status, code=code)
    assert refuses_condition(failure) is says
    if says:
        assert not may_refuse_feature(failure)


@pytest.mark.parametrize(
    ("failure", "copies_not"),
    [
        (Failure(Kind.FATAL, "", status=400, code="EntityTooLarge"), True),
        (Failure(Kind.DENIED, "", status=403, code="AccessDenied"), True),
        (Failure(Kind.DENIED, "", status=403, code="InvalidAccessKeyId"), False),
        (Failure(Kind.DENIED, "", status=401, code="AccessDenied"), False),
        (Failure(Kind.CORRUPT, "", status=400, code="BadDigest"), False),
        (Failure(Kind.UNSUPPORTED, "", status=501), True),
        (Failure(Kind.FATAL, "", status=404), False),
    ],
)
def test_copies_that_have_to_be_relayed(failure: Failure, copies_not: bool) -> None:
    assert refuses_copy(failure) is copies_not


@pytest.mark.parametrize(
    ("failure", "names"),
    [
        (Failure(Kind.UNSUPPORTED, "", status=501), True),
        (Failure(Kind.FATAL, "Unsupported header", status=400), True),
        (Failure(Kind.FATAL, "a wrong value", status=400), False),
        (Failure(Kind.FATAL, "Unsupported header", status=405), False),
        (Failure(Kind.CORRUPT, "Unsupported header", status=400), False),
    ],
)
def test_only_what_is_named_as_unsupported_is_left_out(failure: Failure, names: bool) -> None:
    assert names_as_unsupported(failure) is names
