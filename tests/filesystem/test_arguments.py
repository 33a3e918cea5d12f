"""The time-outs and retries of `config_kwargs` hold for the engine; a part's redirect says where the bucket is."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.retry import RetryPolicy
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.session import S3Session
from s3amfs.wire.s3 import api as s3api


def policy_of(**config: Any) -> tuple[S3Config, RetryPolicy]:
    fs = S3AMFileSystem(
        key="k", secret="s", endpoint_url="http://127.0.0.1:1", config_kwargs=config, skip_instance_cache=True
    )
    return fs.client.session.config, fs.client.policy


def test_time_outs() -> None:
    config, policy = policy_of(connect_timeout=2, read_timeout=3.5)
    assert config.timeouts == (2, 3.5)
    assert (policy.budget, policy.unreached, policy.max_attempts) == (300, 30, None)


@pytest.mark.parametrize(
    ("retries", "tries"),
    [({"max_attempts": 0}, 1), ({"max_attempts": 4}, 5), ({"total_max_attempts": 3}, 3), ({"mode": "standard"}, None)],
)
def test_retries(retries: dict[str, Any], tries: int | None) -> None:
    assert policy_of(retries=retries)[1].max_attempts == tries


def test_what_a_failed_request_says_of_its_bucket_is_for_the_next_one() -> None:
    session = S3Session(S3Config(access_key="k", secret_key="s", region="us-east-1"))
    request = session.prepare(s3api.head_bucket("bucket"))
    request.learn(Failure(Kind.REDIRECT, "there", region="eu-west-1"))
    assert session.region("bucket") == "eu-west-1"
    assert session.region("other") == "us-east-1"
