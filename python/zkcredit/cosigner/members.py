"""Naming the members of a consortium on the log, and their successors.

The operator names the first members. From then on a quorum of the members decides: each
that agrees signs the statement with its Ed25519 key for the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.cosigner.keys import CosignerKeys, Role
from zkcredit.entries import SIGNATURE_BYTES, Member, MembersStatement, Submission
from zkcredit.errors import CallerError, StateConflict
from zkcredit.ledger.note import KeyKind, VerifierKey
from zkcredit.ledger.quorum import Party, Policy, byzantine_threshold
from zkcredit.ledger.verify import check_approvals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkcredit._native import BlsKey
    from zkcredit.ledger.genesis import Genesis
    from zkcredit.ledger.reading import StoredLog


def member(key: VerifierKey) -> Member:
    """The member that cosigns with an Ed25519 ``key``; CallerError for another type."""
    if key.kind is not KeyKind.ED25519_COSIGNATURE:
        raise CallerError(f"{key.name}: members are named by their Ed25519 cosigner keys")
    return Member(key.name, key.key)


def verifier_key(item: Member) -> VerifierKey:
    """The key by which a member cosigns."""
    return VerifierKey(item.name, item.key, KeyKind.ED25519_COSIGNATURE)


def propose(
    current: MembersStatement | None, members: Sequence[Member], threshold: int | None = None
) -> MembersStatement:
    """The next statement of members, by default with a quorum of ⌊2n/3⌋ + 1."""
    wanted = byzantine_threshold(len(members)) if threshold is None else threshold
    return MembersStatement(1 if current is None else current.number + 1, wanted, tuple(members))


def approve(keys: CosignerKeys, ledger_id: bytes, statement: MembersStatement) -> bytes:
    """A member's Ed25519 signature (64 bytes) on the statement that names its successors."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(keys.ed25519_seed(Role.RULES))
    return private.sign(digests.members_message(ledger_id, statement.encode()))


def founding(operator: BlsKey, ledger_id: bytes, statement: MembersStatement) -> Submission:
    """The first statement of members, signed by the operator's BLS key."""
    digest = digests.registration_digest(ledger_id, statement.encode())
    return Submission(statement, operator.sign(digest))


def succession(
    current: MembersStatement, statement: MembersStatement, approvals: Mapping[bytes, bytes]
) -> Submission:
    """A later statement with approvals: Ed25519 signatures by the key of the member.

    CallerError for a key that is no member's; whether they suffice, the ledger decides.
    """
    positions = {item.key: place for place, item in enumerate(current.members)}
    if not approvals.keys() <= positions.keys():
        raise CallerError("an approval is of somebody who is no member now")
    parts = sorted((positions[key], signature) for key, signature in approvals.items())
    return Submission(statement, b"".join(bytes((place,)) + item for place, item in parts))


def successors(ledger: StoredLog, known: Policy) -> Policy:
    """The policy that follows from ``known`` by what the log has named since.

    ``known`` must be one that the log itself has stated, and every later statement of
    members must have the approvals of a quorum of the members before it: that is verified
    here again, whoever has judged the log. Addresses are kept where the key stays.
    StateConflict if the log has never stated ``known``, Refused ``members-quorum``.
    """
    current: MembersStatement | None = None
    for index in ledger.registrations():
        if ledger.is_void(index):
            continue
        statement = ledger.entry(index).statement
        if not isinstance(statement, MembersStatement):
            continue
        if current is not None:
            evidence, _ = ledger.evidence(index)
            submission = Submission(statement, evidence[:-SIGNATURE_BYTES])
            check_approvals(ledger.registry, current, submission)
        if current is not None or _states(statement, known):
            current = statement
    if current is None:
        raise StateConflict(
            "the pinned policy is not one that the log has named: get a new one from somebody "
            "you trust, or forget this one first"
        )
    addresses = {party.key.name: party.url for party in known.witnesses if party.url is not None}
    return policy_of(ledger.genesis, current, addresses)


def _states(statement: MembersStatement, policy: Policy) -> bool:
    """Whether the policy is that of the statement, but for names and addresses."""
    keys = {verifier_key(item) for item in statement.members}
    groups = [(group.threshold, len(group.members)) for group in policy.groups]
    same = {party.key for party in policy.witnesses} == keys
    return same and groups == [(statement.threshold, len(keys))]


def policy_of(
    genesis: Genesis, members: MembersStatement, addresses: Mapping[str, str] | None = None
) -> Policy:
    """The policy that the log itself states; ``addresses`` are URLs by name of the key."""
    urls = {} if addresses is None else addresses
    parties = [
        Party(item.name, verifier_key(item), urls.get(item.name)) for item in members.members
    ]
    return Policy.of_members(genesis.log_keys, parties, members.threshold)
