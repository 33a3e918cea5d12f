"""Built-in errors for the errors of botocore that s3fs lets through: callers need only those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as theirs

from ...errors import BadCredentials, NetworkError, TransferTimeout

HTTP_PRECONDITION_FAILED = 412


@contextmanager
def built_in_errors(*, exclusive: bool) -> Iterator[None]:
    """Around one request of s3fs's. exclusive: it may not replace anything, so a failed condition is FileExistsError.

    Raises NetworkError (a ConnectionError), TransferTimeout (a TimeoutError), BadCredentials (a PermissionError).
    """
    try:
        yield
    except (theirs.ConnectTimeoutError, theirs.ReadTimeoutError) as error:
        raise TransferTimeout(f"{error}: check the network, then try again") from error
    except (theirs.ConnectionError, theirs.HTTPClientError) as error:
        raise NetworkError(f"{error}: check the network and the endpoint, then try again") from error
    except (theirs.NoCredentialsError, theirs.PartialCredentialsError) as error:
        raise BadCredentials(f"{error}: name a profile, give key and secret, or anon=True") from error
    except FileExistsError:
        raise
    except OSError as error:
        if exclusive and _status(error.__cause__) == HTTP_PRECONDITION_FAILED:
            raise FileExistsError(error.errno, "the object exists") from error
        raise


def _status(error: BaseException | None) -> int | None:
    """Of the reply that was an error."""
    response = getattr(error, "response", None) or {}
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
