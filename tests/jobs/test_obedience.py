"""Whether a server obeys conditions is found out once: by a request that an obedient server has to refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from s3amfs.core.expected import NOTHING, WHATEVER, Expected, this_etag
from s3amfs.jobs.obedience import Obedience
from s3amfs.wire.messages import Reply, S3Request
from s3amfs.wire.s3 import api as s3api
from tests.support.scripted import ScriptedEngine, refusal, reply, scripted

ETAG = this_etag("1" * 32)


class Entries:
    """Stores an entry with all looks, and makes its request again."""

    def __init__(self, answer: Reply) -> None:
        self.client, self.engine = scripted(lambda asked: answer)
        self.can = self.client.session.capabilities("b")
        self.obedience = Obedience(self.client, "b", "put")
        self.stored = 0

    def store(self) -> Callable[[Expected], S3Request]:
        self.stored += 1
        return lambda expected: s3api.put_object("b", "k", s3api.Body(b"x"), s3api.ObjectOptions(), expected)

    def trusts(self, expected: Expected) -> bool | None:
        return self.obedience.trusts(expected, self.store)


def conditions(engine: ScriptedEngine) -> list[tuple[str | None, str | None]]:
    return [(asked.headers.get("if-none-match"), asked.headers.get("if-match")) for asked in engine.asked]


def test_without_a_condition_there_is_nothing_to_find_out() -> None:
    entries = Entries(reply())
    assert entries.trusts(WHATEVER) is True
    assert (entries.stored, entries.engine.asked) == (0, [])


@pytest.mark.parametrize(
    ("answer", "known"),
    [(refusal(412, "PreconditionFailed"), True), (reply(etag='"2"'), False)],
)
@pytest.mark.parametrize("expected", [NOTHING, ETAG])
def test_the_first_entry_is_the_test_of_all(answer: Reply, known: bool, expected: Expected) -> None:
    entries = Entries(answer)
    assert entries.trusts(expected) is None
    assert entries.can.conditions["put", expected.kind] is known
    assert [entries.trusts(expected) for _ in range(3)] == [known] * 3
    assert (entries.stored, len(entries.engine.asked)) == (1, 1)


def test_the_condition_of_the_test_does_not_hold() -> None:
    entries = Entries(refusal(412, "PreconditionFailed"))
    entries.trusts(NOTHING)
    entries.trusts(ETAG)
    assert conditions(entries.engine) == [("*", None), (None, '"' + "0" * 32 + '"')]


def test_each_kind_is_found_out_by_itself() -> None:
    entries = Entries(refusal(412, "PreconditionFailed"))
    assert entries.trusts(NOTHING) is None
    assert "etag" not in {kind for _, kind in entries.can.conditions}
    assert entries.trusts(ETAG) is None
    assert entries.stored == 2


def test_another_refusal_proves_nothing_and_is_not_asked_for_again() -> None:
    entries = Entries(refusal(403, "AccessDenied"))
    assert entries.trusts(NOTHING) is None
    assert ("put", "nothing") not in entries.can.conditions
    assert entries.trusts(NOTHING) is False
    assert entries.stored == 1


def test_an_entry_that_cannot_show_it_is_asked_nothing() -> None:
    entries = Entries(reply())
    assert entries.obedience.trusts(NOTHING, lambda: None) is None
    assert entries.trusts(NOTHING) is False
    assert (entries.stored, entries.engine.asked, entries.can.conditions) == (0, [], {})


@pytest.mark.parametrize("known", [True, False])
def test_what_is_known_already_costs_nothing(known: bool) -> None:
    entries = Entries(reply())
    entries.can.conditions["put", "nothing"] = known
    assert entries.trusts(NOTHING) is known
    assert (entries.stored, entries.engine.asked) == (0, [])


def test_what_another_operation_does_says_nothing_of_this_one() -> None:
    entries = Entries(reply())
    entries.can.conditions["copy", "nothing"] = True
    assert entries.trusts(NOTHING) is None
