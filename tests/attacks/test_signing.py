"""Attacks on the signer of C′ and on its replies: the one place where money can be forged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from kit import (
    LIMIT,
    R,
    Rogue,
    World,
    cut,
    forged_circuit,
    refused,
    seed,
    submission,
    tainted,
    unchanged,
)

from zkcredit import _native, digests
from zkcredit._native import IssuerKey, SecretScalar, commit
from zkcredit.entries import Kind, OpenStatement, Submission
from zkcredit.errors import (
    ProofRefused,
    StateConflict,
    StoreError,
    ZkCreditError,
)
from zkcredit.tokens import OPEN_ORIGIN, tweak
from zkcredit.wallet import Wallet

ITEM = (b"header", 6)


def scalar(value: int) -> bytes:
    return (value % R).to_bytes(32, "big")


# --- the signature itself -------------------------------------------------------------


def test_e_is_never_used_for_two_commitments() -> None:
    """Two answers with one e could be subtracted into a signature on any balance."""
    key = IssuerKey.derive(seed("key"), b"one")
    point = commit([(("H", 0), 5), (("H", 2), 7)])
    nudge = _native.serial_tweak(b"N", point)
    signed = [
        key.sign_commitments([(*ITEM, point, nudge, [(4, amount)])])[0]
        for amount in (0, 1, 2, 100, -1)
    ]
    assert len({final for final, _ in signed}) == 5
    assert len({signature[48:] for _, signature in signed}) == 5
    again = key.sign_commitments([(*ITEM, point, nudge, [(4, 100)])])[0]
    assert again == signed[3]
    two = IssuerKey.derive(seed("key"), b"two")
    others = [
        key.sign_commitments([(b"other header", 6, point, nudge, [(4, 100)])])[0],
        two.sign_commitments([(*ITEM, point, nudge, [(4, 100)])])[0],
    ]
    assert all(signature[48:] != signed[3][1][48:] for _, signature in others)


def test_a_tainted_commitment_gets_a_clean_signature() -> None:
    """Torsion in C′ must not come out of the signer, where it would leak 1/(x + e)."""
    key = IssuerKey.derive(seed("key"), b"one")
    messages = [scalar(number) for number in (5, 6, 7, 8, 9, 0)]
    point = commit([(("H", position), value) for position, value in enumerate(messages)])
    for offered in (point, tainted(point)):
        nudge = _native.serial_tweak(b"N", offered)
        ((_, signature),) = key.sign_commitments([(*ITEM, offered, nudge, [])])
        _native.check_points([signature[:48]])
        serial = SecretScalar.from_bytes(messages[2]) + nudge
        expected = [*messages[:2], serial, *messages[3:]]
        _native.verify_messages(key.public_key, b"header", expected, signature)


def test_a_torsion_tag_in_a_is_refused() -> None:
    """It would follow the holder through every presentation."""
    world = World()
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    world.lender.sign_pending(world.ledger)
    good = world.ledger.reply(receipt.index)
    assert good is not None
    view = Rogue(world.ledger)
    for bad in (tainted(good[:48]) + good[48:], b"\xc0" + bytes(47) + good[48:]):
        copy = world.again(wallet)
        view.told[receipt.index] = bad
        (event,) = copy.receive(view)  # type: ignore[arg-type]
        assert event.status == "disputed"
    (event,) = wallet.receive(world.ledger)
    assert event.status == "ready"


# --- planted serials --------------------------------------------------------------------


def test_a_planted_serial_in_an_open_burns_nobodys_line() -> None:
    world = World()
    victim = world.holder("victim")
    target = world.token(victim).serial
    thief = world.wallet("thief")
    steps = world.steps(thief)
    planted = SecretScalar.from_bytes(target)
    thief._keys.open_pair = lambda *_: (SecretScalar.from_bytes(scalar(99)), planted)  # type: ignore[method-assign]
    number = world.open_line(thief)
    serial = world.token(thief, number).serial
    assert serial != target
    statement = world.ledger.entry(world.ledger.size - 1).statement
    assert isinstance(statement, OpenStatement)
    added = tweak(Kind.OPEN, OPEN_ORIGIN, statement.commitment)
    assert serial == (planted + added).expose()
    forged = msgspec.structs.replace(world.token(thief, number), serial=target)
    with pytest.raises(ZkCreditError):
        steps.verify(forged)
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(submission(steps.refresh(forged)))
    world.pay(victim, 100)


def test_a_planted_serial_in_a_spend_burns_nobodys_line() -> None:
    world = World()
    victim, thief = world.holder("victim"), world.holder("thief")
    target = world.token(victim).serial
    pair = SecretScalar.from_bytes(scalar(98)), SecretScalar.from_bytes(target)
    thief._keys.spend_pair = lambda *_: pair  # type: ignore[method-assign]
    world.pay(thief, 10)
    assert thief.line(1).status == "ready"
    assert world.token(thief).serial != target
    world.pay(thief, 10)
    world.pay(victim, 10)


# --- one final commitment for each nullifier, ever ----------------------------------------


def rolled_back(tmp_path: Path) -> tuple[World, Wallet, Submission, bytes]:
    """A purchase was signed; then the operator went back to yesterday's files."""
    world = World(path=tmp_path / "ledger")
    wallet = world.holder()
    world.ledger.close()
    backup = cut(tmp_path / "ledger", tmp_path / "backup")
    world.reopen(tmp_path / "ledger")
    made = wallet.prepare_payment(world.ledger, 1, world.invoice(100))
    receipt = world.ledger.submit(made)
    world.lender.sign_pending(world.ledger)
    reply = world.ledger.reply(receipt.index)
    assert reply is not None
    world.reopen(backup)
    assert world.ledger.size == receipt.index
    return world, wallet, made, reply


@pytest.mark.parametrize("step", ["spend", "refresh"])
def test_a_rolled_back_entry_is_not_signed_twice(tmp_path: Path, step: str) -> None:
    world, wallet, made, _ = rolled_back(tmp_path)
    if step == "spend":
        second = world.spend(wallet, 200)
    else:
        second = submission(world.steps(wallet).refresh(world.token(wallet)))
    index = world.ledger.submit(second).index
    with pytest.raises(StateConflict):
        world.lender.sign_pending(world.ledger)
    assert world.ledger.reply(index) is None
    report = world.lender.sign_pending(world.ledger, rescan=True)
    assert report.refused == [index]
    assert report.signed == 0
    assert world.ledger.reply(index) is None
    assert [found for found, _ in world.lender.faults()] == [index]
    with refused("already-spent"):
        world.ledger.submit(made)


def test_a_rolled_back_entry_that_comes_again_gets_the_same_signature(tmp_path: Path) -> None:
    world, wallet, made, reply = rolled_back(tmp_path)
    world.add_merchant("Shop 1")  # the entry comes to stand elsewhere
    index = world.ledger.submit(made).index
    world.lender.sign_pending(world.ledger, rescan=True)
    assert world.ledger.reply(index) == reply
    wallet.submit_pending(world.ledger)
    wallet.receive(world.ledger)
    assert wallet.line(1).status == "ready"
    world.pay(wallet, 5)


@pytest.mark.parametrize("step", ["update", "statement"])
def test_a_rolled_back_token_is_not_signed_by_an_opening_either(tmp_path: Path, step: str) -> None:
    world, wallet, _, _ = rolled_back(tmp_path)
    thief = world.again(wallet)
    thief.restore(world.ledger)
    if step == "update":
        thief.line(1).must_refresh = False
        opening = thief.make_update(world.ledger, 1)
        with refused("already-signed"):
            world.lender.update(world.ledger, opening)
    else:
        world.open_period()
        opening = thief.make_statement(world.ledger, 1)
        with refused("already-signed"):
            world.lender.statement(world.ledger, opening)
    assert world.ledger.reply(opening.entry_index) is None


def test_two_entries_of_one_token_in_one_reading_are_signed_once() -> None:
    """A rogue operator lets both in; the signer's own table answers one."""
    world = World()
    wallet, other = world.holder(), world.holder("other")
    view = Rogue(world.ledger, [world.spend(wallet, 10), world.spend(wallet, 20)])
    report = world.lender.sign_pending(view)  # type: ignore[arg-type]
    assert report.signed == 1
    assert len(report.refused) == 1
    assert len(view.posted) == 1
    later = Rogue(world.ledger, [*(x for _, x in view._extra), world.spend(other, 30)])
    assert world.lender.sign_pending(later).signed == 1  # type: ignore[arg-type]


def test_the_signer_verifies_proofs_itself() -> None:
    """A rogue operator accepts a forged spend; the lender does not sign it."""
    world = World()
    wallet, honest = world.holder(), world.holder("honest")
    with forged_circuit("spend", "spend.credit-left"):
        forged = world.forge_spend(wallet, LIMIT + 1)
    view = Rogue(world.ledger, [forged, world.spend(honest, 30)])
    report = world.lender.sign_pending(view)  # type: ignore[arg-type]
    assert report.refused == [world.ledger.size]
    assert report.signed == 1
    assert set(view.posted) == {world.ledger.size + 1}


def test_the_signer_verifies_the_proofs_of_bills_itself() -> None:
    """A rogue operator accepts a billing statement whose bill is not the token's."""
    world = World()
    wallet = world.holder()
    world.pay(wallet, 5_000)
    world.open_period()
    token = msgspec.structs.replace(world.token(wallet), due_minor=[1])
    pending = world.steps(wallet).statement(token)
    view = Rogue(world.ledger, [submission(pending)])
    line = wallet.line(1)
    pending.index = world.ledger.size
    line.token, line.pending = token, pending
    opening = wallet.opening(1)
    assert opening.due_minor == 1  # type: ignore[union-attr]
    with refused("bad-proof"):
        world.lender.statement(view, opening)  # type: ignore[arg-type]
    assert view.posted == {}


def test_the_header_comes_from_the_entry_and_not_from_the_calendar() -> None:
    """A purchase of period 1 is signed for period 1, even when period 2 has opened since."""
    world = World()
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    world.open_period()
    world.answer(wallet)
    assert wallet.line(1).status == "ready"
    assert world.token(wallet).period == 1
    key = world.ledger.registry.period(world.terms_hash, 2).bbs_key
    header = digests.token_header(world.ledger.ledger_id, 1, world.terms_hash, 2)
    reply = world.ledger.reply(receipt.index)
    assert reply is not None
    messages = world.token(wallet).messages(wallet._keys.owner)
    with pytest.raises(ProofRefused):
        _native.verify_messages(key, header, messages, reply)
    world.bill(wallet)
    assert world.token(wallet).period == 2


def test_an_entry_that_claims_another_period_is_not_signed() -> None:
    world = World()
    wallet = world.holder()
    world.open_period()
    made = world.spend(wallet, 100)
    lied = replace(made, statement=replace(made.statement, period=2))  # type: ignore[type-var]
    view = Rogue(world.ledger, [lied])
    report = world.lender.sign_pending(view)  # type: ignore[arg-type]
    assert report.signed == 0
    assert view.posted == {}


def test_signatures_are_frozen_before_they_leave(tmp_path: Path) -> None:
    """The ledger fails while replies are posted: the retry gives the same bytes."""

    class Deaf(Rogue):
        heard: list[tuple[int, bytes]]

        def post_replies(self, replies: object) -> None:
            self.heard = list(replies)  # type: ignore[call-overload]
            raise StateConflict("the line went dead")

    world = World()
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(100))
    view = Deaf(world.ledger)
    with pytest.raises(StateConflict):
        world.lender.sign_pending(view)  # type: ignore[arg-type]
    ((index, reply),) = view.heard
    known = world.lender._store.signatures([world.token(wallet).serial])
    assert [row.reply for row in known.values()] == [reply]
    world.lender.sign_pending(world.ledger)
    assert world.ledger.reply(index) == reply
    (event,) = wallet.receive(world.ledger)
    assert event.status == "ready"


def test_a_lender_whose_disk_is_full_lets_nothing_out() -> None:
    world = World()
    wallets = [world.holder(number) for number in range(24)]
    receipts = [wallet.pay(world.ledger, 1, world.invoice(100)) for wallet in wallets]
    connection = world.lender._store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="full"):
        world.lender.sign_pending(world.ledger)
    assert [world.ledger.reply(receipt.index) for receipt in receipts] == [None] * 24
    assert world.lender._store.signatures(world.token(wallet).serial for wallet in wallets) == {}
    connection.execute("PRAGMA max_page_count=1000000")
    world.answer(*wallets)
    assert {wallet.line(1).available_minor for wallet in wallets} == {LIMIT - 100}


def test_payments_are_frozen_with_the_reply() -> None:
    """What came in after the first answer is not in the repeated one."""
    world = World()
    wallet = world.holder()
    world.pay(wallet, 5_000)
    world.lender.record_payment(1, 1_000, "a")
    opening = wallet.make_update(world.ledger, 1)
    first = world.lender.update(world.ledger, opening)
    world.lender.record_payment(1, 500, "b")
    assert world.lender.update(world.ledger, opening) == first
    wallet.receive(world.ledger)
    assert wallet.line(1).available_minor == LIMIT - 4_000
    assert world.update(wallet).payments_minor == 500
    assert wallet.line(1).available_minor == LIMIT - 3_500
