"""The ledger with real proofs: what each proof and signature is bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from zkcredit import _native, digests
from zkcredit.auditor import audit
from zkcredit.entries import (
    IssuerStatement,
    KeyAction,
    Kind,
    PeriodStatement,
    SettleStatement,
    SpendStatement,
    Statement,
    Submission,
    TermsStatement,
)
from zkcredit.errors import CheckFailed, MalformedInput, ProofRefused, Refused
from zkcredit.ledger import Operator, Receipt
from zkcredit.relations import relation_for, settlement_circuit
from zkcredit.terms import Terms

SEED = _native.Seed.from_bytes(b"integration test".ljust(32, b"."))
TERMS = Terms(currency="TWD")
MESSAGES = 5 + TERMS.due_buckets + TERMS.attributes
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
FAR_MS = 1 << 60


@dataclass
class Bank:
    """A lender on one ledger that signs tokens without asking."""

    ledger: Operator

    def __post_init__(self) -> None:
        self.key = _native.BlsKey.derive(SEED, b"bank")
        self.tokens = _native.IssuerKey.derive(SEED, b"period 1")
        issuer = IssuerStatement(self.key.public_key, "Bank")
        self.register(issuer)
        self.id = digests.issuer_id(self.ledger.ledger_id, issuer.encode())
        self.register(TermsStatement(self.id, TERMS.encode()))
        self.terms = digests.terms_hash(self.ledger.ledger_id, self.id, TERMS.encode())
        key = self.tokens.public_key
        self.register(PeriodStatement(self.terms, 1, KeyAction.OPEN, key))
        self.header = digests.token_header(self.ledger.ledger_id, TERMS.kind, self.terms, 1)
        self.label = digests.value_label(self.id, TERMS.currency)

    def register(self, statement: Statement) -> Receipt:
        encoded = statement.encode()
        evidence = self.key.sign(digests.registration_digest(self.ledger.ledger_id, encoded))
        if statement.KIND is Kind.ISSUER:
            evidence = self.key.prove_possession() + evidence
        return self.ledger.submit(Submission(statement, evidence))

    def purchase(self, name: str, memo: bytes = bytes(128)) -> Submission:
        """A purchase of 10 out of 1,000 from a fresh token."""
        data = name.encode()
        owner, serial = SEED.scalar("owner", b""), _native.hash_to_scalar("serial", data)
        blind, blind_next = SEED.scalar("blind", data), SEED.scalar("next", data)
        commitment = _native.commit([(("H", 0), blind), (("H", 1), owner), (("H", 2), serial)])
        order = (self.header, MESSAGES, commitment, bytes(32), [(3, 7), (4, 1000)])
        _, signature = self.tokens.sign_commitments([order])[0]
        witness: dict[str, Any] = {
            "blind": blind, "owner": owner, "account": 7, "available": 1000, "due": [0],
            "attr": [], "blind_next": blind_next, "serial_next": SEED.scalar("serial", data),
            "available_next": 990, "due_next": [10], "amount": 10,
            "rho": SEED.scalar("rho", data),
        }  # fmt: skip
        prover = _native.Prover(
            relation_for(Kind.SPEND, TERMS),
            keys=[(self.tokens.public_key, self.header)],
            signatures=[signature],
            labels={"value": self.label},
            publics={"nullifier": serial},
            witness=witness,
        )
        points = prover.points
        payee = digests.payee_hash(self.payee_key(name))
        statement = SpendStatement(
            self.terms, 1, serial, points["next"], points["claim"], payee, bytes(32), FAR_MS
        )
        context = digests.engine_context(statement.encode(), memo)
        return Submission(statement, prover.prove(self.ledger.ledger_id, context, SEED), memo)

    def payee_secret(self, name: str) -> _native.SecretScalar:
        return SEED.scalar("payee", name.encode())

    def payee_key(self, name: str) -> bytes:
        return _native.commit([("payee", self.payee_secret(name))])

    def settlement(self, claims: list[tuple[int, str]], signer: list[str]) -> Submission:
        """A settlement of (index, name), proved with the secrets of ``signer``."""
        pairs = tuple((index, self.payee_key(name)) for index, name in claims)
        statement = SettleStatement(self.id, TERMS.currency, bytes(32), pairs)
        encoded = statement.encode()
        secret = _native.aggregate_payee_secrets(
            [self.payee_secret(name) for name in signer],
            [self.payee_key(name) for name in signer],
            digests.settle_context(self.ledger.ledger_id, encoded),
        )
        prover = _native.Prover(settlement_circuit(), witness={"key": secret})
        context = digests.engine_context(encoded, b"")
        return Submission(statement, prover.prove(self.ledger.ledger_id, context, SEED))


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    with Operator.create(None) as ledger:
        yield Bank(ledger)


def spend_of(submission: Submission) -> SpendStatement:
    assert isinstance(submission.statement, SpendStatement)
    return submission.statement


def test_a_purchase_to_its_settlement(bank: Bank) -> None:
    submissions = [bank.purchase(f"life {i}") for i in range(5)]
    assert {len(item.evidence) for item in submissions} == {3264}
    receipts = bank.ledger.submit_many(submissions)
    indexes = [item.index for item in receipts if isinstance(item, Receipt)]
    assert len(indexes) == 5
    assert bank.ledger.unanswered(bank.id) == indexes
    orders = []
    for item in submissions:
        spend = spend_of(item)
        tweak = _native.serial_tweak(spend.nullifier, spend.commitment)
        orders.append((bank.header, MESSAGES, spend.commitment, tweak, []))
    signatures = [signature for _, signature in bank.tokens.sign_commitments(orders)]
    swapped = [(indexes[0], signatures[1]), (indexes[1], signatures[0])]
    with pytest.raises(ProofRefused) as caught:
        bank.ledger.post_replies([*swapped, (indexes[2], signatures[2])])
    assert caught.value.indexes == (0, 1)
    bank.ledger.post_replies(list(zip(indexes, signatures, strict=True)))
    names = [f"life {i}" for i in range(5)]
    claims = list(zip(indexes, names, strict=True))
    with pytest.raises(ProofRefused):
        bank.ledger.submit(bank.settlement(claims[:2], names[:1]))
    settled = bank.ledger.submit(bank.settlement(claims[:3], names[:3]))
    assert bank.ledger.claim_settled_by(indexes[2]) == settled.index
    with pytest.raises(Refused, match="claim-settled"):
        bank.ledger.submit(bank.settlement(claims[2:], names[2:]))
    bank.ledger.checkpoint()
    report = audit(bank.ledger)
    assert (report.purchases, report.claims_settled, report.unanswered) == (5, 3, 0)


CHANGES: dict[str, Callable[[Submission], Submission]] = {
    "payee": lambda s: replace(s, statement=replace(spend_of(s), payee=bytes(32))),
    "invoice": lambda s: replace(s, statement=replace(spend_of(s), invoice_hash=b"i" * 32)),
    "not after": lambda s: replace(s, statement=replace(spend_of(s), not_after_ms=FAR_MS + 1)),
    "memo": lambda s: replace(s, memo=b"m" * 128),
    "nullifier": lambda s: replace(s, statement=replace(spend_of(s), nullifier=bytes(31) + b"1")),
    "claim": lambda s: replace(s, statement=replace(spend_of(s), claim=spend_of(s).commitment)),
    "commitment": lambda s: replace(
        s, statement=replace(spend_of(s), commitment=spend_of(s).claim)
    ),
    "first byte": lambda s: replace(s, evidence=bytes((s.evidence[0] ^ 1,)) + s.evidence[1:]),
    "last byte": lambda s: replace(s, evidence=s.evidence[:-1] + bytes((s.evidence[-1] ^ 1,))),
    "shorter": lambda s: replace(s, evidence=s.evidence[:-1]),
    "longer": lambda s: replace(s, evidence=s.evidence + b"\0"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_proof_is_bound_to_its_whole_statement(bank: Bank, name: str) -> None:
    good = bank.purchase(f"changed {name}")
    other = bank.purchase(f"beside {name}")
    results = bank.ledger.submit_many([other, CHANGES[name](good)])
    assert isinstance(results[0], Receipt)
    assert isinstance(results[1], ProofRefused)
    assert bank.ledger.submit(good).index == results[0].index + 1


def test_one_nullifier_has_one_form(bank: Bank) -> None:
    """Adding the group order to a serial would give the same scalar other bytes."""
    good = bank.purchase("canonical")
    alias = int.from_bytes(spend_of(good).nullifier, "big") + ORDER
    statement = replace(spend_of(good), nullifier=alias.to_bytes(32, "big"))
    with pytest.raises(MalformedInput):
        bank.ledger.submit(replace(good, statement=statement))
    identity = b"\xc0" + bytes(47)
    for claim in (identity, bytes(48), b"\xff" * 48):
        with pytest.raises(ProofRefused):
            bank.ledger.submit(replace(good, statement=replace(spend_of(good), claim=claim)))


def test_a_proof_for_another_ledger(bank: Bank) -> None:
    with Operator.create(None) as fork:
        elsewhere = Bank(fork).purchase("fork")
        assert spend_of(elsewhere).terms_hash != bank.terms
        moved = replace(spend_of(elsewhere), terms_hash=bank.terms)
        with pytest.raises(ProofRefused):
            bank.ledger.submit(replace(elsewhere, statement=moved))


@pytest.mark.parametrize("key", [b"\xc0" + bytes(95), bytes(96), b"\xff" * 96])
def test_a_period_needs_a_real_key(bank: Bank, key: bytes) -> None:
    with pytest.raises(MalformedInput):
        bank.register(PeriodStatement(bank.terms, 2, KeyAction.OPEN, key))


def test_the_auditor_verifies_the_proofs(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that let a bad proof in is found out."""
    with Operator.create(None) as ledger:
        own = Bank(ledger)
        good = own.purchase("let in")
        monkeypatch.setattr("zkcredit._native.verify_batch", lambda _: None)
        receipt = ledger.submit(replace(good, memo=b"m" * 128))
        monkeypatch.undo()
        with pytest.raises(CheckFailed, match=f"entry {receipt.index}"):
            audit(ledger)
    assert bank.ledger.size
