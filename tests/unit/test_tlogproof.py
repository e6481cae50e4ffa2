"""Offline receipts: one file and the log's public keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.ledgerkit import Clock, World, stub_engine

from zkcredit.errors import CheckFailed, MalformedInput, ZkCreditError
from zkcredit.ledger import Operator
from zkcredit.ledger.tlogproof import TlogProof


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    stub_engine(monkeypatch)
    clock = Clock()
    world = World(Operator.create(None, clock=clock), clock)
    world.ledger.submit_many([world.prove(world.refresh(i)) for i in range(20)])
    return world


def test_a_receipt_verifies_without_the_ledger(world: World) -> None:
    keys = world.ledger.genesis.log_keys
    for index in range(world.ledger.size):
        text = TlogProof.make(world.ledger, index).encode()
        proof = TlogProof.decode(text)
        assert proof.encode() == text
        entry, head = proof.verify(*keys)
        assert entry == world.ledger.entry(index)
        assert (head.size, head.root) == (world.ledger.size, world.ledger.root())


def test_what_a_receipt_does_not_prove(world: World) -> None:
    keys = world.ledger.genesis.log_keys
    proof = TlogProof.make(world.ledger, 7)
    other = Operator.create(None, clock=world.clock).genesis.log_keys
    with pytest.raises(CheckFailed, match="not signed"):
        proof.verify(*other)
    entry = world.ledger.entry(8).encode()
    for changed in (
        replace(proof, entry=entry),
        replace(proof, index=8),
        replace(proof, index=1 << 40),
        replace(proof, path=proof.path[:-1]),
        replace(proof, path=(*proof.path, bytes(32))),
        replace(proof, path=proof.path[::-1]),
        replace(proof, note=proof.note.replace("\n23\n", "\n24\n")),
    ):
        with pytest.raises(CheckFailed):
            changed.verify(*keys)


def test_every_character_counts(world: World) -> None:
    keys = world.ledger.genesis.log_keys
    text = TlogProof.make(world.ledger, 3).encode()
    for position in range(0, len(text), 3):
        other = "B" if text[position] != "B" else "C"
        changed = text[:position] + other + text[position + 1 :]
        with pytest.raises(ZkCreditError):
            TlogProof.decode(changed).verify(*keys)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "",
        lambda t: t * 1000,
        lambda t: t.replace("@v1", "@v2"),
        lambda t: t.replace("extra ", "other "),
        lambda t: t.replace("index 3", "index 03"),
        lambda t: t.replace("index 3", "index -3"),
        lambda t: t.replace("index 3", "index 3 "),
        lambda t: t.replace("\n\n", "\n"),
        lambda t: t.replace("index 3\n", "index 3\n" + "A" * 43 + "=\n" + "A" * 40 + "\n"),
        lambda t: t.replace("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 70),
        lambda t: t.replace("extra ", "extra !"),
    ],
)
def test_malformed_receipts(world: World, change: object) -> None:
    assert callable(change)
    text = TlogProof.make(world.ledger, 3).encode()
    with pytest.raises(MalformedInput):
        TlogProof.decode(change(text))
