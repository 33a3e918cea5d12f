"""A client of a configuration."""

from __future__ import annotations

import pytest

from s3amfs.core.failures import Failure
from s3amfs.engine.connect import S3Config, connect
from s3amfs.errors import UsageError


def test_a_client_has_what_the_configuration_says() -> None:
    retried: list[Failure] = []
    noticed: list[str] = []
    config = S3Config(endpoint_url="http://s3.test", access_key="a", secret_key="b", region="r", max_attempts=3)
    client = connect(config, on_retry=lambda failure, delay: retried.append(failure), on_notice=noticed.append)
    assert client.session.config is config
    assert client.endpoint("b") == "http://s3.test r"
    assert client.given_engine is None
    assert (client.on_retry is not None, client.on_notice is not None) == (True, True)


def test_an_endpoint_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        connect(S3Config(endpoint_url="no url", access_key="a", secret_key="b"))
