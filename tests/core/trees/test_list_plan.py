"""The plan of a parallel listing against a server that is a sorted list, whatever its keys and the order of replies."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.core.trees.list_plan import MOST_STORED, Ask, ListPlan
from tests.support.examples import examples

PAGE = 10
Page = tuple[list[str], bool]


class Server:
    """Lists keys in order; `requests` counts."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.requests = 0

    def page(self, after: str) -> Page:
        self.requests += 1
        at = bisect_right(self.keys, after) if after else 0
        return self.keys[at : at + PAGE], at + PAGE < len(self.keys)


def listed(
    server: Server, width: int = 32, draw: random.Random | None = None, page: Callable[[str], Page] | None = None
) -> tuple[list[str], int]:
    """The keys as they come out, and the rounds: in each, every request in flight is answered (or, drawn, some)."""
    plan: ListPlan[list[str]] = ListPlan(width)
    answer = page or server.page
    found: list[str] = []
    flying: list[Ask[list[str]]] = []
    rounds = most = 0
    while not plan.over:
        while (ask := plan.ask()) is not None:
            flying.append(ask)
        answered = flying
        if draw is not None:
            draw.shuffle(flying)
            answered = flying[: draw.randrange(1, len(flying) + 1)] if flying else []
        flying = flying[len(answered) :]
        for ask in answered:
            keys, more = answer(ask.after)
            plan.arrived(ask, keys, more, None, keys)
        rounds += 1
        most = max(most, plan._stored)
        while (taken := plan.take()) is not None:
            found += taken[0][: taken[1]]
        assert rounds < 100_000
    assert most <= MOST_STORED + width
    return found, rounds


def serial(keys: list[str]) -> int:
    return max(1, -(-len(keys) // PAGE))


KEY = st.text(st.sampled_from("ab/09-é\U0001f600z"), min_size=1, max_size=8)


@given(st.sets(KEY, max_size=400), st.integers(0, 2**32))
@examples(60)
def test_any_keys_come_out_once_and_in_order(keys: set[str], seed: int) -> None:
    server = Server(sorted(keys))
    found, _ = listed(server, draw=random.Random(seed))
    assert found == server.keys
    assert server.requests <= 1.2 * serial(server.keys)


def uniform(draw: random.Random) -> list[str]:
    return [f"{draw.getrandbits(128):032x}" for _ in range(10_000)]


def numbered(_draw: random.Random) -> list[str]:
    return [f"p/object-{number:09d}.bin" for number in range(10_000)]


def unpadded(_draw: random.Random) -> list[str]:
    return [f"run-{number}.csv" for number in range(10_000)]


def dated(_draw: random.Random) -> list[str]:
    return [
        f"logs/2026-{d // 28 + 1:02d}-{d % 28 + 1:02d}/h{h:02d}/{n}.gz"
        for d in range(84)
        for h in range(24)
        for n in range(5)
    ]


def clustered(draw: random.Random) -> list[str]:
    return [f"{name}/{int(draw.expovariate(1) * 1e6):09d}" for name in ("a", "b", "m", "zz") for _ in range(2500)]


DISTRIBUTIONS = (uniform, numbered, unpadded, dated, clustered)


@pytest.mark.parametrize("keys_of", DISTRIBUTIONS, ids=lambda made: made.__name__)
def test_large_listings_need_few_rounds_and_few_requests(keys_of: Callable[[random.Random], list[str]]) -> None:
    keys = sorted(set(keys_of(random.Random(1))))
    server = Server(keys)
    found, rounds = listed(server)
    assert found == keys
    assert server.requests <= 1.2 * serial(keys)
    assert rounds <= serial(keys) / (8 if keys_of is clustered else 10)


@pytest.mark.parametrize("keys_of", DISTRIBUTIONS, ids=lambda made: made.__name__)
def test_a_width_of_one_is_page_after_page(keys_of: Callable[[random.Random], list[str]]) -> None:
    keys = sorted(set(keys_of(random.Random(2))))[:500]
    server = Server(keys)
    assert listed(server, width=1) == (keys, serial(keys))


def test_the_last_stretches_are_halved_while_pages_may_be_in_flight() -> None:
    """A thousand pages, 24 at a time: 42 rounds at least, and 16 more until as many are in flight and at the end."""
    keys = numbered(random.Random())
    server = Server(keys)
    found, rounds = listed(server, width=24)
    assert found == keys
    assert rounds <= 60
    assert server.requests <= 1.05 * serial(keys)


def by_folders(key: str) -> list[str]:
    return key.split("/")


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_server_that_lists_in_another_order_loses_nothing(seed: int) -> None:
    """Each folder sorted by names, as some servers do: pages in parallel would leave keys out."""
    draw = random.Random(seed)
    names = ("a", "a b", "a-", "a.x", "b", "b!")
    keys = sorted(
        {"/".join(draw.choice(names) + str(draw.randrange(9)) for _ in range(3)) for _ in range(1500)}, key=by_folders
    )
    server = Server(keys)

    def page(after: str) -> Page:
        at = bisect_right(keys, by_folders(after), key=by_folders) if after else 0
        return keys[at : at + PAGE], at + PAGE < len(keys)

    assert sorted(listed(server, page=page, draw=draw)[0]) == sorted(keys)


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_pages_that_lie_are_asked_for_again(seed: int) -> None:
    """Once in a while a page is empty and says that it is the last: in parallel that does not go unnoticed."""
    draw = random.Random(seed)
    server = Server([f"{number:06d}" for number in range(3000)])
    lies = [draw.randrange(40, 300)]

    def page(after: str) -> Page:
        keys, more = server.page(after)
        if server.requests in lies and keys and more and len(keys) == PAGE:
            return [], False
        return keys, more

    found, _ = listed(server, page=page, draw=draw)
    assert found == sorted(set(found))
    assert found == server.keys[: len(found)]


def test_keys_that_come_meanwhile_do_no_harm() -> None:
    draw = random.Random(5)
    server = Server([f"{draw.getrandbits(64):016x}" for _ in range(8000)])
    server.keys.sort()
    before = list(server.keys)

    def page(after: str) -> Page:
        answer = server.page(after)
        server.keys.append(f"{draw.getrandbits(64):016x}")
        server.keys.sort()
        return answer

    found, rounds = listed(server, page=page, draw=None)
    assert found == sorted(set(found))
    assert set(before) <= set(found)
    assert rounds < 8000 / PAGE / 5


def first_page(plan: ListPlan[str], keys: list[str], token: str | None = None) -> Ask[str]:
    ask = plan.ask()
    assert ask is not None
    plan.arrived(ask, keys, True, token, "page")
    following = plan.ask()
    assert following is not None
    return following


def test_a_page_that_cannot_be_had_ends_the_listing_before_it() -> None:
    plan: ListPlan[str] = ListPlan(4)
    following = first_page(plan, ["a", "b"])
    plan.failed(following, OSError("gone"))
    assert (plan.error, plan.may_give, plan.stored) == (None, True, 1), "the page before it comes first"
    assert plan.take() == ("page", 2)
    assert str(plan.error) == "gone"
    assert (plan.ask(), plan.take(), plan.over, plan.stored) == (None, None, False, 0)


def test_a_page_is_asked_for_behind_the_last_key_and_two_are_fetched_ahead() -> None:
    plan: ListPlan[str] = ListPlan(4, "0")
    ask = plan.ask()
    assert ask is not None
    assert (ask.after, ask.token, plan.ask(), plan.may_give) == ("0", None, None, False)
    plan.arrived(ask, ["a", "b"], True, "t", "page")
    following = plan.ask()
    assert following is not None
    assert (following.after, following.token) == ("b", None)
    plan.arrived(following, ["c"], True, "u", "page")
    assert plan.ask() is None
    assert plan.take() == ("page", 2)
    assert plan.ask() is not None


def test_tokens_lead_from_page_to_page_where_nothing_else_does() -> None:
    plan: ListPlan[str] = ListPlan(8, by_token=True)
    following = first_page(plan, ["b", "a"], "t")
    assert (following.token, plan.ask(), plan.by_token, plan.is_parallel) == ("t", None, True, False)
    plan.arrived(following, ["c"], True, "t", "page")
    assert (plan.error, plan.take()) == (None, ("page", 2)), "the same token once more is an error, behind that page"
    assert "more follows, but not where" in str(plan.error)


def test_an_empty_page_leads_on_by_its_token_or_not_at_all() -> None:
    plan: ListPlan[str] = ListPlan(4)
    following = first_page(plan, [], "t")
    assert (following.after, following.token) == ("", "t")
    plan.arrived(following, [], True, None, "page")
    assert "more follows, but not where" in str(plan.error)


def test_a_listing_that_begins_again_is_asked_once_more_and_then_led_on_by_tokens() -> None:
    plan: ListPlan[str] = ListPlan(4)
    following = first_page(plan, ["a", "b"], "t")
    plan.arrived(following, ["a", "b"], True, "t", "page")
    again = plan.ask()
    assert again is not None
    assert (again.after, again.token, plan.by_token, plan.stored) == ("b", None, False, 1)
    plan.arrived(again, ["a", "b"], True, "t", "page")
    led = plan.ask()
    assert led is not None
    assert (led.token, plan.by_token, plan.error) == ("t", True, None)
    plan.arrived(led, ["c"], False, None, "last")
    assert [plan.take(), plan.take(), plan.over] == [("page", 2), ("last", 1), True]


def test_a_listing_that_begins_again_and_has_no_tokens_fails() -> None:
    plan: ListPlan[str] = ListPlan(4)
    following = first_page(plan, ["a", "b"])
    plan.arrived(following, ["a", "b"], True, None, "page")
    again = plan.ask()
    assert again is not None
    plan.arrived(again, ["a", "b"], True, None, "page")
    assert plan.take() == ("page", 2)
    assert "starts over again and again" in str(plan.error)
