from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from kit import INTEREST, LIMIT, World, consistent, refused, unchanged

from zkcredit._native import bls_verify_batch
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    Refused,
    StateConflict,
)
from zkcredit.messages import signing_digest


@pytest.fixture
def world() -> Iterator[World]:
    world = World(INTEREST)
    yield world
    world.close()


def test_bill_interest_payment_arrears(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 50_000)
    world.open_period()
    first = world.bill(wallet)
    assert (first.bill_minor, first.balance_minor) == (50_000, 50_000)
    assert first.minimum_minor == 2_500
    consistent(wallet.line(1))

    world.lender.record_payment(1, 1_000, "p1")  # less than the minimum
    world.open_period()
    second = world.bill(wallet)
    interest_minor = round(49_000 * 1_800 * 28 / 3_650_000)
    assert (second.interest_minor, second.late_fee_minor) == (interest_minor, 300)
    assert second.arrears_minor == 1_500
    assert second.balance_minor == 49_000 + interest_minor + 300
    assert world.lender.account(1).state == "arrears"
    consistent(wallet.line(1))

    world.lender.record_payment(1, second.balance_minor, "p2")
    assert world.lender.owed_minor(1) == 0
    world.open_period()
    third = world.bill(wallet)
    assert (third.balance_minor, third.arrears_minor, third.late_fee_minor) == (0, 0, 0)
    assert world.lender.account(1).state == "active"
    assert wallet.documents(1) == world.lender.documents(1) == [first, second, third]
    consistent(wallet.line(1))


def test_documents_are_signed(world: World) -> None:
    wallet = world.holder()
    world.open_period()
    document = world.bill(wallet)
    key = world.ledger.registry.issuer(world.issuer_id).bls_key
    bls_verify_batch([(key, signing_digest(document), document.signature)])


def test_statement_is_answered_once(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 700)
    world.open_period()
    opening = wallet.make_statement(world.ledger, 1)
    first = world.lender.statement(world.ledger, opening)
    world.lender.record_payment(1, 500, "late")
    with unchanged(world.ledger):
        assert world.lender.statement(world.ledger, opening) == first
    wallet.receive(world.ledger)
    world.open_period()
    assert world.bill(wallet).payments_minor == 500


@pytest.mark.parametrize(
    "change",
    [
        {"account": 2},
        {"due_minor": 699},
        {"due_minor": 701, "account": 1},
        {"delta": bytes(31) + b"\1"},
        {"rho_due": bytes(31) + b"\1"},
    ],
)
def test_wrong_openings_of_a_bill(world: World, change: dict[str, Any]) -> None:
    wallet, _other = world.holder("a"), world.holder("b")
    world.pay(wallet, 700)
    world.open_period()
    opening = wallet.make_statement(world.ledger, 1)
    with refused("bad-opening"):
        world.lender.statement(world.ledger, msgspec.structs.replace(opening, **change))
    assert world.lender.documents() == []
    assert world.ledger.reply(opening.entry_index) is None
    assert world.lender.statement(world.ledger, opening).bill_minor == 700


def test_openings_of_other_entries(world: World) -> None:
    wallet = world.holder()
    world.open_period()
    opening = wallet.make_statement(world.ledger, 1)
    for change, error in (
        ({"entry_index": 10_000}, MalformedInput),
        ({"entry_index": 0}, MalformedInput),
        ({"ledger_id": bytes(32)}, Refused),
        ({"account": 99}, Refused),
    ):
        with pytest.raises(error):
            world.lender.statement(world.ledger, msgspec.structs.replace(opening, **change))


def test_batch_of_statements(world: World) -> None:
    wallets = [world.holder(name) for name in range(4)]
    for position, wallet in enumerate(wallets):
        world.pay(wallet, 100 + position)
    world.open_period()
    openings = [wallet.make_statement(world.ledger, 1) for wallet in wallets]
    openings[1] = msgspec.structs.replace(openings[1], due_minor=1)
    results = world.lender.statements(world.ledger, openings)
    assert isinstance(results[1], Refused)
    bills = [getattr(result, "bill_minor", None) for result in results]
    assert bills == [100, None, 102, 103]
    assert world.lender.sign_pending(world.ledger).waiting == [openings[1].entry_index]


def test_updates_bring_payments_at_once(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 60_000)
    world.lender.record_payment(1, 500, "p1")
    world.lender.record_credit(1, 70, "c1")
    world.lender.change_limit(1, LIMIT + 1_000, "l1")
    opening = wallet.make_update(world.ledger, 1)
    reply = world.lender.update(world.ledger, opening)
    assert (reply.payments_minor, reply.credits_minor) == (500, 70)
    assert world.lender.update(world.ledger, opening) == reply
    wallet.receive(world.ledger)
    assert world.token(wallet).available_minor == LIMIT - 60_000 + 500 + 70 + 1_000
    consistent(wallet.line(1))
    world.open_period()
    document = world.bill(wallet)
    assert (document.payments_minor, document.added_before_minor) == (500, 570)
    assert document.balance_minor == 60_000 - 570
    assert document.limit_change_minor == 0
    assert world.token(wallet).available_minor == LIMIT + 1_000 - document.balance_minor
    consistent(wallet.line(1))


def test_wrong_openings_of_an_update(world: World) -> None:
    wallet, _other = world.holder("a"), world.holder("b")
    opening = wallet.make_update(world.ledger, 1)
    for change in ({"account": 2}, {"delta": bytes(31) + b"\1"}):
        with refused("bad-opening"):
            world.lender.update(world.ledger, msgspec.structs.replace(opening, **change))
    world.lender.update(world.ledger, opening)
    with refused("bad-opening"):
        other_key = msgspec.structs.replace(opening, reply_key=bytes(32))
        world.lender.update(world.ledger, other_key)


def test_payments_are_recorded_once(world: World) -> None:
    world.holder()
    assert world.lender.record_payment(1, 500, "p1") is True
    assert world.lender.record_payment(1, 500, "p1") is False
    assert world.lender.record_credit(1, 500, "p1") is True
    with pytest.raises(StateConflict):
        world.lender.record_payment(1, 501, "p1")
    for amount in (0, -5):
        with pytest.raises(CallerError):
            world.lender.record_payment(1, amount, "p2")
    with pytest.raises(CallerError):
        world.lender.record_payment(9, 5, "p2")
    assert world.lender.owed_minor(1) == -1_000


def test_limit_and_credits_stay_in_range(world: World) -> None:
    world.holder()
    room = (1 << 32) - 1 - LIMIT
    with refused("over-bits"):
        world.lender.record_payment(1, room + 1, "p")
    assert world.lender.record_payment(1, room, "p")
    with refused("over-bits"):
        world.lender.change_limit(1, LIMIT + 1, "l")
    with refused("over-bits"):
        world.lender.record_credit(1, 1, "c")
    with pytest.raises(CallerError):
        world.lender.change_limit(1, -1, "l")


def test_limit_changed_before_the_line_is_open(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "A")
    world.lender.change_limit(1, 7_000, "l")
    world.answer(wallet)
    assert world.token(wallet).available_minor == 7_000
    world.open_period()
    assert world.bill(wallet).limit_change_minor == 0


# -- no-show, dispute, closing ---------------------------------------------------------------


def test_no_show_falls_due_as_a_whole(world: World) -> None:
    absent, present = world.holder("absent"), world.holder("present")
    world.pay(absent, 400)
    world.open_period()
    world.bill(present)
    closed = world.lender.close_period(world.ledger, world.terms_hash, 1)
    assert [account.customer for account in closed] == ["absent"]
    account = world.lender.account(closed[0].number)
    assert (account.state, account.balance_minor, account.minimum_minor) == (
        "closed",
        LIMIT,
        LIMIT,
    )
    assert world.lender.account(2).state == "active"


def test_no_show_waits_while_signatures_are_owed(world: World) -> None:
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(100))
    world.open_period()
    with unchanged(world.ledger), refused("signatures-owed"):
        world.lender.close_period(world.ledger, world.terms_hash, 1)
    assert world.lender.account(1).state == "active"
    world.answer(wallet)
    world.bill(wallet)
    assert world.lender.close_period(world.ledger, world.terms_hash, 1) == []


def test_dispute_waives_interest_and_fees(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 50_000)
    world.open_period()
    world.bill(wallet)
    world.lender.dispute(1, "never bought that")
    world.open_period()
    document = world.bill(wallet)
    assert wallet.line(1).status == "ready"
    assert document.waived_minor == document.interest_minor + document.late_fee_minor > 300
    assert document.balance_minor == 50_000
    assert world.lender.account(1).note == "never bought that"
    assert world.lender.resolve(1).state == "arrears"
    with pytest.raises(StateConflict):
        world.lender.resolve(1)


def test_closed_account_bills_but_buys_nothing(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 600)
    world.lender.close_account(1)
    with pytest.raises(StateConflict):
        world.lender.close_account(1)
    with pytest.raises(StateConflict):
        world.lender.dispute(1, "late")
    world.open_period()
    assert world.bill(wallet).limit_minor == 0
    assert world.token(wallet).available_minor == -600
    with refused("over-limit"):
        wallet.pay(world.ledger, 1, world.invoice(1))
    world.lender.record_payment(1, 600, "p")
    world.update(wallet)
    assert world.token(wallet).available_minor == 0
    assert world.lender.account(1).state == "closed"
