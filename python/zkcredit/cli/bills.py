"""Billing documents as table, CSV and JSON; the same for holder and lender."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zkcredit.cli.files import builtins

if TYPE_CHECKING:
    from zkcredit.cli.output import Output
    from zkcredit.messages import BillingDocument
    from zkcredit.terms import Terms

COLUMNS = (
    "account",
    "period",
    "month",
    "bill",
    "before",
    "payments",
    "credits",
    "interest",
    "late fee",
    "balance",
    "minimum",
)


def _amounts(document: BillingDocument) -> tuple[int, ...]:
    return (
        document.bill_minor,
        document.previous_balance_minor,
        document.payments_minor,
        document.credits_minor,
        document.interest_minor,
        document.late_fee_minor - document.waived_minor,
        document.balance_minor,
        document.minimum_minor,
    )


def bill_row(document: BillingDocument, terms: Terms) -> list[object]:
    """One row of :data:`COLUMNS`."""
    year, month = terms.month(document.period)
    head = [document.account, document.period, f"{year}-{month:02d}"]
    return [*head, *(terms.format(value) for value in _amounts(document))]


def show_bills(
    output: Output, bills: Sequence[tuple[BillingDocument, Terms]], *, as_csv: bool
) -> None:
    """All documents; in CSV amounts are plain numbers with the currency beside them."""
    from zkcredit.money import format_number

    if output.data({"bills": [builtins(document) for document, _ in bills]}):
        return
    if not as_csv:
        output.table(COLUMNS, [bill_row(*pair) for pair in bills], right=range(3, 11))
        return
    rows = []
    for document, terms in bills:
        numbers = [format_number(value, terms.minor_digits) for value in _amounts(document)]
        rows.append(
            [*bill_row(document, terms)[:3], terms.currency, *numbers, document.entry_index]
        )
    output.csv((*COLUMNS[:3], "currency", *COLUMNS[3:], "entry"), rows)
