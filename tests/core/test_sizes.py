"""core/sizes.py: what users type, and what they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.sizes import GIB, KIB, MIB, exact_size, format_age, format_size, parse_age, parse_rate, parse_size
from s3amfs.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 67108864),
        ("5MB", 5242880),
        ("5M", 5242880),
        ("5m", 5242880),
        ("5mb", 5242880),
        ("1024", 1024),
        (12, 12),
        (0, 0),
        ("0", 0),
        ("7B", 7),
        ("1k", 1024),
        ("1K", 1024),
        ("5 GiB", 5368709120),
        (" 2T ", 2199023255552),
        ("1.5G", 1610612736),
        ("0.1K", 102),
        ("1P", 1125899906842624),
    ],
)
def test_sizes_are_binary(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-5M", "5X", "5 M M", "0x10", "1e6", "1.5", "1.5B", "5M\n5", "٣", "1_000", "9" * 50, -1]
)
def test_bad_sizes_are_usage_errors_of_one_line(text: str | int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", [True, None, 1.5, b"5M"])
def test_other_types_are_usage_errors(text: object) -> None:
    with pytest.raises(UsageError):
        parse_size(text)  # type: ignore[arg-type]


@given(st.text())
def test_parse_size_only_ever_raises_usage_error(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is fine, if it is one line


@given(st.integers(0, 1 << 60))
def test_exact_size_is_taken_back_without_loss(size: int) -> None:
    assert parse_size(exact_size(size)) == size


@given(st.integers(0, 1 << 60))
def test_format_size_is_right_to_a_tenth(size: int) -> None:
    text = format_size(size)
    number, unit = text.split(" ")
    assert 0 <= float(number) < 1024 or unit == "EiB"
    step = parse_size("1" + unit)
    assert abs(float(number) * step - size) <= step * 0.0500001
    assert float(number) >= 1 or size == 0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (64 << 20, "64 MiB"),
        (5 << 30, "5 GiB"),
    ],
)
def test_format_size(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(("text", "rate"), [("10M", 10 << 20), ("10MiB/s", 10 << 20), ("500kbps", 512000), (7, 7)])
def test_rates(text: str | int, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "fast", "-1M", "/s", "1M/h"])
def test_bad_rates(text: str) -> None:
    with pytest.raises(UsageError, match="rate"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 604800), ("12h", 43200), ("1d12h", 129600), ("30m", 1800), ("45s", 45), ("2w", 1209600), ("0s", 0)],
)
def test_ages(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7days", "7d x", "1y"])
def test_bad_ages(text: str) -> None:
    with pytest.raises(UsageError, match="age"):
        parse_age(text)


def test_format_age() -> None:
    assert [format_age(s) for s in (0, 59, 61, 3600, 273600.9)] == ["0s", "59s", "1m 1s", "1h", "3d 4h"]


def test_units_are_powers_of_1024() -> None:
    assert (KIB, MIB, GIB) == (1024, 1024**2, 1024**3)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(900 * MIB, "900 MiB"), (1000 * MIB, "1000 MiB"), (1023 * GIB, "1023 GiB"), (1024 * GIB, "1 TiB")],
)
def test_a_unit_is_kept_until_the_next_one_is_reached(size: int, shown: str) -> None:
    assert format_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m 59s"),
        (3600, "1h"),
        (86399, "23h 59m"),
        (86400, "1d"),
        (90061, "1d 1h"),
        (172799, "1d 23h"),
        (-5, "0s"),
    ],
)
def test_ages_for_people(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1KiB"),
        (1536, "1536"),
        (64 * MIB, "64MiB"),
        (5 * MIB + 1, "5242881"),
        (1 << 60, "1EiB"),
    ],
)
def test_exact_sizes_have_the_largest_unit_that_fits(size: int, text: str) -> None:
    assert exact_size(size) == text


def test_what_is_no_age_is_shown_short() -> None:
    """Sixty characters with the quotes, or 57 and three dots."""
    for text, shown in (("x" * 58, repr("x" * 58)), ("x" * 59, "'" + "x" * 56 + "...")):
        with pytest.raises(UsageError) as failed:
            parse_age(text)
        assert str(failed.value).startswith(f"{shown} is not an age")
    with pytest.raises(UsageError):
        parse_age("")
