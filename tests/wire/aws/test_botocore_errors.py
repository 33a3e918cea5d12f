"""Errors of botocore become built-in ones, which say what to do."""

from __future__ import annotations

import pytest
from botocore import exceptions as theirs

from s3amfs.errors import BadCredentials, NetworkError, TransferTimeout
from s3amfs.wire.aws.botocore_errors import built_in_errors


@pytest.mark.parametrize(
    ("error", "ours", "built_in"),
    [
        (theirs.ConnectTimeoutError(endpoint_url="http://h"), TransferTimeout, TimeoutError),
        (theirs.ReadTimeoutError(endpoint_url="http://h"), TransferTimeout, TimeoutError),
        (theirs.EndpointConnectionError(endpoint_url="http://h"), NetworkError, ConnectionError),
        (theirs.HTTPClientError(error="odd"), NetworkError, ConnectionError),
        (theirs.NoCredentialsError(), BadCredentials, PermissionError),
        (theirs.PartialCredentialsError(provider="env", cred_var="x"), BadCredentials, PermissionError),
    ],
)
def test_what_s3fs_lets_through(error: Exception, ours: type[Exception], built_in: type[Exception]) -> None:
    with pytest.raises(ours) as caught, built_in_errors(exclusive=False):
        raise error
    assert isinstance(caught.value, built_in)
    assert caught.value.__cause__ is error


def failed(status: int) -> OSError:
    error = OSError(22, "the condition failed")
    error.__cause__ = theirs.ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")
    return error


def test_a_condition_that_fails_is_an_object_that_exists() -> None:
    with pytest.raises(FileExistsError, match="exists"), built_in_errors(exclusive=True):
        raise failed(412)


@pytest.mark.parametrize(("status", "exclusive"), [(412, False), (403, True), (411, True)])
def test_other_errors_stay_as_they_are(status: int, exclusive: bool) -> None:
    error = failed(status)
    with pytest.raises(OSError, match="condition") as caught, built_in_errors(exclusive=exclusive):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", [FileExistsError("there"), OSError("no cause"), ValueError("no error of theirs")])
def test_errors_that_are_built_in_already(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, built_in_errors(exclusive=True):
        raise error
    assert caught.value is error
