"""Settling claims: the proof for a group, its opening, and the lender's answer."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.entries import SettleStatement, SpendStatement
from zkcredit.errors import Refused
from zkcredit.merchant.state import PAID, UNDISCLOSED, Sale, Settlement
from zkcredit.messages import (
    PayoutOrder,
    SettlementOpening,
    check_signature,
    encode_message,
    unsigned,
)

if TYPE_CHECKING:
    from zkcredit.keys import MerchantKeys
    from zkcredit.ledger import LedgerView


def groups(ledger: LedgerView, sales: Iterable[Sale], taken: set[int]) -> list[list[Sale]]:
    """Paid sales that can settle together: one lender, currency and merchant fee.

    ``taken`` are claims of settlements that are made already.
    """
    found: dict[tuple[bytes, str, int], list[Sale]] = {}
    for sale in sales:
        if sale.state in (PAID, UNDISCLOSED) and sale.claim_index not in taken:
            terms = ledger.registry.published(sale.terms_hash).terms
            key = (sale.issuer_id, sale.currency, terms.merchant_fee_bps)
            found.setdefault(key, []).append(sale)
    return list(found.values())


def chunks(sales: list[Sale], size: int) -> Iterator[list[Sale]]:
    """Pieces of at most ``size``, as even as possible, so that none is tiny."""
    count = -(-len(sales) // size)
    for part in range(count):
        yield sales[part * len(sales) // count : (part + 1) * len(sales) // count]


def payee_key(keys: MerchantKeys, nonce: bytes) -> bytes:
    """The one-time key (48 bytes) of the invoice with this nonce."""
    from zkcredit._native import commit

    return commit([("payee", keys.payee_secret(nonce))])


def prove_settlement(
    keys: MerchantKeys, ledger_id: bytes, merchant_id: bytes, sales: list[Sale], reference: str
) -> Settlement:
    """One settlement of 1..1,024 paid sales with its proof and its opening, not submitted."""
    from zkcredit._native import Prover, add_scalars, aggregate_payee_secrets
    from zkcredit.relations import settlement_circuit

    sales = sorted(sales, key=lambda sale: sale.claim_index or 0)
    salt = secrets.token_bytes(32)
    sum_minor = sum(sale.amount_minor for sale in sales)
    sum_rho = add_scalars([keys.rho(sale.nonce).expose() for sale in sales])
    claims = [sale.claim_index for sale in sales if sale.claim_index is not None]
    payees = [payee_key(keys, sale.nonce) for sale in sales]
    statement = SettleStatement(
        sales[0].issuer_id,
        sales[0].currency,
        digests.payout_hash(salt, sum_minor, sum_rho, reference),
        tuple(zip(claims, payees, strict=True)),
    )
    encoded = statement.encode()
    own = [keys.payee_secret(sale.nonce) for sale in sales]
    key = aggregate_payee_secrets(own, payees, digests.settle_context(ledger_id, encoded))
    prover = Prover(settlement_circuit(), witness={"key": key})
    proof = prover.prove(ledger_id, digests.engine_context(encoded, b""), keys.seed)
    opening = unsigned(
        SettlementOpening,
        ledger_id=ledger_id,
        entry_index=0,
        merchant_id=merchant_id,
        salt=salt,
        sum_minor=sum_minor,
        sum_rho=sum_rho,
        reference=reference,
    )
    return Settlement(
        statement=encoded, evidence=proof, opening=encode_message(opening), claims=claims
    )


def check_payout(ledger: LedgerView, opening: SettlementOpening, order: PayoutOrder) -> None:
    """Refused ``bad-payout`` or ``bad-signature`` unless the order pays this settlement."""
    statement = ledger.entry(opening.entry_index).statement
    assert isinstance(statement, SettleStatement)
    claim = ledger.entry(statement.claims[0][0]).statement
    assert isinstance(claim, SpendStatement)
    terms = ledger.registry.published(claim.terms_hash).terms
    fee_minor = terms.merchant_fee_minor(opening.sum_minor)
    expected = {
        "issuer_id": statement.issuer_id,
        "merchant_id": opening.merchant_id,
        "currency": statement.asset,
        "sum_minor": opening.sum_minor,
        "fee_minor": fee_minor,
        "net_minor": opening.sum_minor - fee_minor,
        "reference": opening.reference,
    }
    for name, value in expected.items():
        if getattr(order, name) != value:
            raise Refused("bad-payout", f"the payout order's {name} is not what was settled")
    check_signature(order, ledger.registry.issuer(statement.issuer_id).bls_key, "the lender")
