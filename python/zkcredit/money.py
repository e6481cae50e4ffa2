"""Amounts of money as people write them: ``12.50 TWD``.

Inside the program an amount is an ``int`` of minor units (``_minor``); the number
of digits after the point comes from the terms. Parsing is strict: no grouping
marks, no leading zeros, either no decimals or exactly as many as the currency
has, one space, the currency code.
"""

from __future__ import annotations

import re

from zkcredit.errors import MalformedInput

MAX_MINOR = (1 << 63) - 1
"""Largest amount, in minor units, that is read or written anywhere."""

MAX_DIGITS = 6
"""Most digits after the point that a currency may have."""

CURRENCY_PATTERN = r"[A-Z][A-Z0-9]{1,11}"
"""A currency code: 2..12 capital letters and digits, a letter first."""

_CURRENCY = re.compile(CURRENCY_PATTERN)
_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,6}))?")


def check_currency(currency: str) -> str:
    """``currency`` itself, or MalformedInput if it is not a currency code."""
    if not _CURRENCY.fullmatch(currency):
        raise MalformedInput(f"not a currency code: {currency!r} (2..12 of A-Z and 0-9)")
    return currency


def format_number(amount_minor: int, minor_digits: int) -> str:
    """``1250`` with two digits is ``12.50``; a negative amount starts with ``-``."""
    sign = "-" if amount_minor < 0 else ""
    whole, rest = divmod(abs(amount_minor), 10**minor_digits)
    if minor_digits == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{rest:0{minor_digits}d}"


def format_money(amount_minor: int, currency: str, minor_digits: int) -> str:
    """The amount with its currency code: ``12.50 TWD``."""
    return f"{format_number(amount_minor, minor_digits)} {currency}"


def parse_number(text: str, minor_digits: int, *, signed: bool = False) -> int:
    """Minor units written as ``12.50`` (or ``12``); MalformedInput for any other form.

    A minus sign is accepted only when ``signed``; ``-0`` never is.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise MalformedInput(f"not an amount: {text!r} (write it like 12.50)")
    sign, whole, decimals = match.groups()
    if decimals is not None and len(decimals) != minor_digits:
        raise MalformedInput(f"{text!r} must have no decimals or exactly {minor_digits}")
    amount_minor: int = int(whole) * 10**minor_digits + int(decimals or "0")
    if sign and (not signed or amount_minor == 0):
        raise MalformedInput(f"a negative amount is not possible here: {text!r}")
    if amount_minor > MAX_MINOR:
        raise MalformedInput(f"amount too large: {text!r}")
    return -amount_minor if sign else amount_minor


def split_money(text: str) -> tuple[str, str]:
    """``("12.50", "TWD")`` of ``12.50 TWD``: for callers that look up the digits by currency."""
    number, space, currency = text.partition(" ")
    if not space:
        raise MalformedInput(f"not an amount with a currency: {text!r} (write it like 12.50 TWD)")
    return number, check_currency(currency)


def parse_money(text: str, currency: str, minor_digits: int, *, signed: bool = False) -> int:
    """Minor units of ``12.50 TWD``; MalformedInput if the currency is another one."""
    number, found = split_money(text)
    if found != currency:
        raise MalformedInput(f"{text!r} is in {found}, but {currency} is meant")
    return parse_number(number, minor_digits, signed=signed)
