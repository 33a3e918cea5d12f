"""Deleting many objects: what goes in one request, what is looked at before, and what each failure means."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from s3amfs.errors import NotFound, S3AMError
from s3amfs.jobs.deletes import BATCH_KEYS, TRIES, Deleted, Victim, batches, delete_all, delete_batch, look_at
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

KEPT = "changed since it was listed: kept"


def answer_to(asked: Asked, failing: dict[str, str]) -> Reply:
    """DeleteObjects: the keys of `failing` with their codes."""
    errors = "".join(
        f"<Error><Key>{key}</Key><Code>{code}</Code><Message>why {code}</Message></Error>"
        for key, code in failing.items()
        if key in keys_of(asked)
    )
    return reply(200, f"<DeleteResult>{errors}</DeleteResult>")


def keys_of(asked: Asked) -> list[str]:
    return re.findall(r"<Key>(.*?)</Key>", asked.body.decode())


def deletes(engine: ScriptedEngine) -> list[list[str]]:
    return [keys_of(asked) for asked in engine.asked if asked.method == "POST"]


def server(
    etags: dict[str, str], failing: Callable[[int], dict[str, str]] = lambda tries: {}
) -> Callable[[Asked], Reply]:
    """A bucket with these objects. failing: by the number of the DeleteObjects, from 0."""
    seen = 0

    def answer(asked: Asked) -> Reply:
        nonlocal seen
        if asked.method == "POST":
            seen += 1
            return answer_to(asked, failing(seen - 1))
        key = asked.path.removeprefix("/b/")
        if asked.method == "HEAD" and asked.path.rstrip("/") != "/b":
            return reply(200, etag=f'"{etags[key]}"', content_length="1") if key in etags else refusal(404)
        return reply()

    return answer


def test_batches_hold_a_thousand() -> None:
    def sizes(count: int) -> list[int]:
        return [len(batch) for batch in batches(Victim(str(number)) for number in range(count))]

    assert BATCH_KEYS == 1000
    assert [sizes(count) for count in (0, 1, 999, 1000, 1001, 2000)] == [
        [],
        [1],
        [999],
        [1000],
        [1000, 1],
        [1000, 1000],
    ]


def test_without_an_etag_nothing_is_looked_at() -> None:
    client, engine = scripted(server({}))
    done = delete_batch(client, "b", [Victim("x", 7), Victim("y")])
    assert done == [Deleted(Victim("x", 7)), Deleted(Victim("y"))]
    assert deletes(engine) == [["x", "y"]] and len(engine.asked) == 1


def test_with_etags_only_what_is_still_as_listed_goes() -> None:
    client, engine = scripted(server({"same": "1", "other": "2", "any": "3"}))
    victims = [Victim("same", etag="1"), Victim("other", etag="1"), Victim("gone", etag="1"), Victim("any")]
    done = {deleted.victim.key: deleted for deleted in delete_batch(client, "b", victims)}
    assert deletes(engine) == [["same", "any"]]
    assert [done[key].error for key in ("same", "other", "gone", "any")] == ["", KEPT, "", ""]
    assert [done[key].changed for key in ("same", "other", "gone", "any")] == [False, True, False, False]


def test_the_etag_goes_with_the_request() -> None:
    client, engine = scripted(server({"x": "1"}))
    delete_batch(client, "b", [Victim("x", etag="1"), Victim("y")])
    assert re.findall(r"<ETag>(.*?)</ETag>", engine.asked[-1].body.decode().replace("&quot;", '"')) == ['"1"']


def test_what_a_server_cannot_do_now_is_sent_again_and_nothing_else() -> None:
    def failing(tries: int) -> dict[str, str]:
        return {"x": "InternalError", "y": "AccessDenied"} if tries == 0 else {"x": "SlowDown"} if tries == 1 else {}

    client, engine = scripted(server({}, failing))
    done = delete_batch(client, "b", [Victim("x"), Victim("y"), Victim("z")])
    assert deletes(engine) == [["x", "y", "z"], ["x"], ["x"]]
    assert {deleted.victim.key: deleted.error for deleted in done} == {
        "x": "",
        "y": "not deleted: why AccessDenied",
        "z": "",
    }


def test_tries_have_an_end() -> None:
    client, engine = scripted(server({}, lambda tries: {"x": "InternalError"}))
    (done,) = delete_batch(client, "b", [Victim("x")])
    assert done == Deleted(Victim("x"), "not deleted: why InternalError")
    assert len(deletes(engine)) == TRIES


def test_a_condition_that_did_not_hold_is_no_error_of_the_server() -> None:
    client, engine = scripted(server({"x": "1"}, lambda tries: {"x": "PreconditionFailed"}))
    (done,) = delete_batch(client, "b", [Victim("x", etag="1")])
    assert done == Deleted(Victim("x", etag="1"), KEPT, changed=True)
    assert len(deletes(engine)) == 1


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey"])
@pytest.mark.parametrize("key", ["x", "a\x01b"])
def test_a_condition_that_fails_since_the_object_is_gone_is_a_deletion(code: str, key: str) -> None:
    """The answer to an earlier request, which has deleted it, may have been lost."""
    objects = {key: "1"}

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            is_there = bool(objects) or asked.path.rstrip("/") == "/b"
            return reply(200, etag='"1"', content_length="1") if is_there else refusal(404)
        objects.clear()
        return answer_to(asked, {key: code}) if asked.method == "POST" else refusal(412, code)

    client, _ = scripted(answer)
    assert delete_batch(client, "b", [Victim(key, etag="1")]) == [Deleted(Victim(key, etag="1"))]


@pytest.mark.parametrize("named", ["<Key>q</Key>", "<Key/>", ""])
def test_after_a_failure_of_a_key_that_was_not_asked_for_nothing_counts_as_deleted(named: str) -> None:
    """The server may write a key in another way, or name none."""
    failure = f"<Error>{named}<Code>AccessDenied</Code></Error>"
    client, _ = scripted(lambda asked: reply(200, f"<DeleteResult>{failure}</DeleteResult>"))
    (done,) = delete_batch(client, "b", [Victim("x")])
    assert (done.error, done.changed) == ("not known whether it is deleted: AccessDenied", False)


@pytest.mark.parametrize(
    ("answer", "error", "changed"),
    [
        (reply(204), "", False),
        (refusal(404, "NoSuchKey"), "", False),
        (refusal(412, "PreconditionFailed"), KEPT, True),
        (refusal(403, "AccessDenied"), "not deleted: ", False),
    ],
)
def test_a_key_that_xml_cannot_hold_has_a_request_of_its_own(answer: Reply, error: str, changed: bool) -> None:
    key = "a\x01b"
    other = reply(200, "<DeleteResult/>", etag='"1"', content_length="1")
    client, engine = scripted(lambda asked: answer if asked.method == "DELETE" else other)
    done = delete_batch(client, "b", [Victim(key), Victim("plain")])
    assert deletes(engine) == [["plain"]]
    (single,) = [deleted for deleted in done if deleted.victim.key == key]
    assert (single.changed, single.error.startswith(error), bool(single.error)) == (changed, True, bool(error))
    assert [asked.headers.get("if-match") for asked in engine.asked if asked.method == "DELETE"] == [None]


def test_that_request_has_the_etag_as_its_condition() -> None:
    client, engine = scripted(lambda asked: reply(204, etag='"1"', content_length="1"))
    delete_batch(client, "b", [Victim("a\x01b", etag="1")])
    assert [asked.headers.get("if-match") for asked in engine.asked if asked.method == "DELETE"] == ['"1"']


def test_a_look_that_fails_keeps_the_entry_and_names_the_reason() -> None:
    def answer(asked: Asked) -> Reply:
        return reply(200, "<DeleteResult/>") if asked.method == "POST" else refusal(403, "AccessDenied")

    client, engine = scripted(answer)
    (done,) = delete_batch(client, "b", [Victim("x", etag="1")])
    assert done.error.startswith("not deleted: ") and not done.changed
    assert deletes(engine) == []


def test_a_look_says_what_is_there_what_is_not_and_what_nobody_knows() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/denied"):
            return refusal(403, "AccessDenied")
        return server({"there": "1"})(asked)

    client, _ = scripted(answer)
    found = look_at(client, "b", ["there", "absent", "denied"])
    there, denied = found["there"], found["denied"]
    assert there is not None and not isinstance(there, S3AMError) and there.etag == "1"
    assert found["absent"] is None and isinstance(denied, S3AMError)


def test_all_of_them_in_order_of_their_batches() -> None:
    client, engine = scripted(server({}, lambda tries: {"1500": "AccessDenied"}))
    victims = [Victim(str(number)) for number in range(2500)]
    done = list(delete_all(client, "b", victims))
    assert [deleted.victim for deleted in done] == victims
    assert [deleted.victim.key for deleted in done if deleted.error] == ["1500"]
    assert sorted(len(keys) for keys in deletes(engine)) == [500, 1000, 1000]


def test_what_is_wrong_with_all_is_raised() -> None:
    client, _ = scripted(lambda asked: refusal(404, "NoSuchBucket"))
    with pytest.raises(NotFound):
        list(delete_all(client, "b", [Victim("x")]))
