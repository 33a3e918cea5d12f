"""Whatever goes wrong in an operation has an errno; what is trouble is in the log, what is an answer is not."""

from __future__ import annotations

import errno
import logging

import pytest

from s3amfs.errors import NotFound
from s3amfs.mount.errors import EXPECTED, LookAgain, answered, found_before


class Operations:
    @answered
    def getattr(self, path: str, error: BaseException | None) -> str:
        if error is not None:
            raise error
        return path


def outcome(error: BaseException | None, path: str = "/p") -> int | str | None:
    try:
        return Operations().getattr(path, error)
    except OSError as raised:
        return raised.errno


def test_an_answer_is_passed_on() -> None:
    assert outcome(None) == "/p"


@pytest.mark.parametrize("number", sorted(EXPECTED))
def test_answers_are_not_logged(caplog: pytest.LogCaptureFixture, number: int) -> None:
    assert outcome(OSError(number, "x")) == number
    assert outcome(LookAgain()) == errno.ESTALE
    assert caplog.records == []


def test_trouble_is_logged_once_with_its_path(caplog: pytest.LogCaptureFixture) -> None:
    assert outcome(OSError(errno.EIO, "broken")) == errno.EIO
    assert outcome(OSError(errno.EIO, "broken"), "") == errno.EIO
    first, second = caplog.records
    assert (first.levelno, first.getMessage()) == (logging.ERROR, "getattr of /p: [Errno 5] broken")
    assert "an open file" in second.getMessage()


def test_our_own_bug_is_eio_with_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert outcome(KeyError("bug")) == errno.EIO
    (record,) = caplog.records
    assert record.exc_info is not None


def test_a_path_that_was_found_before_is_looked_at_again() -> None:
    with pytest.raises(LookAgain), found_before():
        raise NotFound("gone")
    with pytest.raises(PermissionError), found_before():
        raise PermissionError
