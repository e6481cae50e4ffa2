"""Attacks on the signer of C′ and on its replies: the one place where money can be forged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from kit import (
    LIMIT,
    Mirror,
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
from zkcredit._native import BlsKey, IssuerKey, SecretScalar, commit
from zkcredit.auditor import audit
from zkcredit.entries import Kind, OpenStatement, Submission
from zkcredit.errors import (
    CheckFailed,
    MalformedInput,
    ProofRefused,
    StateConflict,
    ZkCreditError,
)
from zkcredit.ledger import Operator
from zkcredit.ledger.replies import split_sealed
from zkcredit.messages import OpenReply, OpenRequest, decode_message, encode_message
from zkcredit.sealing import open_reply, seal_reply
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


# --- replies ----------------------------------------------------------------------------


def test_a_forged_public_reply_is_refused() -> None:
    world = World()
    first, second = world.holder("first"), world.holder("second")
    one = first.pay(world.ledger, 1, world.invoice(100)).index
    two = second.pay(world.ledger, 1, world.invoice(100)).index
    thief = IssuerKey.derive(seed("thief"), b"")
    statement = world.ledger.entry(one).statement
    nudge = tweak(Kind.SPEND, statement.nullifier, statement.commitment)  # type: ignore[union-attr]
    header = digests.token_header(world.ledger.ledger_id, 1, world.terms_hash, 1)
    ((_, forged),) = thief.sign_commitments([(header, 6, statement.commitment, nudge, [])])  # type: ignore[union-attr]
    for reply in (forged, bytes(80), forged[:79], forged + b"\0", b""):
        with pytest.raises((ProofRefused, MalformedInput)):
            world.ledger.post_replies([(one, reply)])
        assert world.ledger.reply(one) is None
    world.lender.sign_pending(world.ledger)
    good = [world.ledger.reply(index) for index in (one, two)]
    assert all(good)
    for index, reply in ((one, good[1]), (two, good[0])):
        with pytest.raises((ProofRefused, StateConflict)):
            world.ledger.post_replies([(index, reply)])  # type: ignore[list-item]
    world.ledger.post_replies([(one, good[0])])  # type: ignore[list-item]
    assert [world.ledger.reply(index) for index in (one, two)] == good


def test_an_auditor_finds_a_forged_public_reply() -> None:
    world = World()
    wallet = world.holder()
    index = world.pay(wallet, 100).index
    world.pay(wallet, 100)
    mirror = Mirror(world.ledger)
    assert audit(mirror).unanswered == 0
    mirror.rows[index][4] = world.ledger.reply(index + 1)
    with pytest.raises(CheckFailed):
        audit(mirror)


def request_of(world: World, wallet: Wallet) -> tuple[OpenRequest, int]:
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "customer")
    return request, world.ledger.size - 1


def test_rubbish_posted_as_a_private_reply_stops_no_other_line() -> None:
    """A stranger would answer an open first: only the issuer's own replies are taken."""
    world = World()
    victim, other = world.wallet("victim"), world.holder("other")
    _, index = request_of(world, victim)
    paid = other.pay(world.ledger, 1, world.invoice(5)).index
    rubbish = bytes(200)
    signed = rubbish + BlsKey.derive(seed("thief"), b"").sign(rubbish)
    for reply in (bytes(100), rubbish, signed, bytes(65_536)):
        with pytest.raises((ProofRefused, MalformedInput)):
            world.ledger.post_replies([(index, reply)])
        assert world.ledger.reply(index) is None
    sealed = issuer_reply(world, world.ledger.entry(paid).statement.encode(), rubbish)
    with pytest.raises((ProofRefused, MalformedInput)):  # the lender's own, of another entry
        world.ledger.post_replies([(index, sealed)])
    world.answer(victim, other)
    assert (victim.line(1).status, other.line(1).status) == ("ready", "ready")


def test_a_lenders_own_wrong_reply_stops_no_other_line() -> None:
    """It answered one entry in two ways: that line is in dispute, all others go on."""
    world = World()
    victim, other = world.wallet("victim"), world.wallet("other")
    request, index = request_of(world, victim)
    rubbish = issuer_reply(world, request.statement, bytes(200))
    world.ledger.post_replies([(index, rubbish)])
    request_of(world, other)
    world.answer(victim, other)
    assert other.line(1).status == "ready"
    assert victim.line(1).status == "disputed"
    assert [found for found, _ in world.lender.faults()] == [index]
    assert world.ledger.reply(index) == rubbish
    world.pay(other, 10)


def issuer_reply(world: World, statement: bytes, body: bytes) -> bytes:
    """``body`` with the lender's signature of a sealed reply to ``statement``."""
    digest = digests.statement_hash(statement)
    signed = digests.sealed_reply_digest(world.ledger.ledger_id, digest, body)
    return body + world.lender._desk.keys.bls.sign(signed)


def answered_open(world: World, change: dict[str, object]) -> Wallet:
    """A line whose open reply says something other than what was signed."""
    wallet = world.wallet()
    request, index = request_of(world, wallet)
    digest = digests.statement_hash(request.statement)
    view = Rogue(world.ledger)
    world.lender.sign_pending(world.ledger)
    sealed = world.ledger.reply(index)
    assert sealed is not None
    body, _ = split_sealed(sealed)
    plain = open_reply(request.reply_key, world.ledger.ledger_id, digest, body)
    reply = msgspec.structs.replace(decode_message(plain, OpenReply), **change)
    ledger_id = world.ledger.ledger_id
    told = seal_reply(request.reply_key, ledger_id, digest, encode_message(reply))
    view.told[index] = issuer_reply(world, request.statement, told)
    wallet.receive(view)  # type: ignore[arg-type]
    return wallet


@pytest.mark.parametrize(
    "change",
    [
        {"limit_minor": LIMIT + 1},
        {"account": 7},
        {"attributes": [1]},
        {"signature": bytes(80)},
        {"limit_minor": 2**50},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_wrong_signature_on_an_open_puts_the_line_in_dispute(change: dict[str, object]) -> None:
    world = World()
    wallet = answered_open(world, change)
    assert wallet.line(1).status == "disputed"
    with refused("line-not-ready"):
        wallet.pay(world.ledger, 1, world.invoice(5))
    with pytest.raises(ZkCreditError):
        wallet.accept_disputed(1, world.ledger)
    assert wallet.line(1).status == "disputed"
    fresh = world.wallet()
    fresh.restore(world.ledger)  # the honest copy of the ledger has the good reply
    world.refresh(fresh)
    assert fresh.line(1).status == "ready"


def test_a_reply_of_another_entry_or_key_puts_the_line_in_dispute() -> None:
    world = World()
    wallet, other = world.holder(), world.holder("other")
    one = wallet.pay(world.ledger, 1, world.invoice(100)).index
    two = other.pay(world.ledger, 1, world.invoice(100)).index
    world.lender.sign_pending(world.ledger)
    view = Rogue(world.ledger)
    view.told[one] = world.ledger.reply(two)  # type: ignore[assignment]
    (event,) = wallet.receive(view)  # type: ignore[arg-type]
    assert (event.status, wallet.line(1).status) == ("disputed", "disputed")
    assert world.again(wallet).line(1).status == "disputed"


def test_a_period_key_that_is_not_on_the_ledger_is_worth_nothing() -> None:
    """The lender signs with another key than the one it has published."""
    world = World()
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    statement = world.ledger.entry(receipt.index).statement
    nudge = tweak(Kind.SPEND, statement.nullifier, statement.commitment)  # type: ignore[union-attr]
    header = digests.token_header(world.ledger.ledger_id, 1, world.terms_hash, 1)
    tagged = IssuerKey.derive(seed("lender"), b"only for this customer")
    ((_, reply),) = tagged.sign_commitments([(header, 6, statement.commitment, nudge, [])])  # type: ignore[union-attr]
    view = Rogue(world.ledger)
    view.told[receipt.index] = reply
    (event,) = wallet.receive(view)  # type: ignore[arg-type]
    assert event.status == "disputed"


# --- refusing to sign ---------------------------------------------------------------------


def test_a_refusal_to_sign_is_a_public_fault_and_stops_new_purchases() -> None:
    world = World()
    wallet, other = world.holder(), world.holder("other")
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    within_ms = world.terms.sign_within_ms
    world.clock.forward(within_ms)
    assert world.ledger.owed(world.clock.now_ms) == []
    assert not other.pay(world.ledger, 1, world.invoice(10)).duplicate
    world.clock.forward(1)
    (owed,) = world.ledger.owed(world.clock.now_ms)
    assert (owed.index, owed.issuer_id, owed.kind) == (receipt.index, world.issuer_id, Kind.SPEND)
    third = world.wallet("third")
    _, index = request_of(world, third)  # opens go on, but wait as well
    blocked = world.spend(other, 10)
    with refused("already-spent"), unchanged(world.ledger):
        world.ledger.submit(blocked)
    report = audit(world.ledger, now_ms=world.clock.now_ms)
    assert [fault.index for fault in report.faults] == [receipt.index]
    world.lender.sign_pending(world.ledger)
    assert world.ledger.owed(world.clock.now_ms + within_ms) == []
    assert world.ledger.reply(index) is not None


def test_an_issuer_in_default_gets_no_new_purchases_until_it_signs() -> None:
    world = World()
    wallet, other = world.holder(), world.holder("other")
    wallet.pay(world.ledger, 1, world.invoice(100))
    blocked = world.spend(other, 10)
    world.clock.forward(world.terms.sign_within_ms + 1)
    with refused("issuer-in-default"), unchanged(world.ledger):
        world.ledger.submit(blocked)
    refresh = submission(world.steps(other).refresh(world.token(other)))
    assert not world.ledger.submit(refresh).duplicate
    world.lender.sign_pending(world.ledger)
    world.answer(wallet)
    world.pay(wallet, 10)


def test_the_lender_cannot_be_made_to_answer_on_another_ledger() -> None:
    world = World()
    fork = Operator.create(None, clock=world.clock)
    with pytest.raises(StateConflict):
        world.lender.sign_pending(fork)
    with pytest.raises(StateConflict):
        world.lender.register(fork)
    assert fork.size == 0
