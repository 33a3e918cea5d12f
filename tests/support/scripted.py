"""A client whose requests are answered by a function: for unit tests of what is asked and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from s3amfs.core.failures import Failure
from s3amfs.engine.client import S3Client
from s3amfs.engine.loop import Engine
from s3amfs.engine.one_shot import OneShot, OnReply
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.session import S3Session
from s3amfs.wire.curl.streams import Chunks
from s3amfs.wire.failures import find_failure
from s3amfs.wire.messages import HttpRequest, Reply, S3Request


class Asked:
    """One request as it would go out."""

    def __init__(self, request: HttpRequest) -> None:
        url = urlsplit(request.url)
        self.method, self.path, self.body = request.method, url.path, request.body
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in request.headers}


Answer = Callable[[Asked], Reply]


class ScriptedEngine:
    """Stands in for an engine whose requests never leave the process."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self.lines = self
        self.sampler = self
        self.sending = None

    def call(self, request: HttpRequest, **_: Any) -> Reply:
        self.asked.append(Asked(request))
        return self._answer(self.asked[-1])

    def found_latency(self, endpoint: str, seconds: float) -> None:
        """No line is measured."""

    def back_off(self, key: object, failure: Failure, delay: float) -> None:
        """No wait is counted."""

    def leave(self, key: object) -> None:
        """Nothing was."""


class ScriptedClient(S3Client):
    """What is begun is answered at once, in the thread that begins it."""

    def begin(
        self,
        request: S3Request,
        on_reply: OnReply,
        chunks: Chunks | None = None,
        *,
        loop: int = 0,
        gate: Any = None,
    ) -> OneShot:
        reply = self.engine.call(self.session.prepare(request))
        if chunks is not None:
            chunks.append(reply.body)
        on_reply(None if find_failure(reply) else reply)
        return cast(OneShot, None)


def scripted(answer: Answer, **choices: Any) -> tuple[S3Client, ScriptedEngine]:
    """A client that gives up at the first failure, and the engine that knows what was asked."""
    config = S3Config(
        endpoint_url="http://s3.test", access_key="key", secret_key="secret", region="us-east-1", retry_budget=0.0
    )
    engine = ScriptedEngine(answer)
    return ScriptedClient(S3Session(config), cast(Engine, engine), **choices), engine


def reply(status: int = 200, body: str = "", **headers: str) -> Reply:
    """Underscores of header names stand for hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, given, body.encode(), is_http=True)


def refusal(status: int, code: str = "") -> Reply:
    """An error as S3 sends it."""
    return reply(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>" if code else "")
