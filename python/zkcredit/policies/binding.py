"""What a presentation can share its owner with: a commitment on the ledger.

The holder opens the commitment C′ of a purchase, of a line's opening or of a
credential request inside the presentation's proof. The owner in it is the owner of
the credentials, and no serial is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit.entries import SpendStatement, Statement
from zkcredit.errors import Refused
from zkcredit.tokens import OWNER, SERIAL, Product, tweak

if TYPE_CHECKING:
    from zkcredit._native import Scalar
    from zkcredit.credentials.held import Slot
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.policies.request import BoundTo
    from zkcredit.wallet.state import HistoryRow, Line, Token


@dataclass(frozen=True, slots=True)
class Bound:
    """A commitment (48 bytes) and how it opens; nothing of the opening is printed.

    ``blind`` is message 0, message 1 is the owner, ``rest`` are the messages from 2 on.
    ``terms_hash`` is that of the token, empty for a credential request or an opening.
    ``invoice_hash`` is that of the purchase, else empty. ``party_id`` (32 bytes) is whom the
    commitment was made for: the merchant of the invoice, the lender, the issuer; empty if a
    restored wallet does not know.
    """

    kind: BoundTo
    party_id: bytes
    commitment: bytes
    blind: Scalar = field(repr=False)
    rest: tuple[Scalar, ...] = field(default=(), repr=False)
    terms_hash: bytes = b""
    invoice_hash: bytes = b""


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
    from zkcredit._native import SecretScalar

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
    from zkcredit.wallet.steps import Steps

    steps = Steps(ledger.registry, line.terms_hash, keys)
    blind, serial = keys.open_pair(line.terms_hash, line.ordinal)
    return Bound("open", line.issuer_id, steps.open_commitment(line.ordinal), blind, (serial,))


def bind_request(keys: WalletKeys, slot: Slot) -> Bound:
    """The request for another credential: what :func:`prove_request` commits to."""
    from zkcredit.credentials.requests import request_commitment

    commitment = request_commitment(keys, slot)
    return Bound("credential", slot.issuer_id, commitment, keys.credential_blind(*slot))
