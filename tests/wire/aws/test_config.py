"""The user's choices: no key is shown, and settings have two values."""

from __future__ import annotations

import pytest

from s3amfs.errors import UsageError
from s3amfs.wire.aws.config import S3Config, only_when_required


def test_no_key_is_shown() -> None:
    shown = repr(S3Config(access_key="AKIA", secret_key="hidden", token="hidden", session=object()))
    assert "AKIA" not in shown
    assert "hidden" not in shown


def test_two_sessions_are_one_service() -> None:
    assert S3Config(session=object()) == S3Config(session=object())
    assert S3Config(region="a") != S3Config(region="b")


def test_timeouts() -> None:
    assert S3Config(connect_timeout=1.0, stall_timeout=2.0).timeouts == (1.0, 2.0)


@pytest.mark.parametrize(
    ("value", "only"),
    [(None, False), ("", False), ("when_supported", False), ("when_required", True), ("WHEN_REQUIRED", True)],
)
def test_when_checksums_are_wanted(value: str | None, only: bool) -> None:
    assert only_when_required("request_checksum_calculation", lambda name: value) is only


def test_another_value_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="request_checksum_calculation is 'never'"):
        only_when_required("request_checksum_calculation", lambda name: "never")
