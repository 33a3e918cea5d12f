"""What is asked for beside the bytes is there, or a warning says that it is not: by a script, no server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from s3amfs.core.expected import WHATEVER
from s3amfs.core.locations import S3Location
from s3amfs.engine.client import S3Client
from s3amfs.errors import Unsupported
from s3amfs.transfers import commit
from s3amfs.transfers.as_asked import TRIES, asks_more, is_settled, look_at_stored
from s3amfs.transfers.options import ObjectOptions, StoredInfo
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

pytestmark = pytest.mark.usefixtures("state")
TARGET = S3Location("b", "k")
TAGS = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
ALL = ObjectOptions(tags={"a": "1"}, metadata={"Colour": "red"}, cache_control="no-cache", storage_class="STANDARD_IA")


def stored(**more: str) -> Reply:
    return reply(etag='"e"', content_length="5", **more)


def look(
    options: ObjectOptions, answer: Callable[[Asked], Reply], times: int = 1
) -> tuple[list[str], S3Client, ScriptedEngine]:
    """The warnings of looks at an object that is stored with the ETag e."""
    client, engine = scripted(answer)
    warnings: list[str] = []
    for _ in range(times):
        look_at_stored(client, TARGET, options, StoredInfo("e"), warnings.append)
    return warnings, client, engine


def test_what_is_there_is_looked_at_once() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return reply(body=TAGS)
        return stored(x_amz_meta_colour="red", cache_control="no-cache", x_amz_storage_class="STANDARD_IA")

    warnings, client, engine = look(ALL, answer, times=3)
    assert warnings == []
    assert [asked.method for asked in engine.asked] == ["HEAD", "GET"]
    assert is_settled(client, TARGET, ALL)


def test_each_kind_that_is_dropped_is_named_once() -> None:
    warnings, client, _ = look(
        ALL, lambda asked: reply(body="<Tagging><TagSet/></Tagging>") if asked.method == "GET" else stored(), times=2
    )
    assert [text.partition(" drops ")[2].partition(":")[0] for text in warnings] == [
        "tags",
        "metadata",
        "headers",
        "the storage class STANDARD_IA",
    ]
    assert is_settled(client, TARGET, ALL), "it was said"


def test_a_server_that_counts_tags_is_not_asked_for_them() -> None:
    warnings, _, engine = look(ObjectOptions(tags={"a": "1"}), lambda asked: stored(x_amz_tagging_count="1"))
    assert (warnings, len(engine.asked)) == ([], 1)


@pytest.mark.parametrize(
    ("tagging", "kept"),
    [
        (refusal(501), False),
        (refusal(405), False),
        (refusal(403), None),
        (refusal(404), None),
        (refusal(500), None),
        (reply(body="nonsense"), None),
        (reply(body="<Tagging><TagSet/></Tagging>"), False),
        (reply(body=TAGS), True),
    ],
)
def test_what_an_answer_about_tags_shows(tagging: Reply, kept: bool | None) -> None:
    warnings, client, _ = look(ObjectOptions(tags={"a": "1"}), lambda a: tagging if a.method == "GET" else stored())
    assert client.session.capabilities("b").keeps.get("tags") is kept
    assert len(warnings) == (kept is False)


@pytest.mark.parametrize(
    ("options", "headers", "kept"),
    [
        (ObjectOptions(metadata={"Colour": "red", "SIZE": "1"}), {"x_amz_meta_colour": "red"}, False),
        (ObjectOptions(metadata={"a": "1"}), {"x_amz_meta_a": "1", "x_amz_meta_b": "2"}, True),
        (ObjectOptions(cache_control="no-cache", expires="0"), {"cache_control": "no-cache"}, False),
        (ObjectOptions(cache_control="no-cache"), {"cache_control": "no-cache"}, True),
        (ObjectOptions(storage_class="GLACIER"), {"x_amz_storage_class": "STANDARD"}, False),
        (ObjectOptions(storage_class="GLACIER"), {"x_amz_storage_class": "DEEP_ARCHIVE"}, True),
    ],
)
def test_all_that_is_asked_for_has_to_be_there(options: ObjectOptions, headers: dict[str, str], kept: bool) -> None:
    warnings, client, _ = look(options, lambda asked: stored(**headers))
    assert list(client.session.capabilities("b").keeps.values()) == [kept]
    assert len(warnings) == (not kept)


def test_what_is_asked_for_is_open_until_it_was_looked_at() -> None:
    client, _ = scripted(lambda asked: refusal(500))
    can = client.session.capabilities("b")
    assert not is_settled(client, TARGET, ALL)
    assert not is_settled(client, TARGET, ObjectOptions(sse="AES256"))
    can.looks.update({"tags": TRIES, "metadata": TRIES - 1})
    assert is_settled(client, TARGET, ObjectOptions(tags={"a": "1"}))
    assert not is_settled(client, TARGET, ObjectOptions(metadata={"a": "1"}))
    can.keeps["metadata"] = False
    assert not is_settled(client, TARGET, ObjectOptions(metadata={"a": "1"})), "nobody was warned yet"
    can.keeps["metadata"] = True
    assert is_settled(client, TARGET, ObjectOptions(metadata={"a": "1"}))


@pytest.mark.parametrize("answer", [refusal(403, "AccessDenied"), reply(etag='"other"', content_length="5")])
def test_what_cannot_be_seen_is_not_claimed_and_not_asked_for_ever(answer: Reply) -> None:
    warnings, client, engine = look(ALL, lambda asked: answer, times=TRIES + 3)
    assert (warnings, len(engine.asked)) == ([], TRIES)
    assert is_settled(client, TARGET, ALL)
    assert client.session.capabilities("b").keeps == {}


def test_nothing_is_looked_at_where_nothing_special_is_asked_for() -> None:
    for options in (
        ObjectOptions(content_type="text/plain", storage_class="STANDARD"),
        ObjectOptions(metadata={"mode": "33188", "mtime": "1.0", "uid": "0", "gid": "0"}),
    ):
        warnings, client, engine = look(options, lambda asked: refusal(500))
        assert (warnings, engine.asked) == ([], [])
        assert is_settled(client, TARGET, options)


def test_a_small_put_is_looked_at() -> None:
    """Links and folders of a tree, and names of a mount, go this way."""
    client, _ = scripted(lambda asked: stored())
    with pytest.raises(Unsupported, match="no encryption is named"):
        commit.put(client, TARGET, b"bytes", ObjectOptions(sse="AES256"), WHATEVER, pytest.fail)
    with pytest.raises(Unsupported, match="nothing was sent"):
        commit.put(client, TARGET, b"bytes", ObjectOptions(sse="AES256"), WHATEVER, pytest.fail)
    warnings: list[str] = []
    client, _ = scripted(lambda asked: stored())
    commit.put(client, TARGET, b"bytes", replace(ALL, tags=None), WHATEVER, warnings.append)
    assert len(warnings) == 3


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (ObjectOptions(), False),
        (ObjectOptions(content_type="text/plain", storage_class="STANDARD"), False),
        (ObjectOptions(tags={"a": "1"}), True),
        (ObjectOptions(acl="public-read"), True),
        (ObjectOptions(content_encoding="gzip"), True),
        (ObjectOptions(storage_class="GLACIER"), True),
    ],
)
def test_what_is_asked_for_beside_the_bytes_and_their_type(options: ObjectOptions, more: bool) -> None:
    assert asks_more(options) is more


def test_of_an_upload_that_somebody_else_has_begun_only_encryption_is_looked_at() -> None:
    client, engine = scripted(lambda asked: stored())
    warnings: list[str] = []
    look_at_stored(client, TARGET, ALL, StoredInfo("e"), warnings.append, as_asked=False)
    assert (engine.asked, warnings) == ([], [])
    with pytest.raises(Unsupported, match="no encryption is named"):
        look_at_stored(client, TARGET, replace(ALL, sse="AES256"), StoredInfo("e"), warnings.append, as_asked=False)
    client, _ = scripted(lambda asked: stored())
    look_at_stored(
        client, TARGET, replace(ALL, sse="AES256"), StoredInfo("e", sse="AES256"), warnings.append, as_asked=False
    )
    assert client.session.capabilities("b").encrypts == {"AES256": True}
