"""Attacks on the order of months: bills skipped, old credit, late submissions."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from kit import LIMIT, World, refused, seed, submission, unchanged

from zkcredit import digests
from zkcredit._native import BlsKey, IssuerKey
from zkcredit.entries import KeyAction, PeriodStatement, Submission
from zkcredit.errors import Refused
from zkcredit.ledger import Receipt
from zkcredit.wallet import Wallet


def test_an_old_periods_token_buys_nothing() -> None:
    world = World()
    wallet = world.holder()
    early = world.spend(wallet, 100)
    world.lender.open_period(world.ledger, world.terms_hash)
    with refused("period-not-current"), unchanged(world.ledger):
        world.ledger.submit(early)
    with refused("period-not-current"), unchanged(world.ledger):
        wallet.pay(world.ledger, 1, world.invoice(100))
    assert wallet.line(1).pending is None  # the wallet has not even proved it
    for step in ("refresh", "update"):
        made = submission(getattr(world.steps(wallet), step)(world.token(wallet)))
        with refused("period-not-current"), unchanged(world.ledger):
            world.ledger.submit(made)
    relabelled = replace(early, statement=replace(early.statement, period=2))  # type: ignore[type-var]
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(relabelled)
    world.bill(wallet)
    world.pay(wallet, 100)


def test_a_purchase_made_in_time_but_submitted_after_the_period() -> None:
    """The lender bills what the ledger has; the late purchase comes to nothing."""
    world = World()
    wallet = world.holder()
    wallet.prepare_payment(world.ledger, 1, world.invoice(100))
    world.open_period()
    ((_, error),) = wallet.submit_pending(world.ledger)
    assert isinstance(error, Refused)
    assert error.rule in ("period-not-current", "expired")
    document = world.bill(wallet)
    assert document.bill_minor == 0
    assert wallet.line(1).available_minor == LIMIT


def test_a_billing_statement_cannot_be_skipped() -> None:
    """Period 1's bill is made before period 2's, whatever the holder tries."""
    world = World()
    wallet = world.holder()
    world.pay(wallet, 5_000)
    world.open_period()
    world.open_period()
    token = world.token(wallet)
    skip = msgspec.structs.replace(token, period=2)
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(submission(world.steps(wallet).statement(skip)))
    jump = msgspec.structs.replace(token, period=3)
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(world.spend(wallet, 10, token=jump))
    assert world.bill(wallet).bill_minor == 5_000
    with refused("period-not-current"):
        wallet.pay(world.ledger, 1, world.invoice(10))
    assert world.bill(wallet).bill_minor == 0
    assert world.token(wallet).period == 3
    world.pay(wallet, 10)


def test_a_billing_statement_before_the_period_is_over() -> None:
    world = World()
    wallet = world.holder()
    made = submission(world.steps(wallet).statement(world.token(wallet)))
    with refused("period-not-current"), unchanged(world.ledger):
        world.ledger.submit(made)
    with refused("period-not-over"), unchanged(world.ledger):
        wallet.make_statement(world.ledger, 1)


def test_a_purchase_hidden_behind_the_bill() -> None:
    """Bill first, spend the same old token afterwards: the second is refused either way."""
    world = World()
    wallet = world.holder()
    hidden = world.spend(wallet, 900)
    bill = submission(world.steps(wallet).statement(world.token(wallet)))
    world.ledger.submit(hidden)
    world.open_period()
    with refused("already-spent"), unchanged(world.ledger):
        world.ledger.submit(bill)


def test_a_line_without_its_bill_falls_due_and_ends() -> None:
    world = World()
    absent, present = world.holder("absent"), world.holder("present")
    world.pay(absent, 700)
    world.open_period()
    world.bill(present)
    (account,) = world.lender.close_period(world.ledger, world.terms_hash, 1)
    assert (account.customer, account.state, account.minimum_minor) == ("absent", "closed", LIMIT)
    assert world.lender.close_period(world.ledger, world.terms_hash, 1) == []
    made = submission(world.steps(absent).statement(world.token(absent)))
    with refused("period-closed"), unchanged(world.ledger):
        world.ledger.submit(made)
    with refused("period-closed"):
        absent.make_statement(world.ledger, 1)
    assert absent.line(1).status == "closed"
    with pytest.raises(Refused):
        absent.pay(world.ledger, 1, world.invoice(1))
    world.pay(present, 5)


def test_nobody_loses_a_line_by_the_lenders_silence() -> None:
    world = World()
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(100))
    world.open_period()
    with refused("signatures-owed"), unchanged(world.ledger):
        world.lender.close_period(world.ledger, world.terms_hash, 1)
    world.answer(wallet)
    world.bill(wallet)
    assert world.lender.close_period(world.ledger, world.terms_hash, 1) == []


def test_a_withheld_opening_does_not_hold_the_period_open_for_ever() -> None:
    """A holder submits its statement and never shows it to the lender."""
    world = World()
    hider, present = world.holder("hider"), world.holder("present")
    world.pay(hider, 700)
    world.open_period()
    world.bill(present)
    hider.make_statement(world.ledger, 1)
    absent = world.lender.close_period(world.ledger, world.terms_hash, 1)
    assert [account.customer for account in absent] == ["hider"]


@pytest.mark.parametrize("period", [1, 2])
def test_an_opening_that_comes_after_the_line_has_ended(period: int) -> None:
    """Else the line would live on beside a closed account, and never be billed again."""
    world = World()
    hider = world.holder("hider")
    world.pay(hider, 700)
    for _ in range(period):
        world.open_period()
    opening = hider.make_statement(world.ledger, 1)
    (closed,) = world.lender.close_period(world.ledger, world.terms_hash, period)
    with refused("period-closed"):
        world.lender.statement(world.ledger, opening)
    assert world.lender.account(1) == closed
    assert world.ledger.reply(opening.entry_index) is None
    world.answer(hider)
    with refused("line-not-ready"), unchanged(world.ledger):
        hider.pay(world.ledger, 1, world.invoice(5))


def test_periods_open_and_close_in_order_and_under_fresh_keys() -> None:
    world = World()
    key = world.ledger.registry.period(world.terms_hash, 1).bbs_key
    fresh = IssuerKey.derive(seed("fresh"), b"").public_key

    def attempt(number: int, action: KeyAction, bbs_key: bytes = b"") -> Receipt:
        statement = PeriodStatement(world.terms_hash, number, action, bbs_key)
        return world.lender._desk.submit(world.ledger, statement)

    for number, action, bbs_key, rule in (
        (3, KeyAction.OPEN, fresh, "period-order"),
        (1, KeyAction.OPEN, fresh, "period-order"),
        (2, KeyAction.OPEN, key, "key-reuse"),
        (1, KeyAction.CLOSE, b"", "period-order"),
        (2, KeyAction.CLOSE, b"", "unknown-period"),
    ):
        with refused(rule), unchanged(world.ledger):
            attempt(number, action, bbs_key)
    world.open_period()
    attempt(1, KeyAction.CLOSE)
    with refused("period-order"), unchanged(world.ledger):
        attempt(2, KeyAction.CLOSE)


# --- purchases that were given up ---------------------------------------------------------


def aborted(world: World) -> tuple[Wallet, Submission]:
    """A purchase that was proved, handed to somebody, and replaced by a refresh."""
    wallet = world.holder()
    made = wallet.prepare_payment(world.ledger, 1, world.invoice(800))
    world.refresh(wallet)
    assert wallet.line(1).status == "ready"
    return wallet, made


def test_late_submission_of_an_aborted_purchase() -> None:
    world = World()
    wallet, made = aborted(world)
    with refused("already-spent"), unchanged(world.ledger):
        world.ledger.submit(made)
    assert wallet.line(1).available_minor == LIMIT
    world.pay(wallet, 5)
    with refused("already-spent"), unchanged(world.ledger):
        world.ledger.submit(made)


def test_late_submission_that_comes_before_the_refresh_is_a_purchase() -> None:
    """The wallet finds out and goes on from what the ledger has."""
    world = World()
    wallet = world.holder()
    before = wallet.dump()
    made = wallet.prepare_payment(world.ledger, 1, world.invoice(800))
    forgetful = Wallet.load(before, clock=world.clock)
    world.ledger.submit(made)
    with refused("already-spent"):
        forgetful.refresh(world.ledger, 1)
    world.answer(forgetful)
    assert forgetful.line(1).status == "ready"
    assert forgetful.line(1).available_minor == LIMIT - 800
    world.pay(forgetful, 5)


def test_an_expired_purchase() -> None:
    world = World()
    wallet = world.holder()
    invoice = world.invoice(100, valid_ms=1_000)
    made = wallet.prepare_payment(world.ledger, 1, invoice)
    world.clock.forward(1_001)
    with refused("expired"), unchanged(world.ledger):
        world.ledger.submit(made)
    other = world.holder("other")
    with refused("expired"), unchanged(world.ledger):
        other.pay(world.ledger, 1, invoice)
    world.refresh(wallet)
    assert wallet.line(1).available_minor == LIMIT


def test_two_attempts_at_one_purchase_reveal_nothing() -> None:
    """The two commitments must not differ by the amount alone."""
    from zkcredit._native import commit, find_amount, subtract_points

    world = World()
    wallet = world.holder()
    steps, token = world.steps(wallet), world.token(wallet)
    first = world.purchase(100)
    attempts = [
        first,
        replace(first, amount_minor=250),
        replace(first, payee=bytes(32)),
        replace(first, rho=bytes(31) + b"\x05"),
    ]
    made = [submission(steps.spend(token, attempt)).statement.commitment for attempt in attempts]  # type: ignore[attr-defined]
    made.append(submission(steps.refresh(token)).statement.commitment)  # type: ignore[attr-defined]
    made.append(submission(steps.update(token)).statement.commitment)  # type: ignore[attr-defined]
    assert len(set(made)) == len(made)
    base = commit([(("H", 4), -1), (("H", 5), 1)])
    for one in made:
        for two in made:
            if one != two:
                assert find_amount(subtract_points(one, two), base, 12) is None
    again = [submission(steps.spend(token, attempts[0])) for _ in range(2)]
    assert again[0].statement == again[1].statement
    assert again[0].evidence != again[1].evidence


def test_two_plans_of_one_purchase_reveal_nothing() -> None:
    world = World()
    keys = world.wallet()._keys
    pairs = [keys.spend_pair(bytes(32), bytes(32), bytes(48), plan) for plan in (1, 2, 3)]
    assert len({one.expose() for pair in pairs for one in pair}) == 6


def test_closing_and_opening_need_the_lender() -> None:
    world = World()
    key = IssuerKey.derive(seed("thief"), b"").public_key
    statement = PeriodStatement(world.terms_hash, 2, KeyAction.OPEN, key)
    digest = digests.registration_digest(world.ledger.ledger_id, statement.encode())
    forged = BlsKey.derive(seed("thief"), b"").sign(digest)
    with refused("bad-signature"), unchanged(world.ledger):
        world.ledger.submit(Submission(statement, forged))
