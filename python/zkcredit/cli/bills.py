"""Billing documents as table, CSV and JSON; the same for holder and lender."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zkcredit.cli.files import builtins
from zkcredit.cli.trust import finality_json, tell

if TYPE_CHECKING:
    from zkcredit.cli.context import Session
    from zkcredit.ledger.finality import Finality
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
    "state",
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


def bill_row(document: BillingDocument, terms: Terms, finality: Finality) -> list[object]:
    """One row of :data:`COLUMNS`; ``state`` is that of the entry that is billed."""
    amounts = (terms.format(value) for value in _amounts(document))
    return [*_head(document, terms), *amounts, finality.state(document.entry_index)]


def _head(document: BillingDocument, terms: Terms) -> list[object]:
    year, month = terms.month(document.period)
    return [document.account, document.period, f"{year}-{month:02d}"]


def bill_json(document: BillingDocument, finality: Finality) -> dict[str, Any]:
    """A document, and the state of its entry."""
    return {**builtins(document), "ledger_state": finality.state(document.entry_index)}


def show_bills(
    session: Session,
    bills: Sequence[tuple[BillingDocument, Terms]],
    finality: Finality,
    *,
    as_csv: bool,
) -> None:
    """All documents; in CSV amounts are plain numbers with the currency beside them."""
    from zkcredit.money import format_number

    output = session.output
    found = {
        "bills": [bill_json(document, finality) for document, _ in bills],
        "finality": finality_json(finality),
    }
    if output.data(found):
        return
    if not as_csv:
        rows = [bill_row(*pair, finality) for pair in bills]
        output.table(COLUMNS, rows, right=range(3, 11))
        tell(session, finality)
        return
    rows = []
    for document, terms in bills:
        numbers = [format_number(value, terms.minor_digits) for value in _amounts(document)]
        entry = document.entry_index
        rows.append(
            [*_head(document, terms), terms.currency, *numbers, entry, finality.state(entry)]
        )
    output.csv((*COLUMNS[:3], "currency", *COLUMNS[3:-1], "entry", COLUMNS[-1]), rows)
