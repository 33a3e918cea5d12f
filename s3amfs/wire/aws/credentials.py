"""The credentials of one session: from where every AWS tool looks, renewed before they end.

The providers are botocore's, or aiobotocore's where the session is one of its. Thread-safe; blocks while a provider
reads files, runs a process or asks the network. botocore is loaded when it is needed, and not before.
"""

from __future__ import annotations

import copy
import inspect
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import BadCredentials, S3AMError, UsageError
from .config import S3Config

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_ADVISORY_RETRY = 60.0
"""Seconds between attempts to renew credentials that are still valid."""


class CredentialSource:
    """Finds and renews the credentials that requests are signed with."""

    def __init__(self, config: S3Config, session: Any) -> None:
        """session: botocore's or aiobotocore's; its providers are asked when credentials are wanted first."""
        self._config = config
        self._session = session
        self._lock = threading.RLock()
        self._credentials: Any = None
        self._frozen: ReadOnlyCredentials | None = None
        self._not_before = 0.0

    def fresh(self) -> bool:
        """Whether `current` answers without asking a provider."""
        if self._frozen is None:
            return False
        needed = getattr(self._credentials, "refresh_needed", None)
        if needed is None or not needed():
            return True
        # Within the advisory period (15 minutes) the old ones still serve; a provider that has none newer yet is asked
        # again only after a while, so that signing does not wait for it each time.
        return not needed(60) and time.monotonic() < self._not_before

    def refresh(self, force: bool = False) -> None:
        """Asks the providers if there are no credentials or they end soon; with `force` all of them once more.

        Raises BadCredentials when there are none or a provider failed.
        """
        with self._lock:
            if force or not self.fresh():
                own_errors(lambda: self._refresh(force))

    def current(self) -> ReadOnlyCredentials:
        """The credentials to sign with now. Raises BadCredentials."""
        if not self.fresh():
            self.refresh()
        assert self._frozen is not None
        return self._frozen

    def _refresh(self, force: bool) -> None:
        if self._credentials is None or force:
            self._credentials = self._find(force)
        self._not_before = time.monotonic() + _ADVISORY_RETRY
        if self._credentials is None:
            raise BadCredentials(
                "no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a --profile, "
                "or use --no-sign-request for public buckets"
            )
        frozen = _answer(self._credentials.get_frozen_credentials)
        if not frozen.access_key or not frozen.secret_key:
            raise BadCredentials("the credentials found are empty: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        sent = frozen.access_key + (frozen.token or "")
        if not (sent.isascii() and sent.isprintable()):  # it would end its header, or be quoted by an error of curl's
            raise BadCredentials("the access key or session token found is not plain ASCII on one line: copy it again")
        self._frozen = frozen

    def _find(self, force: bool) -> Any:
        config = self._config
        if config.access_key is not None or config.secret_key is not None:
            from botocore.credentials import Credentials

            if config.access_key is None or config.secret_key is None:
                raise BadCredentials("only half of the credentials is given: access key and secret key belong together")
            return Credentials(config.access_key, config.secret_key, config.token)
        if not force or getattr(self._credentials, "method", None) == "explicit":
            return _unshared(_answer(self._session.get_credentials))
        if config.session is None:
            self._session = light_session(config.profile)
            return _answer(self._session.get_credentials)
        return _answer(self._session.get_component("credential_provider").load_credentials)


def light_session(profile: str | None) -> Any:
    """A session of botocore without its 120 handlers, which cost 10 ms and serve clients only.

    Credentials of roles are fetched by a client, which a session with all of them makes.
    """
    import botocore.session

    class Light(botocore.session.Session):
        def create_client(self, *args: Any, **kwargs: Any) -> Any:
            return botocore.session.Session(profile=self.profile).create_client(*args, **kwargs)

    return Light(profile=profile, include_builtin_handlers=False)


def own_errors(function: Callable[[], Any]) -> Any:
    """The result of `function`; botocore's errors become ours, one line each.

    Raises UsageError (the configuration is not usable) and BadCredentials.
    """
    import botocore.exceptions as theirs

    try:
        return function()
    except S3AMError:
        raise
    except theirs.ProfileNotFound as error:
        raise UsageError(f"{error}: check --profile, AWS_PROFILE and ~/.aws/config") from None
    except (theirs.NoCredentialsError, theirs.PartialCredentialsError, theirs.CredentialRetrievalError) as error:
        raise BadCredentials(f"no usable credentials: {_line(error)}") from None
    except (theirs.SSOError, theirs.UnauthorizedSSOTokenError, theirs.TokenRetrievalError) as error:
        raise BadCredentials(f"no usable credentials: {_line(error)}; log in again (aws sso login)") from None
    except theirs.InvalidRegionError as error:  # a ValueError, too
        raise UsageError(f"the AWS configuration is not usable: {_line(error)}") from None
    except theirs.BotoCoreError as error:
        raise UsageError(f"the AWS configuration is not usable: {_line(error)}") from None
    except RuntimeError as error:  # "Credentials were refreshed, but the refreshed credentials are still expired."
        raise BadCredentials(f"no usable credentials: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _settle(function: Callable[[], Any]) -> Any:
    """The result of `function`, also when it is a coroutine (aiobotocore): then on a loop of its own thread."""
    result = function()
    if not inspect.isawaitable(result):
        return result
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def wait() -> Any:
        return await result

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(wait())).result()


def _answer(ask: Callable[[], Any]) -> Any:
    """The answer of botocore's providers of credentials. Raises BadCredentials if they can't read what they were given.

    Nothing of ours runs in here, so that a bug of ours is not taken for that.
    """
    import botocore.exceptions as theirs

    try:
        return _settle(ask)
    except theirs.BotoCoreError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # A document that is not what it should be. The error may quote it, secrets and all: its kind is said alone.
        raise BadCredentials(
            f"no usable credentials: the answer of a provider cannot be read ({type(error).__name__})"
        ) from None


def _unshared(credentials: Any) -> Any:
    """`credentials`, but those of aiobotocore as a copy with a lock of its own.

    Theirs is an asyncio.Lock, which the session's owner holds on another event loop, maybe: whoever waited for it on
    ours would never be woken.
    """
    make_lock = getattr(credentials, "_create_lock", None)
    if make_lock is None:
        return credentials
    own = copy.copy(credentials)
    own._refresh_lock = make_lock()
    return own
