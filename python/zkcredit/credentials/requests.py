"""Requests for credentials: a commitment to the holder's secrets with its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.credentials.held import BLIND, OWNER, Slot
from zkcredit.credentials.messages import CredentialRequest

if TYPE_CHECKING:
    from zkcredit._native import Circuit
    from zkcredit.keys import WalletKeys


def _circuit() -> Circuit:
    from zkcredit._native import builtin_circuit

    return builtin_circuit("request", {})


def request_commitment(keys: WalletKeys, slot: Slot) -> bytes:
    """C′ = blind·H_0 + owner·H_1 (48 bytes) of one request."""
    from zkcredit._native import commit

    blind = keys.credential_blind(*slot)
    return commit([(("H", BLIND), blind), (("H", OWNER), keys.owner)])


def prove_request(keys: WalletKeys, ledger_id: bytes, slot: Slot) -> CredentialRequest:
    """The request for a credential of this slot."""
    from zkcredit._native import Prover

    blind = keys.credential_blind(*slot)
    prover = Prover(_circuit(), witness={"blind": blind, "owner": keys.owner})
    context = digests.credential_request_context(ledger_id, *slot[:3])
    return CredentialRequest(
        ledger_id=ledger_id,
        issuer_id=slot.issuer_id,
        schema_hash=slot.schema_hash,
        key_number=slot.key_number,
        commitment=prover.points["next"],
        proof=prover.prove(ledger_id, context, keys.seed),
    )


def verify_request(request: CredentialRequest) -> None:
    """ProofRefused (or MalformedInput) unless C′ holds blind and owner and nothing else."""
    from zkcredit._native import Statement, verify

    context = digests.credential_request_context(
        request.ledger_id, request.issuer_id, request.schema_hash, request.key_number
    )
    statement = Statement(
        _circuit(),
        ledger_id=request.ledger_id,
        context=context,
        points={"next": request.commitment},
    )
    verify(statement, request.proof)
