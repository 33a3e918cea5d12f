"""Errors as the kernel takes them: an errno for each, and a line in the log for those that are trouble."""

from __future__ import annotations

import errno
import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..engine.interruptible import asking
from ..errors import NotFound
from .caller import is_gone

EXPECTED = {errno.EINTR, errno.ENOENT, errno.ENODATA, errno.EEXIST, errno.ENOTEMPTY, errno.EPERM, errno.EOPNOTSUPP}
"""Errors that are answers, not trouble."""
log = logging.getLogger("s3amfs.mount")


class LookAgain(OSError):
    """The kernel's cached attributes of the path are out of date: on ESTALE it looks again, and asks once more."""

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, "it has changed since it was looked at")


@contextmanager
def found_before() -> Iterator[None]:
    """For a path that the kernel has found or cached. Raises LookAgain if it is gone, as after a killed writer: the
    kernel looks it up again, and may create it."""
    try:
        yield
    except NotFound:
        raise LookAgain from None


@contextmanager
def _logged(name: str, path: object) -> Iterator[None]:
    """With --debug each operation is a line: what it was, how it ended, how long it took."""
    began = time.monotonic()
    outcome = "done"
    try:
        yield
    except OSError as error:
        outcome = errno.errorcode.get(error.errno or 0, str(error))
        raise
    finally:
        log.debug("%s %s: %s in %.1f ms", name, path or "", outcome, (time.monotonic() - began) * 1000)


F = TypeVar("F", bound=Callable[..., Any])


def answered(method: F) -> F:
    """Decorates an operation: every exception becomes an OSError with an errno; unexpected ones are logged."""

    is_logged = functools.partial(log.isEnabledFor, logging.DEBUG)

    @functools.wraps(method)
    def call(*args: Any, **named: Any) -> Any:
        try:
            with asking(is_gone):
                if not is_logged():
                    return method(*args, **named)
                with _logged(method.__name__, args[1] if len(args) > 1 else None):
                    return method(*args, **named)
        except OSError as error:
            if error.errno not in EXPECTED and not isinstance(error, LookAgain):
                log.error("%s of %s: %s", method.__name__, args[1] or "an open file", error)
            raise
        except Exception as error:
            log.exception("%s of %s failed", method.__name__, args[1])
            raise OSError(errno.EIO, str(error)) from error

    return call  # type: ignore[return-value]
