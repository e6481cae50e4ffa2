"""What all lender commands share: the open lender and its accounts as JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session
from zkcredit.cli.parties import Secrets

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.lender import Account, Lender
    from zkcredit.terms import Terms


@click.group(cls=Group, name="lender", example="$ zkcredit lender show")
def group() -> None:
    """Grant lines, sign purchases, bill, take payments, pay merchants.

    A lender's folder holds lender.vault (its keys) and lender.db (accounts and
    everything it has signed). Back up both: the ledger alone does not bring them back.
    """


# -- opening ---------------------------------------------------------------------------------


@contextlib.contextmanager
def open_lender(session: Session) -> Iterator[Lender]:
    """The lender of this profile; its vault stays locked meanwhile."""
    from zkcredit.lender import Lender

    with session.open_vault("lender") as vault:
        seed = Secrets.decode(vault.data).seed
        lender = Lender.open(session.folder / "lender.db", seed)
        try:
            yield lender
        finally:
            lender.close()


@contextlib.contextmanager
def lender_on_ledger(session: Session) -> Iterator[tuple[Lender, AnyLedger]]:
    """The lender together with its ledger."""
    with session.ledger() as ledger, open_lender(session) as lender:
        session.sign_in(ledger, lender.request_signer)
        yield lender, ledger


def account_json(account: Account, terms: Terms) -> dict[str, Any]:
    """An account as JSON."""
    return {
        "account": account.number,
        "customer": account.customer,
        "state": account.state,
        "terms_hash": account.terms_hash,
        "currency": terms.currency,
        "limit_minor": account.limit_minor,
        "balance_minor": account.balance_minor,
        "minimum_minor": account.minimum_minor,
        "arrears_minor": account.arrears_minor,
        "period": account.period,
        "open_index": account.open_index,
        "note": account.note,
    }
