from __future__ import annotations

import pytest

from s3amfs.core.tree_events import Totals
from s3amfs.core.trees.prices import Prices, parse_prices
from s3amfs.errors import UsageError

TEXT = '{"currency": "EUR", "write": 5, "read": 0.5, "out": 90, "retrieval": {"GLACIER_IR": 30}}'


def test_requests_retrievals_and_traffic_add_up() -> None:
    prices = parse_prices(TEXT, "f")
    assert prices.cost({"PUT": 1000, "LIST": 1000, "COPY": 1000, "GET": 2000, "DELETE": 10**6}, {}, 0) == 16
    assert prices.cost({}, {"GLACIER_IR": 10**9, "STANDARD_IA": 10**9}, 0) == 30
    assert prices.cost({}, {}, 2 * 10**9) == 180


def test_no_price_costs_nothing() -> None:
    assert parse_prices("{}", "f").cost({"PUT": 5}, {"X": 5}, 5) == 0
    assert Prices().cost({"PUT": 1000, "GET": 500}, {}, 10**8) == 0


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"put": 1}', '{"write": "1"}', '{"write": -1}', '{"read": NaN}', '{"retrieval": 1}', '{"out": true}'],
)
def test_what_is_no_price_file(text: str) -> None:
    with pytest.raises(UsageError, match="the price file prices"):
        parse_prices(text, "prices.json")


def test_the_last_line_says_what_it_would_cost() -> None:
    totals = Totals("sync", "a", "b", dry_run=True, requests={"PUT": 2}, retrieved={"GLACIER_IR": 1024})
    totals.cost, totals.currency = 0.0123, "EUR"
    assert totals.text().endswith("; requests: 2 PUT; retrieved: 1 KiB GLACIER_IR; about 0.0123 EUR")
    assert totals.json()["retrieved"] == {"GLACIER_IR": 1024}
    assert (totals.json()["cost"], totals.json()["currency"]) == (0.0123, "EUR")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"out": Infinity}', "out must be a number"),
        ('{"retrieval": {"GLACIER": -1}}', "retrieval of GLACIER must be a number"),
        ('{"putt": 1, "got": 1}', "'got' is not one of"),
    ],
)
def test_the_message_names_the_field(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_prices(text, "f")


def test_what_is_left_out_costs_nothing_and_zero_is_a_price() -> None:
    prices = parse_prices('{"write": 0, "read": 4, "retrieval": {"GLACIER": 0}}', "f")
    assert (prices.currency, prices.write, prices.read, prices.out) == ("USD", 0.0, 4.0, 0.0)
    assert prices.cost({"HEAD": 500, "GET": 250, "PUT": 7}, {"GLACIER": 1}, 1) == 3
