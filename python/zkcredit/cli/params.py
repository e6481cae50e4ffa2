"""Types of command-line values: amounts, percentages, numbers, durations, identifiers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from zkcredit.errors import CallerError, MalformedInput, Refused

if TYPE_CHECKING:
    from zkcredit.ledger.registry import PublishedTerms, Registry
    from zkcredit.terms import Terms

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
PREFIX_MIN = 4
"""Digits that the start of an identifier has at least."""


class Money(click.ParamType[str]):
    """``12.50 TWD`` (in one argument); the digits are checked against the terms later."""

    name = "amount"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The text itself, after a check of its form."""
        from zkcredit.money import MAX_DIGITS, parse_number, split_money

        try:
            number, _ = split_money(str(value))
            decimals = len(number.partition(".")[2])
            parse_number(number, min(decimals, MAX_DIGITS))
        except MalformedInput as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Percent(click.ParamType[int]):
    """``18.25%`` or ``18.25`` as basis points."""

    name = "percent"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Basis points: two decimals at most."""
        match = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%?", str(value))
        if match is None:
            self.fail(f"not a percentage: {value!r} (write it like 18.25%)", param, ctx)
        return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


class Whole(click.ParamType[int]):
    """A whole number from ``low`` to ``high`` in the digits 0 to 9."""

    name = "number"

    def __init__(self, low: int, high: int) -> None:
        self._range = range(low, high + 1)

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number."""
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) not in self._range:
            low, high = self._range[0], self._range[-1]
            self.fail(f"not a whole number from {low} to {high}: {text!r}", param, ctx)
        return int(text)


class Decimal(click.ParamType[float]):
    """A number from ``low`` to ``high``, such as ``0.5``; neither exponent nor ``inf``."""

    name = "number"

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number."""
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not (
            self._low <= float(text) <= self._high
        ):
            self.fail(f"not a number from {self._low} to {self._high}: {text!r}", param, ctx)
        return float(text)


class Duration(click.ParamType[int]):
    """``90s``, ``15m``, ``24h`` or ``7d`` in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Milliseconds, at least one second."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", str(value))
        if match is None:
            self.fail(f"not a duration: {value!r} (write it like 90s, 15m, 24h, 7d)", param, ctx)
        return int(match[1]) * _UNITS_MS[match[2]]


class Month(click.ParamType[tuple[int, int]]):
    """``2026-01`` as year and month."""

    name = "month"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Year and month 1..12."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", str(value))
        if match is None:
            self.fail(f"not a month: {value!r} (write it like 2026-01)", param, ctx)
        return int(match[1]), int(match[2])


class HexPrefix(click.ParamType[str]):
    """The first hexadecimal digits of an identifier."""

    name = "hex"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Lower-case digits, at least four."""
        text = str(value).lower()
        if not re.fullmatch(rf"[0-9a-f]{{{PREFIX_MIN},64}}", text):
            self.fail(f"not the start of an identifier: {value!r} (hexadecimal)", param, ctx)
        return text


MONEY, PERCENT, DURATION, MONTH, HEX = Money(), Percent(), Duration(), Month(), HexPrefix()
COUNT, INDEX, PORT = Whole(1, (1 << 32) - 1), Whole(0, (1 << 63) - 1), Whole(0, 65_535)
INTERVAL_S = Decimal(0.1, 3_600)


def amount_minor(text: str, terms: Terms) -> int:
    """Minor units of an amount given on the command line, in the currency of ``terms``."""
    try:
        return terms.parse(text)
    except MalformedInput as error:
        raise CallerError(str(error)) from None


def find_terms(
    registry: Registry, prefix: str | None, issuer_id: bytes | None = None
) -> PublishedTerms:
    """The terms whose hash starts with ``prefix``, or the only ones there are.

    ``issuer_id`` limits the search to one lender's. Refused ``unknown-terms`` if there
    are none, CallerError if several fit.
    """
    whole = [
        item for item in registry.terms.values() if issuer_id is None or item.issuer_id == issuer_id
    ]
    found = [item for item in whole if item.hash.hex().startswith(prefix or "")]
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"starting with {prefix}" if prefix else "published here"
        raise Refused("unknown-terms", f"no terms {what}")
    names = ", ".join(item.hash.hex()[:12] for item in found[:4])
    raise CallerError(f"several terms fit: choose one of {names}…")
