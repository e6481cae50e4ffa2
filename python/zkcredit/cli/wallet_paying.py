"""``zkcredit wallet``: paying, billing statements and updates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.bills import show_bills
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.params import DURATION
from zkcredit.cli.trust import NOT_FINAL, finality_json, needed_policy, tell, wait_for
from zkcredit.cli.wallet_desk import LINE, PLAN, Desk, group, open_wallet
from zkcredit.cli.wallet_payer import choose_payer, pending_line, print_preview
from zkcredit.errors import CallerError
from zkcredit.ledger.finality import ACCEPTED, FINAL

if TYPE_CHECKING:
    from zkcredit.ledger.finality import Finality
    from zkcredit.messages import Invoice
    from zkcredit.wallet import Line


@group.add(
    "pay",
    example="$ zkcredit wallet pay invoice.json\n$ cat invoice.json | zkcredit wallet pay - --yes\n"
    "$ zkcredit wallet pay invoice.json --final --wait 5m",
)
@click.argument("invoice")
@LINE
@PLAN
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--preview", "only_show", is_flag=True, help="Show what paying means and stop.")
@click.option("--offline", metavar="FILE", help="Store and write to FILE instead of submitting.")
@click.option("--final", "until_final", is_flag=True, help="Wait until the purchase is final.")
@click.option("--wait", "wait_ms", type=DURATION, help="How long to wait for that [10m].")
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
    until_final: bool,
    wait_ms: int | None,
) -> None:
    """Pay the INVOICE of a merchant (a file, or - for standard input).

    First shows shop, amount, credit left and what each party will learn. The purchase
    is stored, then submitted to the ledger; paying the same invoice again submits the
    same purchase. With --final the exit code is 1 if it is accepted and not final in time
    (see `ledger trust`); the same command goes on waiting.
    """
    from zkcredit.messages import Invoice, signing_digest

    if not (yes or only_show) and (invoice == "-" or session.output.as_json):
        raise CallerError("nobody can be asked: add --yes")
    wait_ms = _waiting(session, until_final, wait_ms, offline)
    message = read_message(invoice, Invoice)
    with open_wallet(session) as desk:
        desk.receive()
        finality = desk.finality()
        digest = signing_digest(message)
        done = [row for row in desk.wallet.history() if row.invoice_hash == digest]
        chosen = desk.wallet.line(done[0].line) if done else pending_line(desk, digest)
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
        if done:
            index = done[0].index
        elif offline is not None:
            _store(desk, chosen, message, plan, offline)
            return
        else:
            index = desk.wallet.pay(desk.ledger, chosen.number, message, plan, desk.save).index
        paid: dict[str, Any] = {"line": chosen.number, "index": index, "signed": bool(done)}
        paid["ledger_state"] = finality.state(index)
    if wait_ms is not None:
        finality = _wait(session, paid, finality, wait_ms)
    _print_paid(session, message, paid, finality)


_WAIT_MS = 600_000


def _waiting(
    session: Session, until_final: bool, wait_ms: int | None, offline: str | None
) -> int | None:
    """How long to wait for the purchase to be final, None if that is not asked for."""
    if not until_final:
        if wait_ms is not None:
            raise CallerError("--wait needs --final")
        return None
    if offline is not None:
        raise CallerError("what is not submitted does not get final: leave --final or --offline")
    needed_policy(session)  # before anything is paid
    return _WAIT_MS if wait_ms is None else wait_ms


def _wait(session: Session, paid: dict[str, Any], finality: Finality, wait_ms: int) -> Finality:
    """Waits for the purchase to be final; the vault is free meanwhile."""
    if paid["ledger_state"] == ACCEPTED:
        session.output.note(f"Paid, at entry {paid['index']}. Waiting until that is final …")
        with session.ledger(read_only=True) as ledger:
            finality = wait_for(session, ledger, paid["index"], wait_ms)
            paid["ledger_state"] = finality.state(paid["index"])
    session.exit_code = 0 if paid["ledger_state"] == FINAL else NOT_FINAL
    return finality


def _print_paid(
    session: Session, invoice: Invoice, paid: dict[str, Any], finality: Finality
) -> None:
    from zkcredit.messages import signing_digest

    found = {
        **paid,
        "amount_minor": invoice.amount_minor,
        "currency": invoice.currency,
        "invoice_hash": signing_digest(invoice),
        "finality": finality_json(finality),
    }
    if session.output.data(found):
        return
    index, line, state = paid["index"], paid["line"], paid["ledger_state"]
    if paid["signed"]:
        session.output.line(f"Paid before, at entry {index} (line {line}), {state}.")
    else:
        session.output.line(f"Paid: entry {index} of the ledger (line {line}), {state}.")
        session.output.note(
            "The merchant sees it with `merchant check`. When the lender has signed: "
            "`wallet receive`."
        )
    tell(session, finality)


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
        show_bills(session, bills, desk.finality(), as_csv=as_csv)


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
