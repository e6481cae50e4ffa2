"""The signed lists that clauses name, as they stand on the ledger now."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.credentials.lists import ListPlace, SignedList
from zkcredit.errors import CheckFailed, Refused
from zkcredit.policies.clauses import ListClause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import CredentialKey, Registry
    from zkcredit.policies.clauses import GroundClause

SMALL_LIST = 20
"""Below so many items, to be on a list says nearly who one is."""


@dataclass(frozen=True, slots=True)
class CurrentList:
    """The newest version of a list and the day (UTC) on which the ledger took it in."""

    signed: SignedList
    published: dt.date


def list_key(registry: Registry, clause: ListClause) -> CredentialKey:
    """The key, with version and hash, under which the list of a clause stands now.

    That is the owner's newest key for it: two keys could have two lists at one time. Refused
    ``no-list`` before the first version, ``key-closed``.
    """
    place = clause.issuer_id, clause.schema.hash
    number = registry.current_credential_key(*place)
    key = registry.credential_key(*place, number) if number else None
    if key is None or key.epoch == 0:
        raise Refused("no-list", f"the owner of the list {clause.list_name!r} has published none")
    if key.closed:
        raise Refused("key-closed", "the key of a list was closed by its owner")
    return key


def list_place(registry: Registry, clause: ListClause) -> ListPlace:
    """Where the newest version of the list of a clause stands; refuses as :func:`list_key`."""
    key = list_key(registry, clause)
    return ListPlace(
        registry.ledger_id, clause.issuer_id, clause.schema.hash, key.number, key.epoch
    )


def fetch_lists(ledger: LedgerView, clauses: Iterable[GroundClause]) -> dict[int, CurrentList]:
    """The newest lists by the number of the clause that names them, read from the ledger.

    Refused as in :func:`list_key`, ``no-list`` also where the ledger lacks the file or it
    says who is on the list and the clause asks who is not; CheckFailed for a file that is not
    the one that the entry names; MalformedInput.
    """
    return {
        clause.number: _fetch(ledger, clause)
        for clause in clauses
        if isinstance(clause, ListClause)
    }


def _fetch(ledger: LedgerView, clause: ListClause) -> CurrentList:
    from zkcredit._native import blake3_hash
    from zkcredit.policies.request import date_of

    key = list_key(ledger.registry, clause)
    data = ledger.attachment(key.list_hash)
    if data is None:
        raise Refused("no-list", f"the ledger lacks the list {clause.list_name!r}: try again later")
    if blake3_hash(data) != key.list_hash:
        raise CheckFailed("the signed list is not the one that the ledger names")
    signed = SignedList.decode(data)
    if (signed.place, signed.type) != (list_place(ledger.registry, clause), clause.type):
        raise CheckFailed("the signed list is of another owner, schema, key or version")
    if signed.gaps != clause.negated:
        proves = "not on it" if signed.gaps else "on it"
        raise Refused("no-list", f"the list {clause.list_name!r} proves only who is {proves}")
    return CurrentList(signed, date_of(ledger.entry(key.list_index).timestamp_ms))
