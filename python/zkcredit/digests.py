"""Names and digests derived from statements: what is hashed, signed and proved over.

Every function is BLAKE3 in derive-key mode under its own context, gives 32
bytes and takes encoded statements as bytes (``statement.encode()``).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

from zkcredit.codec import Writer
from zkcredit.entries import SIGNATURE_BYTES, Submission
from zkcredit.errors import MalformedInput

ED25519_BYTES = 64
"""Length of an Ed25519 signature."""
_CACHE = 1_024
"""Results of :func:`token_header` and :func:`value_label` kept: few are used again and again."""


@functools.cache
def _derive_key() -> Callable[[str, bytes], bytes]:
    from zkcredit._native import derive_key

    return derive_key


def _derive(name: str, material: bytes) -> bytes:
    return _derive_key()("zkcredit v1 " + name, material)


def statement_hash(statement: bytes) -> bytes:
    """Key of idempotency: the same statement is accepted once, whatever its evidence."""
    return _derive("statement", statement)


def evidence_hash(evidence: bytes, memo: bytes) -> bytes:
    """What an entry holds of the evidence and the memo beside it."""
    return _derive("evidence", len(evidence).to_bytes(4, "big") + evidence + memo)


def issuer_id(ledger_id: bytes, statement: bytes) -> bytes:
    """Identifier of the issuer that ``statement`` registers."""
    return _derive("issuer", ledger_id + statement)


def merchant_id(ledger_id: bytes, statement: bytes) -> bytes:
    """Identifier of the merchant that ``statement`` registers."""
    return _derive("merchant", ledger_id + statement)


def terms_hash(ledger_id: bytes, issuer: bytes, terms: bytes) -> bytes:
    """Identifier of encoded ``terms`` published by ``issuer`` (32 bytes)."""
    return _derive("terms", ledger_id + issuer + terms)


def registration_digest(ledger_id: bytes, statement: bytes) -> bytes:
    """What the registering party signs with its BLS key."""
    return _derive("registration", ledger_id + statement)


def members_message(ledger_id: bytes, statement: bytes) -> bytes:
    """What members sign with Ed25519 to agree to their successors (52 bytes).

    The first line keeps it apart from all that cosigners sign about checkpoints.
    """
    return b"zkcredit/members/v1\n" + _derive("members", ledger_id + statement)


def countersignature_digest(ledger_id: bytes, statement: bytes) -> bytes:
    """What the operator signs with its BLS key when it accepts a registration."""
    return _derive("countersignature", ledger_id + statement)


def approval_digest(ledger_id: bytes, statement: bytes, memo: bytes) -> bytes:
    """What a lender signs to let one line be opened."""
    return _derive("open approval", ledger_id + statement + memo)


def sealed_reply_digest(ledger_id: bytes, statement: bytes, sealed: bytes) -> bytes:
    """What an issuer signs of a sealed reply; ``statement`` is the statement's hash."""
    return _derive("sealed reply", ledger_id + statement + sealed)


def engine_context(statement: bytes, memo: bytes) -> bytes:
    """The context that binds a proof to its whole statement and memo."""
    return _derive("context", len(statement).to_bytes(4, "big") + statement + memo)


def settle_context(ledger_id: bytes, statement: bytes) -> bytes:
    """The context under which payee keys of a settlement are weighted."""
    return _derive("settle", ledger_id + statement)


def payee_hash(payee_key: bytes) -> bytes:
    """The payee of a claim: hash of a one-time key (48 bytes)."""
    return _derive("payee", payee_key)


def payout_hash(salt: bytes, sum_minor: int, sum_rho: bytes, reference: str) -> bytes:
    """Binds a settlement to its sum: ``salt`` and ``sum_rho`` have 32 bytes, sum is 64-bit."""
    writer = Writer().fixed(salt, 32).u64(sum_minor).fixed(sum_rho, 32).text8(reference)
    return _derive("payout", writer.finish())


@functools.lru_cache(_CACHE)
def token_header(ledger_id: bytes, token_kind: int, terms: bytes, period: int) -> bytes:
    """Header under which an issuer signs tokens (70 bytes); ``terms`` is the terms hash."""
    writer = Writer().u8(1).fixed(ledger_id, 32).u8(token_kind).fixed(terms, 32).u32(period)
    return writer.finish()


def schema_hash(schema: bytes) -> bytes:
    """Identifier of an encoded schema of credentials (32 bytes), the same on every ledger."""
    return _derive("schema", schema)


def credential_header(ledger_id: bytes, issuer: bytes, schema: bytes, number: int) -> bytes:
    """Header under which credentials are signed (101 bytes); ``schema`` is the schema hash.

    ``number`` is that of the issuer's credential key, 1..2^32-1.
    """
    return _signing_header(2, ledger_id, issuer, schema, number)


def gap_header(ledger_id: bytes, issuer: bytes, schema: bytes, number: int, epoch: int) -> bytes:
    """Header under which gaps between revoked handles are signed (105 bytes)."""
    return _signing_header(3, ledger_id, issuer, schema, number) + Writer().u32(epoch).finish()


def credential_request_context(
    ledger_id: bytes, issuer: bytes, schema: bytes, number: int
) -> bytes:
    """The context that binds a request's proof to the issuer's key for a schema."""
    return _derive("credential request", credential_header(ledger_id, issuer, schema, number))


def _signing_header(use: int, ledger_id: bytes, issuer: bytes, schema: bytes, number: int) -> bytes:
    """The first byte tells apart what one key signs; tokens have 1."""
    writer = Writer().u8(use).fixed(ledger_id, 32).fixed(issuer, 32).fixed(schema, 32)
    return writer.u32(number).finish()


@functools.lru_cache(_CACHE)
def value_label(issuer: bytes, asset: str) -> bytes:
    """Public string from which the generator of amounts of (issuer, asset) is hashed."""
    return b"value" + Writer().fixed(issuer, 32).text8(asset).finish()


def list_header(
    ledger_id: bytes, issuer: bytes, schema: bytes, number: int, version: int, *, gaps: bool
) -> bytes:
    """Header under which items of a list, or the gaps between them, are signed (105 bytes).

    ``schema`` says what is on the list, currency included; ``number`` is that of the key.
    """
    use = 5 if gaps else 4
    return _signing_header(use, ledger_id, issuer, schema, number) + Writer().u32(version).finish()


def pseudonym_label(ledger_id: bytes, verifier: bytes, context: str, *, of_owner: bool) -> bytes:
    """Public string from which the generator of pseudonyms before ``verifier`` is hashed.

    The verifier's identifier is part of it, so two verifiers that ask for one context see
    unlinkable pseudonyms. ``of_owner``: of the wallet's secret, else of a one-person tag.
    """
    writer = Writer().fixed(ledger_id, 32).fixed(verifier, 32).u8(1 if of_owner else 2)
    return b"pseudonym" + writer.text8(context).finish()


def presentation_context(shown: bytes) -> bytes:
    """The context that binds a presentation's proof to all that is shown beside it."""
    return _derive("presentation", shown)


def purchases_context(shown: bytes) -> bytes:
    """The context that binds a proof of purchases to all that is shown beside it."""
    return _derive("purchases", shown)


def request_key_digest(ledger_id: bytes, party_id: bytes, key: bytes, issued_ms: int) -> bytes:
    """What a registered party signs so that an Ed25519 ``key`` speaks for it over HTTP."""
    writer = Writer().fixed(ledger_id, 32).fixed(party_id, 32).fixed(key, 32).u64(issued_ms)
    return _derive("request key", writer.finish())


def split_approvals(evidence: bytes) -> tuple[tuple[int, bytes], ...]:
    """(position, Ed25519 signature of 64 bytes) of members that agree to their successors.

    MalformedInput unless positions increase strictly and nothing is left over.
    """
    width = 1 + ED25519_BYTES
    if not evidence or len(evidence) % width:
        raise MalformedInput(f"approvals of members have {width} bytes each, and there is one")
    found = tuple(
        (evidence[i], evidence[i + 1 : i + width]) for i in range(0, len(evidence), width)
    )
    if any(left >= right for (left, _), (right, _) in itertools.pairwise(found)):
        raise MalformedInput("approvals of members are not in the order of the members")
    return found


def split_evidence(submission: Submission) -> tuple[tuple[bytes, ...], bytes]:
    """The signatures (96 bytes each) and the engine proof inside the evidence.

    Registrations as submitted have no countersignature yet: issuer and merchant
    bring (possession, signature), all that issuers publish (signature); an open
    brings the lender's approval before its proof; all others have a proof only.
    """
    kind, evidence = submission.statement.KIND, submission.evidence
    cut = kind.signature_count * SIGNATURE_BYTES
    if kind.is_registration and len(evidence) != cut:
        raise MalformedInput(
            f"evidence of a {kind.name.lower()} has {len(evidence)} bytes, not {cut}"
        )
    if not kind.is_registration and len(evidence) <= cut:
        raise MalformedInput(f"evidence of a {kind.name.lower()} is too short")
    signatures = tuple(evidence[i : i + SIGNATURE_BYTES] for i in range(0, cut, SIGNATURE_BYTES))
    return signatures, evidence[cut:]
