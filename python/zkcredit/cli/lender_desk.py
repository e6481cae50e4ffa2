"""What all lender commands share: the vault's content and the open lender."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session
from zkcredit.errors import MalformedInput

if TYPE_CHECKING:
    from zkcredit.ledger.operator import Operator
    from zkcredit.lender import Account, Lender
    from zkcredit.terms import Terms

_VAULT_VERSION = 1


@click.group(cls=Group, name="lender", example="$ zkcredit lender show")
def group() -> None:
    """Grant lines, sign purchases, bill, take payments, pay merchants.

    A lender's folder holds lender.vault (its keys) and lender.db (accounts and
    everything it has signed). Back up both: the ledger alone does not bring them back.
    """


# -- opening ---------------------------------------------------------------------------------


@dataclass
class Secrets:
    """Content of a lender's vault; ``complete`` once the database beside it was made."""

    phrase: str = field(repr=False)
    name: str
    complete: bool = False

    def encode(self) -> bytes:
        """Bytes for the vault."""
        return json.dumps({"version": _VAULT_VERSION, **asdict(self)}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Secrets:
        """The content of a vault; MalformedInput for anything else."""
        try:
            found = json.loads(data)
            version = found.pop("version")
            if version != _VAULT_VERSION:
                raise MalformedInput(f"lender vault has version {version}, not {_VAULT_VERSION}")
            return cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise MalformedInput("the vault holds no lender") from None


@contextlib.contextmanager
def open_lender(session: Session) -> Iterator[Lender]:
    """The lender of this profile; its vault stays locked meanwhile."""
    from zkcredit.keys import seed_from_phrase
    from zkcredit.lender import Lender

    with session.open_vault("lender") as vault:
        seed = seed_from_phrase(Secrets.decode(vault.data).phrase)
        lender = Lender.open(session.folder / "lender.db", seed)
        try:
            yield lender
        finally:
            lender.close()


@contextlib.contextmanager
def lender_on_ledger(session: Session) -> Iterator[tuple[Lender, Operator]]:
    """The lender together with its ledger."""
    with session.ledger() as ledger, open_lender(session) as lender:
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
