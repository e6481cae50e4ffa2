"""Attacks on the signer's replies, and what follows when it gives none."""

from __future__ import annotations

import msgspec
import pytest
from kit import (
    LIMIT,
    Mirror,
    Rogue,
    World,
    refused,
    seed,
    submission,
    unchanged,
)

from zkcredit import digests
from zkcredit._native import BlsKey, IssuerKey
from zkcredit.auditor import audit
from zkcredit.entries import Kind
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
from zkcredit.tokens import tweak
from zkcredit.wallet import Wallet


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
