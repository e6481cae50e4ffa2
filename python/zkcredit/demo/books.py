"""Closing the books: sums are opened, and the auditor proves them against the log's bytes.

Nobody's count is believed. Each merchant opens the sum of its claims, the lender the sum of
its bills; the auditor adds up the commitments on the log and compares points.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.auditor import AuditReport, audit
from zkcredit.demo import plan
from zkcredit.errors import CheckFailed

if TYPE_CHECKING:
    from zkcredit.demo import Progress
    from zkcredit.demo.cast import Cast
    from zkcredit.demo.play import Story
    from zkcredit.messages import TotalsRow


@dataclass(frozen=True, slots=True)
class Tally:
    """The figures of the play, each from the party whose figure it is (minor units).

    Counts and charges come from the wallets, settled from the lender's payout orders,
    billed, paid and credited from its signed documents, merchants' totals from the
    sums that they open.
    """

    customers: int
    purchases_accepted: int
    purchases_over_limit: int
    over_limit_minor: int
    cancelled_minor: int
    credited_minor: int
    charged_minor: int
    settled_minor: int
    billed_minor: int
    paid_minor: int
    outstanding_minor: int
    balances_minor: int
    customers_never_refused: int
    statements: int
    statements_equal_to_data: int
    settlements: int
    merchant_totals_minor: tuple[int, ...]
    clients_sha256: str


@dataclass(frozen=True, slots=True)
class Books:
    """What the auditor found; ``report`` is None if something did not hold (``failure``)."""

    report: AuditReport | None
    failure: str
    log_size: int
    log_root: bytes

    @property
    def proved_minor(self) -> dict[str, int]:
        """Sums proved against the log, by role."""
        sums = {"merchant": 0, "lender": 0}
        for check in self.report.totals if self.report else ():
            sums[check.role] += check.sum_minor
        return sums

    @property
    def uncovered(self) -> int:
        """Claims and bills on the log that no opened sum covers."""
        return self.report.uncovered_claims + self.report.uncovered_bills if self.report else 0


def openings(cast: Cast) -> list[list[TotalsRow]]:
    """The sums that each merchant and, last, the lender hand to the auditor."""
    merchants = [merchant.totals().rows for merchant in cast.merchants]
    return [*merchants, cast.lender.totals(cast.ledger).rows]


def tally(story: Story, rows: list[list[TotalsRow]]) -> Tally:
    """Adds the figures up."""
    players, months = sorted(story.players, key=lambda player: player.client_id), story.months
    digest = hashlib.sha256()
    for player in players:
        digest.update(player.line().encode("ascii"))
    charged_minor = sum(month.charged_minor for month in months)
    paid_minor = sum(month.paid_minor for month in months)
    credited_minor = sum(month.credited_minor for month in months)
    sold = [sum(row.sum_minor for row in own) for own in rows[: plan.MERCHANT_COUNT]]
    return Tally(
        customers=len(players),
        purchases_accepted=sum(month.purchases for month in months),
        purchases_over_limit=sum(month.over_limit for month in months),
        over_limit_minor=sum(player.over_limit_minor for player in players),
        cancelled_minor=sum(player.cancelled_minor for player in players),
        credited_minor=credited_minor,
        charged_minor=charged_minor,
        settled_minor=sum(month.settled_minor for month in months),
        billed_minor=sum(month.billed_minor for month in months),
        paid_minor=paid_minor,
        outstanding_minor=charged_minor - paid_minor - credited_minor,
        balances_minor=sum(player.balance_minor for player in players),
        customers_never_refused=sum(player.refused == 0 for player in players),
        statements=story.statements,
        statements_equal_to_data=sum(player.equal_statements for player in players),
        settlements=story.settlements,
        merchant_totals_minor=tuple(sold),
        clients_sha256=digest.hexdigest(),
    )


def close(cast: Cast, pinned: str, rows: list[list[TotalsRow]], progress: Progress) -> Books:
    """Has the auditor verify everything from the log's bytes.

    ``pinned`` is a checkpoint kept from an earlier day, which the log must continue.
    """
    ledger = cast.ledger
    ledger.checkpoint()
    try:
        report = audit(
            ledger,
            genesis=ledger.genesis,
            checkpoint=pinned,
            totals=[row for own in rows for row in own],
            now_ms=cast.clock(),
            progress=lambda done, total: progress("audit", done, total),
        )
    except CheckFailed as error:
        return Books(None, str(error), ledger.size, ledger.root())
    return Books(report, "", report.size, report.root)
