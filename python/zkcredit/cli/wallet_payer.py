"""Which line pays an invoice, and what paying would mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkcredit.cli.output import utc
from zkcredit.cli.wallet_desk import Desk
from zkcredit.errors import Refused

if TYPE_CHECKING:
    from zkcredit.messages import Invoice
    from zkcredit.wallet import Line, Preview


def pending_line(desk: Desk, digest: bytes) -> Line | None:
    """The line on which this invoice is being paid already."""
    for line in desk.wallet.lines:
        if line.pending is not None and line.pending.invoice_hash == digest:
            return line
    return None


def choose_payer(
    desk: Desk, invoice: Invoice, number: int | None, plan: int
) -> tuple[Line, Preview]:
    """The line asked for, or the first that can pay; else the reason why none can."""
    if number is not None:
        preview = desk.wallet.check_invoice(desk.ledger, number, invoice, plan)
        return desk.wallet.line(number), preview
    problem: Refused | None = None
    numbers = desk.wallet.usable_lines(desk.ledger, invoice)
    own = [x for x in desk.wallet.lines if x.ledger_id == desk.ledger.ledger_id]
    numbers += [x.number for x in own if x.number not in numbers]
    for candidate in numbers:
        try:
            preview = desk.wallet.check_invoice(desk.ledger, candidate, invoice, plan)
        except Refused as error:
            problem = problem or error
        else:
            return desk.wallet.line(candidate), preview
    raise problem or Refused("line-not-ready", "this wallet has no line: ask for one first")


def print_preview(desk: Desk, line: Line, preview: Preview) -> None:
    """What paying means, on standard error."""
    out, terms = desk.session.output, desk.terms(line)
    lender = desk.ledger.registry.issuer(line.issuer_id).name
    parts = "" if preview.plan == 1 else f" in {preview.plan} monthly parts"
    out.note(f"Pay {terms.format(preview.amount_minor)} to {preview.merchant}{parts}")
    out.note(f"  the shop is  {preview.business}")
    out.note(f"  for          {preview.label}")
    out.note(f"  from         line {line.number}, {lender}")
    out.note(f"  credit left  {terms.format(preview.available_after_minor)} afterwards")
    out.note(f"  valid until  {utc(preview.not_after_ms)}")
    out.note("Who learns what")
    for party, text in preview.learns.items():
        out.note(f"  {party}: {text}")
    for warning in preview.warnings:
        out.note(f"Warning: {warning}")
