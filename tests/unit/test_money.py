from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkcredit.errors import MalformedInput
from zkcredit.money import (
    MAX_MINOR,
    check_currency,
    format_money,
    format_number,
    parse_money,
    parse_number,
    split_money,
)


@pytest.mark.parametrize(
    ("minor", "digits", "text"),
    [
        (1250, 2, "12.50"),
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (-1250, 2, "-12.50"),
        (1250, 0, "1250"),
        (1, 3, "0.001"),
    ],
)
def test_numbers_are_written_with_their_digits(minor: int, digits: int, text: str) -> None:
    assert format_number(minor, digits) == text
    assert parse_number(text, digits, signed=True) == minor


def test_money_carries_its_currency() -> None:
    assert format_money(1250, "TWD", 2) == "12.50 TWD"
    assert parse_money("12.50 TWD", "TWD", 2) == 1250
    assert parse_money("12 TWD", "TWD", 2) == 1200
    assert split_money("12.50 TWD") == ("12.50", "TWD")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "12.5", "12.500", "1,250.00", "01.00", ".50", "12.", "+1.00", "-1.00", "-0.00",
        "1e3", "0x10", " 1.00", "1.00 ", "١٢.50", "99999999999999999999.00", "92233720368547758.08",
    ],
)  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        parse_number(text, 2)


@pytest.mark.parametrize("text", ["12.50", "12.50TWD", "12.50  TWD", "12.50 twd", "12.50 EUR"])
def test_wrong_or_missing_currency(text: str) -> None:
    with pytest.raises(MalformedInput):
        parse_money(text, "TWD", 2)


@pytest.mark.parametrize("currency", ["", "T", "TWDTWDTWDTWD1", "twd", "T D", "1WD", "TWD\n"])
def test_currency_codes(currency: str) -> None:
    with pytest.raises(MalformedInput):
        check_currency(currency)


@given(st.integers(-MAX_MINOR, MAX_MINOR), st.integers(0, 6))
def test_parsing_undoes_formatting(minor: int, digits: int) -> None:
    text = format_money(minor, "EUR", digits)
    assert parse_money(text, "EUR", digits, signed=True) == minor
