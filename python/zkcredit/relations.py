"""Which circuit proves which statement, and with what public data.

The verifier takes K, M and the width of amounts from the published terms and
the issuer's key from the registry, never from a proof.
"""

from __future__ import annotations

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
    from zkcredit.ledger.registry import Registry
    from zkcredit.terms import Terms

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
    terms = published.terms
    keys = []
    publics: dict[str, _native.Scalar] = {}
    if not isinstance(statement, OpenStatement):
        period = registry.period(statement.terms_hash, statement.period)
        header = digests.token_header(ledger_id, terms.kind, statement.terms_hash, statement.period)
        keys.append((period.bbs_key, header))
        publics["nullifier"] = statement.nullifier
    labels: dict[str, bytes] = {}
    if isinstance(statement, SpendStatement | BillingStatement):
        labels["value"] = digests.value_label(published.issuer_id, terms.currency)
    return _native.Statement(
        relation_for(statement.KIND, terms),
        ledger_id=ledger_id,
        context=context,
        keys=keys,
        labels=labels,
        publics=publics,
        points=_points(statement),
    )


def _points(statement: LineStatement) -> dict[str, bytes]:
    points = {"next": statement.commitment}
    match statement:
        case OpenStatement():
            points["owner_tag"] = statement.owner_tag
        case SpendStatement():
            points["claim"] = statement.claim
        case RefreshStatement():
            pass
        case UpdateStatement():
            points["tag"] = statement.bill_tag
        case BillingStatement():
            points["tag"] = statement.bill_tag
            points["due"] = statement.due_commitment
    return points


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
