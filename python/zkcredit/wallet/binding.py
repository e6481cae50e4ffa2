"""Commitments of a wallet's own steps to which a presentation can be bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkcredit._native import SecretScalar
from zkcredit.entries import SpendStatement, Statement
from zkcredit.errors import Refused
from zkcredit.policies.binding import Bound
from zkcredit.tokens import OWNER, SERIAL, Product, tweak
from zkcredit.wallet.steps import Steps

if TYPE_CHECKING:
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.wallet.state import HistoryRow, Line, Token


def bind_purchase(
    ledger: LedgerView, keys: WalletKeys, line: Line, history: list[HistoryRow], invoice_hash: bytes
) -> Bound:
    """The purchase that pays this invoice: prepared, on its way, or the line's newest step.

    Refused ``no-purchase`` if the line has no such purchase.
    """
    pending = line.pending
    if pending is not None and pending.invoice_hash == invoice_hash:
        statement, token = Statement.decode(pending.statement), pending.next
        merchant_id = pending.merchant_id
    else:
        rows = [row for row in history if row.line == line.number]
        if not rows or rows[-1].invoice_hash != invoice_hash or line.token is None:
            raise Refused(
                "no-purchase", f"line {line.number} has not prepared or just made this purchase"
            )
        statement, token = ledger.entry(rows[-1].index).statement, line.token
        merchant_id = rows[-1].merchant_id
    assert isinstance(statement, SpendStatement)
    return _token_bound(ledger, keys, statement, token, merchant_id)


def _token_bound(
    ledger: LedgerView,
    keys: WalletKeys,
    statement: SpendStatement,
    token: Token,
    merchant_id: bytes,
) -> Bound:
    product = Product.find(ledger.registry, statement.terms_hash)
    messages = token.messages(keys.owner)
    signed_tweak = tweak(statement.KIND, statement.nullifier, statement.commitment)
    messages[SERIAL] = SecretScalar.from_bytes(token.serial) - signed_tweak
    assert len(messages) == product.terms.message_count
    return Bound(
        kind="purchase",
        party_id=merchant_id,
        commitment=statement.commitment,
        blind=messages[0],
        rest=tuple(messages[OWNER + 1 :]),
        terms_hash=statement.terms_hash,
        invoice_hash=statement.invoice_hash,
    )


def bind_open(ledger: LedgerView, keys: WalletKeys, line: Line) -> Bound:
    """The opening of a line: what :meth:`~zkcredit.wallet.Wallet.request_line` commits to."""
    steps = Steps(ledger.registry, line.terms_hash, keys)
    blind, serial = keys.open_pair(line.terms_hash, line.ordinal)
    return Bound("open", line.issuer_id, steps.open_commitment(line.ordinal), blind, (serial,))
