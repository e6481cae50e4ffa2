"""The phrase is enough: whatever step the program died in, and whatever was lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from kit import INTEREST, LIMIT, PLAIN, Rogue, World, consistent, refused, seed

from zkcredit.errors import ZkCreditError
from zkcredit.keys import new_phrase
from zkcredit.lender import Lender
from zkcredit.messages import StatementOpening
from zkcredit.wallet import Wallet

PHRASE = " ".join(["abandon"] * 23 + ["art"])
POINTS = ("proved", "saved", "submitted", "answered", "received")
"""How far a step came before the program died."""


def fresh(world: World, phrase: str = PHRASE) -> Wallet:
    """A new device: nothing but the words."""
    return Wallet.from_phrase(phrase, clock=world.clock)


def restored(world: World, phrase: str = PHRASE) -> Wallet:
    wallet = fresh(world, phrase)
    wallet.restore(world.ledger)
    return wallet


def opened(world: World, phrase: str = PHRASE) -> Wallet:
    wallet = fresh(world, phrase)
    world.open_line(wallet)
    return wallet


def serve(world: World, wallet: Wallet) -> None:
    """The lender answers whatever waits, openings included."""
    for line in wallet.lines:
        pending = line.pending
        if pending is None or pending.index is None:
            continue
        if pending.kind_name in ("statement", "update"):
            opening = wallet.opening(line.number)
            if isinstance(opening, StatementOpening):
                world.lender.statement(world.ledger, opening)
            else:
                world.lender.update(world.ledger, opening)
    world.answer(wallet)


def usable(world: World, wallet: Wallet, line: int = 1) -> None:
    """Brings a restored line to where it can pay, and pays."""
    serve(world, wallet)
    state = wallet.line(line)
    if state.must_refresh:
        with refused("refresh-first"):
            wallet.pay(world.ledger, line, world.invoice(1))
        current = world.ledger.registry.current_period(world.terms_hash)
        if world.token(wallet, line).period < current:
            world.bill(wallet, line)
        else:
            world.refresh(wallet, line)
    assert wallet.line(line).status == "ready"
    consistent(wallet.line(line))
    world.pay(wallet, 1, line=line)
    consistent(wallet.line(line))


Step = Callable[[World, Wallet], Any]

STEPS: dict[str, tuple[Step, Step, Callable[[bool], int]]] = {
    # name: (prove, submit, credit afterwards if it did (not) come onto the ledger)
    "purchase": (
        lambda w, x: x.prepare_payment(w.ledger, 1, w.invoice_kept),  # type: ignore[attr-defined]
        lambda w, x: x.pay(w.ledger, 1, w.invoice_kept),  # type: ignore[attr-defined]
        lambda landed: LIMIT - 5_000 - (700 if landed else 0),
    ),
    "refresh": (
        lambda w, x: x.prepare_refresh(w.ledger, 1),
        lambda w, x: x.refresh(w.ledger, 1),
        lambda _: LIMIT - 5_000,
    ),
    "update": (
        lambda w, x: x.prepare_update(w.ledger, 1),
        lambda w, x: x.make_update(w.ledger, 1),
        lambda landed: LIMIT - 5_000 + (400 if landed else 0),
    ),
    "statement": (
        lambda w, x: x.prepare_statement(w.ledger, 1),
        lambda w, x: x.make_statement(w.ledger, 1),
        lambda _: LIMIT - 5_000 + 400,  # an unsent statement is made after the restore
    ),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("point", POINTS)
def test_phrase_only_after_a_crash_in(step: str, point: str) -> None:
    world = World()
    wallet = opened(world)
    world.pay(wallet, 5_000)
    world.lender.record_payment(1, 400, "transfer")
    if step == "statement":
        world.open_period()
    world.invoice_kept = world.invoice(700)  # type: ignore[attr-defined]
    prove, submit, expected = STEPS[step]
    landed = POINTS.index(point) >= POINTS.index("submitted")
    (submit if landed else prove)(world, wallet)
    if point in ("answered", "received"):
        serve(world, wallet)
    del wallet
    back = restored(world)
    assert [line.number for line in back.lines] == [1]
    serve(world, back)
    if back.line(1).must_refresh:
        if step == "statement" and not landed:
            world.bill(back)
        else:
            world.refresh(back)
    assert back.line(1).available_minor == expected(landed)
    usable(world, back)


@pytest.mark.parametrize("step", STEPS)
def test_vault_after_a_crash_in(step: str) -> None:
    """The saved wallet goes on where it was, at each point, with the same bytes."""
    for point in POINTS[1:]:
        world = World()
        wallet = opened(world)
        world.pay(wallet, 5_000)
        world.lender.record_payment(1, 400, "transfer")
        if step == "statement":
            world.open_period()
        world.invoice_kept = world.invoice(700)  # type: ignore[attr-defined]
        prove, submit, expected = STEPS[step]
        prove(world, wallet)
        stored = wallet.dump()
        if point != "saved":
            submit(world, wallet)
        if point in ("answered", "received"):
            serve(world, wallet)
        size = world.ledger.size
        back = Wallet.load(stored, clock=world.clock)
        ((number, receipt),) = back.submit_pending(world.ledger)
        assert number == 1
        assert not isinstance(receipt, ZkCreditError)
        assert receipt.duplicate is (point != "saved")
        assert world.ledger.size == size + (point == "saved")
        serve(world, back)
        assert back.line(1).available_minor == expected(True)
        usable(world, back)


@pytest.mark.parametrize("point", ["requested", "granted", "signed", "received"])
def test_phrase_only_after_a_crash_in_an_open(point: str) -> None:
    world = World()
    wallet = fresh(world)
    request = wallet.request_line(world.ledger, world.terms_hash)
    if point != "requested":
        world.lender.grant(world.ledger, request, LIMIT, "customer")
    if point in ("signed", "received"):
        world.lender.sign_pending(world.ledger)
    back = restored(world)
    if point == "requested":
        assert back.lines == []
        again = back.request_line(world.ledger, world.terms_hash)
        assert again.statement == request.statement
        world.lender.grant(world.ledger, again, LIMIT, "customer")
        world.answer(back)
    usable(world, back)
    assert back.line(1).available_minor == LIMIT - 1


def test_restore_gives_the_same_lines_history_and_documents() -> None:
    world = World(INTEREST, shops=2)
    wallet = opened(world)
    for number in range(3):
        world.pay(wallet, 1_000 + number, shop=number % 2)
    world.refresh(wallet)
    world.open_period()
    world.bill(wallet)
    world.lender.record_payment(1, 250, "transfer")
    world.lender.change_limit(1, LIMIT + 5_000, "raise")
    world.update(wallet)
    world.pay(wallet, 77)
    world.open_period()
    world.bill(wallet)
    back = restored(world)
    mine, theirs = wallet.line(1), back.line(1)
    assert theirs.must_refresh
    for name in ("token", "limit_minor", "balance_minor", "minimum_minor", "added_minor"):
        assert getattr(theirs, name) == getattr(mine, name), name
    assert back.documents(1) == wallet.documents(1)
    # Whose invoices were paid stands in no memo.
    known = [msgspec.structs.replace(row, merchant_id=b"") for row in wallet.history()]
    assert back.history() == known
    labels = [row.label for row in back.history() if row.kind == "spend"]
    assert labels[0].startswith("Shop 0")
    usable(world, back)


def test_restore_twice_and_over_a_wallet_that_knows_its_lines() -> None:
    world = World()
    wallet = opened(world)
    world.pay(wallet, 10)
    first = wallet.restore(world.ledger)
    assert (first.lines, first.restored, first.must_refresh) == ([1], 0, [1])
    again = wallet.restore(world.ledger)
    assert again.lines == [1]
    assert len(wallet.lines) == 1
    assert len(wallet.history()) == 2
    usable(world, wallet)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_stored_before_it_is_submitted(step: str) -> None:
    world = World()
    wallet = opened(world)
    if step == "statement":
        world.open_period()
    size = world.ledger.size
    seen: list[int] = []

    def save() -> None:
        assert world.ledger.size == size
        pending = Wallet.load(wallet.dump()).line(1).pending
        assert pending is not None
        seen.append(pending.kind)

    if step == "purchase":
        wallet.pay(world.ledger, 1, world.invoice(5), save=save)
    else:
        call = {"refresh": "refresh", "update": "make_update", "statement": "make_statement"}[step]
        getattr(wallet, call)(world.ledger, 1, save)
    assert len(seen) == 1
    assert world.ledger.size == size + 1


# --- without memos ------------------------------------------------------------------------


class Memoless(Rogue):
    """The ledger no longer has the memos (or never had readable ones)."""

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        return super().evidence(index)[0], bytes(128)


def restored_without_memos(world: World) -> Wallet:
    wallet = fresh(world)
    wallet.restore(Memoless(world.ledger))  # type: ignore[arg-type]
    assert all(row.label == "-" for row in wallet.history())
    return wallet


@pytest.mark.parametrize("amount_minor", [1, 4_096, 65_537, LIMIT - 1])
def test_the_amount_is_found_without_a_memo(amount_minor: int) -> None:
    world = World()
    wallet = opened(world)
    world.pay(wallet, amount_minor)
    back = restored_without_memos(world)
    assert back.line(1).token == wallet.line(1).token
    (row,) = (row for row in back.history() if row.kind == "spend")
    assert row.amount_minor == amount_minor
    usable(world, back)


def test_a_large_amount_is_found_without_a_memo() -> None:
    world = World()
    wallet = fresh(world)
    world.open_line(wallet, 2**32 - 1)
    world.pay(wallet, 2**32 - 3)
    back = restored_without_memos(world)
    assert back.line(1).token == wallet.line(1).token
    usable(world, back)


@pytest.mark.parametrize(("amount_minor", "plan"), [(1, 1), (2, 3), (10_000, 3), (10_001, 2)])
def test_amount_and_plan_are_found_without_a_memo(amount_minor: int, plan: int) -> None:
    world = World(replace(PLAIN, due_buckets=3))
    wallet = opened(world)
    wallet.pay(world.ledger, 1, world.invoice(amount_minor), plan)
    world.answer(wallet)
    back = restored_without_memos(world)
    assert back.line(1).token == wallet.line(1).token
    usable(world, back)


# --- several lines, lenders, ledgers ------------------------------------------------------------


def second_lender(world: World, currency: str = "USD") -> tuple[Lender, bytes]:
    lender = Lender.create(None, seed(currency), f"Bank of {currency}", clock=world.clock)
    lender.register(world.ledger)
    terms_hash = lender.publish_terms(world.ledger, replace(PLAIN, currency=currency))
    lender.open_period(world.ledger, terms_hash)
    return lender, terms_hash


def test_several_lenders_and_lines() -> None:
    world = World()
    other, their_terms = second_lender(world)
    wallet = fresh(world)
    for limit_minor in (10_000, 20_000):
        world.open_line(wallet, limit_minor)
    request = wallet.request_line(world.ledger, their_terms)
    other.grant(world.ledger, request, 30_000, "customer")
    other.sign_pending(world.ledger)
    wallet.receive(world.ledger)
    world.open_line(wallet, 40_000)
    limits = [line.limit_minor for line in wallet.lines]
    assert limits == [10_000, 20_000, 30_000, 40_000]
    world.pay(wallet, 500, line=2)
    foreign = world.merchant.invoice(world.ledger, 900, "USD", "abroad")
    wallet.pay(world.ledger, 3, foreign)
    other.sign_pending(world.ledger)
    wallet.receive(world.ledger)
    back = fresh(world)
    report = back.restore(world.ledger)
    assert report.restored == 4
    assert sorted(line.limit_minor for line in back.lines) == limits
    expected = {10_000: 10_000, 20_000: 19_500, 30_000: 29_100, 40_000: 40_000}
    assert {line.limit_minor: line.available_minor for line in back.lines} == expected
    for line in back.lines:
        if line.terms_hash == world.terms_hash:
            usable(world, back, line.number)
    assert len({line.token.blind for line in back.lines if line.token}) == 4


@pytest.mark.parametrize(("gap", "found"), [(2, 2), (3, 1)])
def test_the_search_goes_on_over_two_unused_lines_but_not_three(gap: int, found: int) -> None:
    world = World()
    wallet = opened(world)
    for _ in range(gap):
        wallet.request_line(world.ledger, world.terms_hash)  # never granted
    world.open_line(wallet, 7_000)
    back = fresh(world)
    assert back.restore(world.ledger).restored == found
    limits = sorted(line.limit_minor for line in back.lines)
    assert limits == ([7_000, LIMIT] if found == 2 else [LIMIT])


def test_another_phrase_finds_nothing() -> None:
    world = World()
    opened(world)
    back = fresh(world, new_phrase())
    report = back.restore(world.ledger)
    assert (report.lines, back.lines, report.scanned) == ([], [], world.ledger.size)


def test_a_new_line_after_a_restore_is_a_new_line() -> None:
    world = World()
    opened(world)
    back = restored(world)
    usable(world, back)
    number = world.open_line(back, 3_000)
    assert number == 2
    assert {line.ordinal for line in back.lines} == {0, 1}


def test_two_devices_with_one_phrase() -> None:
    """The second device's step is found by the first, which then goes on."""
    world = World()
    one = opened(world)
    two = restored(world)
    usable(world, two)
    spent = two.line(1).available_minor
    with refused("already-spent"):
        one.pay(world.ledger, 1, world.invoice(100))
    world.answer(one)
    for _ in range(3):
        if one.line(1).token == two.line(1).token:
            break
        with refused("already-spent"):
            one.refresh(world.ledger, 1)
        world.answer(one)
    assert one.line(1).available_minor == spent
    world.pay(one, 5)


def test_restore_asks_the_ledger_for_no_single_nullifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """That would hand the operator the chain of a line's steps."""
    world = World()
    wallet = opened(world)
    world.pay(wallet, 10)
    world.pay(wallet, 20)

    def asked(*_: object) -> None:
        raise AssertionError("the ledger was asked for one step")

    for name in ("find_nullifier", "find_open", "find_statement"):
        monkeypatch.setattr(type(world.ledger), name, asked)
    assert restored(world).line(1).available_minor == LIMIT - 30


def test_restore_of_a_line_that_fell_behind_by_months() -> None:
    world = World(INTEREST)
    wallet = opened(world)
    world.pay(wallet, 5_000)
    for _ in range(3):
        world.open_period()
    back = restored(world)
    for period in (1, 2, 3):
        assert world.bill(back).period == period
    assert world.token(back).period == 4
    usable(world, back)
