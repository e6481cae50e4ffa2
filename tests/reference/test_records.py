"""Entries, terms and rules: two readers, one reading."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from ledgerkit import Clock, World, bls_key, cosigner_keys, member_of, stub_engine, tag

from zkcredit import digests
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.entries import (
    CredentialKeyStatement,
    Entry,
    KeyAction,
    Kind,
    Member,
    MembersStatement,
    MerchantStatement,
    PeriodStatement,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
    Statement,
    TermsStatement,
)
from zkcredit.errors import MalformedInput, Refused
from zkcredit.ledger import Operator
from zkcredit.ledger.genesis import Genesis
from zkcredit.reference import records, schemas
from zkcredit.reference.replay import Ledger
from zkcredit.terms import Terms


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    stub_engine(monkeypatch)
    clock = Clock()
    with Operator.create(None, clock=clock) as ledger:
        yield World(ledger, clock)


def scalar(name: object) -> bytes:
    """32 bytes of this name that are below the group order."""
    return b"\0" + tag(name, 31)


SCHEMA = Schema(
    "everything", "every type of field", True,
    (
        Field("word", "word", FieldType.TEXT),
        Field("degrees", "temperature", FieldType.INTEGER, minimum=-40, maximum=40),
        Field("day", "day", FieldType.DATE),
        Field("pay", "pay", FieldType.AMOUNT, maximum=10**9, currency="TWD", minor_digits=2),
        Field("land", "country", FieldType.ENUM, values=("AT", "TW", "北")),
    ),
)  # fmt: skip
LASTING = Schema("lasting", "never revoked", False, SCHEMA.fields[:1])


def statements(world: World) -> list[Statement]:
    """One of each kind."""
    return [
        MerchantStatement(bls_key("shop").public_key, "Café 北"),
        TermsStatement(world.issuer_id, Terms(currency="EUR", attributes=2).encode()),
        PeriodStatement(world.terms_hash, 2, KeyAction.OPEN, tag("key", 96)),
        PeriodStatement(world.terms_hash, 1, KeyAction.CLOSE),
        world.opening("a"), world.spend("b"), world.refresh("c"), world.update("d"),
        world.billing("e", 1), world.settlement([(5, "b"), (9, "f")]),
        SchemaStatement(world.issuer_id, SCHEMA.encode()),
        CredentialKeyStatement(world.issuer_id, SCHEMA.hash, 1, KeyAction.OPEN, tag("key", 96)),
        CredentialKeyStatement(world.issuer_id, SCHEMA.hash, 1, KeyAction.CLOSE),
        RevocationStatement(world.issuer_id, SCHEMA.hash, 1, 1, tag("list")),
        RecordsStatement(world.issuer_id, tag("root")),
        MembersStatement(1, 2, (Member("a.example", tag("a")), Member("b.example", tag("b")))),
    ]  # fmt: skip


def reading(decode: Callable[[bytes], object], data: bytes) -> bool:
    try:
        decode(data)
    except MalformedInput:
        return False
    return True


def damaged(data: bytes, count: int) -> Iterator[bytes]:
    rng = random.Random(data)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 3))):
            match rng.randrange(4):
                case 0 if changed:
                    del changed[rng.randrange(len(changed)) :][: rng.choice((1, 1, 48))]
                case 1:
                    changed.insert(rng.randrange(len(changed) + 1), rng.choice((0, 1, 0xFF, 0x41)))
                case _ if changed:
                    place = rng.randrange(min(len(changed), rng.choice((48, 100, 9999))))
                    changed[place] = rng.choice((0, 1, 2, 10, 11, 0x7F, 0xE2, changed[place] ^ 1))
        yield bytes(changed)


def test_entries_are_read_alike(world: World) -> None:
    refused = 0
    for statement in statements(world):
        data = Entry(77, tag("evidence"), statement).encode()
        entry = records.Entry.decode(data)
        assert (entry.timestamp_ms, entry.evidence_hash) == (77, tag("evidence"))
        assert entry.statement == statement.encode()
        assert entry.kind == statement.KIND.name.lower()
        for changed in damaged(data, 300):
            expected = reading(Entry.decode, changed)
            assert reading(records.Entry.decode, changed) == expected, changed.hex()
            refused += not expected
    assert refused > 500


def test_terms_and_genesis_are_read_alike(world: World) -> None:
    terms = Terms(currency="TWD", due_buckets=12, attributes=3, amount_bits=64)
    read = records.Terms.decode(terms.encode())
    assert read.sizes == {"K": 12, "M": 3, "bits": 64}
    assert read.message_count == terms.message_count
    for changed in damaged(terms.encode(), 2000):
        assert reading(records.Terms.decode, changed) == reading(Terms.decode, changed)
    genesis = world.ledger.genesis
    decoded = records.Genesis.decode(genesis.encode())
    assert decoded.ledger_id == genesis.ledger_id
    assert (decoded.log_key, decoded.operator_key) == (genesis.log_key, genesis.bls_key)
    for changed in damaged(genesis.encode(), 1000):
        assert reading(records.Genesis.decode, changed) == reading(Genesis.decode, changed)


def test_schemas_are_read_alike() -> None:
    assert schemas.is_revocable(SCHEMA.encode())
    assert not schemas.is_revocable(LASTING.encode())
    refused = 0
    for changed in damaged(SCHEMA.encode(), 4000):
        expected = reading(Schema.decode, changed)
        assert reading(schemas.is_revocable, changed) == expected, changed.hex()
        refused += not expected
    assert 1000 < refused < 4000


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "e\u0301", "\u202e", "a\nb", "\u200b", "\ufeff", "\x7f"]
)
def test_names_that_nobody_may_have(text: str) -> None:
    encoded = text.encode()
    data = bytes((1, 4)) + bytes(48) + bytes((len(encoded),)) + encoded
    assert not reading(records.decode_statement, data)
    assert not reading(Statement.decode, data)


# --- rules -----------------------------------------------------------------------------


def accept(ledger: Ledger, index: int, data: bytes) -> None:
    """Puts an entry through the rules, as if its evidence were good."""
    entry = records.Entry.decode(data)
    ledger.check(entry)
    ledger.apply(index, entry)


class Attempts:
    """Random statements, good and bad, for operator and reference alike."""

    def __init__(self, world: World, seed: int, kinds: list[Kind]) -> None:
        self.world, self.rng, self.kinds = world, random.Random(seed), kinds
        self.reference = Ledger(world.ledger.ledger_id)
        for index, entry in world.ledger.entries():
            accept(self.reference, index, entry.encode())
        self.spends: list[tuple[int, object]] = []
        self.names = 0

    def name(self) -> object:
        """Often a new name, sometimes one that was used."""
        if self.names == 0 or self.rng.random() < 0.75:
            self.names += 1
            return self.names
        return self.rng.randrange(1, self.names + 1)

    def period(self) -> int:
        return max(1, self.world.period - self.rng.choice((0, 0, 0, 1, 1, 2)))

    def statement(self) -> Statement:
        world, name, rng = self.world, self.name(), self.rng
        kind = rng.choice(self.kinds)
        period, nullifier = self.period(), scalar(("nullifier", name))
        match kind:
            case Kind.TERMS:
                issuer = world.issuer_id if rng.random() < 0.8 else tag("nobody")
                terms = Terms(currency="TWD", apr_bps=rng.randrange(3), sign_within_ms=60_000)
                return TermsStatement(issuer, terms.encode())
            case Kind.PERIOD if rng.random() < 0.3:
                number = world.period + rng.choice((0, 1, 1, 1, 2))
                key = tag(("bbs", rng.randrange(3) or number), 96)
                return PeriodStatement(world.terms_hash, number, KeyAction.OPEN, key)
            case Kind.PERIOD:
                terms_hash = world.terms_hash if rng.random() < 0.8 else tag("nothing")
                number = period + rng.choice((0, 0, 0, 2))
                return PeriodStatement(terms_hash, number, KeyAction.CLOSE)
            case Kind.MEMBERS:
                return self.members()
            case Kind.SCHEMA | Kind.CREDENTIAL_KEY | Kind.REVOCATIONS | Kind.RECORDS:
                return self.publication(kind)
            case Kind.MERCHANT:
                return MerchantStatement(bls_key(f"shop {rng.randrange(6)}").public_key, str(name))
            case Kind.OPEN:
                return replace(world.opening(name), period=period)
            case Kind.SPEND:
                self_name = self.name() if rng.random() < 0.1 else name
                return replace(
                    world.spend(self_name), nullifier=nullifier, period=period,
                    not_after_ms=world.clock.now_ms - rng.choice((0, 0, 0, 0, 1)),
                )  # fmt: skip
            case Kind.REFRESH:
                return replace(world.refresh(name), nullifier=nullifier, period=period)
            case Kind.UPDATE:
                return replace(world.update(name), nullifier=nullifier, period=period)
            case Kind.STATEMENT:
                return replace(world.billing(name, period), nullifier=nullifier)
        return self.settlement()

    def members(self) -> Statement:
        known, number = self.world.ledger.registry.members, self.rng.choice((1, 2, 2, 3))
        if known is not None:
            number = known.number + self.rng.choice((0, 1, 1, 1, 2))
        return MembersStatement(number, 1, (member_of(cosigner_keys("a.example/rules-v1")),))

    def publication(self, kind: Kind) -> Statement:
        """Something that an issuer publishes for credentials, often out of order."""
        world, rng = self.world, self.rng
        issuer = world.issuer_id if rng.random() < 0.9 else tag("nobody")
        schema = SCHEMA if rng.random() < 0.7 else LASTING
        if kind is Kind.SCHEMA:
            return SchemaStatement(issuer, schema.encode())
        if kind is Kind.RECORDS:
            return RecordsStatement(issuer, tag(("root", rng.randrange(9))))
        opened = world.ledger.registry.current_credential_key(issuer, schema.hash)
        if kind is Kind.REVOCATIONS:
            number, epoch = max(1, rng.randrange(opened + 2)), rng.randrange(1, 4)
            return RevocationStatement(issuer, schema.hash, number, epoch, tag(("list", epoch)))
        if rng.random() < 0.3:
            number = rng.randrange(1, opened + 2)
            return CredentialKeyStatement(issuer, schema.hash, number, KeyAction.CLOSE)
        number = max(1, opened + rng.choice((0, 1, 1, 1, 2)))
        key = tag(("bbs", rng.randrange(3) or (schema.name, number)), 96)
        return CredentialKeyStatement(issuer, schema.hash, number, KeyAction.OPEN, key)

    def settlement(self) -> Statement:
        rng = self.rng
        chosen = rng.sample(self.spends, min(len(self.spends), rng.choice((1, 1, 2, 3))))
        claims = sorted(chosen, key=lambda claim: claim[0]) or [(0, "nothing")]
        if rng.random() < 0.15:
            claims[-1] = (claims[-1][0] + rng.choice((0, 1, 3)), "somebody else")
        asset = "TWD" if rng.random() < 0.9 else "EUR"
        return self.world.settlement(claims, asset=asset)

    def submit(self, statement: Statement) -> str:
        """Both verdicts; they must be one."""
        world = self.world
        entry = Entry(world.clock.now_ms, bytes(32), statement).encode()
        expected, index = "accepted", world.ledger.size
        try:
            if statement.KIND.is_registration:
                signer = None
                if isinstance(statement, MerchantStatement):
                    keys = (bls_key(f"shop {n}") for n in range(6))
                    signer = next(k for k in keys if k.public_key == statement.bls_key)
                receipt = world.ledger.submit(world.registration(statement, signer))
            else:
                receipt = world.submit(statement)
            if receipt.duplicate:
                return "duplicate"
        except Refused as error:
            expected = error.rule
        try:
            accept(self.reference, index, entry)
            found = "accepted"
        except Refused as error:
            found = error.rule
        assert found == expected, statement
        return found


LINES = [*list(Kind)[Kind.ISSUER : Kind.SETTLE], *[Kind.SPEND] * 4]
PUBLICATIONS = [Kind.PERIOD, *list(Kind)[Kind.SETTLE :], Kind.REVOCATIONS]


@pytest.mark.parametrize("seed", range(4))
def test_rules_are_applied_alike(world: World, seed: int) -> None:
    seen = verdicts(Attempts(world, seed, LINES), 250)
    assert {"accepted", "already-spent", "period-not-current", "expired"} <= set(seen), seen


@pytest.mark.parametrize("seed", range(2))
def test_rules_of_publications_are_applied_alike(world: World, seed: int) -> None:
    seen = verdicts(Attempts(world, seed, PUBLICATIONS), 250)
    expected = {"accepted", "unknown-issuer", "unknown-schema", "unknown-credential-key"}
    assert expected | {"key-order", "key-reuse", "epoch-order", "not-revocable"} <= set(seen), seen


def verdicts(attempts: Attempts, steps: int) -> dict[str, int]:
    """How often both readers gave each verdict."""
    world = attempts.world
    found: dict[str, int] = {}
    for step in range(steps):
        world.clock.now_ms += step % 5 == 0
        statement = attempts.statement()
        index = world.ledger.size
        verdict = attempts.submit(statement)
        found[verdict] = found.get(verdict, 0) + 1
        if verdict != "accepted":
            continue
        if isinstance(statement, PeriodStatement) and statement.action == KeyAction.OPEN:
            world.period = statement.period
        if statement.KIND is Kind.SPEND:
            payees = {
                digests.payee_hash(tag(("payee", n), 48)): n for n in range(attempts.names + 1)
            }
            attempts.spends.append((index, payees[statement.payee]))
    return found


def test_time_does_not_run_backwards(world: World) -> None:
    ledger = Ledger(world.ledger.ledger_id)
    named = MerchantStatement(bls_key("shop").public_key, "Shop")
    accept(ledger, 0, Entry(9, bytes(32), named).encode())
    other = MerchantStatement(bls_key("other").public_key, "Shop")
    for moment in (8, 1 << 63):
        with pytest.raises(Refused, match="timestamps"):
            accept(ledger, 1, Entry(moment, bytes(32), other).encode())
