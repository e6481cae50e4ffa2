"""``zkcredit wallet``: credentials, and what is shown and proved from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkcredit.cli.consent import agree, check_answerable
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_bytes, read_message, write_message
from zkcredit.cli.held_commands import credentials
from zkcredit.cli.wallet_desk import LINE, PLAN, Desk, group, open_wallet
from zkcredit.cli.wallet_payer import choose_payer, pending_line, print_preview
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    from zkcredit.messages import Invoice
    from zkcredit.policies.present import Consent
    from zkcredit.policies.request import PresentationRequest

group.add_command(credentials)


@group.add(
    "present",
    example="$ zkcredit wallet present asked.json -o shown.json\n"
    "$ zkcredit wallet present asked.json --invoice invoice.json -o shown.json",
)
@click.argument("request")
@click.option("--invoice", metavar="FILE", help="The invoice, if the request is about a purchase.")
@LINE
@PLAN
@click.option("--list", "lists", metavar="FILE", multiple=True, help="A signed list; repeat.")
@click.option("--yes", is_flag=True, help="Agree without being asked.")
@output_option("Where the presentation goes (- is standard output).")
@pass_session
def present(
    session: Session,
    *,
    request: str,
    invoice: str | None,
    line: int | None,
    plan: int,
    lists: tuple[str, ...],
    yes: bool,
    target: str,
) -> None:
    """Answer a verifier's REQUEST (from `merchant policy request`).

    First you read what the verifier will learn and what it will be convinced of. Only
    then is anything proved. With --invoice the purchase is prepared (and paid later by
    `wallet pay`, with the same bytes): the presentation then shows that the buyer is the
    holder of the credentials.
    """
    from zkcredit.messages import Invoice
    from zkcredit.policies.lists import LIST_MAX_BYTES, SignedList
    from zkcredit.policies.request import PresentationRequest

    check_answerable(session.output, yes=yes, piped="-" in (request, invoice))
    message = read_message(request, PresentationRequest)
    files = [SignedList.decode(read_bytes(name, LIST_MAX_BYTES)) for name in lists]
    with open_wallet(session) as desk:
        desk.wallet.credentials.refresh_gaps(desk.ledger)
        desk.save()
        consent = desk.wallet.presenter.plan(desk.ledger, message, files)
        payer = None
        if invoice is not None:
            payer = _payer(desk, message, read_message(invoice, Invoice), line, plan)
        _agree(session, consent, yes=yes)
        if payer is not None:
            desk.wallet.prepare_payment(desk.ledger, *payer)
            desk.save()
        made = desk.wallet.presenter.present(desk.ledger, consent, line=line)
    write_message(
        session.output, target, made, "For the verifier: `merchant policy verify {file}`."
    )


def _agree(session: Session, consent: Consent, *, yes: bool) -> None:
    """Shows the question and asks; Refused ``no-consent`` for anything but yes."""
    session.output.note(consent.text)
    for name, value in consent.shown.items():
        session.output.note(f"Shown: {name} = {value}")
    agree("Show and prove this?", yes=yes, otherwise="nothing was shown")
    consent.given = True


def _payer(
    desk: Desk, message: PresentationRequest, invoice: Invoice, line: int | None, plan: int
) -> tuple[int, Invoice, int] | None:
    """The line that will pay, with invoice and plan; None if the purchase is there already."""
    from zkcredit.messages import signing_digest

    if message.bound_to != "purchase":
        raise CallerError("the request is not about a purchase: leave --invoice out")
    desk.receive()
    digest = signing_digest(invoice)
    paid = any(row.invoice_hash == digest for row in desk.wallet.history())
    if paid or pending_line(desk, digest) is not None:
        return None
    chosen, preview = choose_payer(desk, invoice, line, plan)
    print_preview(desk, chosen, preview)
    desk.session.output.note("Agreeing prepares this purchase; `wallet pay` then submits it.\n")
    return chosen.number, invoice, plan
