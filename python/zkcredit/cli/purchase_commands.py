"""``zkcredit purchases``: asking holders to prove what they bought, and checking it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.output import utc
from zkcredit.cli.params import DURATION, HEX, MONEY, amount_minor, find_terms
from zkcredit.cli.trust import finality_json, finality_of, tell
from zkcredit.errors import CallerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkcredit.cli.context import AnyLedger
    from zkcredit.lender import Lender
    from zkcredit.merchant import Merchant
    from zkcredit.purchases.messages import Wish
    from zkcredit.purchases.verify import Finding


class Periods(click.ParamType[tuple[int, int]]):
    """``3`` or ``1-6``: the first and the last period."""

    name = "periods"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Both ends, each 1..2^32 - 1, in order."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,9})(?:-([1-9][0-9]{0,9}))?", str(value))
        ends = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not ends[0] <= ends[1] < 1 << 32:
            self.fail(f"not periods: {value!r} (write them like 3 or 1-6)", param, ctx)
        return ends


@click.group(cls=Group, name="purchases", example="$ zkcredit purchases verify proof.json ask.json")
def group() -> None:
    """Ask holders to prove their purchases, and verify the proofs.

    A lender or merchant asks; the holder answers with `wallet prove-purchases`. What
    is shown are entries of the ledger and, as asked, each amount, their sum, or only
    that they stay below a bound on average.
    """


@contextmanager
def _verifier(session: Session) -> Iterator[tuple[Lender | Merchant, AnyLedger]]:
    """The registered party of this folder with its ledger."""
    if session.vault_path("lender").exists():
        from zkcredit.cli.lender_desk import lender_on_ledger

        with lender_on_ledger(session) as (lender, ledger):
            yield lender, ledger
        return
    if not session.vault_path("merchant").exists():
        raise StoreError(f"neither lender nor merchant in {session.folder}: only these can ask")
    from zkcredit.cli.merchant_commands import open_merchant

    with open_merchant(session, read_only=True) as (merchant, ledger, _):
        yield merchant, ledger


@group.add(
    "ask",
    example="$ zkcredit purchases ask --periods 1-3 --show sum -o ask.json\n"
    '$ zkcredit purchases ask --periods 1-6 --show average --below "40.00 TWD" --all -o ask.json',
)
@click.option("--terms", "prefix", type=HEX, help="Which terms, if there are several.")
@click.option("--periods", type=Periods(), required=True, help="Such as 3, or 1-6.")
@click.option(
    "--show",
    type=click.Choice(["amounts", "sum", "average"]),
    default="sum",
    show_default=True,
    help="What you want to learn of the amounts.",
)
@click.option("--below", type=MONEY, help="The bound, with --show average.")
@click.option("--all", "complete", is_flag=True, help="All purchases of the line, none left out.")
@click.option("--pseudonym", metavar="NAME", help="Ask for the holder's pseudonym of this name.")
@click.option(
    "--valid",
    "valid_ms",
    type=DURATION,
    default="7d",
    show_default=True,
    help="How long the holder may answer.",
)
@output_option("Where the request goes (- is standard output).")
@pass_session
def ask(
    session: Session,
    *,
    prefix: str | None,
    periods: tuple[int, int],
    show: Any,
    below: str | None,
    complete: bool,
    pseudonym: str | None,
    valid_ms: int,
    target: str,
) -> None:
    """Write a signed request to prove purchases under some terms in some periods.

    Without --all the holder chooses which purchases to show. With --all it must be
    every purchase of one line, in periods that are billed.
    """
    if (show == "average") != (below is not None):
        raise CallerError("--show average needs --below, and nothing else takes it")
    with _verifier(session) as (party, ledger):
        published = find_terms(ledger.registry, prefix)
        wish: Wish = {"show": show, "pseudonym": pseudonym}
        wish["below_minor"] = 0 if below is None else amount_minor(below, published.terms)
        wish["coverage"] = "all" if complete else "chosen"
        message = party.ask_purchases(ledger, published.hash, periods, valid_ms=valid_ms, **wish)
    write_message(
        session.output, target, message, "For the holder: `wallet prove-purchases {file}`."
    )


@group.add("verify", example="$ zkcredit purchases verify proof.json ask.json")
@click.argument("proof")
@click.argument("request")
@pass_session
def verify(session: Session, proof: str, request: str) -> None:
    """Verify a PROOF (from `wallet prove-purchases`) as the answer to a REQUEST.

    It shows that these entries of the ledger are purchases of one holder, on one line,
    and what was asked of their amounts; not who the holder is.
    """
    from zkcredit.clock import system_clock
    from zkcredit.purchases.messages import PurchasesProof, PurchasesRequest
    from zkcredit.purchases.verify import verify

    if proof == request == "-":
        raise CallerError("only one of the two can come from standard input")
    answer, question = read_message(proof, PurchasesProof), read_message(request, PurchasesRequest)
    with session.ledger(read_only=True) as ledger:
        found = verify(ledger, question, answer, system_clock())
        terms = ledger.registry.published(question.terms_hash).terms
        times = [ledger.entry(index).timestamp_ms for index in found.entries]
        finality = finality_of(session, ledger)
        states = [finality.state(index) for index in found.entries]
    result = _finding_json(found, times)
    result |= {"ledger_states": states, "finality": finality_json(finality)}
    if session.output.data(result):
        return
    shown = found.amounts_minor or (None,) * len(times)
    rows = [
        (index, state, utc(time_ms), "-" if minor is None else terms.format(minor))
        for index, state, time_ms, minor in zip(found.entries, states, times, shown, strict=True)
    ]
    session.output.line("The proof holds: purchases of one holder, on one line.")
    session.output.table(("entry", "state", "time", "amount"), rows, right=(0, 3))
    if found.total_minor is not None:
        session.output.line(f"Together {terms.format(found.total_minor)}.")
    if found.below_minor:
        session.output.line(f"On average less than {terms.format(found.below_minor)}.")
    if found.complete:
        session.output.line("There are no others on this line in these periods.")
    if found.pseudonym:
        session.output.line(f"Pseudonym {found.pseudonym.hex()}")
    tell(session, finality)


def _finding_json(found: Finding, times: list[int]) -> dict[str, Any]:
    return {
        "request_hash": found.request_hash,
        "entries": found.entries,
        "timestamps_ms": times,
        "currency": found.currency,
        "amounts_minor": found.amounts_minor,
        "total_minor": found.total_minor,
        "below_minor": found.below_minor,
        "complete": found.complete,
        "pseudonym": found.pseudonym,
    }
