"""What lines must hold, by a few lines of plain arithmetic, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from kit import INTEREST

from zkcredit.entries import Submission
from zkcredit.wallet import Wallet


@dataclass
class Book:
    """What one line must hold: the plain arithmetic."""

    limit: int
    period: int
    available: int
    unbilled: int = 0
    balance: int = 0
    minimum: int = 0
    paid: int = 0
    credited: int = 0
    on_line: int = 0
    limit_on_line: int = 0
    charges: int = 0
    received: int = 0
    dead: bool = False

    def purchase(self, amount: int) -> None:
        assert amount <= self.available
        self.available -= amount
        self.unbilled += amount

    def bring_in(self) -> int:
        """Payments, credits and the new limit reach the line; returns what was added."""
        added = self.paid + self.credited - self.on_line
        self.available += added + self.limit - self.limit_on_line
        self.on_line += added
        self.received += added
        self.limit_on_line = self.limit
        return added

    def bill(self, days: int) -> tuple[int, int, int, int]:
        """One month's bill; returns (bill, interest, fee, balance)."""
        bill, carried = self.unbilled, self.balance - self.paid - self.credited
        interest = round(Fraction(max(0, carried) * INTEREST.apr_bps * days, 3_650_000))
        late = min(max(0, self.minimum - self.paid), max(0, carried))
        fee = INTEREST.late_fee_minor if late else 0
        self.bring_in()
        self.available -= interest + fee
        self.charges += interest + fee
        self.balance = carried + bill + interest + fee
        share = -(-max(0, self.balance) * INTEREST.minimum_pct_bps // 10_000)
        wanted = max(INTEREST.minimum_floor_minor, share) + late
        self.minimum = min(max(0, self.balance), wanted)
        self.unbilled = self.paid = self.credited = self.on_line = 0
        self.period += 1
        return bill, interest, fee, self.balance


@dataclass
class Try:
    """One attempt at a purchase; it counts as soon as the ledger has it."""

    holder: int
    line: int
    amount: int
    made: Submission
    counted: bool = False


@dataclass
class Holder:
    wallet: Wallet
    saved: bytes
    books: dict[int, Book] = field(default_factory=dict)
