"""The rules that decide whether a statement may become the next entry.

Pure: the registry, the index of what happened before, and the timestamp are
arguments. Operator and auditor run this same code; the first asks a database,
the second its memory. A rule that refuses raises
:class:`~zkcredit.errors.Refused` with its stable name. Signatures and proofs
are checked elsewhere (:mod:`zkcredit.ledger.verify`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zkcredit import digests
from zkcredit.entries import (
    BillingStatement,
    CredentialKeyStatement,
    IssuerStatement,
    KeyAction,
    MembersStatement,
    MerchantStatement,
    NullifyingStatement,
    OpenStatement,
    PeriodStatement,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
    SettleStatement,
    SpendStatement,
    Statement,
    TermsStatement,
)
from zkcredit.errors import CallerError, Refused

if TYPE_CHECKING:
    from zkcredit.ledger.registry import PublishedTerms, Registry

_MS_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Claim:
    """What a settlement must know of a spend entry; ``payee`` has 32 bytes."""

    issuer_id: bytes
    asset: str
    payee: bytes


class Index(Protocol):
    """What happened before: each method answers None (or False) if nothing did."""

    def nullifier(self, issuer_id: bytes, nullifier: bytes) -> int | None:
        """Entry that used a nullifier of this issuer."""
        ...

    def payee(self, payee: bytes) -> int | None:
        """Spend entry that pays this payee."""
        ...

    def opened(self, commitment: bytes) -> int | None:
        """Open entry with this commitment."""
        ...

    def claim(self, index: int) -> Claim | None:
        """The claim of the spend entry ``index``."""
        ...

    def settled_by(self, index: int) -> int | None:
        """Settlement of the claim of entry ``index``."""
        ...

    def in_default(self, issuer_id: bytes, now_ms: int) -> bool:
        """Whether the issuer owes a public signature for longer than its terms allow."""
        ...


def check(statement: Statement, timestamp_ms: int, registry: Registry, index: Index) -> None:
    """Raises Refused (or MalformedInput for an unreadable document) unless all rules hold.

    ``timestamp_ms`` is the time the entry gets. The same statement must not be
    on the ledger yet: idempotency is decided before the rules.
    """
    match statement:
        case OpenStatement():
            _require_current(statement, registry)
            if index.opened(statement.commitment) is not None:
                raise Refused("duplicate-open", "a line with this commitment was opened")
        case SpendStatement():
            _check_spend(statement, timestamp_ms, registry, index)
        case BillingStatement():
            _check_billing(statement, registry)
            _require_unspent(statement, registry, index)
        case SettleStatement():
            _check_settle(statement, registry, index)
        case MembersStatement():
            _check_members(statement, registry)
        case _ if isinstance(statement, NullifyingStatement):
            _require_current(statement, registry)
            _require_unspent(statement, registry, index)
        case _:
            _check_registration(statement, registry)


def check_timestamp(timestamp_ms: int, previous_ms: int) -> None:
    """Timestamps never decrease along the log."""
    if not previous_ms <= timestamp_ms < _MS_LIMIT:
        raise Refused("timestamps", f"timestamp {timestamp_ms} follows {previous_ms}")


def _check_registration(statement: Statement, registry: Registry) -> None:
    match statement:
        case IssuerStatement():
            if statement.bls_key in registry.issuer_keys:
                raise Refused("duplicate-issuer", "an issuer with this key is registered")
        case MerchantStatement():
            if statement.bls_key in registry.merchant_keys:
                raise Refused("duplicate-merchant-key", "a merchant with this key is registered")
        case TermsStatement():
            _check_terms(statement, registry)
        case PeriodStatement():
            _check_period(statement, registry)
        case SchemaStatement():
            _check_schema(statement, registry)
        case CredentialKeyStatement():
            _check_credential_key(statement, registry)
        case RevocationStatement():
            _check_revocations(statement, registry)
        case RecordsStatement(issuer_id, root):
            registry.issuer(issuer_id)
            if (issuer_id, root) in registry.records:
                raise Refused("duplicate-records", "these records are anchored already")
        case _:
            raise CallerError(f"no rules for {type(statement).__name__}")


def _require_new_key(bbs_key: bytes, registry: Registry) -> None:
    if bbs_key in registry.bbs_keys:
        raise Refused("key-reuse", "this key was opened before")


def _check_terms(statement: TermsStatement, registry: Registry) -> None:
    from zkcredit.terms import Terms

    registry.issuer(statement.issuer_id)
    Terms.decode(statement.terms)
    key = digests.terms_hash(registry.ledger_id, statement.issuer_id, statement.terms)
    if key in registry.terms:
        raise Refused("duplicate-terms", "these terms are published already")


def _check_period(statement: PeriodStatement, registry: Registry) -> None:
    registry.published(statement.terms_hash)
    current = registry.current_period(statement.terms_hash)
    if statement.action == KeyAction.OPEN:
        if statement.period != current + 1:
            raise Refused("period-order", f"the next period to open is {current + 1}")
        _require_new_key(statement.bbs_key, registry)
        return
    if registry.period(statement.terms_hash, statement.period).closed:
        raise Refused("period-order", f"period {statement.period} is closed already")
    if statement.period >= current:
        raise Refused("period-order", "a period closes after the next one has opened")


def _check_schema(statement: SchemaStatement, registry: Registry) -> None:
    from zkcredit.credentials.schema import Schema

    registry.issuer(statement.issuer_id)
    Schema.decode(statement.schema)
    if digests.schema_hash(statement.schema) in registry.schemas:
        raise Refused("duplicate-schema", "this schema is published already")


def _check_credential_key(statement: CredentialKeyStatement, registry: Registry) -> None:
    issuer_id, schema_hash = statement.issuer_id, statement.schema_hash
    registry.issuer(issuer_id)
    registry.schema(schema_hash)
    if statement.action == KeyAction.CLOSE:
        if registry.credential_key(issuer_id, schema_hash, statement.number).closed:
            raise Refused("key-order", f"credential key {statement.number} is closed already")
        return
    following = registry.current_credential_key(issuer_id, schema_hash) + 1
    if statement.number != following:
        raise Refused("key-order", f"the next credential key to open is {following}")
    _require_new_key(statement.bbs_key, registry)


def _check_revocations(statement: RevocationStatement, registry: Registry) -> None:
    issuer_id, schema_hash = statement.issuer_id, statement.schema_hash
    registry.issuer(issuer_id)
    if not registry.schema(schema_hash).schema.revocable:
        raise Refused("not-revocable", "credentials of this schema are never revoked")
    key = registry.credential_key(issuer_id, schema_hash, statement.number)
    if statement.epoch != key.epoch + 1:
        raise Refused("epoch-order", f"the next revocation list has epoch {key.epoch + 1}")


def _check_members(statement: MembersStatement, registry: Registry) -> None:
    number = 1 if registry.members is None else registry.members.number + 1
    if statement.number != number:
        raise Refused("members-order", f"the next statement of members is {number}")


def _require_current(
    statement: OpenStatement | NullifyingStatement, registry: Registry
) -> PublishedTerms:
    published = registry.published(statement.terms_hash)
    current = registry.current_period(statement.terms_hash)
    if statement.period != current:
        raise Refused(
            "period-not-current", f"period {statement.period} is not the open period {current}"
        )
    return published


def _require_unspent(statement: NullifyingStatement, registry: Registry, index: Index) -> None:
    issuer_id = registry.published(statement.terms_hash).issuer_id
    used = index.nullifier(issuer_id, statement.nullifier)
    if used is not None:
        raise Refused("already-spent", f"entry {used} has used this token")


def _check_spend(
    statement: SpendStatement, timestamp_ms: int, registry: Registry, index: Index
) -> None:
    issuer_id = _require_current(statement, registry).issuer_id
    if timestamp_ms > statement.not_after_ms:
        raise Refused("expired", f"the invoice ended at {statement.not_after_ms} ms")
    _require_unspent(statement, registry, index)
    paid = index.payee(statement.payee)
    if paid is not None:
        raise Refused("duplicate-payee", f"entry {paid} pays this payee already")
    if index.in_default(issuer_id, timestamp_ms):
        raise Refused("issuer-in-default", "the issuer owes signatures; its purchases stop")


def _check_billing(statement: BillingStatement, registry: Registry) -> None:
    current = registry.current_period(registry.published(statement.terms_hash).hash)
    if statement.period >= current:
        raise Refused(
            "period-not-current",
            f"period {statement.period} is billed after period {statement.period + 1} has opened",
        )
    if registry.period(statement.terms_hash, statement.period).closed:
        raise Refused("period-closed", f"period {statement.period} is closed")


def _check_settle(statement: SettleStatement, registry: Registry, index: Index) -> None:
    registry.issuer(statement.issuer_id)
    for claim_index, payee_key in statement.claims:
        claim = index.claim(claim_index)
        if claim is None:
            raise Refused("unknown-claim", f"entry {claim_index} is not a purchase")
        if (claim.issuer_id, claim.asset) != (statement.issuer_id, statement.asset):
            raise Refused("wrong-claim", f"claim {claim_index} is of another issuer or asset")
        if claim.payee != digests.payee_hash(payee_key):
            raise Refused("wrong-claim", f"claim {claim_index} is payable to another key")
        settled = index.settled_by(claim_index)
        if settled is not None:
            raise Refused("claim-settled", f"entry {settled} has settled claim {claim_index}")
