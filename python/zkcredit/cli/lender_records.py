"""``zkcredit lender``: signed documents for holders, and their anchors on the ledger."""

from __future__ import annotations

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, write_message
from zkcredit.cli.lender_desk import group, lender_on_ledger
from zkcredit.cli.params import COUNT
from zkcredit.errors import CallerError


@group.add(
    "record",
    example="$ zkcredit lender record agreement 1 -o agreement.json\n"
    "$ zkcredit lender record bill 1 --period 3 -o bill.json",
)
@click.argument("kind", type=click.Choice(["agreement", "bill", "report"]))
@click.argument("account", type=COUNT)
@click.option("--period", type=COUNT, help="Which bill [the newest].")
@output_option("Where the record goes (- is standard output).")
@pass_session
def record(session: Session, *, kind: str, account: int, period: int | None, target: str) -> None:
    """Write a record about ACCOUNT for its holder, signed and anchored on the ledger.

    An agreement stays the same until limit or attributes change, a bill for ever; a
    report is made anew each time, as of now. All records that wait are anchored with
    it. The holder takes it in with `wallet import`.
    """
    if period is not None and kind != "bill":
        raise CallerError("--period is for bills")
    with lender_on_ledger(session) as (lender, ledger):
        lender.account(account)
        if kind == "agreement":
            lender.agreement(ledger, account)
        elif kind == "report":
            lender.report(ledger, account)
        elif not any(period in (None, bill.period) for bill in lender.documents(account)):
            when = "" if period is None else f" of period {period}"
            raise CallerError(f"account {account} has no bill{when} yet")
        lender.anchor_records(ledger)
        found = lender.records(ledger, account, kind)
    made = [x for x in found if period in (None, getattr(x.document, "period", None))][-1]
    session.output.note(f"The {kind} is anchored by entry {made.anchor.entry_index}.")
    write_message(session.output, target, made, "For the holder: `wallet import {file}`.")


@group.add("anchor", example="$ zkcredit lender anchor")
@pass_session
def anchor(session: Session) -> None:
    """Anchor all bills and other records that are not on the ledger yet.

    One entry holds up to 4,096 of them and shows neither whose nor what they are. Do it
    for many at once, once a month for instance: an entry for a single record tells when
    that one was made.
    """
    with lender_on_ledger(session) as (lender, ledger):
        entries = lender.anchor_records(ledger)
    if not session.output.data({"entries": entries}):
        names = ", ".join(map(str, entries))
        session.output.line(f"Anchored by entries: {names}." if entries else "Nothing new.")
