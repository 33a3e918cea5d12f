"""Which failures are tried again."""

from __future__ import annotations

import pytest

from s3amfs.core.failures import Failure, Kind

AGAIN = {"network", "timeout", "throttle", "server", "expired", "skew", "redirect", "corrupt"}


@pytest.mark.parametrize("kind", Kind)
def test_what_may_go_away_is_tried_again(kind: Kind) -> None:
    assert Failure(kind, "x").retryable is (kind.value in AGAIN)


def test_a_failure_says_nothing_that_nobody_said() -> None:
    failure = Failure(Kind.FATAL, "x")
    assert (failure.status, failure.code, failure.source, failure.of_source) == (0, "", "", False)
    assert failure.retry_after is failure.region is failure.server_time is failure.errno is None
