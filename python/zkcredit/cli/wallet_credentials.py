"""``zkcredit wallet``: credentials, and what is shown and proved from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkcredit.cli.consent import (
    YES,
    agree_to_show,
    check_answerable,
    plan_answer,
)
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import FORMAT, builtins, output_option, read_message, told, write_bytes
from zkcredit.cli.held_commands import credentials
from zkcredit.cli.wallet_desk import LINE, PLAN, Desk, group, open_wallet
from zkcredit.cli.wallet_payer import choose_payer, pending_line, print_preview
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    from zkcredit.messages import Invoice
    from zkcredit.policies.present import Consent
    from zkcredit.policies.presentation import Presentation
    from zkcredit.policies.request import PresentationRequest

group.add_command(credentials)


@group.add(
    "present",
    example="$ zkcredit wallet present asked.json -o shown.json\n"
    "$ zkcredit wallet present asked.json --invoice invoice.json -o shown.json\n"
    "$ zkcredit wallet present asked.json --format cbor -o shown.cbor",
)
@click.argument("request")
@click.option("--invoice", metavar="FILE", help="The invoice, if the request is about a purchase.")
@LINE
@PLAN
@FORMAT
@YES
@output_option("Where the presentation goes (- is standard output).")
@pass_session
def present(
    session: Session,
    *,
    request: str,
    invoice: str | None,
    line: int | None,
    plan: int,
    form: str,
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
    from zkcredit.policies.request import PresentationRequest

    check_answerable(session.output, yes=yes, piped="-" in (request, invoice))
    message = read_message(request, PresentationRequest)
    with open_wallet(session) as desk:
        consent = plan_answer(desk, message)
        payer = None
        if invoice is not None:
            payer = _payer(desk, message, read_message(invoice, Invoice), line, plan)
        agree_to_show(session.output, consent, yes=yes)
        if payer is not None:
            desk.wallet.prepare_payment(desk.ledger, *payer)
            desk.save()
        made = desk.wallet.presenter.present(desk.ledger, consent, line=line)
    data, media_type = _encoded(made, consent, form)
    write_bytes(target, data)
    note = "For the verifier: `merchant policy verify {file}`."
    told(session.output, target, note, {"media_type": media_type, "presentation": builtins(made)})


def _encoded(made: Presentation, consent: Consent, form: str) -> tuple[bytes, str]:
    """The presentation as a file, and its media type."""
    from zkcredit.credentials.exchange import (
        PRESENTATION_CBOR,
        PRESENTATION_JSON,
        write_presentation,
    )

    media_type = PRESENTATION_CBOR if form == "cbor" else PRESENTATION_JSON
    return write_presentation(made, consent.asked.requirements, media_type), media_type


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
