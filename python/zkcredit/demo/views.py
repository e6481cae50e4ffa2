"""One purchase from three sides: what the log, the lender and the merchant hold of it.

Every line is read from what that party really has; nothing is left out to look better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.demo.cast import DAY_MS
from zkcredit.entries import SettleStatement, SpendStatement
from zkcredit.errors import CheckFailed
from zkcredit.wallet.preview import crowd

if TYPE_CHECKING:
    from zkcredit.demo.cast import Cast
    from zkcredit.demo.play import Example

UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class View:
    """One party's knowledge: rows of (what, value)."""

    title: str
    rows: tuple[tuple[str, str], ...]


def three_views(cast: Cast, example: Example) -> list[View]:
    """The views of log, lender and merchant."""
    statement = cast.ledger.entry(example.entry).statement
    if not isinstance(statement, SpendStatement):
        raise CheckFailed(f"entry {example.entry} is not the purchase it was")
    return [
        _log(cast, example, statement),
        _lender(cast, example, statement),
        _merchant(cast, example),
    ]


def _short(data: bytes) -> str:
    return f"{data.hex()[:16]}…"


def _log(cast: Cast, example: Example, statement: SpendStatement) -> View:
    timestamp_ms = cast.ledger.entry(example.entry).timestamp_ms
    return View(
        f"The log (entry {example.entry})",
        (
            ("kind", f"spend, period {statement.period}"),
            ("terms", _short(statement.terms_hash)),
            ("nullifier", _short(statement.nullifier)),
            ("commitment C′", _short(statement.commitment)),
            ("claim V", _short(statement.claim)),
            ("payee", _short(statement.payee)),
            ("invoice hash", _short(statement.invoice_hash)),
            ("pay before", f"{(statement.not_after_ms - timestamp_ms) // (DAY_MS // 24)} h later"),
        ),
    )


def _lender(cast: Cast, example: Example, statement: SpendStatement) -> View:
    ledger = cast.ledger
    lines = crowd(ledger, statement.terms_hash, statement.period)
    settled = ledger.claim_settled_by(example.entry)
    merchant, amount = UNKNOWN, UNKNOWN
    for order in cast.lender.payouts():
        if order.entry_index == settled:
            settlement = ledger.entry(order.entry_index).statement
            assert isinstance(settlement, SettleStatement)
            merchant = ledger.registry.merchant(order.merchant_id).name
            total = cast.terms.format(order.sum_minor)
            amount = f"{UNKNOWN}: one of {len(settlement.claims)} claims, {total} together"
    return View(
        f"{cast.lender.name} (lender)",
        (
            ("customer", f"{UNKNOWN}: one of {lines} lines"),
            ("merchant", merchant),
            ("amount", amount),
            ("signed", f"C′ of entry {example.entry}, unseen"),
        ),
    )


def _merchant(cast: Cast, example: Example) -> View:
    merchant = cast.merchants[example.purchase.merchant]
    sale = next(sale for sale in merchant.sales if sale.payee == example.payee)
    settled = "waits" if sale.settle_index is None else f"entry {sale.settle_index}"
    return View(
        f"{merchant.name} (merchant)",
        (
            ("customer", UNKNOWN),
            ("credit left", UNKNOWN),
            ("sold", sale.label),
            ("amount", cast.terms.format(sale.amount_minor)),
            ("claim V", _short(sale.claim)),
            ("settled by", settled),
        ),
    )
