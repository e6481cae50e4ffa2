"""What a lender can say about a customer, and the credential in which it says so."""

from __future__ import annotations

import datetime as dt

import pytest
from kit import DAY_MS, World, seed

from zkcredit.credentials.builtin import CREDIT_HISTORY
from zkcredit.credentials.issuer import CredentialIssuer
from zkcredit.errors import CallerError
from zkcredit.wallet import Wallet


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def wallet(world: World) -> Wallet:
    return world.holder()


def billed(world: World, wallet: Wallet, amount_minor: int = 20_000) -> None:
    """A purchase and its bill: the minimum payment is 1,000."""
    world.pay(wallet, amount_minor)
    world.open_period()
    world.bill(wallet)


def history(world: World) -> tuple[object, ...]:
    """(periods, on time, days late) of account 1."""
    values = world.lender.credit_history(1)
    assert list(values) == [field.name for field in CREDIT_HISTORY.fields]
    today = dt.datetime.fromtimestamp(world.clock() / 1_000, dt.UTC).date()
    assert values["as_of"] == today
    return tuple(values.values())[:3]


def test_before_a_bill_has_fallen_due(world: World, wallet: Wallet) -> None:
    assert history(world) == (0, 0, 0)
    billed(world, wallet)
    assert history(world) == (0, 0, 0)
    with pytest.raises(CallerError, match="no account 2"):
        world.lender.credit_history(2)


def test_a_bill_that_was_paid_in_time(world: World, wallet: Wallet) -> None:
    billed(world, wallet)
    world.clock.forward(10 * DAY_MS)
    world.lender.record_payment(1, 1_000, "a")
    billed(world, wallet)
    assert history(world) == (1, 1, 0)


def test_days_run_until_the_arrears_are_paid(world: World, wallet: Wallet) -> None:
    billed(world, wallet)
    world.lender.record_payment(1, 999, "one short")
    billed(world, wallet)  # arrears of 1
    assert history(world) == (1, 0, 0)
    world.clock.forward(5 * DAY_MS)
    assert history(world) == (1, 0, 5)
    world.clock.forward(1)
    assert history(world) == (1, 0, 6)
    world.lender.record_payment(1, 1, "the rest")
    world.clock.forward(40 * DAY_MS)
    assert history(world) == (1, 0, 6)


def test_a_payment_of_the_bill_before_does_not_count_for_the_arrears(
    world: World, wallet: Wallet
) -> None:
    billed(world, wallet)
    world.open_period()
    world.lender.record_payment(1, 500, "half, in the moment of the bill")
    world.bill(wallet)  # arrears of 500
    world.clock.forward(3 * DAY_MS)
    assert history(world) == (1, 0, 3)


def test_credits_pay_no_arrears(world: World, wallet: Wallet) -> None:
    billed(world, wallet)
    billed(world, wallet)
    world.lender.record_credit(1, 1_000, "refund")
    world.clock.forward(2 * DAY_MS)
    assert history(world) == (1, 0, 2)


def test_arrears_that_go_on_are_counted_once(world: World, wallet: Wallet) -> None:
    for _ in range(3):
        billed(world, wallet)
    assert history(world) == (2, 0, 30)
    world.clock.forward(4 * DAY_MS)
    world.lender.record_payment(1, 50_000, "all")
    world.clock.forward(9 * DAY_MS)
    assert history(world) == (2, 0, 34)
    billed(world, wallet)
    assert history(world) == (3, 1, 34)


def test_a_line_closed_with_a_debt(world: World, wallet: Wallet) -> None:
    billed(world, wallet)
    assert history(world) == (0, 0, 0)
    world.lender.close_account(1)
    world.clock.forward(7 * DAY_MS)
    assert history(world) == (1, 0, 7)
    world.lender.record_payment(1, 20_000, "all of it")
    assert history(world) == (0, 0, 0)


def test_the_holder_gets_it_as_a_credential(world: World, wallet: Wallet) -> None:
    billed(world, wallet)
    world.lender.record_payment(1, 1_000, "a")
    billed(world, wallet)
    issuer = CredentialIssuer.create(None, seed("lender"), "Bank", clock=world.clock)
    issuer.register(world.ledger)
    issuer.publish_schema(world.ledger, CREDIT_HISTORY)
    issuer.open_key(world.ledger, CREDIT_HISTORY.hash)
    request = wallet.credentials.request(world.ledger, world.issuer_id, CREDIT_HISTORY.hash)
    values = world.lender.credit_history(1)
    reply = issuer.issue(world.ledger, request, values, dt.date(2026, 12, 31))
    held = wallet.credentials.receive(world.ledger, reply)
    assert held.values == values
    assert held.values["on_time_periods"] == 1
