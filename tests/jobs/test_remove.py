"""`rm`: what is looked at before a deletion, on which condition it is sent, and which limits are judged before it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from s3amfs.core.deletions import MaxDelete
from s3amfs.core.filters import Filters, Rule
from s3amfs.core.locations import S3Location
from s3amfs.core.tree_events import EntryDone, Totals
from s3amfs.errors import AccessDenied, InvalidDestination, NotFound, SourceChanged, TooManyDeletions, UsageError
from s3amfs.jobs.remove import RemoveOptions, remove
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

SIZES = {"a": 1, "d/x": 2, "d/y.gz": 3, "e/z.gz": 4}


def server(asked: Asked) -> Reply:
    """A bucket of SIZES, whose ETags are their names."""
    key = asked.path.removeprefix("/bbb").strip("/")
    if asked.method == "POST":
        return reply(200, "<DeleteResult/>")
    if asked.method == "DELETE":
        return reply(204)
    if asked.method == "GET":
        prefix = asked.query.get("prefix", "")
        items = "".join(
            f"<Contents><Key>{name}</Key><Size>{size}</Size><ETag>{name}</ETag></Contents>"
            for name, size in sorted(SIZES.items())
            if name.startswith(prefix) and name > asked.query.get("start-after", "")
        )
        return reply(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>")
    if not key:
        return reply()
    return reply(200, etag=f'"{key}"', content_length=str(SIZES[key])) if key in SIZES else refusal(404)


class Run:
    """One `rm`."""

    def __init__(self, answer: Any = server) -> None:
        self.client, self.engine = scripted(answer)
        self.entries: list[EntryDone] = []

    def rm(self, key: str, *, version_id: str | None = None, **options: Any) -> Totals:
        where = S3Location("bbb", key, version_id)
        return remove(where, self.client, RemoveOptions(**options), self.entries.append)

    @property
    def deleted(self) -> list[str]:
        return deleted(self.engine)

    @property
    def did(self) -> dict[str, str]:
        return {entry.key: entry.action for entry in self.entries}


def deleted(engine: ScriptedEngine) -> list[str]:
    found: list[str] = []
    for asked in engine.asked:
        if asked.method == "DELETE":
            found.append(asked.path.removeprefix("/bbb/"))
        elif asked.method == "POST":
            found += re.findall(r"<Key>(.*?)</Key>", asked.body.decode())
    return found


def test_one_key_is_looked_at_and_deleted_whatever_it_is() -> None:
    run = Run()
    totals = run.rm("a")
    assert (run.deleted, run.did) == (["a"], {"a": "delete"})
    assert (totals.counts["delete"], totals.bytes, totals.exit_code, totals.dry_run) == (1, 1, 0, False)
    assert run.engine.asked[-1].headers.get("if-match") is None
    assert run.entries[0].size == 1


def test_an_absent_key_is_an_error_that_names_the_option() -> None:
    run = Run()
    with pytest.raises(NotFound, match="give -r"):
        run.rm("d")
    assert run.deleted == []


def test_an_absent_bucket_is_named_as_such() -> None:
    with pytest.raises(NotFound, match="bucket bbb does not exist"):
        Run(lambda asked: refusal(404)).rm("a")


def test_a_bucket_by_itself_is_refused() -> None:
    run = Run()
    with pytest.raises(InvalidDestination, match="names a bucket"):
        run.rm("")
    assert run.engine.asked == []


def test_a_dry_run_of_one_key() -> None:
    run = Run()
    totals = run.rm("a", dry_run=True)
    assert (run.deleted, run.did, totals.counts["delete"], totals.dry_run) == ([], {"a": "delete"}, 1, True)
    assert run.entries[0].dry_run


def test_another_etag_is_left_as_it_is() -> None:
    run = Run()
    with pytest.raises(SourceChanged, match="has the ETag a, not b"):
        run.rm("a", if_match="b")
    assert run.deleted == []


@pytest.mark.parametrize("etag", ["a", '"a"'])
def test_the_etag_goes_with_the_deletion(etag: str) -> None:
    run = Run()
    run.rm("a", if_match=etag)
    assert run.engine.asked[-1].headers["if-match"] == '"a"'


@pytest.mark.parametrize(
    ("answer", "error"),
    [(refusal(412, "PreconditionFailed"), SourceChanged), (refusal(403, "AccessDenied"), AccessDenied)],
)
def test_a_refused_deletion_is_an_error(answer: Reply, error: type[Exception]) -> None:
    run = Run(lambda asked: answer if asked.method == "DELETE" else server(asked))
    with pytest.raises(error):
        run.rm("a", if_match="a")
    assert run.entries == []


@pytest.mark.parametrize(("limit", "allowed"), [(MaxDelete(count=0), False), (MaxDelete(count=1), True)])
def test_a_limit_holds_for_one_key_too(limit: MaxDelete, allowed: bool) -> None:
    run = Run()
    if allowed:
        run.rm("a", max_delete=limit)
    else:
        with pytest.raises(TooManyDeletions):
            run.rm("a", max_delete=limit)
    assert run.deleted == ["a"] * allowed


def test_a_version_is_named_in_the_deletion() -> None:
    run = Run()
    run.rm("a", version_id="v1")
    assert run.engine.asked[-1].query["versionId"] == "v1"


MARKER = "<DeleteMarker><Key>a</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest></DeleteMarker>"


@pytest.mark.parametrize(("status", "listed", "there"), [(405, "", True), (404, MARKER, True), (404, "", False)])
def test_a_delete_marker_is_a_version_without_a_size(status: int, listed: str, there: bool) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD" and "versionId" in asked.query:
            return refusal(status)
        if "versions" in asked.query:
            return reply(200, f"<ListVersionsResult><IsTruncated>false</IsTruncated>{listed}</ListVersionsResult>")
        return server(asked)

    run = Run(answer)
    if not there:
        with pytest.raises(NotFound):
            run.rm("a", version_id="v1")
        return
    totals = run.rm("a", version_id="v1")
    assert (run.deleted, run.entries[0].size, totals.bytes) == (["a"], None, 0)


@pytest.mark.parametrize("more", [{"if_match": "a"}, {"version_id": "v1"}])
@pytest.mark.parametrize("key", ["d", "*.gz"])
def test_conditions_are_for_one_object(more: dict[str, str], key: str) -> None:
    run = Run()
    with pytest.raises(UsageError, match="for one object"):
        run.rm(key, recursive=True, **more)
    assert run.engine.asked == []


@pytest.mark.parametrize(
    ("key", "recursive", "gone"),
    [
        ("d", True, ["d/x", "d/y.gz"]),
        ("d/", True, ["d/x", "d/y.gz"]),
        ("", True, ["a", "d/x", "d/y.gz", "e/z.gz"]),
        ("**.gz", False, ["d/y.gz", "e/z.gz"]),
        ("d/*.gz", True, ["d/y.gz"]),
        ("none", True, []),
    ],
)
def test_a_folder_or_what_a_glob_matches(key: str, recursive: bool, gone: list[str]) -> None:
    run = Run()
    totals = run.rm(key, recursive=recursive)
    assert (run.deleted, run.did) == (gone, dict.fromkeys(gone, "delete"))
    assert (totals.bytes, totals.exit_code) == (sum(SIZES[name] for name in gone), 0)


def test_a_dry_run_of_many_sends_nothing() -> None:
    run = Run()
    totals = run.rm("d", recursive=True, dry_run=True)
    assert (run.deleted, list(run.did), totals.counts["delete"]) == ([], ["d/x", "d/y.gz"], 2)


def test_filters_hold_for_names_below_the_folder() -> None:
    run = Run()
    run.rm("d", recursive=True, filters=Filters([Rule(False, "*.gz")]))
    assert run.deleted == ["d/x"]


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        (MaxDelete(count=1), False),
        (MaxDelete(count=2), True),
        (MaxDelete(percent=49.0), False),
        (MaxDelete(percent=50.0), True),
    ],
)
def test_a_limit_is_judged_before_the_first_deletion(limit: MaxDelete, allowed: bool) -> None:
    """Two of four: the share is that of what is listed, not of what matches."""
    run = Run()
    if allowed:
        run.rm("**.gz", max_delete=limit)
    else:
        with pytest.raises(TooManyDeletions):
            run.rm("**.gz", max_delete=limit)
    assert run.deleted == ["d/y.gz", "e/z.gz"] * allowed


def test_what_could_not_be_deleted_is_named_and_exit_1() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            body = "<Error><Key>d/x</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
            return reply(200, f"<DeleteResult>{body}</DeleteResult>")
        return server(asked)

    run = Run(answer)
    totals = run.rm("d", recursive=True)
    assert run.did == {"d/x": "fail", "d/y.gz": "delete"}
    assert (totals.exit_code, totals.bytes, totals.counts["fail"], totals.counts["delete"]) == (1, 3, 1, 1)
