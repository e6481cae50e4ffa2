"""The second verifier reads the relation of an answer about purchases and believes its proof."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from purchasekit import Market, ask
from referenceledger import patched

from zkcredit import _native
from zkcredit.entries import SpendStatement
from zkcredit.errors import ProofRefused
from zkcredit.purchases.messages import PurchasesProof, PurchasesRequest
from zkcredit.purchases.verify import verify
from zkcredit.reference import engine, g1
from zkcredit.reference.circuit import compile_circuit


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


def statement_of(
    market: Market, request: PurchasesRequest, proof: PurchasesProof
) -> engine.Statement:
    """What the first verifier asks of the extension, as the reference reads it."""
    seen: dict[str, Any] = {}
    compile_text, make_statement = _native.Circuit.compile, _native.Statement

    def compiled(text: str, parameters: dict[str, int]) -> _native.Circuit:
        circuit, seen["circuit"] = compile_text(text, parameters), compile_circuit(text, parameters)
        assert circuit.digest == seen["circuit"].digest
        return circuit

    def statement(circuit: _native.Circuit, **parts: Any) -> _native.Statement:
        seen.update(parts)
        return make_statement(circuit, **parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "Circuit", SimpleNamespace(compile=compiled))
        patch.setattr(_native, "Statement", statement)
        verify(market.ledger, request, proof, market.clock())
    publics = seen.pop("publics")
    seen["publics"] = {name: as_bytes(value) for name, value in publics.items()}
    return engine.Statement(**seen)


def as_bytes(value: int | bytes) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "options",
    [
        {"show": "amounts"},
        {"show": "sum", "pseudonym": "landlord"},
        {"show": "average", "below_minor": 51},
    ],
    ids=lambda options: options["show"],
)
def test_both_verifiers_believe_an_answer(market: Market, options: dict[str, Any]) -> None:
    request = ask(market, **options)
    answer = market.buyer.prove_purchases(market.ledger, 1, request)
    statement = statement_of(market, request, answer)
    engine.verify(statement, answer.proof)
    for place in (200, -1):  # a point, and the last scalar
        with pytest.raises(ProofRefused):
            engine.verify(statement, patched(answer.proof, place))
    if options["show"] == "sum":
        entries = [market.ledger.entry(index).statement for index in answer.entries]
        claims = [g1.decode(s.claim, "V") for s in entries if isinstance(s, SpendStatement)]
        assert g1.encode(g1.sum_of_multiples(claims, [1] * 3)) == statement.points["claims"]
        assert statement.publics["claimed"] == (50 + 70 + 30).to_bytes(32, "big")
