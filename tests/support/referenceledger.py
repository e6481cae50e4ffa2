"""A ledger with every kind of entry, and the verdicts of both verifiers on changed copies of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from kit import World, seed
from ledgerkit import cosigner_keys, member_of

from zkcredit._native import IssuerKey
from zkcredit.auditor import _Memory
from zkcredit.cosigner import members
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.entries import (
    CredentialKeyStatement,
    KeyAction,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
)
from zkcredit.entries import Entry as FirstEntry
from zkcredit.errors import CheckFailed
from zkcredit.ledger import replay
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.registry import Registry
from zkcredit.reference.judging import Judge, Void
from zkcredit.reference.records import Genesis as OtherGenesis
from zkcredit.reference.records import hashed
from zkcredit.reference.replay import Ledger
from zkcredit.reference.source import Row

Verdict = list[tuple[int, str]] | str
"""Index and rule of each void entry, or the check that left no verdict."""


def build(path: Path, database: str | None = None) -> None:
    """Writes a ledger with every kind of entry, keys that open and close, and two consortia."""
    world = World(path=path, database=database)
    holder = world.holder()
    world.pay(holder, 50)
    world.refresh(holder)
    world.update(holder)
    world.ledger.checkpoint()
    world.open_period()
    world.bill(holder)
    _publish(world)
    _name_members(world)
    holder.pay(world.ledger, 1, world.invoice(7))
    world.settle()
    world.close()


def _publish(world: World) -> None:
    """A schema with a key, its first revocation list without the file, and records."""
    schema = Schema("member", "member", True, (Field("word", "word", FieldType.TEXT),))
    key = IssuerKey.derive(seed("credentials"), b"").public_key
    ids = world.issuer_id, schema.hash
    for statement in (
        SchemaStatement(world.issuer_id, schema.encode()),
        CredentialKeyStatement(*ids, 1, KeyAction.OPEN, key),
        RevocationStatement(*ids, 1, 1, bytes(32)),
        CredentialKeyStatement(*ids, 1, KeyAction.CLOSE),
        RecordsStatement(world.issuer_id, bytes(32)),
    ):
        world.lender._desk.submit(world.ledger, statement)


def _name_members(world: World) -> None:
    """The operator names three members, and these name two of them."""
    ledger = world.ledger
    keys = [cosigner_keys(f"{name}.example/rules-v1") for name in "abc"]
    first = members.propose(None, [member_of(item) for item in keys])
    ledger.submit(members.founding(ledger._operator_keys().bls(), ledger.ledger_id, first))
    second = members.propose(first, [member_of(item) for item in keys[:2]])
    approvals = {member_of(k).key: members.approve(k, ledger.ledger_id, second) for k in keys}
    ledger.submit(members.succession(first, second, approvals))


# --- verdicts --------------------------------------------------------------------------


def first_verdict(genesis: bytes, rows: Sequence[Row], proved: set[int]) -> Verdict:
    """What auditors and cosigners say of these rows; proofs not among ``proved`` are believed."""
    decoded = Genesis.decode(genesis)
    registry = Registry(decoded.ledger_id)
    judge = replay.Judge(registry, decoded.bls_key, _Memory(registry, lambda _: None))
    try:
        items = [replay.read((i, *row), believe=i not in proved) for i, row in enumerate(rows)]
    except CheckFailed as error:
        return str(error.check)
    return [(void.index, void.rule) for void in judge.judge(items)]


def registry_of(genesis: bytes, rows: Sequence[Row]) -> Registry:
    """What the first verifier has registered after these rows."""
    registry = Registry(Genesis.decode(genesis).ledger_id)
    for index, row in enumerate(rows):
        registry.apply(index, FirstEntry.decode(row[0]).statement)
    return registry


def second_verdict(genesis: bytes, rows: Sequence[Row], proved: set[int]) -> Verdict:
    """What the reference says; evidence not among ``proved`` is believed."""
    decoded = OtherGenesis.decode(genesis)
    judge = Judge(Ledger(decoded.ledger_id), decoded.operator_key)
    voids = []
    try:
        for index, (data, evidence, memo, _) in enumerate(rows):
            found = judge.judge(index, data, evidence, memo, prove=index in proved)
            if isinstance(found, Void):
                voids.append((found.index, found.rule))
    except CheckFailed as error:
        return str(error.check)
    return voids


# --- changes ---------------------------------------------------------------------------

_STATEMENT = 41


def patched(data: bytes, place: int, bit: int = 1) -> bytes:
    """These bytes with one bit changed."""
    place %= len(data)
    return data[:place] + bytes((data[place] ^ bit,)) + data[place + 1 :]


def sealed(data: bytes, evidence: bytes, memo: bytes) -> Row:
    """An entry with the hash of this evidence and memo."""
    digest = hashed("evidence", len(evidence).to_bytes(4, "big"), evidence, memo)
    return data[:9] + digest + data[_STATEMENT:], evidence, memo, None


def changes(row: Row, others: Sequence[Row], rng: random.Random, count: int) -> Iterator[Row]:
    """This row in other forms: each part cut, longer, changed, another's, and ``count`` at random.

    The hash in the entry fits unless it is what was changed.
    """
    data, evidence, memo, _ = row
    assert evidence is not None
    assert memo is not None
    yield patched(data, 20), evidence, memo, None
    yield data, patched(evidence, -1), memo, None
    yield data, None, None, None
    for changed in (data[:-1], data + b"\0", patched(data, 0), patched(data, _STATEMENT + 1, 0x80)):
        yield sealed(changed, evidence, memo)
    yield sealed(data[:1] + bytes(8) + data[9:], evidence, memo)
    for changed in (b"", evidence[:-1], evidence + b"\0", evidence[:96], evidence[:97]):
        yield sealed(data, changed, memo)
    yield sealed(data, evidence[::-1], memo)
    yield sealed(data, bytes(1 << 20) + b"\0", memo)
    for changed in (memo[:-1], memo + b"\0", patched(memo, 5) if memo else b"memo"):
        yield sealed(data, evidence, changed)
    for other, proof, note, _ in others:
        yield sealed(data, proof or b"", note or b"")
        yield sealed(other, evidence, memo)
    for start in range(0, min(len(evidence), 480), 96):  # the parts of a registration's evidence
        yield sealed(data, _replaced(evidence, start, bytes((0xC0,)) + bytes(95)), memo)
        yield sealed(data, _replaced(evidence, start, bytes(96)), memo)
        yield sealed(data, _replaced(evidence, start, evidence[-96:]), memo)
    for _ in range(count):
        yield _random_change(data, evidence, memo, rng)


def _replaced(data: bytes, start: int, piece: bytes) -> bytes:
    return (data[:start] + piece + data[start + len(piece) :])[: len(data)]


def _random_change(data: bytes, evidence: bytes, memo: bytes, rng: random.Random) -> Row:
    """One or two bits anywhere: in the entry, its evidence, its memo or two of them."""
    parts = {"data": data, "evidence": evidence} | ({"memo": memo} if memo else {})
    for name in rng.sample(sorted(parts), rng.choice((1, 1, 2))):
        start = _STATEMENT + 2 if name == "data" and rng.random() < 0.9 else 0
        place = rng.randrange(min(start, len(parts[name]) - 1), len(parts[name]))
        parts[name] = patched(parts[name], place, 1 << rng.randrange(8))
    return sealed(parts["data"], parts["evidence"], parts.get("memo", memo))
