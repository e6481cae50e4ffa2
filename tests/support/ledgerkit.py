"""A small world for tests of the ledger: registered parties and statements with toy proofs.

Signatures are real. Proofs are replaced by a hash of statement and memo, so
that a test can make thousands of entries; tests of the proofs are elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pysqlite3
import pytest

from zkcredit import _native, digests
from zkcredit.cosigner import members
from zkcredit.cosigner.keys import CosignerKeys, Role
from zkcredit.database import Database
from zkcredit.entries import (
    BillingStatement,
    IssuerStatement,
    KeyAction,
    Kind,
    LineStatement,
    Member,
    MembersStatement,
    MerchantStatement,
    OpenStatement,
    PeriodStatement,
    RefreshStatement,
    SettleStatement,
    SpendStatement,
    Statement,
    Submission,
    TermsStatement,
    UpdateStatement,
)
from zkcredit.errors import ProofRefused
from zkcredit.ledger import Operator, Receipt
from zkcredit.terms import Terms

SIGN_WITHIN_MS = 60_000
ASSET = "TWD"


def tag(name: object, size: int = 32) -> bytes:
    """Bytes that stand for a point, hash or number of this name."""
    return hashlib.shake_256(repr(name).encode()).digest(size)


def toy_proof(statement: bytes, memo: bytes) -> bytes:
    """What the stubbed verifier takes for a proof."""
    return b"proof" + digests.engine_context(statement, memo)


def toy_signature(statement: SpendStatement | RefreshStatement) -> bytes:
    """What the stubbed verifier takes for the issuer's public signature."""
    return tag(("signature", statement.nullifier, statement.commitment), 80)


def stub_engine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replaces proofs and public signatures; the result counts what was verified."""
    calls = SimpleNamespace(proofs=0, batches=0)

    def engine_statement(
        _registry: Any, _ledger: bytes, statement: Statement, memo: bytes
    ) -> bytes:
        return toy_proof(statement.encode(), memo)

    def verify_batch(items: Sequence[tuple[bytes, bytes]]) -> None:
        calls.proofs += len(items)
        calls.batches += 1
        bad = [i for i, (expected, proof) in enumerate(items) if expected != proof]
        if bad:
            raise ProofRefused("toy proof", bad)

    def verify_signatures(items: Sequence[tuple[Any, Any, int, bytes, bytes, bytes]]) -> None:
        bad = [i for i, item in enumerate(items) if item[5] != tag(("signature", *item[3:5]), 80)]
        if bad:
            raise ProofRefused("toy signature", bad)

    monkeypatch.setattr("zkcredit.relations.engine_statement", engine_statement)
    monkeypatch.setattr(_native, "verify_batch", verify_batch)
    monkeypatch.setattr(_native, "check_issuer_key", lambda _: None)
    monkeypatch.setattr(_native, "verify_public_signatures", verify_signatures)
    return calls


@contextmanager
def unsynced(database: Database) -> Iterator[None]:
    """Has the disk fail to sync whatever is committed inside."""

    def commit() -> None:
        error = pysqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database._driver, "commit", commit)
        yield


@dataclass
class Clock:
    """A clock that tests turn."""

    now_ms: int = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class World:
    """A ledger with one issuer, one kind of terms and period 1 open."""

    ledger: Operator
    clock: Clock
    issuer_key: _native.BlsKey = field(init=False)
    issuer_id: bytes = field(init=False)
    terms_hash: bytes = field(init=False)
    period: int = 0

    def __post_init__(self) -> None:
        self.issuer_key = bls_key("issuer")
        statement = self.register(IssuerStatement(self.issuer_key.public_key, "Bank"))
        self.issuer_id = digests.issuer_id(self.ledger.ledger_id, statement.encode())
        self.terms_hash = self.publish(Terms(currency=ASSET, sign_within_ms=SIGN_WITHIN_MS))
        self.open_period()

    def registration(self, statement: Statement, key: _native.BlsKey | None = None) -> Submission:
        """A registration signed by ``key`` (the issuer's by default)."""
        if isinstance(statement, MembersStatement):
            return self.members(statement)
        key = key or self.issuer_key
        digest = digests.registration_digest(self.ledger.ledger_id, statement.encode())
        evidence = key.sign(digest)
        if statement.KIND in (Kind.ISSUER, Kind.MERCHANT):
            evidence = key.prove_possession() + evidence
        return Submission(statement, evidence)

    def members(self, statement: MembersStatement, *approving: CosignerKeys) -> Submission:
        """A statement of members, signed by the operator or by these (all by default)."""
        ledger, current = self.ledger, self.ledger.registry.members
        if current is None:
            return members.founding(ledger._operator_keys().bls(), ledger.ledger_id, statement)
        keys = approving or tuple(cosigner_keys(item.name) for item in current.members)
        approvals = {
            member_of(item).key: members.approve(item, ledger.ledger_id, statement) for item in keys
        }
        return members.succession(current, statement, approvals)

    def register(self, statement: Statement, key: _native.BlsKey | None = None) -> Statement:
        """Submits a registration and returns its statement."""
        self.ledger.submit(self.registration(statement, key))
        return statement

    def publish(self, terms: Terms) -> bytes:
        """Publishes terms and returns their hash."""
        encoded = terms.encode()
        self.register(TermsStatement(self.issuer_id, encoded))
        return digests.terms_hash(self.ledger.ledger_id, self.issuer_id, encoded)

    def open_period(self) -> int:
        """Opens the next period."""
        self.period += 1
        key = tag(("bbs", self.terms_hash, self.period), 96)
        self.register(PeriodStatement(self.terms_hash, self.period, KeyAction.OPEN, key))
        return self.period

    def merchant(self, name: str) -> Submission:
        """A merchant's registration, not submitted."""
        key = bls_key(name)
        return self.registration(MerchantStatement(key.public_key, name), key)

    def spend(self, name: object, **changes: Any) -> SpendStatement:
        """A spend statement; nullifier, commitment and payee come from ``name``."""
        values: dict[str, Any] = {
            "terms_hash": self.terms_hash,
            "period": self.period,
            "nullifier": tag(("nullifier", name)),
            "commitment": tag(("commitment", name), 48),
            "claim": tag(("claim", name), 48),
            "payee": digests.payee_hash(payee_key(name)),
            "invoice_hash": tag(("invoice", name)),
            "not_after_ms": self.clock.now_ms + 10_000,
        }
        return SpendStatement(**values | changes)

    def opening(self, name: object) -> OpenStatement:
        """An open statement."""
        points = tag(("commitment", name), 48), tag(("owner", name), 48)
        return OpenStatement(self.terms_hash, self.period, *points)

    def refresh(self, name: object) -> RefreshStatement:
        """A refresh statement."""
        parts = tag(("nullifier", name)), tag(("commitment", name), 48)
        return RefreshStatement(self.terms_hash, self.period, *parts)

    def update(self, name: object) -> UpdateStatement:
        """An update statement."""
        parts = tag(("nullifier", name)), tag(("commitment", name), 48), tag(("tag", name), 48)
        return UpdateStatement(self.terms_hash, self.period, *parts)

    def billing(self, name: object, period: int) -> BillingStatement:
        """A billing statement of a token of ``period``."""
        points = (tag((what, name), 48) for what in ("commitment", "tag", "due"))
        nullifier = tag(("nullifier", name))
        return BillingStatement(self.terms_hash, period, nullifier, *points)

    def settlement(self, claims: Sequence[tuple[int, object]], **changes: Any) -> SettleStatement:
        """A settlement of (index, name of the spend)."""
        values: dict[str, Any] = {
            "issuer_id": self.issuer_id,
            "asset": ASSET,
            "payout_hash": tag(("payout", tuple(claims))),
            "claims": tuple((index, payee_key(name)) for index, name in claims),
        }
        return SettleStatement(**values | changes)

    def sealed(self, statement: LineStatement, body: bytes) -> bytes:
        """A sealed reply of the issuer: any body with its signature."""
        statement_hash = digests.statement_hash(statement.encode())
        digest = digests.sealed_reply_digest(self.ledger.ledger_id, statement_hash, body)
        return body + self.issuer_key.sign(digest)

    def prove(self, statement: Statement, note: object = 0) -> Submission:
        """A submission with a toy proof; ``note`` varies the memo."""
        encoded = statement.encode()
        memo = tag(("memo", note), statement.KIND.memo_bytes)
        evidence = toy_proof(encoded, memo)
        if isinstance(statement, OpenStatement):
            digest = digests.approval_digest(self.ledger.ledger_id, encoded, memo)
            evidence = self.issuer_key.sign(digest) + evidence
        return Submission(statement, evidence, memo)

    def submit(self, statement: Statement, note: object = 0) -> Receipt:
        """Submits a statement with its toy proof."""
        return self.ledger.submit(self.prove(statement, note))


def stubbed_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """What fixtures give that need a ledger in a folder, and no real proofs."""
    stub_engine(monkeypatch)
    clock = Clock()
    with Operator.create(tmp_path / "ledger", clock=clock) as ledger:
        yield World(ledger, clock)


def payee_key(name: object) -> bytes:
    """The one-time key that the spend of this name pays to."""
    return tag(("payee", name), 48)


def cosigner_keys(key_name: str) -> CosignerKeys:
    """Keys of the cosigner whose rules key has this name."""
    return CosignerKeys(key_name.removesuffix(f"/{Role.RULES}"), tag(key_name))


def member_of(keys: CosignerKeys) -> Member:
    """A cosigner as a member of a consortium."""
    return members.member(keys.public(Role.RULES)[0])


def bls_key(name: str) -> _native.BlsKey:
    """A BLS key of this name."""
    return _native.BlsKey.derive(_native.Seed.from_bytes(tag(name)), b"test")
