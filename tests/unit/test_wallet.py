from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from kit import DAY_MS, LIMIT, PLAIN, World, refused, unchanged

from zkcredit.entries import Kind
from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    Refused,
    StateConflict,
    StoreError,
)
from zkcredit.messages import Invoice, StatementOpening, UpdateOpening, signed, signing_digest
from zkcredit.terms import Terms
from zkcredit.wallet import CROWD_WARNING, Wallet
from zkcredit.wallet.state import encode_state


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def sign_again(world: World, invoice: Invoice) -> Invoice:
    """The merchant's own signature on a changed invoice."""
    return signed(invoice, world.merchant._keys.bls.sign(signing_digest(invoice)))


# -- the file ------------------------------------------------------------------------------


def test_state_survives_the_vault(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 1_250)
    again = world.again(wallet)
    assert again.dump() == wallet.dump()
    assert again.history() == wallet.history()
    world.pay(again, 750)
    assert world.token(again).available_minor == LIMIT - 2_000


def test_wallet_of_a_phrase() -> None:
    wallet = Wallet.create()
    assert wallet.phrase is not None
    assert len(wallet.phrase.split()) == 24
    same = Wallet.from_phrase("  " + wallet.phrase.upper())
    assert same.dump() == wallet.dump()
    assert wallet.phrase.split()[0] not in repr(wallet)
    with pytest.raises(CallerError):
        pickle.dumps(wallet)


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x80", b"junk", encode_state({"version": 1})])
def test_what_is_no_wallet(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        Wallet.load(data)


def test_wallet_of_another_version(world: World) -> None:
    state = msgspec.msgpack.decode(world.wallet().dump())
    state["version"] = 2
    with pytest.raises(MalformedInput, match="version 2"):
        Wallet.load(encode_state(state))


def test_nothing_secret_is_printed(world: World) -> None:
    wallet = world.holder()
    invoice = world.invoice(500)
    wallet.prepare_payment(world.ledger, 1, invoice)
    text = repr([wallet, wallet.lines, wallet.line(1).token, wallet.line(1).pending, invoice])
    for secret in (world.token(wallet).serial, world.token(wallet).blind, bytes(invoice.rho)):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


def test_unknown_line(world: World) -> None:
    with pytest.raises(CallerError):
        world.wallet().line(1)


# -- opening -------------------------------------------------------------------------------


def test_request_can_be_made_again_and_follows_the_period(world: World) -> None:
    wallet = world.wallet()
    first = wallet.request_line(world.ledger, world.terms_hash)
    assert wallet.open_request(world.ledger, 1) == first
    assert wallet.receive(world.ledger) == []
    world.open_period()
    second = wallet.open_request(world.ledger, 1)
    assert second.statement != first.statement
    with refused("period-not-current"):
        world.lender.grant(world.ledger, first, LIMIT, "A")
    world.lender.grant(world.ledger, second, LIMIT, "A")
    world.answer(wallet)
    assert wallet.line(1).status == "ready"
    with pytest.raises(StateConflict):
        wallet.open_request(world.ledger, 1)


def test_unknown_terms_and_no_period(world: World) -> None:
    wallet = world.wallet()
    with refused("unknown-terms"):
        wallet.request_line(world.ledger, bytes(32))
    later = world.lender.publish_terms(world.ledger, replace(PLAIN, grace_days=7))
    with refused("period-not-current"):
        wallet.request_line(world.ledger, later)
    assert wallet.lines == []


def test_lines_have_one_owner_and_their_own_secrets(world: World) -> None:
    wallet = world.holder()
    assert world.open_line(wallet, 5_000) == 2
    assert wallet.line(1).ordinal != wallet.line(2).ordinal
    assert world.token(wallet, 1).serial != world.token(wallet, 2).serial


# -- paying --------------------------------------------------------------------------------


def test_preview_shows_what_the_purchase_means(world: World) -> None:
    wallet = world.holder()
    preview = wallet.check_invoice(world.ledger, 1, world.invoice(1_250))
    assert (preview.merchant, preview.amount_minor) == ("Shop 0", 1_250)
    assert preview.available_after_minor == LIMIT - 1_250
    assert set(preview.learns) == {"Shop 0", "Bank", "everybody"}
    assert any("at most 1;" in warning for warning in preview.warnings)
    assert wallet.crowd(world.ledger, world.terms_hash) == 1
    assert wallet.line(1).status == "ready"


def test_no_warning_in_a_crowd(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = world.holder()
    monkeypatch.setattr(world.ledger, "count", lambda *_: CROWD_WARNING)
    assert wallet.check_invoice(world.ledger, 1, world.invoice(1_250)).warnings == []


def test_just_billed_lines_are_warned(world: World) -> None:
    wallet, _other = world.holder("a"), world.holder("b")
    world.open_period()
    world.bill(wallet)
    warnings = wallet.check_invoice(world.ledger, 1, world.invoice(1_250)).warnings
    assert wallet.crowd(world.ledger, world.terms_hash) == 1
    assert len(warnings) == 1
    world.bill(_other)
    world.open_line(wallet)
    warnings = wallet.check_invoice(world.ledger, 1, world.invoice(1_250)).warnings
    assert any("linked" in warning for warning in warnings)


def test_paying_twice_submits_the_same_bytes(world: World) -> None:
    wallet = world.holder()
    invoice = world.invoice(1_250)
    saved: list[bytes] = []
    receipt = wallet.pay(world.ledger, 1, invoice, save=lambda: saved.append(wallet.dump()))
    again = wallet.pay(world.ledger, 1, invoice)
    assert (again.index, again.duplicate) == (receipt.index, True)
    crashed = Wallet.load(saved[0], clock=world.clock)
    assert crashed.line(1).pending is not None
    assert crashed.pay(world.ledger, 1, invoice).index == receipt.index
    world.answer(wallet, crashed)
    assert world.token(crashed) == world.token(wallet)
    with unchanged(world.ledger), refused("already-paid"):
        wallet.pay(world.ledger, 1, invoice)


def test_an_invoice_is_paid_from_one_line_only(world: World) -> None:
    wallet = world.holder()
    world.open_line(wallet)
    invoice = world.invoice(1_250)
    wallet.pay(world.ledger, 1, invoice)
    with unchanged(world.ledger), refused("already-paid"):
        wallet.pay(world.ledger, 2, invoice)


def test_failed_saving_submits_nothing(world: World) -> None:
    def full_disk() -> None:
        raise StoreError("disk full")

    wallet = world.holder()
    invoice = world.invoice(1_250)
    with unchanged(world.ledger), pytest.raises(StoreError):
        wallet.pay(world.ledger, 1, invoice, save=full_disk)
    assert wallet.pay(world.ledger, 1, invoice).duplicate is False


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"amount_minor": LIMIT + 1}, "over-limit"),
        ({"amount_minor": 1 << 32}, "amount"),
        ({"currency": "EUR"}, "wrong-currency"),
        ({"accepted": [bytes(32)]}, "not-accepted"),
        ({"ledger_id": bytes(32)}, "wrong-ledger"),
        ({"merchant_id": bytes(32)}, "unknown-merchant"),
        ({"not_after_ms": 1}, "expired"),
    ],
)
def test_invoices_that_cannot_be_paid(world: World, change: dict[str, object], rule: str) -> None:
    wallet = world.holder()
    before = wallet.dump()
    invoice = msgspec.structs.replace(world.invoice(1_250), **change)
    changed = sign_again(world, invoice)
    with unchanged(world.ledger), refused(rule):
        wallet.check_invoice(world.ledger, 1, changed)
    with unchanged(world.ledger), refused(rule):
        wallet.pay(world.ledger, 1, changed)
    assert wallet.dump() == before


def test_changed_invoice_is_refused(world: World) -> None:
    wallet = world.holder()
    invoice = msgspec.structs.replace(world.invoice(1_250), amount_minor=1)
    with refused("bad-signature"):
        wallet.pay(world.ledger, 1, invoice)
    garbage = msgspec.structs.replace(invoice, signature=bytes(96))
    with refused("bad-signature"):
        wallet.pay(world.ledger, 1, garbage)


@pytest.mark.parametrize("plan", [0, 2])
def test_plans_that_the_terms_do_not_have(world: World, plan: int) -> None:
    with refused("plan"):
        world.holder().pay(world.ledger, 1, world.invoice(100), plan)


def test_the_whole_credit_can_be_spent(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, LIMIT)
    assert world.token(wallet).available_minor == 0
    with refused("over-limit"):
        wallet.pay(world.ledger, 1, world.invoice(1))


def test_a_line_waits_for_its_signature(world: World) -> None:
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(100))
    for call in (
        lambda: wallet.pay(world.ledger, 1, world.invoice(200)),
        lambda: wallet.refresh(world.ledger, 1),
        lambda: wallet.make_update(world.ledger, 1),
        lambda: wallet.make_statement(world.ledger, 1),
    ):
        with unchanged(world.ledger), refused("line-not-ready"):
            call()
    assert wallet.receive(world.ledger) == []


def test_usable_lines(world: World) -> None:
    wallet = world.holder(limit_minor=1_000)
    world.open_line(wallet, 9_000)
    assert wallet.usable_lines(world.ledger, world.invoice(100)) == [2, 1]
    wallet.pay(world.ledger, 2, world.invoice(100))
    assert wallet.usable_lines(world.ledger, world.invoice(100)) == [1]


def test_batch_submission(world: World) -> None:
    wallets = [world.holder(name) for name in range(3)]
    submissions = [w.prepare_payment(world.ledger, 1, world.invoice(100)) for w in wallets]
    for wallet, receipt in zip(wallets, world.ledger.submit_many(submissions), strict=True):
        assert not isinstance(receipt, Exception)
        wallet.accepted(1, receipt)
    world.answer(*wallets)
    assert {world.token(w).available_minor for w in wallets} == {LIMIT - 100}
    with pytest.raises(StateConflict):
        wallets[0].accepted(1, receipt)


def test_another_ledger_is_refused(world: World) -> None:
    wallet = world.holder()
    other = World()
    with pytest.raises(CheckFailed, match="another ledger"):
        wallet.pay(other.ledger, 1, other.invoice(100))
    assert wallet.receive(other.ledger) == []
    assert wallet.submit_pending(other.ledger) == []
    other.close()


# -- aborted purchases ---------------------------------------------------------------------


def test_expired_purchase_is_refreshed_away(world: World) -> None:
    wallet = world.holder()
    late = wallet.prepare_payment(world.ledger, 1, world.invoice(100, valid_ms=1_000))
    world.clock.forward(2_000)
    with unchanged(world.ledger):
        [(line, error)] = wallet.submit_pending(world.ledger)
    assert line == 1
    assert isinstance(error, Refused)
    assert error.rule == "expired"
    pending = wallet.line(1).pending
    assert pending is not None
    assert pending.refused == "expired"
    world.refresh(wallet)
    assert world.token(wallet).available_minor == LIMIT
    with unchanged(world.ledger), pytest.raises(Refused):
        world.ledger.submit(late)
    world.pay(wallet, 300)


def test_aborted_purchase_cannot_be_submitted_after_the_refresh(world: World) -> None:
    wallet = world.holder()
    aborted = wallet.prepare_payment(world.ledger, 1, world.invoice(100))
    world.refresh(wallet)
    with unchanged(world.ledger), refused("already-spent"):
        world.ledger.submit(aborted)


def test_refresh_of_a_purchase_that_landed_after_all(world: World) -> None:
    wallet = world.holder()
    invoice = world.invoice(100)
    receipt = world.ledger.submit(wallet.prepare_payment(world.ledger, 1, invoice))
    with unchanged(world.ledger), refused("already-spent"):
        wallet.refresh(world.ledger, 1)
    pending = wallet.line(1).pending
    assert pending is not None
    assert (pending.kind, pending.index, pending.amount_minor) == (Kind.SPEND, receipt.index, 100)
    world.answer(wallet)
    assert world.token(wallet).available_minor == LIMIT - 100
    assert wallet.history(1)[-1].label == "Shop 0: goods of Shop 0"


def test_refresh_after_the_period_has_ended(world: World) -> None:
    wallet = world.holder()
    wallet.prepare_payment(world.ledger, 1, world.invoice(100))
    world.open_period()
    with refused("period-not-current"):
        wallet.refresh(world.ledger, 1)
    world.bill(wallet)  # the billing statement takes the aborted purchase's place
    assert world.token(wallet).available_minor == LIMIT


# -- billing -------------------------------------------------------------------------------


def test_statement_needs_the_next_period(world: World) -> None:
    wallet = world.holder()
    with unchanged(world.ledger), refused("period-not-over"):
        wallet.make_statement(world.ledger, 1)
    with refused("unknown-period"):
        wallet.statement_moment(world.ledger, 1)


def test_purchase_in_the_old_period_is_refused(world: World) -> None:
    wallet = world.holder()
    world.open_period()
    for call in (
        lambda: wallet.pay(world.ledger, 1, world.invoice(100)),
        lambda: wallet.make_update(world.ledger, 1),
    ):
        with unchanged(world.ledger), refused("period-not-current"):
            call()


def test_moment_of_the_statement_is_random_and_kept(world: World) -> None:
    wallets = [world.holder(name) for name in range(4)]
    world.open_period()
    opened_ms = world.clock()
    moments = {wallet.statement_moment(world.ledger, 1) for wallet in wallets}
    assert len(moments) == 4
    assert all(0 <= m - opened_ms <= PLAIN.grace_days * DAY_MS * 3 / 4 for m in moments)
    again = world.again(wallets[0])
    assert again.statement_moment(world.ledger, 1) == wallets[0].statement_moment(world.ledger, 1)


def test_openings_can_be_made_again(world: World) -> None:
    wallet = world.holder()
    with pytest.raises(StateConflict):
        wallet.opening(1)
    opening = wallet.make_update(world.ledger, 1)
    assert isinstance(opening, UpdateOpening)
    assert wallet.make_update(world.ledger, 1) == wallet.opening(1) == opening
    world.lender.update(world.ledger, opening)
    wallet.receive(world.ledger)
    world.open_period()
    bill = wallet.make_statement(world.ledger, 1)
    assert isinstance(bill, StatementOpening)
    assert wallet.make_statement(world.ledger, 1) == bill
    world.lender.statement(world.ledger, bill)
    wallet.receive(world.ledger)
    wallet.pay(world.ledger, 1, world.invoice(100))
    with pytest.raises(StateConflict):
        wallet.opening(1)


def test_closed_period_ends_the_line(world: World) -> None:
    wallet = world.holder()
    world.open_period()
    world.lender.close_period(world.ledger, world.terms_hash, 1)
    with unchanged(world.ledger), refused("period-closed"):
        wallet.make_statement(world.ledger, 1)
    assert wallet.line(1).status == "closed"


def test_token_outlives_missed_months_one_bill_at_a_time(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 1_000)
    world.open_period()
    world.open_period()
    assert world.bill(wallet).bill_minor == 1_000
    with refused("period-not-current"):
        wallet.pay(world.ledger, 1, world.invoice(100))
    assert world.bill(wallet).bill_minor == 0
    world.pay(wallet, 100)
    assert [d.period for d in wallet.documents(1)] == [1, 2]


# -- more due buckets, attributes, 64 bits ---------------------------------------------------


def test_plans_attributes_and_wide_amounts() -> None:
    terms = Terms(currency="EUR", due_buckets=3, attributes=2, amount_bits=64)
    world = World(terms)
    huge = 1 << 40
    wallet = world.holder(limit_minor=huge, attributes=(7, 0))
    invoice = world.invoice((1 << 33) + 1)
    wallet.pay(world.ledger, 1, invoice, plan=3)
    world.answer(wallet)
    share = ((1 << 33) + 1) // 3
    assert world.token(wallet).due_minor == [(1 << 33) + 1 - 2 * share, share, share]
    assert world.token(wallet).attributes == [7, 0]
    world.pay(wallet, 10)
    world.open_period()
    document = world.bill(wallet)
    assert document.bill_minor == (1 << 33) + 1 - 2 * share + 10
    assert world.token(wallet).due_minor == [share, share, 0]
    restored = world.wallet()
    restored.restore(world.ledger)
    assert world.token(restored) == world.token(wallet)
    world.close()
