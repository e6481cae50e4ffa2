from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit import DAY_MS, INTEREST, LIMIT, PLAIN, World, refused, seed, unchanged

from zkcredit._native import Seed
from zkcredit.entries import Kind
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    ProofRefused,
    StateConflict,
    StoreError,
)
from zkcredit.ledger import Operator
from zkcredit.lender import Account, Lender
from zkcredit.lender.store import LenderStore


@pytest.fixture
def world() -> Iterator[World]:
    world = World(INTEREST)
    yield world
    world.close()


# -- the database --------------------------------------------------------------------------


def test_lender_comes_back_from_its_file(tmp_path: Path, world: World) -> None:
    file = tmp_path / "lender.db"
    lender = Lender.create(file, seed("second"), "Second", clock=world.clock)
    lender.register(world.ledger)
    terms_hash = lender.publish_terms(world.ledger, PLAIN)
    lender.open_period(world.ledger, terms_hash)
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, terms_hash)
    lender.grant(world.ledger, request, 5_000, "Alice")
    lender.close()
    lender.close()
    again = Lender.open(file, seed("second"), clock=world.clock)
    assert (again.name, again.account(1).customer) == ("Second", "Alice")
    assert again.sign_pending(world.ledger).signed == 1
    wallet.receive(world.ledger)
    assert wallet.line(1).status == "ready"
    assert again.register(world.ledger).duplicate
    again.close()
    assert file.stat().st_mode & 0o077 == 0


def test_wrong_files_and_seeds(tmp_path: Path) -> None:
    file = tmp_path / "lender.db"
    Lender.create(file, seed(1), "Bank").close()
    with pytest.raises(StateConflict, match="exists"):
        Lender.create(file, seed(1), "Bank")
    with pytest.raises(StateConflict, match="another seed"):
        Lender.open(file, seed(2))
    with pytest.raises(StoreError):
        Lender.open(tmp_path / "none.db", seed(1))
    with pytest.raises(CallerError):
        Lender.create(tmp_path / "bad.db", seed(1), "bad\nname")
    assert not (tmp_path / "bad.db").exists()
    (tmp_path / "text.db").write_text("not a database, but long enough to look at " * 40)
    with pytest.raises(MalformedInput):
        Lender.open(tmp_path / "text.db", seed(1))
    Operator.create(tmp_path / "ledger").close()
    with pytest.raises(MalformedInput, match="not a zkcredit lender"):
        Lender.open(tmp_path / "ledger" / "ledger.db", seed(1))


def test_other_version_of_the_database(tmp_path: Path) -> None:
    file = tmp_path / "lender.db"
    store = LenderStore.create(file)
    store._run("PRAGMA user_version=3")
    store.close()
    with pytest.raises(MalformedInput, match="version 2"):
        Lender.open(file, seed(1))


def test_a_failed_transaction_leaves_nothing() -> None:
    store = LenderStore.create(None)

    def fail() -> None:
        with store.write():
            store.set_meta("key", b"value")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.meta("key") is None


def test_nothing_secret_is_printed_or_pickled(world: World) -> None:
    world.holder("Alice")
    text = repr([world.lender, world.lender.accounts()])
    assert "Alice" not in text
    with pytest.raises(CallerError):
        pickle.dumps(world.lender)


# -- registration --------------------------------------------------------------------------


def test_a_lender_belongs_to_one_ledger(world: World) -> None:
    other = Operator.create(None)
    with pytest.raises(StateConflict):
        world.lender.register(other)
    with pytest.raises(StateConflict):
        world.lender.open_period(other, world.terms_hash)
    fresh = Lender.create(None, seed("fresh"), "Fresh")
    with pytest.raises(CallerError, match="not registered"):
        fresh.publish_terms(world.ledger, PLAIN)


def test_terms_of_another_lender(world: World) -> None:
    other = Lender.create(None, seed("other"), "Other", clock=world.clock)
    other.register(world.ledger)
    with refused("unknown-terms"):
        other.open_period(world.ledger, world.terms_hash)
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    with refused("unknown-terms"):
        other.grant(world.ledger, request, LIMIT, "A")


# -- granting ------------------------------------------------------------------------------


def test_granting_twice_changes_nothing(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    first = world.lender.grant(world.ledger, request, LIMIT, "A")
    with unchanged(world.ledger):
        again = world.lender.grant(world.ledger, request, LIMIT, "A")
    assert again.number == first.number == 1
    world.answer(wallet)
    with unchanged(world.ledger):
        assert world.lender.grant(world.ledger, request, LIMIT, "A").state == "active"
        with pytest.raises(StateConflict):
            world.lender.grant(world.ledger, request, LIMIT + 1, "A")


@pytest.mark.parametrize(
    ("limit", "customer", "attributes"),
    [(-1, "A", ()), (1 << 32, "A", ()), (5, "", ()), (5, "a\nb", ()), (5, "A", (1,))],
)
def test_impossible_grants(world: World, limit: int, customer: str, attributes: Any) -> None:
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    with unchanged(world.ledger), pytest.raises(CallerError):
        world.lender.grant(world.ledger, request, limit, customer, attributes)
    assert world.lender.accounts() == []


def test_request_with_a_changed_proof_or_memo(world: World) -> None:
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    proof = bytearray(request.proof)
    proof[-1] ^= 1
    for changed in (
        msgspec.structs.replace(request, proof=bytes(proof)),
        msgspec.structs.replace(request, memo=bytes(128)),
    ):
        with unchanged(world.ledger), pytest.raises((ProofRefused, MalformedInput)):
            world.lender.grant(world.ledger, changed, LIMIT, "A")
    with refused("wrong-ledger"):
        other = msgspec.structs.replace(request, ledger_id=bytes(32))
        world.lender.grant(world.ledger, other, LIMIT, "A")
    with pytest.raises(MalformedInput):
        world.lender.grant(
            world.ledger, msgspec.structs.replace(request, statement=b"\x01\x06"), LIMIT, "A"
        )
    assert world.lender.accounts() == []


def test_batch_of_grants_names_the_bad_one(world: World) -> None:
    requests = [
        world.wallet(name).request_line(world.ledger, world.terms_hash) for name in range(4)
    ]
    requests[2] = msgspec.structs.replace(requests[2], memo=bytes(128))
    offers = [(request, LIMIT, "A") for request in [*requests, requests[0]]]
    results = world.lender.grant_many(world.ledger, offers)
    kinds = [type(result) for result in results]
    assert kinds == [Account, Account, ProofRefused, Account, StateConflict]
    numbers = [r.number for r in results if isinstance(r, Account)]
    assert len(set(numbers)) == 3


# -- signing -------------------------------------------------------------------------------


def test_signing_is_repeatable(world: World) -> None:
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(100))
    report = world.lender.sign_pending(world.ledger)
    assert (report.signed, report.posted, report.refused, report.waiting) == (1, 1, [], [])
    report = world.lender.sign_pending(world.ledger)
    assert (report.signed, report.posted) == (0, 0)
    report = world.lender.sign_pending(world.ledger, rescan=True)
    assert (report.signed, report.posted) == (0, 0)


def test_a_crash_before_posting_posts_the_same_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "post_replies", _crash)
        with pytest.raises(StoreError):
            world.lender.sign_pending(world.ledger)
    assert world.ledger.reply(receipt.index) is None
    [(index, reply, _)] = world.lender._store.unposted(10)
    report = world.lender.sign_pending(world.ledger)
    assert (report.signed, report.posted, index) == (0, 1, receipt.index)
    assert world.ledger.reply(receipt.index) == reply
    wallet.receive(world.ledger)
    world.pay(wallet, 50)


def _crash(*_: object) -> None:
    raise StoreError("killed")


def test_a_foreign_reply_is_refused_and_changes_nothing(world: World) -> None:
    wallets = [world.holder(name) for name in range(3)]
    world.open_period()
    openings = [wallet.make_statement(world.ledger, 1) for wallet in wallets]
    with pytest.raises(ProofRefused):
        world.ledger.post_replies([(openings[1].entry_index, bytes(200))])
    assert len(world.lender.statements(world.ledger, openings)) == 3
    for wallet in wallets:
        wallet.receive(world.ledger)
    assert [wallet.line(1).status for wallet in wallets] == ["ready", "ready", "ready"]
    assert world.lender.faults() == []


def test_a_lender_that_lost_its_database_does_not_open_lines_blindly(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "A")
    amnesiac = Lender.create(None, seed("lender"), "Bank", clock=world.clock)
    assert amnesiac.register(world.ledger).duplicate
    report = amnesiac.sign_pending(world.ledger)
    assert (report.signed, len(report.refused)) == (0, 1)
    assert "not in the database" in amnesiac.faults()[0][1]


def test_rolled_back_ledger_is_noticed_and_nothing_signed_twice(tmp_path: Path) -> None:
    from kit import cut

    world = World(PLAIN, path=tmp_path / "ledger")
    wallet, twin = world.holder(), world.wallet()
    twin.restore(world.ledger)
    backup = cut(tmp_path / "ledger", tmp_path / "old")
    wallet.pay(world.ledger, 1, world.invoice(100))
    world.answer(wallet)
    world.ledger.close()
    old = Operator.open(backup, clock=world.clock)
    with pytest.raises(StateConflict, match="rolled back"):
        world.lender.sign_pending(old)
    merchant = world.merchant
    invoice = merchant.invoice(old, 900, "TWD", "other goods")
    twin.refresh(old, 1)  # another C′ for the nullifier that was signed already
    with pytest.raises(StateConflict, match="rewritten"):
        world.lender.sign_pending(old)
    report = world.lender.sign_pending(old, rescan=True)
    assert report.signed == 0
    assert len(report.refused) == 1
    assert "signed before" in world.lender.faults()[0][1]
    assert old.reply(old.size - 1) is None
    with refused("line-not-ready"):
        twin.pay(old, 1, invoice)
    old.close()
    world.lender.close()


# -- silence, identity ------------------------------------------------------------------------


def test_silent_lender_is_a_public_fault(world: World) -> None:
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    assert wallet.receive(world.ledger) == []
    world.clock.forward(DAY_MS)
    owed = world.ledger.owed(world.clock())
    assert [(item.index, item.kind) for item in owed] == [(receipt.index, Kind.SPEND)]


def test_same_seed_same_keys(world: World) -> None:
    twin = Lender.create(None, Seed.from_bytes(seed("lender").expose()), "Bank")
    assert twin.register(world.ledger).duplicate
    assert twin.issuer_id == world.lender.issuer_id
    assert replace(PLAIN).encode() == PLAIN.encode()
