"""Objects that the server copies in one request after a look, and those that are left to the verb."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from s3amfs.core.compare import Rules
from s3amfs.core.entries import Entry
from s3amfs.core.events import TransferResult
from s3amfs.core.locations import S3Location
from s3amfs.errors import ObjectExists, S3AMError
from s3amfs.jobs import across as module
from s3amfs.jobs.across import Across
from s3amfs.jobs.job_options import TreeOptions
from s3amfs.jobs.sides import ObjectVerbs
from s3amfs.jobs.work import Outcome, Room, Work, outcome_of
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, reply, scripted

PLAIN = {"x_amz_server_side_encryption": "AES256"}
KMS = {"x_amz_server_side_encryption": "aws:kms"}
REDIRECT = {"x_amz_website_redirect_location": "/there"}


class Site:
    """Copies k1 and k2 of a bucket; `headers` are those of its objects, in this order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *headers: dict[str, str], **choices: Any) -> None:
        self.done: list[Outcome] = []
        self.left: list[str] = []
        self.warnings: list[str] = []
        by_path = {f"/from/k{number}": given for number, given in enumerate(headers, 1)}

        def answer(asked: Asked) -> Reply:
            if asked.method == "HEAD":
                return reply(200, etag='"e"', content_length="3", **by_path[asked.path])
            return reply(200, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")

        monkeypatch.setattr(module, "is_settled", lambda *given: True)
        client, self.engine = scripted(answer)
        options = TreeOptions(Rules("across"), **choices)
        across = Across(S3Location("from", ""), S3Location("to", ""), client, options, ObjectVerbs())
        across.warn = self.warnings.append  # type: ignore[method-assign]
        for number in range(1, len(headers) + 1):
            work = Work(number, f"k{number}", Entry(f"k{number}", 3, etag="e"), None, "new", whatever=True)
            across.small(work, Room(), self.done.append, partial(self.left.append, f"k{number}"))

    @property
    def copied(self) -> list[str]:
        return [asked.path for asked in self.engine.asked if asked.method == "PUT"]


def test_a_look_and_a_request_each(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, PLAIN, PLAIN)
    assert [asked.method for asked in site.engine.asked] == ["HEAD", "PUT"] * 2
    assert (site.copied, site.left) == (["/to/k1", "/to/k2"], [])
    assert [outcome.action for outcome in site.done] == ["moved", "moved"]


@pytest.mark.parametrize("headers", [KMS, REDIRECT])
def test_what_copy_object_gives_up_is_left_to_the_verb(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """Wherever it stands: a bucket may mix them."""
    site = Site(monkeypatch, PLAIN, headers, PLAIN)
    assert (site.copied, site.left) == (["/to/k1", "/to/k3"], ["k2"])


def test_a_copy_that_loses_a_lock_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, *[{"x_amz_object_lock_mode": "GOVERNANCE"}] * 2)
    assert len(site.copied) == 2
    assert [text for text in site.warnings if "retention or a legal hold" in text] == site.warnings[:1] != []


@pytest.mark.parametrize(
    ("headers", "choices"),
    [(KMS, {"object": ObjectOptions(sse="AES256")}), (REDIRECT, {"copy_metadata": False})],
)
def test_the_user_wants_something_else(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], choices: dict[str, Any]
) -> None:
    site = Site(monkeypatch, headers, headers, **choices)
    assert (site.copied, site.left) == (["/to/k1", "/to/k2"], [])


class Recording(ObjectVerbs):
    """Copies nothing."""

    def __init__(self) -> None:
        self.given: list[UploadOptions] = []

    def upload(self, source: Any, target: Any, client: Any, options: UploadOptions, **_: Any) -> TransferResult:
        self.given.append(options)
        return TransferResult("copy", "", "", 3)


@pytest.mark.parametrize("kept", [True, False])
def test_the_verb_knows_whether_metadata_are_to_be_kept(kept: bool) -> None:
    client, _ = scripted(lambda asked: reply())
    verbs = Recording()
    options = TreeOptions(Rules("across"), copy_metadata=kept)
    across = Across(S3Location("from", ""), S3Location("to", ""), client, options, verbs)
    across.large(Work(1, "k", Entry("k", 3, etag="e"), None, "new"))
    assert [options.copy_metadata for options in verbs.given] == [kept]


@pytest.mark.parametrize(
    ("headers", "choices", "asked_again"),
    [
        (PLAIN, {}, True),
        (KMS, {}, False),
        (REDIRECT, {}, False),
        (PLAIN, {"object": ObjectOptions(content_type="text/given")}, False),
        (PLAIN, {"object": ObjectOptions(content_type="text/given"), "copy_metadata": False}, True),
    ],
    ids=["plain", "KMS", "redirect", "a header is given", "all headers are given"],
)
def test_an_object_that_shows_whether_the_server_obeys_stays_as_the_verb_stored_it(
    headers: dict[str, str], choices: dict[str, Any], asked_again: bool
) -> None:
    """The server takes no notice of the condition: what it is asked with replaces the object."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return reply(200, etag='"e"', content_length="3", **headers)
        return reply(200, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")

    client, engine = scripted(answer)
    done: list[Outcome] = []
    verbs, options = Recording(), TreeOptions(Rules("across"), **choices)
    across = Across(S3Location("from", ""), S3Location("to", ""), client, options, verbs)
    work = Work(1, "k", Entry("k", 3, etag="e"), None, "new")
    across.small(work, Room(), done.append, lambda: None)
    assert (len(verbs.given), [outcome.action for outcome in done]) == (1, ["moved"])
    assert bool([asked for asked in engine.asked if asked.method == "PUT"]) is asked_again


LATER = "Tue, 01 Jan 2030 00:00:00 GMT"


class Refused(ObjectVerbs):
    """Another object stands at the target."""

    def upload(self, *args: Any, **kwargs: Any) -> TransferResult:
        raise ObjectExists("exists")


@pytest.mark.parametrize(
    ("etag", "doubtful", "exists", "action"),
    [
        ("e" * 32, True, "compare", "moved"),
        ("e" * 32, False, "compare", "same"),
        ("e" * 32, False, "refuse", "same"),
        ("f" * 32, True, "compare", "failed"),
        ("f" * 32, True, "refuse", "exists"),
        ("f" * 32 + "-2", True, "compare", "failed"),
    ],
)
def test_equal_content_at_the_target_is_no_other_writers(etag: str, doubtful: bool, exists: Any, action: str) -> None:
    """The answer to a request that had stored it may have been lost."""

    def answer(asked: Asked) -> Reply:
        return reply(
            etag=f'"{etag}"' if asked.path.startswith("/to/") else f'"{"e" * 32}"',
            content_length="1",
            last_modified=LATER,
        )

    client, _ = scripted(answer)
    options = TreeOptions(Rules("across"), exists=exists)
    across = Across(S3Location("from", ""), S3Location("to", ""), client, options, Refused())
    work = Work(1, "k", Entry("k", 1, etag="e" * 32), None, "new", doubtful=doubtful)
    try:
        found = across.large(work)
    except S3AMError as error:
        found = outcome_of(work, error)
    assert found.action == action
