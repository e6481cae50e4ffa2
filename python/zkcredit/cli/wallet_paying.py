"""``zkcredit wallet``: paying, billing statements and updates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.bills import show_bills
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.wallet_desk import LINE, PLAN, Desk, group, open_wallet
from zkcredit.cli.wallet_payer import choose_payer, pending_line, print_preview
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    from zkcredit.messages import Invoice
    from zkcredit.wallet import Line


@group.add(
    "pay",
    example="$ zkcredit wallet pay invoice.json\n$ cat invoice.json | zkcredit wallet pay - --yes",
)
@click.argument("invoice")
@LINE
@PLAN
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--preview", "only_show", is_flag=True, help="Show what paying means and stop.")
@click.option("--offline", metavar="FILE", help="Store and write to FILE instead of submitting.")
@pass_session
def pay(
    session: Session,
    *,
    invoice: str,
    line: int | None,
    plan: int,
    yes: bool,
    only_show: bool,
    offline: str | None,
) -> None:
    """Pay the INVOICE of a merchant (a file, or - for standard input).

    First shows shop, amount, credit left and what each party will learn. The purchase
    is stored, then submitted to the ledger; paying the same invoice again submits the
    same purchase.
    """
    from zkcredit.messages import Invoice, signing_digest

    if not (yes or only_show) and (invoice == "-" or session.output.as_json):
        raise CallerError("nobody can be asked: add --yes")
    message = read_message(invoice, Invoice)
    with open_wallet(session) as desk:
        desk.receive()
        digest = signing_digest(message)
        done = [row for row in desk.wallet.history() if row.invoice_hash == digest]
        if done:
            _print_paid(session, message, done[0].line, done[0].index, signed=True)
            return
        chosen = pending_line(desk, digest)
        if chosen is None:
            chosen, preview = choose_payer(desk, message, line, plan)
            print_preview(desk, chosen, preview)
            if only_show:
                session.output.data({"line": chosen.number, **asdict(preview)})
                return
            if not yes and not click.confirm("Pay?", err=True):
                session.output.note("Nothing was paid.")
                session.exit_code = 1
                return
        if offline is not None:
            _store(desk, chosen, message, plan, offline)
            return
        index = desk.wallet.pay(desk.ledger, chosen.number, message, plan, desk.save).index
    _print_paid(session, message, chosen.number, index, signed=False)


def _print_paid(session: Session, invoice: Invoice, line: int, index: int, *, signed: bool) -> None:
    from zkcredit.messages import signing_digest

    found: dict[str, Any] = {
        "line": line,
        "index": index,
        "amount_minor": invoice.amount_minor,
        "currency": invoice.currency,
        "invoice_hash": signing_digest(invoice),
        "signed": signed,
    }
    if session.output.data(found):
        return
    if signed:
        session.output.line(f"Paid before, at entry {index} (line {line}).")
        return
    session.output.line(f"Paid: entry {index} of the ledger (line {line}).")
    session.output.note("The merchant sees it with `merchant check`. When the lender has signed: "
                        "`wallet receive`.")  # fmt: skip


def _store(desk: Desk, line: Line, invoice: Invoice, plan: int, target: str) -> None:
    from zkcredit.cli.submission import SubmissionFile

    submission = desk.wallet.prepare_payment(desk.ledger, line.number, invoice, plan)
    desk.save()
    message = SubmissionFile.of(desk.ledger.ledger_id, submission)
    write_message(desk.session.output, target, message, "Submit it: `ledger submit {file}`.")


# -- billing statement, update ---------------------------------------------------------------


@group.add(
    "statement",
    example="$ zkcredit wallet statement -o opening.json\n"
    "$ zkcredit wallet statement --show\n$ zkcredit wallet statement --csv > bills.csv",
)
@LINE
@click.option("--show", "as_table", is_flag=True, help="Show the bills received.")
@click.option("--csv", "as_csv", is_flag=True, help="The same as comma-separated values.")
@output_option("Where the opening for the lender goes (- is standard output).")
@pass_session
def statement(
    session: Session, line: int | None, as_table: bool, as_csv: bool, target: str
) -> None:
    """Make the billing statement of a period that is over; or show the bills received.

    The lender, and nobody else, gets the opening: what was bought in the period as one
    sum. Its answer, the signed bill, comes with `wallet receive`. Until then the same
    command gives the same opening again.
    """
    from zkcredit.entries import Kind

    if as_table or as_csv:
        _show_bills(session, line, as_csv=as_csv)
        return
    with open_wallet(session) as desk:
        chosen = _landed(desk, line, Kind.STATEMENT)
        if chosen is None:
            desk.receive()
            chosen = desk.choose(line, lambda x: _over(desk, x), "can be billed")
            opening: Any = desk.wallet.make_statement(desk.ledger, chosen.number, desk.save)
        else:
            opening = desk.wallet.opening(chosen.number)
        due = desk.terms(chosen).format(opening.due_minor)
        desk.save()
    session.output.note(
        f"Line {chosen.number}: billing statement over {due} at entry {opening.entry_index}."
    )
    write_message(
        session.output, target, opening, "For the lender only: `lender statement {file}`."
    )


def _landed(desk: Desk, number: int | None, kind: int) -> Line | None:
    """A line whose pending step of this kind is on the ledger and not answered yet."""
    for line in desk.wallet.lines:
        pending = line.pending
        if number not in (None, line.number) or line.ledger_id != desk.ledger.ledger_id:
            continue
        if pending is not None and pending.kind == kind and pending.index is not None:
            return line if desk.ledger.reply(pending.index) is None else None
    return None


def _over(desk: Desk, line: Line) -> bool:
    token = line.token
    current = desk.ledger.registry.current_period(line.terms_hash)
    return token is not None and line.status in ("ready", "pending") and token.period < current


def _show_bills(session: Session, number: int | None, *, as_csv: bool) -> None:
    with open_wallet(session, read_only=True) as desk:
        lines = desk.wallet.lines if number is None else [desk.wallet.line(number)]
        own = [line for line in lines if line.ledger_id == desk.ledger.ledger_id]
        bills = [
            (document, desk.terms(line))
            for line in own
            for document in desk.wallet.documents(line.number)
        ]
    show_bills(session.output, bills, as_csv=as_csv)


@group.add("update", example="$ zkcredit wallet update -o opening.json")
@LINE
@output_option("Where the opening for the lender goes (- is standard output).")
@pass_session
def update(session: Session, line: int | None, target: str) -> None:
    """Let the lender put payments or a new limit on a line at once, between bills.

    The opening shows the lender which account this is, and nothing else.
    """
    from zkcredit.entries import Kind

    with open_wallet(session) as desk:
        chosen = _landed(desk, line, Kind.UPDATE)
        if chosen is None:
            desk.receive()
            chosen = desk.choose(line, lambda x: x.status == "ready", "can be updated")
            opening: Any = desk.wallet.make_update(desk.ledger, chosen.number, desk.save)
        else:
            opening = desk.wallet.opening(chosen.number)
        desk.save()
    session.output.note(f"Line {chosen.number}: update at entry {opening.entry_index}.")
    write_message(session.output, target, opening, "For the lender only: `lender update {file}`.")
