"""What all wallet commands share: the open wallet, its lines as table and JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session
from zkcredit.cli.params import COUNT
from zkcredit.cli.trust import finality_of, tell
from zkcredit.errors import CallerError, Refused, ZkCreditError

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.ledger.finality import Finality
    from zkcredit.terms import Terms
    from zkcredit.wallet import Event, Line, Wallet

LINE = click.option("--line", type=COUNT, help="Number of the line, if there are several.")
PLAN = click.option("--plan", type=COUNT, default=1, help="Pay in so many monthly parts [1].")
SETTLED_STATES = ("ready", "disputed", "closed")


@click.group(cls=Group, name="wallet", example="$ zkcredit wallet show")
def group() -> None:
    """Hold credit lines and pay with them.

    A wallet is one file, wallet.vault, under your passphrase. Its 24 words and the
    ledger bring everything back.
    """


# -- opening ---------------------------------------------------------------------------------


@dataclass
class Desk:
    """The wallet, its ledger, and ``save``, which must come before anything is submitted."""

    session: Session
    wallet: Wallet
    ledger: AnyLedger
    save: Callable[[], None]

    def terms(self, line: Line) -> Terms:
        """Terms of a line."""
        return self.ledger.registry.published(line.terms_hash).terms

    def finality(self) -> Finality:
        """Up to where the ledger is final under the profile's policy."""
        return finality_of(self.session, self.ledger)

    def receive(self) -> list[Event]:
        """Picks up what is on the ledger for this wallet and stores it."""
        self._find_landed()
        events = self.wallet.receive(self.ledger)
        self.save()
        return events

    def _find_landed(self) -> None:
        """Steps whose receipt was lost are looked for on the ledger."""
        from zkcredit import digests
        from zkcredit.ledger import Receipt

        for line in self.wallet.lines:
            step = line.pending
            if step is None or step.index is not None or line.ledger_id != self.ledger.ledger_id:
                continue
            if line.status == "requested":
                continue
            digest = digests.statement_hash(step.statement)
            index = self.ledger.find_statement(digest)
            if index is not None:
                timestamp_ms = self.ledger.entry(index).timestamp_ms
                self.wallet.accepted(line.number, Receipt(index, timestamp_ms, digest, True))

    def choose(self, number: int | None, fits: Callable[[Line], bool], what: str) -> Line:
        """The line asked for, or the only one that fits."""
        if number is not None:
            return self.wallet.line(number)
        own = [x for x in self.wallet.lines if x.ledger_id == self.ledger.ledger_id]
        found = [x for x in own if fits(x)]
        if len(found) == 1:
            return found[0]
        if not found:
            if len(own) == 1:
                return own[0]
            raise Refused("line-not-ready", f"no line {what}")
        numbers = ", ".join(str(x.number) for x in found)
        raise CallerError(f"lines {numbers} {what}: choose one with --line")


@contextlib.contextmanager
def open_wallet(session: Session, *, read_only: bool = False) -> Iterator[Desk]:
    """The wallet of this profile with its ledger; the vault stays locked meanwhile."""
    from zkcredit.wallet import Wallet

    with session.ledger(read_only=read_only) as ledger:
        vault = session.open_vault("wallet")
        try:
            wallet = Wallet.load(vault.data)
        except ZkCreditError:
            vault.close()
            raise
        with session.keep(vault, wallet.dump) as save:
            yield Desk(session, wallet, ledger, save)


def own_lines(desk: Desk) -> list[Line]:
    """Lines on the ledger in use."""
    return [line for line in desk.wallet.lines if line.ledger_id == desk.ledger.ledger_id]


def line_json(line: Line, terms: Terms, finality: Finality) -> dict[str, Any]:
    """A line as JSON; secrets stay out."""
    token, pending = line.token, line.pending
    step = None
    if pending is not None and line.status != "requested":
        step = {
            "kind": pending.kind_name,
            "index": pending.index,
            "amount_minor": pending.amount_minor,
            "label": pending.label,
            "refused": pending.refused,
            "ledger_state": finality.state(pending.index),
        }
    return {
        "line": line.number,
        "status": line.status,
        "ledger_id": line.ledger_id,
        "issuer_id": line.issuer_id,
        "terms_hash": line.terms_hash,
        "currency": terms.currency,
        "minor_digits": terms.minor_digits,
        "period": None if token is None else token.period,
        "available_minor": None if token is None else token.available_minor,
        "due_minor": None if token is None else token.due_minor,
        "limit_minor": line.limit_minor,
        "balance_minor": line.balance_minor,
        "minimum_minor": line.minimum_minor,
        "must_refresh": line.must_refresh,
        "pending": step,
        "problem": line.problem,
        "statement_moment_ms": line.statement_moment_ms,
    }


def _advice(line: Line, finality: Finality) -> str:
    """What the holder can do next with a line."""
    if line.status == "disputed":
        return f"disputed: {line.problem}"
    if line.status == "requested":
        return "asked for; waits for the lender"
    pending = line.pending
    if line.status == "pending" and pending is not None:
        if pending.refused is not None:
            return f"{pending.kind_name} refused [{pending.refused}]: `wallet refresh`"
        if pending.index is None:
            return f"{pending.kind_name} not on the ledger: `wallet submit`"
        state = finality.state(pending.index)
        return f"{pending.kind_name} at entry {pending.index} ({state}) waits for the lender"
    return "`wallet refresh` before use" if line.must_refresh else ""


def print_lines(session: Session, lines: list[tuple[Line, Terms]], finality: Finality) -> None:
    """Lines as a table, each with what comes next."""
    rows = []
    for line, terms in lines:
        token = line.token
        amounts = ["-"] * 2
        if token is not None:
            amounts = [terms.format(token.available_minor), terms.format(sum(token.due_minor))]
        period = "-" if token is None else token.period
        rows.append(
            (
                line.number,
                line.status,
                period,
                *amounts,
                terms.format(line.limit_minor),
                terms.format(line.balance_minor),
                terms.format(line.minimum_minor),
                _advice(line, finality),
            )
        )
    columns = ("line", "status", "period", "credit left", "not billed", "limit", "balance")
    session.output.table((*columns, "minimum", "next"), rows, right=(0, 2, 3, 4, 5, 6, 7))
    tell(session, finality)
