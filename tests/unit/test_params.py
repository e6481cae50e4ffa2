"""Values on the command line: what is taken, and what is refused with a reason."""

from __future__ import annotations

import click
import pytest

from zkcredit.cli.params import COUNT, INDEX, INTERVAL_S, PORT, Decimal, Whole


def refusal(kind: click.ParamType, text: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    return caught.value.message


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (COUNT, "1", 1),
        (COUNT, "4294967295", 2**32 - 1),
        (INDEX, "0", 0),
        (INDEX, "9223372036854775807", 2**63 - 1),
        (PORT, "0", 0),
        (PORT, "65535", 65_535),
        (Whole(0, 255), "007", 7),
    ],
)
def test_whole_numbers(kind: Whole, text: str, value: int) -> None:
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@pytest.mark.parametrize(
    "text", ["", "0", "4294967296", "-1", "+1", "1e3", "1_0", " 1", "1.0", "x", "٣", "9" * 5_000]
)
def test_no_whole_number(text: str) -> None:
    assert refusal(COUNT, text).startswith("not a whole number from 1 to 4294967295: ")


@pytest.mark.parametrize(("text", "value"), [("0.1", 0.1), ("1", 1.0), ("3600", 3_600.0)])
def test_numbers(text: str, value: float) -> None:
    assert INTERVAL_S.convert(text, None, None) == value
    assert INTERVAL_S.convert(value, None, None) == value


@pytest.mark.parametrize("text", ["nan", "inf", "0.09", "3600.1", "-1", "1e1", "1_0", "", "٣", "."])
def test_no_number(text: str) -> None:
    assert refusal(INTERVAL_S, text).startswith("not a number from 0.1 to 3600: ")
    assert refusal(Decimal(0, 10**9), "nan") == "not a number from 0 to 1000000000: 'nan'"
