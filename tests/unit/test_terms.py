from __future__ import annotations

from dataclasses import fields, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkcredit.errors import CallerError, MalformedInput
from zkcredit.terms import Terms

TERMS = Terms(
    currency="TWD",
    minor_digits=2,
    due_buckets=3,
    attributes=2,
    amount_bits=64,
    apr_bps=1_899,
    minimum_floor_minor=1_000,
    minimum_pct_bps=250,
    late_fee_minor=300,
    merchant_fee_bps=150,
    calendar_start_year=2027,
    calendar_start_month=11,
    grace_days=15,
    sign_within_ms=5_000,
)


def test_bytes_are_frozen() -> None:
    assert TERMS.encode().hex() == (
        "010103545744020302400000076b00000000000003e8000000fa0000000000"
        "00012c0000009607eb0b000f000000000000138801"
    )


def test_decoding_undoes_encoding() -> None:
    assert Terms.decode(TERMS.encode()) == TERMS
    assert Terms.decode(Terms(currency="EUR").encode()) == Terms(currency="EUR")
    assert TERMS.message_count == 10


def test_every_field_is_in_the_bytes() -> None:
    changes: dict[str, Any] = {
        "currency": "TWE",
        "amount_bits": 32,
        "calendar_start_month": 12,
        "kind": None,
        "no_show": None,
    }
    for item in fields(Terms):
        if not item.init:
            continue
        value = changes.get(item.name, getattr(TERMS, item.name))
        if value is None:
            continue  # has one allowed value only
        if item.name not in changes:
            value += 1
        other = replace(TERMS, **{item.name: value})
        assert other.encode() != TERMS.encode(), item.name
        assert Terms.decode(other.encode()) == other


def test_strict_decoding() -> None:
    data = TERMS.encode()
    for length in range(len(data)):
        with pytest.raises(MalformedInput):
            Terms.decode(data[:length])
    with pytest.raises(MalformedInput):
        Terms.decode(data + b"\0")
    with pytest.raises(MalformedInput, match="version 2"):
        Terms.decode(b"\2" + data[1:])
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            try:
                found = Terms.decode(bytes(changed))
            except MalformedInput:
                continue
            assert found.encode() == bytes(changed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", 0), ("kind", 2), ("currency", "twd"), ("minor_digits", 7), ("due_buckets", 0),
        ("due_buckets", 37), ("attributes", -1), ("attributes", 17), ("amount_bits", 33),
        ("amount_bits", 16), ("apr_bps", -1), ("apr_bps", 100_001), ("minimum_pct_bps", 10_001),
        ("late_fee_minor", 1 << 63), ("merchant_fee_bps", 10_001), ("calendar_start_month", 0),
        ("calendar_start_month", 13), ("calendar_start_year", 1900), ("grace_days", 367),
        ("sign_within_ms", 0), ("no_show", 0), ("apr_bps", 1.5), ("apr_bps", True),
    ],
)  # fmt: skip
def test_ranges(name: str, value: Any) -> None:
    with pytest.raises(CallerError):
        replace(TERMS, **{name: value})


def test_calendar() -> None:
    assert [TERMS.month(p) for p in (1, 2, 3, 15)] == [(2027, 11), (2027, 12), (2028, 1), (2029, 1)]
    assert [TERMS.days(p) for p in (1, 2, 3, 4)] == [30, 31, 31, 29]  # 2028 is a leap year
    for period in (0, -1, 12 * 9_000):
        with pytest.raises(CallerError):
            TERMS.month(period)


@pytest.mark.parametrize(
    ("balance", "apr_bps", "days", "interest"),
    [
        (100_000, 1_800, 30, 1_479),  # 1479.452…
        (3_650_000, 1, 1, 1),
        (1_825_000, 1, 1, 0),  # exactly one half goes to the even side
        (5_475_000, 1, 1, 2),  # one and a half as well
        (0, 1_800, 30, 0),
        (-100_000, 1_800, 30, 0),
    ],
)
def test_interest_rounds_half_to_even(balance: int, apr_bps: int, days: int, interest: int) -> None:
    assert replace(TERMS, apr_bps=apr_bps).interest_minor(balance, days) == interest


@given(st.integers(0, 1 << 62), st.integers(0, 100_000), st.integers(28, 31))
def test_interest_against_decimals(balance: int, apr_bps: int, days: int) -> None:
    exact = Decimal(balance) * apr_bps * days / Decimal(3_650_000)
    if len(str(balance * apr_bps * days)) < 28:  # what decimals hold exactly
        expected = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
        assert replace(TERMS, apr_bps=apr_bps).interest_minor(balance, days) == expected


@pytest.mark.parametrize(
    ("balance", "arrears", "minimum"),
    [
        (0, 0, 0),
        (-5, 0, 0),
        (500, 0, 500),  # never more than the balance
        (20_000, 0, 1_000),  # the floor
        (100_000, 0, 2_500),
        (100_001, 0, 2_501),  # rounded up
        (100_000, 700, 3_200),
        (1_200, 700, 1_200),
    ],
)
def test_minimum_payment(balance: int, arrears: int, minimum: int) -> None:
    assert TERMS.minimum_payment_minor(balance, arrears) == minimum


def test_merchant_fee() -> None:
    assert TERMS.merchant_fee_minor(10_000) == 150
    assert TERMS.merchant_fee_minor(100) == 2  # 1.5 to the even side
    assert replace(TERMS, merchant_fee_bps=0).merchant_fee_minor(10_000) == 0


def test_first_bill_has_no_interest() -> None:
    figures = TERMS.billing(1, bill_minor=100_000)
    assert (figures.balance_minor, figures.interest_minor, figures.minimum_minor) == (
        100_000,
        0,
        2_500,
    )
    assert (figures.arrears_minor, figures.charges_minor) == (0, 0)


def test_second_bill_carries_arrears_and_interest() -> None:
    figures = TERMS.billing(
        2,
        bill_minor=5_000,
        previous_balance_minor=100_000,
        previous_minimum_minor=2_500,
        payments_minor=2_000,
        credits_minor=1_000,
    )
    interest_minor = round(97_000 * 1_899 * 31 / 3_650_000)
    assert figures.interest_minor == interest_minor
    assert (figures.arrears_minor, figures.late_fee_minor) == (500, 300)
    assert figures.balance_minor == 97_000 + 5_000 + interest_minor + 300
    assert figures.minimum_minor == -(-figures.balance_minor * 250 // 10_000) + 500


def test_waived_charges_do_not_count() -> None:
    figures = TERMS.billing(
        2,
        bill_minor=0,
        previous_balance_minor=100_000,
        previous_minimum_minor=2_500,
        waive=True,
    )
    assert figures.waived_minor == figures.interest_minor + figures.late_fee_minor > 0
    assert (figures.balance_minor, figures.charges_minor) == (100_000, 0)


def test_overpayment_is_a_credit_balance() -> None:
    figures = TERMS.billing(
        2,
        bill_minor=100,
        previous_balance_minor=1_000,
        previous_minimum_minor=1_000,
        payments_minor=5_000,
    )
    assert (figures.balance_minor, figures.minimum_minor, figures.interest_minor) == (-3_900, 0, 0)
    assert figures.arrears_minor == 0


@given(st.integers(1, 1 << 40), st.integers(1, 3))
def test_parts_of_a_plan(amount: int, plan: int) -> None:
    parts = TERMS.plan_parts(amount, plan)
    assert sum(parts) == amount
    assert len(parts) == 3
    assert all(part >= 0 for part in parts)
    assert max(parts[:plan]) - min(parts[:plan]) < plan
    assert not any(parts[plan:])


@pytest.mark.parametrize("plan", [0, -1, 4])
def test_impossible_plans(plan: int) -> None:
    with pytest.raises(CallerError):
        TERMS.plan_parts(100, plan)


def test_amounts_in_this_currency() -> None:
    assert TERMS.format(1250) == "12.50 TWD"
    assert TERMS.parse("12.50 TWD") == 1250
    assert TERMS.amount_max_minor == (1 << 64) - 1
    assert TERMS.signed_max_minor == (1 << 72) - 1
