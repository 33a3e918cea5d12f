"""Requests spread over the addresses of a name."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.addresses import KNOWN_SECONDS, LEFT_SECONDS, USABLE_SECONDS, Addresses

FOUR = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")


def known(*addresses: str) -> Addresses:
    found = Addresses()
    found.found(addresses, 0.0)
    found.reached(addresses[0])
    return found


def test_requests_are_spread_evenly() -> None:
    addresses = known(*FOUR)
    assert Counter(addresses.begin(1.0) for _ in range(40)) == Counter(dict.fromkeys(FOUR, 10))


def test_a_bad_address_is_left_for_a_while() -> None:
    addresses = known(*FOUR)
    bad = addresses.begin(1.0)
    assert bad is not None
    addresses.end(bad, 1.0, unreachable=True)
    assert bad not in {addresses.begin(2.0) for _ in range(40)}
    assert bad in {addresses.begin(1.0 + LEFT_SECONDS) for _ in range(40)}


def test_where_all_are_bad_libcurl_looks_for_itself() -> None:
    """They may all be of the past, or of a family that the network has lost."""
    addresses = known(*FOUR)
    for address in FOUR:
        addresses.end(address, 1.0, unreachable=True)
    assert addresses.begin(2.0) is None
    addresses.reached(FOUR[1])
    assert {addresses.begin(2.0) for _ in range(4)} == {FOUR[1]}
    assert {addresses.begin(1.0 + LEFT_SECONDS) for _ in range(4)} >= set(FOUR) - {FOUR[1]}


def test_what_was_found_long_ago_is_not_used() -> None:
    """A process that was idle for an hour: a service may have moved meanwhile."""
    addresses = known(*FOUR)
    assert addresses.begin(USABLE_SECONDS - 1) is not None
    assert addresses.begin(USABLE_SECONDS) is None
    addresses.looked_up_at = USABLE_SECONDS  # a look-up has begun, and fails
    assert addresses.begin(USABLE_SECONDS) is None
    addresses.found(FOUR, USABLE_SECONDS)
    assert addresses.begin(USABLE_SECONDS) is not None


def test_the_family_that_worked_last_counts() -> None:
    addresses = known("2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2")
    for address in ("2001:db8::1", "2001:db8::2"):
        addresses.end(address, 1.0, unreachable=True)
    addresses.reached("192.0.2.2")
    later = 1.0 + LEFT_SECONDS
    assert {addresses.begin(later) for _ in range(4)} == {"192.0.2.1", "192.0.2.2"}


def test_there_is_a_choice_only_where_something_was_reached_and_of_its_family() -> None:
    addresses = Addresses()
    addresses.found(["192.0.2.1", "2001:db8::1", "2001:db8::2"], 0.0)
    assert addresses.begin(1.0) is None, "nothing was reached"
    addresses.reached("192.0.2.1")
    assert addresses.begin(1.0) is None, "one of that family"
    other = known("2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2")
    assert {other.begin(1.0) for _ in range(4)} == {"2001:db8::1", "2001:db8::2"}


def test_a_name_is_looked_up_again_after_a_minute() -> None:
    addresses = Addresses()
    assert addresses.is_due(5.0)
    addresses.found(FOUR, 5.0)
    assert not addresses.is_due(5.0 + KNOWN_SECONDS - 1)
    assert addresses.is_due(5.0 + KNOWN_SECONDS)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 10)), max_size=80))
def test_no_address_has_more_than_one_request_more_than_the_least_used_good_one(
    steps: list[tuple[bool, bool, float]],
) -> None:
    addresses, now, under_way, bad = known(*FOUR), 0.0, list[str](), dict[str, float]()
    for begins, unreachable, seconds in steps:
        now += seconds
        addresses.found(FOUR, now)
        if begins or not under_way:
            counts = Counter(under_way)
            good = [address for address in FOUR if bad.get(address, 0.0) <= now]
            chosen = addresses.begin(now)
            assert (chosen is None) == (not good)
            if chosen is None:
                continue
            assert counts[chosen] == min(counts[address] for address in good)
            assert chosen in good
            under_way.append(chosen)
        else:
            ended = under_way.pop(0)
            addresses.end(ended, now, unreachable=unreachable)
            if unreachable:
                bad[ended] = now + LEFT_SECONDS


def test_times() -> None:
    """Half a minute without a bad address, a look-up each minute, none older than two."""
    addresses = known(*FOUR)
    assert [addresses.is_due(59.9), addresses.is_due(60.0)] == [False, True]
    addresses.end(FOUR[0], 1.0, unreachable=True)
    assert FOUR[0] not in {addresses.begin(30.9) for _ in range(40)}
    assert FOUR[0] in {addresses.begin(31.0) for _ in range(40)}
    assert addresses.begin(119.9) is not None
    assert addresses.begin(120.0) is None


def test_the_address_with_the_fewest_requests_in_use() -> None:
    """The first of those; one that ended counts no more, and one that was never begun does no harm."""
    one, two, three = FOUR[:3]
    addresses = known(one, two, three)
    assert [addresses.begin(1.0) for _ in range(4)] == [one, two, three, one]
    addresses.end(two, 1.0, unreachable=False)
    assert [addresses.begin(1.0) for _ in range(3)] == [two, two, three]
    for _ in range(2):
        addresses.end(one, 1.0, unreachable=False)
    assert addresses._in_use == {two: 2, three: 2}
    addresses.end(one, 1.0, unreachable=False)
    assert addresses._in_use == {two: 2, three: 2}
    addresses.end(two, 1.0, unreachable=False)
    assert addresses._in_use == {two: 1, three: 2}
    addresses.reached("")
    assert (addresses.family_ipv6, addresses.begin(1.0)) == (False, one)


def test_two_addresses_are_a_choice_and_one_twice_is_none() -> None:
    assert known(*FOUR[:2]).begin(1.0) == FOUR[0]
    assert known(FOUR[0], FOUR[0]).begin(1.0) is None
