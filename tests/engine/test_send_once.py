"""A small body sent once: what comes of its reply, and which failures leave open whether it was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.engine.attempt import PartResult, SendPart
from s3amfs.engine.client import S3Client
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.send_once import may_be_done, send_once
from s3amfs.errors import Interrupted
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.scripted import refusal, reply

DOUBT = Failure(Kind.CORRUPT, "other bytes")
DONE = PartResult(1, 5)


@dataclass
class Body:
    """Finishes with `ends`."""

    ends: PartResult | Failure = DONE

    def finish(self, reply: Reply) -> PartResult:
        if isinstance(self.ends, Failure):
            raise PartProblem(self.ends)
        return self.ends


class Engine:
    def __init__(self, answer: Reply | Exception) -> None:
        self._answer = answer

    def call_here(self, request: HttpRequest, reader: Body) -> Reply:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def sent(answer: Reply | Exception, body: Body | None = None) -> tuple[PartResult | Failure, list[Failure]]:
    learned: list[Failure] = []
    client: Any = type("Client", (), {"engine": Engine(answer)})
    work = SendPart(HttpRequest("PUT", "http://b/k", learn=learned.append), cast(Any, body or Body()))
    return send_once(cast(S3Client, client), work), learned


def test_what_is_proven_is_the_result() -> None:
    assert sent(reply(etag='"e"')) == (DONE, [])


@pytest.mark.parametrize("answer", [reply(etag='"e"'), PartProblem(DOUBT)], ids=["by the reply", "while it is sent"])
def test_what_is_not_proven_is_a_failure(answer: Reply | Exception) -> None:
    assert sent(answer, Body(DOUBT)) == (DOUBT, [])


def test_a_refusal_teaches_its_service() -> None:
    failure, learned = sent(refusal(412, "PreconditionFailed"))
    assert isinstance(failure, Failure)
    assert (failure.kind, learned) == (Kind.CONDITION, [failure])


def test_a_file_that_can_not_be_read_is_a_local_failure() -> None:
    failure, _ = sent(OSError(5, "broken"))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.errno) == (Kind.LOCAL, 5)


def test_an_interruption_is_raised() -> None:
    with pytest.raises(Interrupted):
        sent(Interrupted("gone"))


@pytest.mark.parametrize(
    ("status", "may"), [(0, True), (200, True), (399, True), (400, False), (499, False), (500, True)]
)
def test_only_a_refusal_says_that_nothing_was_stored(status: int, may: bool) -> None:
    assert may_be_done(Failure(Kind.SERVER, "", status)) is may
