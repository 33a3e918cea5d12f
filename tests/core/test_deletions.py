from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.deletions import MaxDelete, parse_max_delete, refusal, refusal_of_sync
from s3amfs.errors import UsageError


def test_limits_as_users_write_them() -> None:
    assert parse_max_delete("10") == MaxDelete(count=10)
    assert parse_max_delete("12.5%") == MaxDelete(percent=12.5)
    assert parse_max_delete("100%").everything
    assert not parse_max_delete("99.9%").everything
    for wrong in ("", "%", "-1", "1.5", "101%", "x", "1e3", "²"):
        with pytest.raises(UsageError):
            parse_max_delete(wrong)


@pytest.mark.parametrize(
    ("deletes", "at_target", "limit", "refused"),
    [
        (50, 100, None, False),
        (100, 100, None, False),  # no more than a hundred: not judged
        (51, 101, None, True),
        (50, 101, None, False),
        (100, 1000, MaxDelete(count=100), False),
        (101, 1000, MaxDelete(count=100), True),
        (1, 1, MaxDelete(count=0), True),
        (0, 1, MaxDelete(count=0), False),
        (250, 1000, MaxDelete(percent=25), False),
        (251, 1000, MaxDelete(percent=25), True),
        (1000, 1000, MaxDelete(percent=100), False),
    ],
)
def test_refusals(deletes: int, at_target: int, limit: MaxDelete | None, refused: bool) -> None:
    assert bool(refusal(deletes, at_target, limit)) is refused


def test_an_empty_source_deletes_nothing_unless_asked() -> None:
    assert refusal_of_sync(1, 1, 0, None)
    assert refusal_of_sync(1, 1, 0, MaxDelete(count=5))
    assert refusal_of_sync(1, 1, 0, MaxDelete(percent=99))
    assert not refusal_of_sync(1, 1, 0, MaxDelete(percent=100))
    assert not refusal_of_sync(0, 0, 0, None)
    assert not refusal_of_sync(1, 2, 1, None)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_all_of_a_hundred_percent_is_allowed(at_target: int, deletes: int) -> None:
    assert not refusal(min(deletes, at_target), at_target, MaxDelete(percent=100))


@pytest.mark.parametrize(
    ("deletes", "at_target", "refused"),
    [(50, 100, False), (100, 100, False), (51, 101, True), (50, 101, False), (500, 1000, False), (501, 1000, True)],
)
def test_without_a_limit_half_of_more_than_a_hundred_may_go(deletes: int, at_target: int, refused: bool) -> None:
    assert bool(refusal(deletes, at_target, None)) is refused


@pytest.mark.parametrize(("deletes", "refused"), [(25, False), (26, True), (0, False)])
def test_a_limit_may_be_reached_and_not_exceeded(deletes: int, refused: bool) -> None:
    assert bool(refusal(deletes, 100, MaxDelete(count=25))) is refused
    assert bool(refusal(deletes, 100, MaxDelete(percent=25.0))) is refused
