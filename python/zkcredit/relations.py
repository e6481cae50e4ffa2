"""Which circuit proves which statement, and with what public data.

The verifier takes K, M and the width of amounts from the published terms and
the issuer's key from the registry, never from a proof.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from zkcredit import _native, digests
from zkcredit.entries import (
    BillingStatement,
    Kind,
    LineStatement,
    OpenStatement,
    RefreshStatement,
    SettleStatement,
    SpendStatement,
    Statement,
    UpdateStatement,
)
from zkcredit.errors import CallerError, Refused

if TYPE_CHECKING:
    from zkcredit.ledger.registry import PublishedTerms, Registry
    from zkcredit.terms import Terms

_CACHE = 1_024
"""Relations kept, the least recently used one leaves."""
_CIRCUITS = {
    Kind.OPEN: "open",
    Kind.SPEND: "spend",
    Kind.REFRESH: "refresh",
    Kind.UPDATE: "update",
    Kind.STATEMENT: "statement",
}


def relation_for(kind: Kind, terms: Terms) -> _native.Circuit:
    """The compiled circuit of a step of a line under these terms; cached per process.

    Raises CallerError for kinds without a circuit of the line, Refused
    ``nothing-to-bill`` for a billing statement of a token without due buckets.
    """
    name = _CIRCUITS.get(kind)
    if name is None:
        raise CallerError(f"no circuit of a line proves a {kind.name.lower()} statement")
    if kind is Kind.STATEMENT and terms.due_buckets == 0:
        raise Refused("nothing-to-bill", "these terms have no due buckets, so nothing is billed")
    parameters = {"K": terms.due_buckets, "M": terms.attributes, "bits": terms.amount_bits}
    return _native.builtin_circuit(name, parameters)


def engine_statement(
    registry: Registry, ledger_id: bytes, statement: Statement, memo: bytes
) -> _native.Statement:
    """What the proof beside ``statement`` has to prove, ready for verification.

    Raises MalformedInput for scalars or settlement keys that are not canonical,
    Refused ``unknown-…`` if the registry lacks terms or period.
    """
    context = digests.engine_context(statement.encode(), memo)
    if isinstance(statement, SettleStatement):
        return _settlement(ledger_id, statement, context)
    if not isinstance(statement, LineStatement):
        raise CallerError("registrations carry signatures, not proofs")
    published = registry.published(statement.terms_hash)
    publics: dict[str, _native.Scalar] = {}
    key = b""
    if not isinstance(statement, OpenStatement):
        publics["nullifier"] = statement.nullifier
        key = registry.period(statement.terms_hash, statement.period).bbs_key
    relation = _relation(ledger_id, int(statement.KIND), published, statement.period, key)
    return relation.statement(context=context, publics=publics, points=_points(statement))


@functools.lru_cache(_CACHE)
def _relation(
    ledger_id: bytes, number: int, published: PublishedTerms, period: int, bbs_key: bytes
) -> _native.Relation:
    """What all statements of a kind have in common under one key (empty for opens).

    ``number`` is the kind's: members of an enumeration take longer to hash.
    """
    kind, terms = Kind(number), published.terms
    header = digests.token_header(ledger_id, terms.kind, published.hash, period)
    labels: dict[str, bytes] = {}
    if kind in (Kind.SPEND, Kind.STATEMENT):
        labels["value"] = digests.value_label(published.issuer_id, terms.currency)
    return _native.Relation(
        relation_for(kind, terms),
        ledger_id=ledger_id,
        keys=[(bbs_key, header)] if bbs_key else [],
        labels=labels,
    )


def _points(statement: LineStatement) -> dict[str, bytes]:
    match statement:
        case SpendStatement():
            return {"next": statement.commitment, "claim": statement.claim}
        case OpenStatement():
            return {"next": statement.commitment, "owner_tag": statement.owner_tag}
        case RefreshStatement():
            return {"next": statement.commitment}
        case UpdateStatement():
            return {"next": statement.commitment, "tag": statement.bill_tag}
        case BillingStatement():
            return {
                "next": statement.commitment,
                "tag": statement.bill_tag,
                "due": statement.due_commitment,
            }


def settlement_circuit() -> _native.Circuit:
    """The circuit that proves knowledge of an aggregate payee key."""
    return _native.builtin_circuit("settle", {})


def _settlement(ledger_id: bytes, statement: SettleStatement, context: bytes) -> _native.Statement:
    keys = [key for _, key in statement.claims]
    aggregation = digests.settle_context(ledger_id, statement.encode())
    aggregate = _native.aggregate_payee_keys(keys, aggregation)
    return _native.Statement(
        settlement_circuit(), ledger_id=ledger_id, context=context, points={"aggregate": aggregate}
    )
