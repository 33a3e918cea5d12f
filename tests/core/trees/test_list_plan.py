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
from tests.support.many_keys import DISTRIBUTIONS, clustered, dated, numbered, uniform, unpadded

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


@pytest.mark.parametrize(
    ("keys_of", "width", "rounds", "requests"),
    [
        (uniform, 4, 266, 1037),
        (uniform, 200, 62, 1092),
        (numbered, 200, 38, 1079),
        (unpadded, 32, 83, 1128),
        (dated, 32, 55, 1141),
        (clustered, 32, 66, 1053),
    ],
)
def test_rounds_and_requests_of_thousand_pages(
    keys_of: Callable[[random.Random], list[str]], width: int, rounds: int, requests: int
) -> None:
    """Another number is another plan: better where both are smaller."""
    server = Server(sorted(set(keys_of(random.Random(1)))))
    assert (listed(server, width)[1], server.requests) == (rounds, requests)


class Listing:
    """A plan whose pages are answered round by round."""

    def __init__(self, count: int, width: int, digits: int = 4) -> None:
        self.server = Server([f"{number:0{digits}}" for number in range(count)])
        self.plan: ListPlan[list[str]] = ListPlan(width)

    def asks(self) -> list[Ask[list[str]]]:
        return list(iter(self.plan.ask, None))

    def answer(self, asks: list[Ask[list[str]]]) -> None:
        for ask in asks:
            keys, more = self.server.page(ask.after)
            self.plan.arrived(ask, keys, more, None, keys)

    def take(self) -> list[str]:
        return [key for keys, count in iter(self.plan.take, None) for key in keys[:count]]

    def in_parallel(self) -> list[Ask[list[str]]]:
        """The requests of the round before the second stretch is due: of ('', 0183] and (0183, ...]."""
        for _ in range(18):
            self.answer(self.asks())
            self.take()
        asks = self.asks()
        assert [ask.after for ask in asks] == ["0179", "0323", "0467", "0611", "0755", "0899"]
        return asks


def test_the_requests_of_sixteen_pages() -> None:
    """One more where a page earns it: a cut about 16 pages behind, then the longest rest halved."""
    listing = Listing(160, 4)
    found: list[tuple[str, ...]] = []
    while not listing.plan.over:
        asks = listing.asks()
        found.append(tuple(ask.after for ask in asks))
        listing.answer(asks)
        listing.take()
    assert found == [
        *[("",), ("0009",), ("0019",), ("0029",), ("0039", "0183"), ("0049",), ("0059",), ("0069",), ("0079",)],
        *[("0089", "0136"), ("0099", "0146"), ("0109", "0156"), ("0119",), ("0129",)],
    ]


def test_no_more_than_so_many_pages_are_stored() -> None:
    listing = Listing(30_000, 48, digits=5)
    rounds = []
    while asks := listing.asks():
        rounds.append(len(asks))
        listing.answer(asks)
        while listing.plan.stored < 400 and listing.plan.take() is not None:
            pass
    assert rounds[:23] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 24, 28, 34, 40]
    assert rounds[23:] == [48] * 8 + [15]
    assert listing.plan.stored == MOST_STORED


def test_a_stretch_that_fails_ends_the_listing_where_it_begins() -> None:
    listing = Listing(3000, 6)
    head, following, *others = listing.in_parallel()
    listing.plan.failed(others[0], OSError("third"))
    assert listing.plan.error is None
    listing.plan.failed(following, OSError("second"))
    assert (listing.plan.error, listing.plan.may_give) == (None, False), "it has pages, and the first goes on"
    listing.answer([head, *others[1:]])
    assert (listing.plan.error, listing.plan.may_give) == (None, True)
    assert listing.take() == [f"{number:04}" for number in range(180, 324)]
    assert str(listing.plan.error) == "second"
    assert not {"0323", "0467"} & {ask.after for ask in listing.asks()}


def test_a_stretch_of_which_no_page_can_be_had() -> None:
    listing = Listing(160, 4)
    for _ in range(4):
        listing.answer(listing.asks())
        listing.take()
    head, behind = listing.asks()
    listing.plan.failed(behind, OSError("gone"))
    listing.answer([head])
    assert listing.plan.error is None, "there are pages before it"
    while asks := listing.asks():
        listing.answer(asks)
        assert listing.plan.error is None
        listing.take()
    assert str(listing.plan.error) == "gone"
    assert (listing.plan.over, listing.plan.may_give) == (False, True)


def test_a_gap_is_asked_for_once_more_and_then_page_after_page() -> None:
    """The first stretch ends before key 0184, and the next one begins with 0186."""
    listing = Listing(3000, 6)
    plan = listing.plan
    for _ in range(4):
        listing.answer(listing.asks())
        listing.take()
    head, following = listing.asks()
    wrong = [f"{number:04}" for number in range(186, 196)]
    plan.arrived(following, wrong, True, None, wrong)
    listing.answer([head])
    listing.take()
    held: list[Ask[list[str]]] = []
    while head.segment.cursor < "0183":
        asks = listing.asks()
        held += [ask for ask in asks if ask.segment is not head.segment]
        listing.answer([ask for ask in asks if ask.segment is head.segment])
        listing.take()
    again = listing.asks()
    assert [ask.after for ask in again][:2] == ["0183", "0183"], "the rest of the first, and all of the second"
    assert (plan.stored, plan.is_parallel) == (0, True)
    first, second, *others = again
    plan.arrived(second, wrong, True, None, wrong)
    listing.answer([first])
    assert listing.take() == []
    assert (plan.stored, plan.is_parallel) == (0, False)
    listing.answer([*held, *others])
    rest = listing.asks()
    assert [ask.after for ask in rest] == ["0183"]
    listing.answer(rest)
    assert listing.take() == [f"{number:04}" for number in range(184, 194)]
    assert [ask.after for ask in listing.asks()] == ["0193"], "no more than one at a time"


def test_a_page_in_another_order_drops_what_was_in_parallel() -> None:
    listing = Listing(3000, 6)
    asks = listing.in_parallel()
    stored = listing.plan.stored
    assert stored == 49
    wrong = ["0330", "0325"]
    listing.plan.arrived(asks[1], wrong, True, None, wrong)
    assert (listing.plan.stored, listing.plan.is_parallel, listing.asks()) == (0, False, [])
    listing.answer([asks[0], *asks[2:]])
    assert listing.plan.stored == 1, "what arrives of the others does not count"
    assert listing.take() == [f"{number:04}" for number in range(180, 190)]
    assert [ask.after for ask in listing.asks()] == ["0189"]
