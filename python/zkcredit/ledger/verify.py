"""Signatures and proofs of many statements at once, with the culprits named.

Stateless: what must be known is in the registry. A :class:`Batch` collects
the work of any number of submissions or entries and runs it in a few native
calls; operator and auditor share it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zkcredit import digests
from zkcredit.entries import (
    SIGNATURE_BYTES,
    CredentialKeyStatement,
    IssuerStatement,
    KeyAction,
    MembersStatement,
    MerchantStatement,
    OpenStatement,
    PeriodStatement,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
    Statement,
    Submission,
    TermsStatement,
)
from zkcredit.errors import CallerError, MalformedInput, ProofRefused, Refused, ZkCreditError

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Registry

_PUBLICATIONS = (
    TermsStatement, SchemaStatement, CredentialKeyStatement, RevocationStatement, RecordsStatement,
)  # fmt: skip


class Batch:
    """Work collected by :meth:`add`, done by :meth:`run`.

    ``operator_key`` is the operator's BLS key if registrations carry its
    countersignature at the end of their evidence (entries of a log do, fresh
    submissions do not). ``founder_key`` is that key where the first members may be named.
    """

    def __init__(
        self,
        registry: Registry,
        operator_key: bytes | None = None,
        *,
        founder_key: bytes | None = None,
    ) -> None:
        self._registry = registry
        self._operator_key = operator_key
        self._founder_key = operator_key if founder_key is None else founder_key
        self._proofs: list[tuple[int, tuple[Any, bytes]]] = []
        self._signatures: list[tuple[int, tuple[bytes, bytes, bytes]]] = []
        self._possessions: list[tuple[int, tuple[bytes, bytes]]] = []
        self._errors: dict[int, ZkCreditError] = {}

    def add(self, position: int, submission: Submission) -> None:
        """Queues one submission; ``position`` names it in the result of :meth:`run`."""
        try:
            if submission.statement.KIND.is_registration:
                self._add_registration(position, submission)
            else:
                self._add_proof(position, submission)
        except (MalformedInput, Refused, CallerError) as error:
            self._errors[position] = error

    def _add_proof(self, position: int, submission: Submission) -> None:
        from zkcredit.relations import engine_statement

        registry, statement = self._registry, submission.statement
        signatures, proof = digests.split_evidence(submission)
        native = engine_statement(registry, registry.ledger_id, statement, submission.memo)
        if isinstance(statement, OpenStatement):
            issuer = registry.issuer(registry.published(statement.terms_hash).issuer_id)
            message = digests.approval_digest(
                registry.ledger_id, statement.encode(), submission.memo
            )
            self._signatures.append((position, (issuer.bls_key, message, signatures[0])))
        self._proofs.append((position, (native, proof)))

    def _add_registration(self, position: int, submission: Submission) -> None:
        ledger_id, statement = self._registry.ledger_id, submission.statement
        encoded = statement.encode()
        if self._operator_key is not None:
            cut = len(submission.evidence) - SIGNATURE_BYTES
            countersignature = submission.evidence[max(cut, 0) :]
            submission = Submission(statement, submission.evidence[: max(cut, 0)], submission.memo)
            message = digests.countersignature_digest(ledger_id, encoded)
            self._signatures.append((position, (self._operator_key, message, countersignature)))
        if isinstance(statement, MembersStatement) and self._registry.members is not None:
            check_approvals(self._registry, self._registry.members, submission)
            return
        signatures, _ = digests.split_evidence(submission)
        key = self._registration_key(statement)
        if len(signatures) == 2:
            self._possessions.append((position, (key, signatures[0])))
        self._check_bbs_key(statement)
        message = digests.registration_digest(ledger_id, encoded)
        self._signatures.append((position, (key, message, signatures[-1])))

    def _registration_key(self, statement: Statement) -> bytes:
        if not isinstance(statement, MembersStatement):
            return registration_key(self._registry, statement)
        if self._founder_key is None:
            raise Refused("members-quorum", "the operator names the first members")
        return self._founder_key

    def _check_bbs_key(self, statement: Statement) -> None:
        """Raises MalformedInput unless a key that is opened is a point that can sign."""
        from zkcredit import _native

        if not isinstance(statement, PeriodStatement | CredentialKeyStatement):
            return
        if statement.action == KeyAction.OPEN:
            _native.check_issuer_key(statement.bbs_key)

    def run(self) -> dict[int, ZkCreditError]:
        """Verifies everything; returns an error for every position that was refused."""
        from zkcredit import _native

        errors = self._errors
        for position, (key, proof) in self._possessions:
            call = functools.partial(_native.bls_verify_possession, key, proof)
            _collect(errors, [position], call)
        _run_all(errors, self._signatures, _native.bls_verify_batch, "bad-signature")
        _run_all(errors, self._proofs, _native.verify_batch, "bad-proof")
        return errors


def check_approvals(registry: Registry, members: MembersStatement, submission: Submission) -> None:
    """Raises Refused ``members-quorum`` unless a quorum of ``members`` signed the statement."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    approvals = digests.split_approvals(submission.evidence)
    message = digests.members_message(registry.ledger_id, submission.statement.encode())
    for position, signature in approvals:
        if position >= len(members.members):
            raise Refused("members-quorum", f"there is no member {position}")
        member = members.members[position]
        try:
            Ed25519PublicKey.from_public_bytes(member.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise Refused(
                "members-quorum", f"the approval of {member.name} does not verify"
            ) from None
    if len(approvals) < members.threshold:
        raise Refused(
            "members-quorum", f"{len(approvals)} of {members.threshold} members have approved"
        )


def registration_key(registry: Registry, statement: Statement) -> bytes:
    """The BLS key that must sign a registration; raises Refused ``unknown-…``."""
    if isinstance(statement, IssuerStatement | MerchantStatement):
        return statement.bls_key
    if isinstance(statement, PeriodStatement):
        return registry.issuer(registry.published(statement.terms_hash).issuer_id).bls_key
    assert isinstance(statement, _PUBLICATIONS)
    return registry.issuer(statement.issuer_id).bls_key


def _collect(
    errors: dict[int, ZkCreditError],
    positions: Sequence[int],
    call: Callable[[], None],
    rule: str = "bad-signature",
) -> list[int]:
    """Runs ``call`` over a batch and files what it refuses.

    Returns the offsets that must be tried one by one: those of a batch that
    was refused as malformed, where the extension names no culprit.
    """
    try:
        call()
    except ProofRefused as error:
        message = "proof does not verify" if rule == "bad-proof" else "signature does not verify"
        for offset in error.indexes:
            errors.setdefault(positions[offset], ProofRefused(message, rule=rule))
    except MalformedInput as error:
        if len(positions) > 1:
            return list(range(len(positions)))
        errors.setdefault(positions[0], error)
    return []


def _run_all(
    errors: dict[int, ZkCreditError],
    jobs: Sequence[tuple[int, Any]],
    native_call: Callable[[list[Any]], None],
    rule: str,
) -> None:
    jobs = [job for job in jobs if job[0] not in errors]
    if not jobs:
        return
    positions = [position for position, _ in jobs]
    again = _collect(errors, positions, lambda: native_call([item for _, item in jobs]), rule)
    if again:  # halve the batch, so that a malformed item costs logarithmically many calls
        middle = len(jobs) // 2
        _run_all(errors, jobs[:middle], native_call, rule)
        _run_all(errors, jobs[middle:], native_call, rule)
