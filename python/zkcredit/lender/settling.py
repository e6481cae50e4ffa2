"""Settlements: a merchant opens the sum behind its claims and gets a payout order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.entries import SettleStatement, SpendStatement, Statement
from zkcredit.errors import MalformedInput, Refused
from zkcredit.lender.desk import check_entries
from zkcredit.messages import (
    BillingDocument,
    PayoutOrder,
    SettlementOpening,
    Totals,
    TotalsRow,
    check_signature,
    decode_message,
    encode_message,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.tokens import Product, claim_commitment

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry
    from zkcredit.lender.desk import Desk


def settlement(desk: Desk, ledger: LedgerView, opening: SettlementOpening) -> PayoutOrder:
    """Checks an opened settlement and answers with a signed payout order.

    The same settlement again gives the same order. Refused ``bad-opening`` if sum,
    reference or salt are not those the entry binds, ``bad-signature``,
    ``wrong-ledger``, ``mixed-fees``.
    """
    issuer_id = desk.on(ledger)
    if opening.ledger_id != ledger.ledger_id:
        raise Refused("wrong-ledger", "the settlement opening is for another ledger")
    registry = ledger.registry
    statement = _statement(ledger, opening.entry_index)
    statement_hash = digests.statement_hash(statement.encode())
    if statement.issuer_id != issuer_id:
        raise Refused("wrong-claim", "this settlement is addressed to another lender")
    check_signature(opening, registry.merchant(opening.merchant_id).bls_key, "this merchant")
    fee_bps, product = _check_sum(ledger, registry, statement, opening)
    known = desk.store.payout(statement_hash)
    if known is not None:
        order = decode_message(known, PayoutOrder)
        if order.merchant_id != opening.merchant_id:
            raise Refused("claim-settled", "another merchant has opened this settlement")
        return order
    _check_proofs(ledger, registry, opening.entry_index, statement)
    fee_minor = product.terms.merchant_fee_minor(opening.sum_minor) if fee_bps else 0
    draft = unsigned(
        PayoutOrder,
        ledger_id=ledger.ledger_id,
        issuer_id=issuer_id,
        entry_index=opening.entry_index,
        merchant_id=opening.merchant_id,
        currency=statement.asset,
        sum_minor=opening.sum_minor,
        fee_minor=fee_minor,
        net_minor=opening.sum_minor - fee_minor,
        reference=opening.reference,
        issued_ms=desk.clock(),
    )
    order = signed(draft, desk.keys.bls.sign(signing_digest(draft)))
    payees = [digests.payee_hash(key) for _, key in statement.claims]
    with desk.store.write():
        body = encode_message(order)
        if not desk.store.add_payout(statement_hash, opening.entry_index, body, payees):
            raise Refused("claim-settled", "a payout was promised for one of these claims before")
    return order


def _check_proofs(
    ledger: LedgerView, registry: Registry, index: int, statement: SettleStatement
) -> None:
    """Verifies the proofs of the settlement and of its claims.

    The lender pays only what it has verified itself and does not rely on the operator.
    """
    entries: list[tuple[int, Statement]] = [(index, statement)]
    entries += [(claim, ledger.entry(claim).statement) for claim, _ in statement.claims]
    for error in check_entries(ledger, registry, entries).values():
        raise error


def _statement(ledger: LedgerView, index: int) -> SettleStatement:
    if not 0 <= index < ledger.size:
        raise MalformedInput(f"the ledger has no entry {index}")
    statement = ledger.entry(index).statement
    if not isinstance(statement, SettleStatement):
        raise MalformedInput(f"entry {index} is not a settlement")
    return statement


def _check_sum(
    ledger: LedgerView,
    registry: Registry,
    statement: SettleStatement,
    opening: SettlementOpening,
) -> tuple[int, Product]:
    """Merchant fee and product of the claims, after checking the opened sum."""
    from zkcredit._native import add_points

    expected = digests.payout_hash(
        opening.salt, opening.sum_minor, opening.sum_rho, opening.reference
    )
    if expected != statement.payout_hash:
        raise Refused("bad-opening", "sum, reference or salt are not those of the entry")
    claims: list[bytes] = []
    products: dict[bytes, Product] = {}
    for index, payee_key in statement.claims:
        spend = ledger.entry(index).statement
        if not isinstance(spend, SpendStatement):
            raise Refused("wrong-claim", f"entry {index} is not a claim")
        if spend.payee != digests.payee_hash(payee_key):
            raise Refused("wrong-claim", f"claim {index} is payable to another key")
        claims.append(spend.claim)
        if spend.terms_hash not in products:
            products[spend.terms_hash] = _own_product(registry, spend, statement)
    fees = {product.terms.merchant_fee_bps for product in products.values()}
    if len(fees) > 1:
        raise Refused("mixed-fees", "the claims of a settlement must share one merchant fee")
    product = next(iter(products.values()))
    opened = claim_commitment(product.value_label, opening.sum_minor, opening.sum_rho)
    if add_points(claims) != opened:
        raise Refused("bad-opening", "the sum does not open the claims")
    return fees.pop(), product


def _own_product(registry: Registry, spend: SpendStatement, statement: SettleStatement) -> Product:
    product = Product.find(registry, spend.terms_hash)
    if (product.issuer_id, product.terms.currency) != (statement.issuer_id, statement.asset):
        raise Refused("wrong-claim", "a claim is of another issuer or asset")
    return product


def totals(desk: Desk, ledger: LedgerView) -> Totals:
    """Σ due and Σ rho_D of all billing statements answered, for each currency."""
    from zkcredit._native import add_scalars

    issuer_id, registry = desk.on(ledger), ledger.registry
    sums: dict[str, tuple[list[int], list[bytes]]] = {}
    for body, rho_due in desk.store.all_documents():
        document = decode_message(body, BillingDocument)
        asset = registry.published(document.terms_hash).terms.currency
        bills, blindings = sums.setdefault(asset, ([], []))
        bills.append(document.bill_minor)
        blindings.append(rho_due)
    rows = [
        TotalsRow(
            role="lender",
            issuer_id=issuer_id,
            asset=asset,
            sum_minor=sum(bills),
            sum_rho=add_scalars(blindings),
        )
        for asset, (bills, blindings) in sorted(sums.items())
    ]
    return Totals(ledger_id=ledger.ledger_id, rows=rows)
