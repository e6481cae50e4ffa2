"""The figures of the play beside those recomputed from the data in plain arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkcredit.demo.books import Books, Tally
    from zkcredit.demo.recompute import Totals

RECOMPUTED = (
    "customers",
    "purchases_accepted",
    "purchases_over_limit",
    "over_limit_minor",
    "cancelled_minor",
    "credited_minor",
    "charged_minor",
    "paid_minor",
    "outstanding_minor",
    "merchant_totals_minor",
    "customers_never_refused",
    "statements",
    "statements_equal_to_data",
    "clients_sha256",
)
"""Figures that the recomputation knows, under the same names as the tally."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two figures that must be the same, and where the second comes from."""

    name: str
    played: object
    expected: object
    source: str

    @property
    def holds(self) -> bool:
        """Whether they are."""
        return self.played == self.expected


def with_data(tally: Tally, totals: Totals) -> list[Comparison]:
    """The play against the recomputation from the CSV files."""
    return [
        Comparison(name, getattr(tally, name), getattr(totals, name), "recomputed from the data")
        for name in RECOMPUTED
    ]


def among_parties(tally: Tally, books: Books, strays: int) -> list[Comparison]:
    """The parties' figures against each other and against what the auditor has proved.

    ``strays`` are statements of clients never refused that miss the published bill.
    """
    charged_minor, report = tally.charged_minor, books.report
    proved = books.proved_minor
    kinds = report.kinds if report else {}
    return [
        Comparison("settled_minor", tally.settled_minor, charged_minor, "charged"),
        Comparison("billed_minor", tally.billed_minor, charged_minor, "charged"),
        Comparison("claims proved", proved["merchant"], charged_minor, "charged"),
        Comparison("bills proved", proved["lender"], charged_minor, "charged"),
        Comparison("purchases on the log", kinds.get("spend", 0), tally.purchases_accepted, "made"),
        Comparison("statements on the log", kinds.get("statement", 0), tally.statements, "made"),
        Comparison("settlements on the log", kinds.get("settle", 0), tally.settlements, "made"),
        Comparison("claims or bills not covered", books.uncovered, 0, "none"),
        Comparison(
            "claims settled",
            report.claims_settled if report else 0,
            tally.purchases_accepted,
            "made",
        ),
        Comparison("entries not answered", report.unanswered if report else -1, 0, "none"),
        Comparison(
            "sum of balances",
            tally.balances_minor,
            tally.outstanding_minor,
            "charged − paid − credited",
        ),
        Comparison("bills missed without a refusal", strays, 0, "none"),
    ]
