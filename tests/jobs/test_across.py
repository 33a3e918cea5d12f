"""Objects that the server copies in one request, and those that need a look at what their source has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from s3amfs.core.compare import Rules
from s3amfs.core.entries import Entry
from s3amfs.core.locations import S3Location
from s3amfs.jobs import across as module
from s3amfs.jobs.across import Across
from s3amfs.jobs.job_options import TreeOptions
from s3amfs.jobs.sides import ObjectVerbs
from s3amfs.jobs.work import Outcome, Room, Work
from s3amfs.transfers.options import ObjectOptions, StoredInfo
from s3amfs.wire.messages import S3Request
from tests.support.scripted import reply, scripted

PLAIN = {"x_amz_server_side_encryption": "AES256"}
KMS = {"x_amz_server_side_encryption": "aws:kms"}
REDIRECT = {"x_amz_website_redirect_location": "/there"}


class Site:
    """Copies k1 and k2 of a bucket whose objects have `headers`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], **choices: Any) -> None:
        self.copied: list[str] = []
        self.done: list[Outcome] = []
        self.left: list[str] = []

        def begin(client: Any, request: S3Request, done: Callable[[StoredInfo], None]) -> None:
            self.copied.append(request.key)
            done(StoredInfo("e"))

        monkeypatch.setattr(module, "begin_copy", begin)
        monkeypatch.setattr(module, "is_settled", lambda *given: True)
        client, self.engine = scripted(lambda asked: reply(200, etag='"e"', content_length="3", **headers))
        options = TreeOptions(Rules("across"), **choices)
        across = Across(S3Location("from", ""), S3Location("to", ""), client, options, ObjectVerbs())
        for number, key in enumerate(("k1", "k2"), 1):
            work = Work(number, key, Entry(key, 3, etag="e"), None, "new", whatever=True)
            across.small(work, Room(), self.done.append, partial(self.left.append, key))

    @property
    def asked(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.engine.asked]


def test_one_request_each_after_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, PLAIN)
    assert (site.asked, site.copied, site.left) == (["HEAD /from/k1"], ["k1", "k2"], [])
    assert [outcome.action for outcome in site.done] == ["moved", "moved"]


@pytest.mark.parametrize("headers", [KMS, REDIRECT])
def test_what_copy_object_gives_up_is_left_to_the_verb(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    site = Site(monkeypatch, headers)
    assert (site.asked, site.copied, site.left) == (["HEAD /from/k1"], [], ["k1", "k2"])


@pytest.mark.parametrize(
    ("headers", "choices"),
    [(KMS, {"object": ObjectOptions(sse="AES256")}), (REDIRECT, {"copy_metadata": False})],
)
def test_the_user_wants_something_else(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], choices: dict[str, Any]
) -> None:
    site = Site(monkeypatch, headers, **choices)
    assert (site.copied, site.left) == (["k1", "k2"], [])
