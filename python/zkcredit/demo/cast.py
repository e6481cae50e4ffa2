"""Who takes part in the demonstration: a ledger, a lender, five merchants, a wallet per client.

Everything lives in one temporary folder or in memory; all secrets are fresh random bytes.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zkcredit.demo import plan
from zkcredit.errors import MalformedInput
from zkcredit.ledger.operator import Operator
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.terms import Terms
from zkcredit.wallet import Wallet

if TYPE_CHECKING:
    from pathlib import Path

    from zkcredit._native import Seed

CURRENCY = "TWD"
LENDER_NAME = "Harbour Bank"
MERCHANT_NAMES = ("Grocer", "Pharmacy", "Bookshop", "Tailor", "Night Market")
LINE = 1
"""Every wallet of the demonstration has one line, its first."""
DAY_MS = 86_400_000
_CREDIT_MAX_MINOR = (1 << 63) - 1


class MonthClock:
    """Unix time in ms that runs at real speed from the start of a month.

    ``first`` is month 1, written YYYY-MM.
    """

    def __init__(self, first: str) -> None:
        self._first = int(first[:4]) * 12 + int(first[5:]) - 1
        self.turn_to(1)

    def turn_to(self, t: int) -> None:
        """Moves to the first moment of month t ≥ 1."""
        year, month = divmod(self._first + t - 1, 12)
        start = datetime(year, month + 1, 1, tzinfo=UTC)
        self._start_ms = int(start.timestamp()) * 1000
        self._since = time.monotonic()

    def __call__(self) -> int:
        """The time now."""
        return self._start_ms + int((time.monotonic() - self._since) * 1000)


@dataclass(slots=True)
class Player:
    """A client with its wallet, and what happened to it so far (minor units)."""

    record: plan.ClientRecord
    wallet: Wallet
    account: int = 0
    queue: deque[plan.Purchase] = field(default_factory=deque)
    pool_minor: int = 0
    accepted: int = 0
    refused: int = 0
    over_limit_minor: int = 0
    cancelled_minor: int = 0
    credited_minor: int = 0
    charged_minor: int = 0
    paid_minor: int = 0
    equal_statements: int = 0

    @property
    def client_id(self) -> int:
        """Number of the client in the data."""
        return self.record.client_id

    @property
    def available_minor(self) -> int:
        """Credit on the client's token."""
        return self.wallet.line(LINE).available_minor or 0

    @property
    def balance_minor(self) -> int:
        """What the client owes by its own token: limit − available."""
        return self.record.limit_minor - self.available_minor

    def refuse(self, amount_minor: int) -> None:
        """Counts a purchase that the wallet refused."""
        self.refused += 1
        self.over_limit_minor += amount_minor
        self.pool_minor += amount_minor

    def line(self) -> str:
        """The client's line under the digest of all clients."""
        return (
            f"{self.client_id},{self.accepted},{self.refused},{self.charged_minor},"
            f"{self.paid_minor},{self.credited_minor},{self.balance_minor}\n"
        )


class Cast:
    """Ledger, lender and merchants, registered, with terms published and period 1 open."""

    def __init__(self, folder: Path, portfolio: plan.Portfolio) -> None:
        self.months = portfolio.months
        self.clock = MonthClock(self.months[0])
        self.terms = _terms(portfolio)
        self.ledger = Operator.create(
            folder / "ledger", origin="demo.zkcredit.example/ledger", clock=self.clock
        )
        self.lender = Lender.create(
            folder / "lender.db", fresh_seed(), LENDER_NAME, clock=self.clock
        )
        self.lender.register(self.ledger)
        self.terms_hash = self.lender.publish_terms(self.ledger, self.terms)
        self.merchants = [
            Merchant.from_seed(fresh_seed(), name, clock=self.clock) for name in MERCHANT_NAMES
        ]
        for merchant in self.merchants:
            merchant.register(self.ledger)
        self.tills = [threading.Lock() for _ in self.merchants]
        self.lender.open_period(self.ledger, self.terms_hash)

    def player(self, record: plan.ClientRecord) -> Player:
        """A client with a new wallet, without a line yet."""
        return Player(record, Wallet.from_seed(fresh_seed(), clock=self.clock))

    def close(self) -> None:
        """Closes the databases."""
        self.lender.close()
        self.ledger.close()


def fresh_seed() -> Seed:
    """A random root secret."""
    from zkcredit._native import Seed

    return Seed.from_bytes(secrets.token_bytes(32))


def _terms(portfolio: plan.Portfolio) -> Terms:
    """Terms without interest and fees; amounts of 64 bits only if the data needs them."""
    credit_minor = max(map(_most_credit_minor, portfolio.clients))
    if credit_minor > _CREDIT_MAX_MINOR:
        raise MalformedInput("a client's limit and payments together do not fit 63 bits")
    year, month = portfolio.months[0].split("-")
    return Terms(
        currency=CURRENCY,
        amount_bits=32 if credit_minor < 1 << 32 else 64,
        calendar_start_year=int(year),
        calendar_start_month=int(month),
        sign_within_ms=DAY_MS,
    )


def _most_credit_minor(client: plan.ClientRecord) -> int:
    """What can come together on a line if nothing is ever spent."""
    steps = [plan.month_plan(client, t) for t in range(1, plan.MONTH_COUNT + 1)]
    return client.limit_minor + sum(step.returned_minor + step.payment_minor for step in steps)
