"""``zkcredit wallet``: purchases proved to somebody who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkcredit.cli.consent import YES, agree, check_answerable
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.output import counted
from zkcredit.cli.params import INDEX
from zkcredit.cli.wallet_desk import LINE, Desk, group, open_wallet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkcredit.purchases.messages import PurchasesRequest


@group.add(
    "prove-purchases",
    example="$ zkcredit wallet prove-purchases ask.json -o proof.json\n"
    "$ zkcredit wallet prove-purchases ask.json --entry 12 --entry 17 --yes -o proof.json",
)
@click.argument("request")
@LINE
@click.option(
    "--entry", "entries", type=INDEX, multiple=True, help="Only this purchase; repeat [all]."
)
@YES
@output_option("Where the proof goes (- is standard output).")
@pass_session
def prove_purchases(
    session: Session,
    *,
    request: str,
    line: int | None,
    entries: tuple[int, ...],
    yes: bool,
    target: str,
) -> None:
    """Answer a REQUEST to prove purchases (from `purchases ask`).

    First you read what the verifier will learn. Entry numbers are those of `wallet
    history`.
    """
    from zkcredit.purchases.messages import PurchasesRequest

    check_answerable(session.output, yes=yes, piped=request == "-")
    message = read_message(request, PurchasesRequest)
    with open_wallet(session) as desk:
        desk.receive()
        chosen = desk.choose(
            line, lambda x: x.terms_hash == message.terms_hash, "has the terms asked about"
        )
        _say(desk, message, chosen.number, entries)
        agree("Prove this?", yes=yes, otherwise="nothing was shown")
        made = desk.wallet.prove_purchases(
            desk.ledger, chosen.number, message, entries=entries or None
        )
    write_message(
        session.output, target, made, "For the verifier: `purchases verify {file} REQUEST`."
    )


def _say(desk: Desk, request: PurchasesRequest, line: int, entries: Sequence[int]) -> None:
    """Who asks, what it will learn, and which purchases that is."""
    from zkcredit.clock import system_clock
    from zkcredit.policies.request import find_verifier
    from zkcredit.purchases.prove import learns

    registry, out = desk.ledger.registry, desk.session.output
    words = learns(registry, request, system_clock())
    name = registry.shown_name(find_verifier(registry, request.verifier_id))
    first, last = request.first_period, request.last_period
    periods = f"period {first}" if first == last else f"periods {first} to {last}"
    out.note(f"{name!r} asks about {periods}.")
    for item in words:
        out.note(f"It will learn {item}.")
    terms = registry.published(request.terms_hash).terms
    rows = [
        row
        for row in desk.wallet.history(line)
        if row.kind == "spend"
        and request.first_period <= row.period <= request.last_period
        and (not entries or row.index in entries)
    ]
    for row in rows:
        out.note(f"  entry {row.index}: {terms.format(row.amount_minor)}, {row.label}")
    total = terms.format(sum(row.amount_minor for row in rows))
    out.note(f"That is {counted(len(rows), 'purchase')} over {total} together.")
