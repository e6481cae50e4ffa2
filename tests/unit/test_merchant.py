from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from kit import PLAIN, World, refused, seed, submission, unchanged

from zkcredit._native import add_points, bls_verify_batch
from zkcredit.errors import CallerError, MalformedInput, StateConflict, StoreError
from zkcredit.merchant import Merchant, settling
from zkcredit.messages import Invoice, decode_message, encode_message, signing_digest
from zkcredit.tokens import Product, claim_commitment
from zkcredit.wallet.steps import Purchase


@pytest.fixture
def world() -> Iterator[World]:
    world = World(replace(PLAIN, merchant_fee_bps=150))
    yield world
    world.close()


# -- file, registration ----------------------------------------------------------------------


def test_state_survives_the_vault(world: World) -> None:
    wallet = world.holder()
    invoice = world.invoice(500)
    again = Merchant.load(world.merchant.dump(), clock=world.clock)
    wallet.pay(world.ledger, 1, invoice)
    assert [sale.state for sale in again.check(world.ledger)] == ["paid"]
    assert Merchant.load(again.dump()).dump() == again.dump()
    assert again.merchant_id == world.merchant.merchant_id


@pytest.mark.parametrize("data", [b"", b"\x80", b"junk"])
def test_what_is_no_merchant(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        Merchant.load(data)


def test_wallet_and_other_version_are_no_merchant(world: World) -> None:
    with pytest.raises(MalformedInput):
        Merchant.load(world.wallet().dump())
    state = msgspec.msgpack.decode(world.merchant.dump())
    with pytest.raises(MalformedInput, match="version 2"):
        Merchant.load(msgspec.msgpack.encode({**state, "version": 2}))


def test_names_and_phrases() -> None:
    merchant = Merchant.create("Shop")
    assert merchant.phrase is not None
    assert len(merchant.phrase.split()) == 24
    assert repr(merchant) == "Merchant('Shop')"
    with pytest.raises(CallerError):
        pickle.dumps(merchant)
    with pytest.raises(CallerError):
        Merchant.create("bad\nname")
    with pytest.raises(CallerError, match="not registered"):
        _ = merchant.merchant_id


def test_a_merchant_belongs_to_one_ledger(world: World) -> None:
    assert world.merchant.register(world.ledger).duplicate
    other = World()
    with pytest.raises(StateConflict):
        world.merchant.register(other.ledger)
    for call in (
        lambda: world.merchant.check(other.ledger),
        lambda: world.merchant.settle(other.ledger, "IBAN"),
        lambda: world.merchant.invoice(other.ledger, 5, "TWD", "x"),
    ):
        with pytest.raises(StateConflict):
            call()
    other.close()


# -- invoices --------------------------------------------------------------------------------


def test_invoice_is_signed_and_unique(world: World) -> None:
    first, second = world.invoice(500), world.invoice(500)
    key = world.ledger.registry.merchant(first.merchant_id).bls_key
    bls_verify_batch([(key, signing_digest(first), first.signature)])
    assert first.payee != second.payee
    assert first.rho != second.rho
    assert world.merchant.invoice_of(1) == first
    assert first.accepted == [world.terms_hash]
    with pytest.raises(CallerError):
        world.merchant.invoice_of(3)


def test_impossible_invoices(world: World) -> None:
    shop = world.merchant
    for amount in (0, -1, 1 << 63):
        with pytest.raises(CallerError):
            shop.invoice(world.ledger, amount, "TWD", "x")
    with pytest.raises(CallerError):
        shop.invoice(world.ledger, 5, "TWD", "a\nb")
    with refused("no-terms"):
        shop.invoice(world.ledger, 5, "EUR", "x")
    with refused("unknown-terms"):
        shop.invoice(world.ledger, 5, "TWD", "x", accepted=[bytes(32)])
    euro = world.lender.publish_terms(world.ledger, replace(PLAIN, currency="EUR"))
    with pytest.raises(CallerError):
        shop.invoice(world.ledger, 5, "TWD", "x", accepted=[euro])
    assert shop.sales == []


# -- watching --------------------------------------------------------------------------------


def test_paid_sales_are_found_once(world: World) -> None:
    wallet = world.holder()
    world.merchant.check(world.ledger)
    receipt = world.pay(wallet, 500)
    [sale] = world.merchant.check(world.ledger)
    assert (sale.state, sale.claim_index, sale.amount_minor) == ("paid", receipt.index, 500)
    assert sale.terms_hash == world.terms_hash
    assert world.merchant.check(world.ledger) == []


def test_invoices_expire_and_may_have_been_paid_in_time(world: World) -> None:
    wallet = world.holder()
    world.invoice(100, valid_ms=1_000)
    paid = world.invoice(200, valid_ms=1_000)
    wallet.pay(world.ledger, 1, paid)
    world.clock.forward(2_000)
    assert [sale.number for sale in world.merchant.check(world.ledger)] == [2]
    assert [sale.state for sale in world.merchant.sales] == ["expired", "paid"]


@pytest.mark.parametrize("what", ["amount", "rho", "invoice", "time"])
def test_claims_that_are_not_what_was_asked_for(world: World, what: str) -> None:
    wallet = world.holder()
    invoice = world.invoice(500)
    purchase = Purchase(
        amount_minor=499 if what == "amount" else 500,
        rho=bytes(31) + b"\7" if what == "rho" else bytes(invoice.rho),
        payee=bytes(invoice.payee),
        invoice_hash=bytes(32) if what == "invoice" else signing_digest(invoice),
        merchant_id=bytes(invoice.merchant_id),
        not_after_ms=invoice.not_after_ms + (1 if what == "time" else 0),
        plan=1,
        label="x",
    )
    pending = world.steps(wallet).spend(world.token(wallet), purchase)
    world.ledger.submit(submission(pending))
    assert world.merchant.check(world.ledger) == []
    assert world.merchant.sales[0].state == "wrong-claim"
    assert world.merchant.settle(world.ledger, "IBAN", force=True) == []
    assert world.merchant.totals().rows == []


def test_shorter_ledger_is_noticed(world: World) -> None:
    world.merchant.check(world.ledger)
    state = msgspec.msgpack.decode(world.merchant.dump())
    state["cursor"] += 1
    ahead = Merchant.load(msgspec.msgpack.encode(state), clock=world.clock)
    with pytest.raises(StateConflict, match="rolled back"):
        ahead.check(world.ledger)


# -- settling --------------------------------------------------------------------------------


def _sell(world: World, amounts: list[int]) -> None:
    wallet = world.holder()
    for amount in amounts:
        world.pay(wallet, amount)


def test_settlement_is_paid_out_less_the_fee(world: World) -> None:
    _sell(world, [100, 200, 300, 400, 1_000])
    [opening] = world.merchant.settle(world.ledger, "IBAN 1")
    assert opening.sum_minor == 2_000
    order = world.lender.settlement(world.ledger, opening)
    assert (order.sum_minor, order.fee_minor, order.net_minor) == (2_000, 30, 1_970)
    assert world.lender.settlement(world.ledger, opening) == order
    assert world.lender.payouts() == [order]
    assert world.merchant.settlement_openings() == [opening]
    assert world.merchant.accept_payout(world.ledger, order) == order
    assert world.merchant.settlement_openings() == []
    assert world.merchant.payouts() == [order]
    assert {sale.state for sale in world.merchant.sales} == {"settled"}
    assert {sale.settle_index for sale in world.merchant.sales} == {opening.entry_index}
    assert world.merchant.settle(world.ledger, "IBAN 1") == []


def test_few_claims_wait_unless_forced(world: World) -> None:
    assert world.merchant.settle(world.ledger, "IBAN") == []
    _sell(world, [100, 200])
    with unchanged(world.ledger), refused("too-few-claims"):
        world.merchant.settle(world.ledger, "IBAN")
    assert len(world.merchant.settle(world.ledger, "IBAN", force=True)) == 1


def test_a_crash_while_settling_is_repaired(world: World) -> None:
    _sell(world, [100, 200])
    saved: list[bytes] = []

    def save() -> None:
        saved.append(world.merchant.dump())
        raise StoreError("killed")

    with unchanged(world.ledger), pytest.raises(StoreError):
        world.merchant.settle(world.ledger, "IBAN", force=True, save=save)
    again = Merchant.load(saved[0], clock=world.clock)
    [opening] = again.settle(world.ledger, "IBAN")
    assert opening.sum_minor == 300
    late = Merchant.load(saved[0], clock=world.clock)  # crashed after the submission
    assert late.settle(world.ledger, "IBAN") == [opening]
    world.lender.settlement(world.ledger, opening)


def test_large_groups_are_split_evenly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from zkcredit.merchant import merchant

    monkeypatch.setattr(merchant, "CLAIMS_MAX", 3)
    _sell(world, [100, 200, 300, 400])
    openings = world.merchant.settle(world.ledger, "IBAN", force=True)
    assert sorted(opening.sum_minor for opening in openings) == [300, 700]
    assert [len(x) for x in settling.chunks(list(range(7)), 3)] == [2, 2, 3]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [{"sum_minor": 301}, {"sum_rho": bytes(32)}, {"salt": bytes(32)}, {"reference": "IBAN 2"}],
)
def test_wrong_openings_of_a_settlement(world: World, change: dict[str, object]) -> None:
    from zkcredit.messages import signed

    _sell(world, [100, 200])
    [opening] = world.merchant.settle(world.ledger, "IBAN", force=True)
    forged = msgspec.structs.replace(opening, **change)
    with refused("bad-signature"):
        world.lender.settlement(world.ledger, forged)
    forged = signed(forged, world.merchant._keys.bls.sign(signing_digest(forged)))
    with refused("bad-opening"):
        world.lender.settlement(world.ledger, forged)
    assert world.lender.payouts() == []


def test_settlement_whose_sum_is_a_lie(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry binds a wrong sum: payout hash and opening agree, the claims do not."""
    _sell(world, [100, 200])
    world.merchant.check(world.ledger)
    for sale in world.merchant._state.sales:
        sale.amount_minor += 1
    [opening] = world.merchant.settle(world.ledger, "IBAN", force=True)
    assert opening.sum_minor == 302
    with refused("bad-opening"):
        world.lender.settlement(world.ledger, opening)


def test_openings_for_others(world: World) -> None:
    from zkcredit.lender import Lender

    _sell(world, [100, 200])
    [opening] = world.merchant.settle(world.ledger, "IBAN", force=True)
    other = Lender.create(None, seed("other"), "Other", clock=world.clock)
    other.register(world.ledger)
    with refused("wrong-claim"):
        other.settlement(world.ledger, opening)
    with refused("wrong-ledger"):
        elsewhere = msgspec.structs.replace(opening, ledger_id=bytes(32))
        world.lender.settlement(world.ledger, elsewhere)
    for index in (0, 10_000):
        moved = msgspec.structs.replace(opening, entry_index=index)
        with pytest.raises(MalformedInput):
            world.lender.settlement(world.ledger, moved)


def test_changed_payout_orders_are_refused(world: World) -> None:
    _sell(world, [1_000, 200])
    [opening] = world.merchant.settle(world.ledger, "IBAN", force=True)
    order = world.lender.settlement(world.ledger, opening)
    for change, rule in (
        ({"net_minor": 1}, "bad-payout"),
        ({"fee_minor": 1_200, "net_minor": 0}, "bad-payout"),
        ({"reference": "other"}, "bad-payout"),
        ({"merchant_id": bytes(32)}, "bad-payout"),
        ({"issuer_id": bytes(32)}, "bad-payout"),
        ({"issued_ms": 1}, "bad-signature"),
        ({"signature": bytes(96)}, "bad-signature"),
        ({"entry_index": 0}, "unknown-settlement"),
        ({"ledger_id": bytes(32)}, "unknown-settlement"),
    ):
        with refused(rule):
            world.merchant.accept_payout(world.ledger, msgspec.structs.replace(order, **change))
    assert world.merchant.payouts() == []


def test_fees_are_settled_apart(world: World) -> None:
    other = world.lender.publish_terms(world.ledger, replace(PLAIN, merchant_fee_bps=300))
    world.lender.open_period(world.ledger, other)
    _sell(world, [100, 200])
    wallet = world.wallet("second")
    request = wallet.request_line(world.ledger, other)
    world.lender.grant(world.ledger, request, 10_000, "second")
    world.answer(wallet)
    world.pay(wallet, 1_000)
    openings = world.merchant.settle(world.ledger, "IBAN", force=True)
    orders = [world.lender.settlement(world.ledger, opening) for opening in openings]
    assert [(order.sum_minor, order.fee_minor) for order in orders] == [(300, 4), (1_000, 30)]


def test_totals_open_the_claims(world: World) -> None:
    _sell(world, [100, 200, 300])
    world.merchant.check(world.ledger)
    [row] = world.merchant.totals().rows
    assert (row.role, row.sum_minor, row.asset) == ("merchant", 600, "TWD")
    assert row.indexes is not None
    claims = [world.ledger.entry(index).statement for index in row.indexes]
    label = Product.find(world.ledger.registry, world.terms_hash).value_label
    total = add_points([statement.claim for statement in claims])  # type: ignore[attr-defined]
    assert total == claim_commitment(label, row.sum_minor, row.sum_rho)


def test_invoice_files(world: World) -> None:
    invoice = world.invoice(500)
    assert decode_message(encode_message(invoice, indent=True), Invoice) == invoice
