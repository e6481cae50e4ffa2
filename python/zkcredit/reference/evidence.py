"""Proofs and signatures beside one entry: everything about it that takes time."""

from __future__ import annotations

from zkcredit.errors import MalformedInput, Refused
from zkcredit.reference import bbs, bls, engine
from zkcredit.reference.circuit import load
from zkcredit.reference.records import (
    REGISTRATIONS,
    CredentialKey,
    Entry,
    Members,
    Named,
    PeriodChange,
    Publication,
    Settlement,
    Step,
    hashed,
)
from zkcredit.reference.replay import Ledger, Product

_SIGNATURE = 96
_APPROVAL = 1 + 64
_SEALED = range(28 + _SIGNATURE, 65_536)


def verify_evidence(
    ledger: Ledger, operator_key: bytes, entry: Entry, evidence: bytes, memo: bytes
) -> None:
    """Checks what proves that the entry may stand; raises MalformedInput or Refused.

    ``ledger`` holds what the entries before this one have established. Of several faults
    the first counts: the form of the parts, then signatures, then the proof.
    """
    if entry.kind in REGISTRATIONS:
        _registration(ledger, operator_key, entry, evidence)
        return
    cut = _SIGNATURE if entry.kind == "open" else 0
    if len(evidence) <= cut:
        raise MalformedInput(f"evidence of a {entry.kind} has {len(evidence)} bytes")
    statement = proved_statement(ledger, entry, memo)
    statement.check()
    if cut:
        digest = hashed("open approval", ledger.ledger_id, entry.statement, memo)
        bls.verify(_issuer(ledger, entry).key, digest, evidence[:cut])
    engine.verify(statement, evidence[cut:])


def verify_reply(ledger: Ledger, entry: Entry, reply: bytes) -> None:
    """Checks the issuer's reply: a public signature, or the seal of a hidden one."""
    step = _step(entry)
    if entry.kind in ("spend", "refresh"):
        product = ledger.product(step.terms_hash)
        key, header = _token_key(ledger, product, step)
        count = product.terms.message_count
        bbs.verify_public(
            key,
            header,
            count,
            nullifier=step.nullifier,
            commitment=step.points["next"],
            signature=reply,
        )
        return
    if len(reply) not in _SEALED:
        raise MalformedInput(f"a sealed reply has {len(reply)} bytes")
    body, signature = reply[:-_SIGNATURE], reply[-_SIGNATURE:]
    digest = hashed("sealed reply", ledger.ledger_id, hashed("statement", entry.statement), body)
    bls.verify(_issuer(ledger, entry).key, digest, signature)


def proved_statement(ledger: Ledger, entry: Entry, memo: bytes) -> engine.Statement:
    """What the proof beside an entry has to prove."""
    size = len(entry.statement).to_bytes(4, "big")
    context = hashed("context", size, entry.statement, memo)
    if isinstance(entry.content, Settlement):
        weights = hashed("settle", ledger.ledger_id, entry.statement)
        keys = [key for _, key in entry.content.claims]
        points = {"aggregate": bls.aggregate_payee_keys(keys, weights)}
        return engine.Statement(load("settle", {}), ledger.ledger_id, context, points=points)
    step = _step(entry)
    product = ledger.product(step.terms_hash)
    circuit = load(entry.kind, product.terms.sizes)
    labels = {}
    if circuit.labels:
        asset = product.terms.currency.encode()
        labels["value"] = b"value" + product.issuer_id + bytes((len(asset),)) + asset
    opening = entry.kind == "open"
    return engine.Statement(
        circuit,
        ledger.ledger_id,
        context,
        keys=() if opening else (_token_key(ledger, product, step),),
        labels=labels,
        publics={} if opening else {"nullifier": step.nullifier},
        points=step.points,
    )


def _token_key(ledger: Ledger, product: Product, step: Step) -> tuple[bytes, bytes]:
    """BBS key and header of the token that a step uses up."""
    key = ledger.period_keys.get((step.terms_hash, step.period))
    if key is None:
        raise Refused("unknown-period", f"period {step.period} was never opened")
    header = b"\x01" + ledger.ledger_id + bytes((product.terms.kind,))
    return key, header + step.terms_hash + step.period.to_bytes(4, "big")


def _step(entry: Entry) -> Step:
    if not isinstance(entry.content, Step):
        raise MalformedInput(f"nobody replies to a {entry.kind}")
    return entry.content


def _issuer(ledger: Ledger, entry: Entry) -> Named:
    match entry.content:
        case Named() as named:
            return named
        case PeriodChange(terms_hash=terms_hash) | Step(terms_hash=terms_hash):
            return ledger.issuer(ledger.product(terms_hash).issuer_id)
    if isinstance(entry.content, Publication):
        return ledger.issuer(entry.content.issuer_id)
    raise MalformedInput(f"a {entry.kind} is not an issuer's")


def _registration(ledger: Ledger, operator_key: bytes, entry: Entry, evidence: bytes) -> None:
    if isinstance(entry.content, Members):
        _named_members(ledger, operator_key, entry, evidence, entry.content)
        return
    party = _issuer(ledger, entry)
    count = 3 if isinstance(entry.content, Named) else 2
    if len(evidence) != count * _SIGNATURE:
        raise MalformedInput(f"evidence of a {entry.kind} has {len(evidence)} bytes")
    match entry.content:
        case PeriodChange(key=bytes(key)) | CredentialKey(key=bytes(key)):
            bbs.decode_key(key)
    parts = [evidence[i : i + _SIGNATURE] for i in range(0, len(evidence), _SIGNATURE)]
    if count == 3:
        bls.verify_possession(party.key, parts[0])
    _registered(ledger, operator_key, entry, parts[-1])
    bls.verify(party.key, hashed("registration", ledger.ledger_id, entry.statement), parts[-2])


def _registered(ledger: Ledger, operator_key: bytes, entry: Entry, signature: bytes) -> None:
    """Checks the operator's countersignature."""
    digest = hashed("countersignature", ledger.ledger_id, entry.statement)
    bls.verify(operator_key, digest, signature)


def _named_members(
    ledger: Ledger, operator_key: bytes, entry: Entry, evidence: bytes, members: Members
) -> None:
    """The operator names the first members, and a quorum of members the next ones."""
    approvals, countersignature = evidence[:-_SIGNATURE], evidence[-_SIGNATURE:]
    if members.number > 1:
        _check_quorum(ledger, entry, approvals)
        _registered(ledger, operator_key, entry, countersignature)
        return
    if len(approvals) != _SIGNATURE:
        raise MalformedInput(f"evidence of the first members has {len(evidence)} bytes")
    _registered(ledger, operator_key, entry, countersignature)
    bls.verify(operator_key, hashed("registration", ledger.ledger_id, entry.statement), approvals)


def _check_quorum(ledger: Ledger, entry: Entry, approvals: bytes) -> None:
    """Enough of the members that the log names so far have signed."""
    before = ledger.members[-1]
    message = b"zkcredit/members/v1\n" + hashed("members", ledger.ledger_id, entry.statement)
    parts = [approvals[i : i + _APPROVAL] for i in range(0, len(approvals), _APPROVAL)]
    positions = [part[0] for part in parts]
    if not parts or positions != sorted(set(positions)) or len(approvals) % _APPROVAL:
        raise MalformedInput("approvals of members are cut, or out of order")
    if len(parts) < before.threshold or positions[-1] >= len(before.members):
        raise Refused("members-quorum", "too few members have approved, or unknown ones")
    for part in parts:
        _check_ed25519(before.members[part[0]][1], message, part[1:])


def _check_ed25519(key: bytes, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("members-quorum", "an approval does not verify") from None
