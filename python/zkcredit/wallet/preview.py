"""What a wallet checks and shows before it pays an invoice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.entries import Kind
from zkcredit.errors import Refused
from zkcredit.messages import Invoice, check_signature
from zkcredit.tokens import Product
from zkcredit.wallet.state import READY, Line, WalletState

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry

CROWD_WARNING = 50
"""Below so many lines with the same lender, terms and period the wallet warns."""

BILLED_WARNING = 10
"""Below so many billing statements of the period before, a purchase stands out."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One purchase before it is made: what it costs and who will learn what.

    ``business`` says what a registrar has verified of the merchant, or "not verified".
    """

    merchant: str
    business: str
    label: str
    amount_minor: int
    currency: str
    minor_digits: int
    available_after_minor: int
    plan: int
    not_after_ms: int
    learns: dict[str, str]
    warnings: list[str]


def make_preview(
    ledger: LedgerView, line: Line, invoice: Invoice, plan: int, now_ms: int
) -> Preview:
    """What paying would mean; Refused (with the rule's name) if it is not possible."""
    registry = ledger.registry
    product = Product.find(registry, line.terms_hash)
    merchant = check_offer(registry, invoice, product, now_ms)
    check_line(registry, line, product)
    left_minor = check_amount(line, product, invoice.amount_minor, plan)
    return Preview(
        merchant=merchant,
        business=business(registry, invoice, now_ms),
        label=invoice.label,
        amount_minor=invoice.amount_minor,
        currency=invoice.currency,
        minor_digits=product.terms.minor_digits,
        available_after_minor=left_minor,
        plan=plan,
        not_after_ms=invoice.not_after_ms,
        learns=learns(registry, line, merchant),
        warnings=warnings(ledger, line),
    )


def business(registry: Registry, invoice: Invoice, now_ms: int) -> str:
    """What the invoice proves of its merchant: ``verified by Registrar: alcohol, AT``."""
    from zkcredit.policies.business import read_business

    try:
        found = read_business(registry, invoice, now_ms)
    except Refused:
        return "not verified: what the invoice shows of its merchant does not hold"
    if found is None:
        return "not verified"
    return f"verified by {found.registrar}: {found.category}, {found.country}"


def check_line(registry: Registry, line: Line, product: Product) -> int:
    """The line's period if a purchase or update is possible now; Refused otherwise."""
    if line.status != READY or line.token is None:
        raise line.not_ready()
    if line.must_refresh:
        raise Refused("refresh-first", f"line {line.number} was restored: refresh it first")
    current = registry.current_period(product.terms_hash)
    if line.token.period != current:
        raise Refused(
            "period-not-current",
            f"line {line.number} is in period {line.token.period}, period {current} is open: "
            "make the billing statement first",
        )
    return current


def check_offer(registry: Registry, invoice: Invoice, product: Product, now_ms: int) -> str:
    """The merchant's shown name if the invoice is genuine, fits the product and is in time."""
    if invoice.ledger_id != registry.ledger_id:
        raise Refused("wrong-ledger", "the invoice is for another ledger")
    merchant = registry.merchant(invoice.merchant_id)
    check_signature(invoice, merchant.bls_key, "this merchant")
    if now_ms > invoice.not_after_ms:
        raise Refused("expired", "the invoice has expired: ask for a new one")
    if product.terms_hash not in invoice.accepted:
        raise Refused("not-accepted", "the merchant does not take this line's terms")
    if invoice.currency != product.terms.currency:
        raise Refused(
            "wrong-currency",
            f"the invoice is in {invoice.currency}, the line in {product.terms.currency}",
        )
    return registry.shown_name(merchant)


def check_amount(line: Line, product: Product, amount_minor: int, plan: int) -> int:
    """Credit left after the purchase; Refused if amount, plan or credit do not allow it."""
    terms = product.terms
    if not 1 <= amount_minor <= terms.amount_max_minor:
        raise Refused("amount", f"a purchase must be 1..{terms.amount_max_minor} minor units")
    if not 1 <= plan <= terms.due_buckets:
        raise Refused("plan", f"these terms allow 1..{terms.due_buckets} parts, not {plan}")
    assert line.token is not None
    left_minor = line.token.available_minor - amount_minor
    if left_minor < 0:
        raise Refused(
            "over-limit",
            f"{terms.format(amount_minor)} is more than the credit left, "
            f"{terms.format(line.token.available_minor)}",
        )
    if left_minor > terms.amount_max_minor:
        raise Refused("amount", "the credit left does not fit the terms' range")
    return left_minor


def crowd(ledger: LedgerView, terms_hash: bytes, period: int) -> int:
    """Upper bound of the lines that a step of this period can belong to.

    Lines come into a period by opening in it or by the billing statement of the one
    before; some of them may never be used, so the real crowd can be smaller.
    """
    count = ledger.count(Kind.OPEN, terms_hash, period)
    if period > 1:
        count += ledger.count(Kind.STATEMENT, terms_hash, period - 1)
    return count


def warnings(ledger: LedgerView, line: Line) -> list[str]:
    """What speaks against making this purchase right now."""
    assert line.token is not None
    period, found = line.token.period, []
    size = crowd(ledger, line.terms_hash, period)
    if size < CROWD_WARNING:
        found.append(
            f"Lines that share this lender, these terms and this period: at most {size}; "
            f"below {CROWD_WARNING} a purchase is hidden among few."
        )
    if line.statement_period == period - 1 > 0:
        billed = ledger.count(Kind.STATEMENT, line.terms_hash, period - 1)
        if billed < min(BILLED_WARNING, size):
            found.append(
                f"Only {billed} billing statements of period {period - 1} are on the ledger: "
                "a purchase right after yours could be linked to it; wait for others."
            )
    return found


def learns(registry: Registry, line: Line, merchant: str) -> dict[str, str]:
    """What each party will learn of the purchase, in words."""
    lender = registry.issuer(line.issuer_id).name
    return {
        merchant: "the amount and that some line of the accepted lenders paid; "
        "not who you are nor how much credit is left",
        lender: "that one of its lines made a purchase; not whose, not where, not how much; "
        "your sum for the period at the billing statement",
        "everybody": "that a purchase under these terms was made in this period; "
        "no name, shop or amount",
    }


def usable_lines(lines: Sequence[Line], ledger_id: bytes, invoice: Invoice) -> list[int]:
    """Ready lines whose terms the merchant takes, most available credit first."""
    found = [
        line
        for line in lines
        if line.ledger_id == ledger_id
        and line.status == READY
        and line.terms_hash in invoice.accepted
    ]
    found.sort(key=lambda line: -(line.available_minor or 0))
    return [line.number for line in found]


def check_unpaid(state: WalletState, invoice_hash: bytes) -> None:
    """Refused ``already-paid`` if a purchase of this invoice is done or pending."""
    pending = (line.pending for line in state.lines)
    paid = [x.invoice_hash for x in pending if x is not None]
    paid += [row.invoice_hash for row in state.history]
    if invoice_hash in paid:
        raise Refused("already-paid", "this wallet has paid this invoice")
