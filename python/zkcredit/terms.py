"""Published terms of a credit line: what is signed, hashed and enforced.

Terms are registered on the ledger by their canonical bytes; the verifier takes
the sizes of every relation from here and never from a proof. All arithmetic is
in integers of minor units; rounding is half to even.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from fractions import Fraction

from zkcredit.codec import Reader, Writer
from zkcredit.errors import CallerError, MalformedInput, ZkCreditError
from zkcredit.money import MAX_DIGITS, MAX_MINOR, check_currency, format_money, parse_money

KIND_CREDIT = 1
"""Token kind of a credit line."""

NO_SHOW_DUE = 1
"""No-show rule: the line as last known falls due and closes."""

MAX_DUE_BUCKETS = 36
MAX_ATTRIBUTES = 16
MAX_RATE_BPS = 100_000
SIGNED_MARGIN_BITS = 8
"""Signed values of a token are below ``2^(amount_bits + 8)`` in absolute value."""

_VERSION = 1
_BPS = 10_000
_DAYS_PER_YEAR = 365


def _round_half_even(numerator: int, denominator: int) -> int:
    return round(Fraction(numerator, denominator))


@dataclass(frozen=True, slots=True)
class BillingFigures:
    """One billing statement in numbers, all in minor units; see :meth:`Terms.billing`."""

    bill_minor: int
    previous_balance_minor: int
    payments_minor: int
    credits_minor: int
    interest_minor: int
    late_fee_minor: int
    waived_minor: int
    balance_minor: int
    minimum_minor: int
    arrears_minor: int

    @property
    def charges_minor(self) -> int:
        """Interest and fees that are really taken from the line."""
        return self.interest_minor + self.late_fee_minor - self.waived_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms of one product of one issuer; construction checks every range.

    ``due_buckets`` is K, ``attributes`` is M, ``amount_bits`` is 32 or 64. Rates
    are in basis points (``_bps``), fees and the floor in minor units, the time to
    sign in milliseconds, grace in days. Period 1 is the month
    ``calendar_start_year``-``calendar_start_month``.
    """

    currency: str
    minor_digits: int = 2
    kind: int = KIND_CREDIT
    due_buckets: int = 1
    attributes: int = 0
    amount_bits: int = 32
    apr_bps: int = 0
    minimum_floor_minor: int = 0
    minimum_pct_bps: int = 0
    late_fee_minor: int = 0
    merchant_fee_bps: int = 0
    calendar_start_year: int = 2026
    calendar_start_month: int = 1
    grace_days: int = 20
    sign_within_ms: int = 60_000
    no_show: int = NO_SHOW_DUE
    _encoded: bytes = field(init=False, repr=False, compare=False, default=b"")

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise CallerError(f"terms: {name} must be in {low}..{high}, not {value!r}")
        try:
            check_currency(self.currency)
        except MalformedInput as error:
            raise CallerError(f"terms: {error}") from None
        if self.amount_bits not in (32, 64):
            raise CallerError(f"terms: amount_bits must be 32 or 64, not {self.amount_bits}")
        object.__setattr__(self, "_encoded", self._write())

    def _write(self) -> bytes:
        writer = Writer().u8(_VERSION).u8(self.kind).text8(self.currency).u8(self.minor_digits)
        writer.u8(self.due_buckets).u8(self.attributes).u8(self.amount_bits)
        writer.u32(self.apr_bps).u64(self.minimum_floor_minor).u32(self.minimum_pct_bps)
        writer.u64(self.late_fee_minor).u32(self.merchant_fee_bps)
        writer.u16(self.calendar_start_year).u8(self.calendar_start_month)
        writer.u16(self.grace_days).u64(self.sign_within_ms).u8(self.no_show)
        return writer.finish()

    def encode(self) -> bytes:
        """Canonical bytes, version 1."""
        return self._encoded

    @staticmethod
    def decode(data: bytes) -> Terms:
        """Terms of canonical bytes; MalformedInput for every other byte string."""
        reader = Reader(data)
        reader.version(_VERSION, "terms")
        kind = reader.u8()
        currency = reader.text8()
        values = {
            "minor_digits": reader.u8(),
            "due_buckets": reader.u8(),
            "attributes": reader.u8(),
            "amount_bits": reader.u8(),
            "apr_bps": reader.u32(),
            "minimum_floor_minor": reader.u64(),
            "minimum_pct_bps": reader.u32(),
            "late_fee_minor": reader.u64(),
            "merchant_fee_bps": reader.u32(),
            "calendar_start_year": reader.u16(),
            "calendar_start_month": reader.u8(),
            "grace_days": reader.u16(),
            "sign_within_ms": reader.u64(),
            "no_show": reader.u8(),
        }
        reader.finish()
        try:
            return Terms(kind=kind, currency=currency, **values)
        except ZkCreditError as error:
            raise MalformedInput(str(error)) from None

    @property
    def message_count(self) -> int:
        """Number of messages of a token: 5 + K + M."""
        return 5 + self.due_buckets + self.attributes

    @property
    def amount_max_minor(self) -> int:
        """Largest amount, and largest available credit that can be spent from."""
        return (1 << self.amount_bits) - 1

    @property
    def signed_max_minor(self) -> int:
        """Largest absolute value that a signed field of a token may hold."""
        return (1 << (self.amount_bits + SIGNED_MARGIN_BITS)) - 1

    def month(self, period: int) -> tuple[int, int]:
        """Calendar year and month (1..12) of period ``period`` ≥ 1."""
        if period < 1:
            raise CallerError(f"periods count from 1, not {period}")
        months = self.calendar_start_year * 12 + self.calendar_start_month - 1 + period - 1
        year, month = months // 12, months % 12 + 1
        if year > 9999:
            raise CallerError(f"period {period} lies after the year 9999")
        return year, month

    def days(self, period: int) -> int:
        """Number of days in the calendar month of period ``period``."""
        return calendar.monthrange(*self.month(period))[1]

    def interest_minor(self, balance_minor: int, days: int) -> int:
        """Interest on a balance carried for ``days`` days; 0 for a balance in credit.

        ``round_half_even(balance × apr_bps × days / 3,650,000)``.
        """
        if balance_minor <= 0:
            return 0
        return _round_half_even(balance_minor * self.apr_bps * days, _BPS * _DAYS_PER_YEAR)

    def minimum_payment_minor(self, balance_minor: int, arrears_minor: int) -> int:
        """``min(balance, max(floor, ceil(pct × balance)) + arrears)``; 0 without a debt."""
        if balance_minor <= 0:
            return 0
        share_minor = -(-balance_minor * self.minimum_pct_bps // _BPS)
        return min(balance_minor, max(self.minimum_floor_minor, share_minor) + arrears_minor)

    def merchant_fee_minor(self, amount_minor: int) -> int:
        """Fee that the issuer keeps of a settled sum."""
        return _round_half_even(amount_minor * self.merchant_fee_bps, _BPS)

    def billing(
        self,
        period: int,
        *,
        bill_minor: int,
        previous_balance_minor: int = 0,
        previous_minimum_minor: int = 0,
        payments_minor: int = 0,
        credits_minor: int = 0,
        waive: bool = False,
    ) -> BillingFigures:
        """The billing statement of ``period``: lender and wallet both compute it here.

        Interest runs on what is carried after payments and credits. Arrears are
        the part of the last minimum that payments have not covered and that is
        still owed; they cost the late fee. ``waive`` takes interest and fee back.
        """
        carried_minor = previous_balance_minor - payments_minor - credits_minor
        interest_minor = self.interest_minor(carried_minor, self.days(period))
        unpaid_minor = max(0, previous_minimum_minor - payments_minor)
        arrears_minor = min(unpaid_minor, max(0, carried_minor))
        late_fee_minor = self.late_fee_minor if arrears_minor else 0
        waived_minor = interest_minor + late_fee_minor if waive else 0
        balance_minor = carried_minor + bill_minor + interest_minor + late_fee_minor - waived_minor
        return BillingFigures(
            bill_minor=bill_minor,
            previous_balance_minor=previous_balance_minor,
            payments_minor=payments_minor,
            credits_minor=credits_minor,
            interest_minor=interest_minor,
            late_fee_minor=late_fee_minor,
            waived_minor=waived_minor,
            balance_minor=balance_minor,
            minimum_minor=self.minimum_payment_minor(balance_minor, arrears_minor),
            arrears_minor=arrears_minor,
        )

    def plan_parts(self, amount_minor: int, plan: int) -> list[int]:
        """Shares of a purchase over the K due buckets when paid in ``plan`` equal parts.

        ``amount = plan·q + rem``: the first share is ``q + rem``, so the sum is exact.
        """
        if not 1 <= plan <= max(1, self.due_buckets):
            raise CallerError(f"plan must be 1..{max(1, self.due_buckets)} parts, not {plan}")
        if self.due_buckets == 0:
            return []
        share_minor, rest_minor = divmod(amount_minor, plan)
        parts = [share_minor + rest_minor] + [share_minor] * (plan - 1)
        return parts + [0] * (self.due_buckets - plan)

    def format(self, amount_minor: int) -> str:
        """An amount in this currency as people read it: ``12.50 TWD``."""
        return format_money(amount_minor, self.currency, self.minor_digits)

    def parse(self, text: str) -> int:
        """Minor units of an amount in this currency written as ``12.50 TWD``."""
        return parse_money(text, self.currency, self.minor_digits)


_RANGES = (
    ("kind", KIND_CREDIT, KIND_CREDIT),
    ("minor_digits", 0, MAX_DIGITS),
    ("due_buckets", 1, MAX_DUE_BUCKETS),
    ("attributes", 0, MAX_ATTRIBUTES),
    ("amount_bits", 32, 64),
    ("apr_bps", 0, MAX_RATE_BPS),
    ("minimum_floor_minor", 0, MAX_MINOR),
    ("minimum_pct_bps", 0, _BPS),
    ("late_fee_minor", 0, MAX_MINOR),
    ("merchant_fee_bps", 0, _BPS),
    ("calendar_start_year", 1970, 9000),
    ("calendar_start_month", 1, 12),
    ("grace_days", 0, 366),
    ("sign_within_ms", 1, 366 * 86_400_000),
    ("no_show", NO_SHOW_DUE, NO_SHOW_DUE),
)
