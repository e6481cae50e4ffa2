"""Months of a line, from the grant to the audit, all roles in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from kit import INTEREST, LIMIT, PLAIN, World, consistent, refused, seed, unchanged

from zkcredit.errors import CheckFailed, StoreError, ZkCreditError
from zkcredit.ledger import Operator
from zkcredit.lender import Lender
from zkcredit.terms import Terms
from zkcredit.vault import TEST_COST, Vault
from zkcredit.wallet import Wallet
from zkcredit.wallet.state import HistoryRow


@pytest.fixture
def world() -> Iterator[World]:
    world = World(INTEREST, shops=2)
    yield world
    world.close()


def from_the_ledger(history: list[HistoryRow]) -> list[HistoryRow]:
    """What of a history the ledger brings back: all but who the merchants were."""
    return [msgspec.structs.replace(row, merchant_id=b"") for row in history]


def restored(world: World, wallet: Wallet) -> Wallet:
    """A new wallet from the same secret and the ledger alone."""
    fresh = Wallet.load(wallet.dump(), clock=world.clock)
    blank = Wallet.from_seed(fresh._keys.seed, clock=world.clock)
    blank.restore(world.ledger)
    return blank


def test_three_months(world: World) -> None:
    wallet = world.holder("Alice")
    charged_minor = 0
    for month in range(1, 4):
        for purchase in range(3):
            amount_minor = 1_000 * month + purchase
            world.pay(wallet, amount_minor, shop=purchase % 2)
            charged_minor += amount_minor
        consistent(wallet.line(1))
        world.lender.record_payment(1, 500 * month, f"month {month}")
        world.open_period()
        document = world.bill(wallet)
        assert document.period == month
        consistent(wallet.line(1))
        for shop in (0, 1):
            world.settle(shop)
    paid = sum(order.net_minor for order in world.lender.payouts())
    billed = sum(document.bill_minor for document in wallet.documents(1))
    assert charged_minor == paid == billed
    report = world.audit()
    assert (report.purchases, report.claims_settled, report.unanswered) == (9, 9, 0)
    assert (report.uncovered_claims, report.uncovered_bills) == (0, 0)
    assert [row.kind for row in wallet.history()].count("spend") == 9
    again = restored(world, wallet)
    assert again.history() == from_the_ledger(wallet.history())
    assert again.documents(1) == wallet.documents(1)
    assert world.token(again) == world.token(wallet)


def test_one_wallet_two_lenders_two_currencies(world: World) -> None:
    wallet = world.holder("Alice")
    second = Lender.create(None, seed("second"), "Zweite Bank", clock=world.clock)
    second.register(world.ledger)
    euro = second.publish_terms(world.ledger, replace(PLAIN, currency="EUR", amount_bits=64))
    second.open_period(world.ledger, euro)
    request = wallet.request_line(world.ledger, euro)
    second.grant(world.ledger, request, 9_000, "Alice")
    second.sign_pending(world.ledger)
    wallet.receive(world.ledger)
    invoice = world.merchant.invoice(world.ledger, 700, "EUR", "Kaffee")
    assert wallet.usable_lines(world.ledger, invoice) == [2]
    with refused("not-accepted"):
        wallet.pay(world.ledger, 1, invoice)
    wallet.pay(world.ledger, 2, invoice)
    second.sign_pending(world.ledger)
    world.pay(wallet, 300)
    openings = world.merchant.settle(world.ledger, "IBAN", force=True)
    assert len(openings) == 2
    for opening in openings:
        lenders = (world.lender, second)
        orders = [order for x in lenders if (order := _try(x, world, opening)) is not None]
        assert len(orders) == 1
        world.merchant.accept_payout(world.ledger, orders[0])
    assert {order.currency for order in world.merchant.payouts()} == {"TWD", "EUR"}
    again = restored(world, wallet)
    assert sorted(line.issuer_id for line in again.lines) == sorted(
        line.issuer_id for line in wallet.lines
    )
    assert world.merchant.totals().rows[0].issuer_id != world.merchant.totals().rows[1].issuer_id


def _try(lender: Lender, world: World, opening: object) -> object | None:
    try:
        return lender.settlement(world.ledger, opening)  # type: ignore[arg-type]
    except ZkCreditError:
        return None


# -- restore at every point of a purchase ----------------------------------------------------


def _before(world: World, wallet: Wallet) -> None:
    del world, wallet


def _proved(world: World, wallet: Wallet) -> None:
    wallet.prepare_payment(world.ledger, 1, world.invoice(700))


def _submitted(world: World, wallet: Wallet) -> None:
    wallet.pay(world.ledger, 1, world.invoice(700))


def _signed(world: World, wallet: Wallet) -> None:
    _submitted(world, wallet)
    world.lender.sign_pending(world.ledger)


def _received(world: World, wallet: Wallet) -> None:
    world.pay(wallet, 700)


@pytest.mark.parametrize(
    ("step", "status", "left_minor"),
    [
        (_before, "ready", LIMIT),
        (_proved, "ready", LIMIT),
        (_submitted, "pending", LIMIT),
        (_signed, "ready", LIMIT - 700),
        (_received, "ready", LIMIT - 700),
    ],
)
def test_phrase_alone_after_a_crash(
    world: World, step: Callable[[World, Wallet], None], status: str, left_minor: int
) -> None:
    wallet = world.holder()
    step(world, wallet)
    again = restored(world, wallet)
    line = again.line(1)
    assert (line.status, line.available_minor) == (status, left_minor)
    if status == "pending":
        world.answer(again)
        left_minor -= 700
    else:
        assert line.must_refresh
        with unchanged(world.ledger), refused("refresh-first"):
            again.pay(world.ledger, 1, world.invoice(5))
        world.refresh(again)
    assert world.token(again).available_minor == left_minor
    world.pay(again, 5)
    consistent(again.line(1))


@pytest.mark.parametrize("step", [_before, _proved, _submitted, _signed])
def test_vault_after_a_crash(
    world: World, tmp_path: Path, step: Callable[[World, Wallet], None]
) -> None:
    wallet = world.holder()
    with Vault.create(tmp_path / "w", "pass", "wallet", wallet.dump(), TEST_COST) as vault:
        step(world, wallet)
        vault.save(wallet.dump())
    with Vault.open(tmp_path / "w", "pass", "wallet") as vault:
        again = Wallet.load(vault.data, clock=world.clock)
    assert all(not isinstance(r, Exception) for _, r in again.submit_pending(world.ledger))
    world.answer(again)
    expected = LIMIT if step is _before else LIMIT - 700
    assert world.token(again).available_minor == expected
    world.pay(again, 5)


def test_restore_with_an_unanswered_request(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    assert restored(world, wallet).lines == []
    world.lender.grant(world.ledger, request, LIMIT, "A")
    again = restored(world, wallet)
    assert again.line(1).status == "pending"
    world.answer(again, wallet)
    assert world.token(again) == world.token(wallet)


@pytest.mark.parametrize("kind", ["statement", "update", "refresh"])
def test_restore_in_the_middle_of_other_steps(world: World, kind: str) -> None:
    wallet = world.holder()
    world.pay(wallet, 700)
    world.lender.record_payment(1, 50, "p")
    if kind == "statement":
        world.open_period()
        wallet.make_statement(world.ledger, 1)
    elif kind == "update":
        wallet.make_update(world.ledger, 1)
    else:
        wallet.refresh(world.ledger, 1)
    again = restored(world, wallet)
    assert again.line(1).status == "pending"
    if kind == "statement":
        assert again.opening(1) == wallet.opening(1)
        world.lender.statement(world.ledger, again.opening(1))  # type: ignore[arg-type]
    elif kind == "update":
        assert again.opening(1) == wallet.opening(1)
        world.lender.update(world.ledger, again.opening(1))  # type: ignore[arg-type]
    world.answer(again, wallet)
    assert world.token(again) == world.token(wallet)
    assert again.history() == from_the_ledger(wallet.history())
    consistent(again.line(1))


def test_restored_line_of_an_old_period_bills_instead_of_refreshing(world: World) -> None:
    wallet = world.holder()
    world.pay(wallet, 700)
    world.open_period()
    again = restored(world, wallet)
    with refused("period-not-current"):
        again.refresh(world.ledger, 1)
    world.bill(again)
    assert not again.line(1).must_refresh
    world.pay(again, 5)


def test_restore_in_place_keeps_numbers(world: World) -> None:
    wallet = world.holder()
    world.open_line(wallet, 5_000)
    world.pay(wallet, 700, line=2)
    before = [(line.number, line.ordinal, line.available_minor) for line in wallet.lines]
    report = wallet.restore(world.ledger)
    assert (report.restored, sorted(report.must_refresh)) == (0, [1, 2])
    assert [(x.number, x.ordinal, x.available_minor) for x in wallet.lines] == before


def test_a_gap_of_two_lines_is_bridged(world: World) -> None:
    wallet = world.wallet()
    for _ in range(2):
        wallet.request_line(world.ledger, world.terms_hash)  # never granted
    world.open_line(wallet)
    again = restored(world, wallet)
    assert [line.ordinal for line in again.lines] == [2]


def test_another_phrase_finds_nothing(world: World) -> None:
    world.holder()
    stranger = world.wallet("stranger")
    report = stranger.restore(world.ledger)
    assert (report.scanned, report.lines, stranger.lines) == (world.ledger.size, [], [])


class _WithoutMemos:
    """A ledger whose proofs and memos are no longer kept."""

    def __init__(self, ledger: Operator) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        raise StoreError(f"evidence {index} is gone")


@pytest.mark.parametrize(("buckets", "plan"), [(1, 1), (3, 1), (3, 2), (3, 3)])
@pytest.mark.parametrize("amount_minor", [2, 3, 77_777])
def test_amounts_are_found_without_memos(buckets: int, plan: int, amount_minor: int) -> None:
    world = World(Terms(currency="TWD", due_buckets=buckets, attributes=1))
    wallet = world.holder(attributes=(4,))
    wallet.pay(world.ledger, 1, world.invoice(amount_minor), plan)
    world.answer(wallet)
    again = world.wallet()
    again.restore(_WithoutMemos(world.ledger))  # type: ignore[arg-type]
    assert world.token(again) == world.token(wallet)
    row = again.history()[-1]
    assert (row.amount_minor, row.label) == (amount_minor, "-")
    world.close()


def test_restored_bill_accepted_under_protest_stays_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zkcredit.lender import billing
    from zkcredit.messages import BillingDocument, signed, signing_digest

    honest = billing._bill

    def cheat(desk: billing.Desk, case: billing._Case) -> BillingDocument:
        document = honest(desk, case)
        draft = replace_minimum(document)
        return signed(draft, desk.keys.bls.sign(signing_digest(draft)))

    def replace_minimum(document: BillingDocument) -> BillingDocument:
        import msgspec

        return msgspec.structs.replace(document, minimum_minor=document.minimum_minor + 1)

    wallet = world.holder()
    world.pay(wallet, 700)
    world.open_period()
    monkeypatch.setattr(billing, "_bill", cheat)
    world.lender.statement(world.ledger, wallet.make_statement(world.ledger, 1))
    wallet.receive(world.ledger)
    assert restored(world, wallet).line(1).status == "disputed"
    wallet.accept_disputed(1, world.ledger)
    world.pay(wallet, 10)
    again = restored(world, wallet)
    assert again.line(1).status == "ready"
    assert world.token(again) == world.token(wallet)


# -- the same ledger on disk -----------------------------------------------------------------


def test_all_roles_in_files(tmp_path: Path) -> None:
    world = World(PLAIN, path=tmp_path / "ledger")
    lender_file = tmp_path / "lender.db"
    lender = Lender.create(lender_file, seed("files"), "Files", clock=world.clock)
    lender.register(world.ledger)
    terms_hash = lender.publish_terms(world.ledger, PLAIN)
    lender.open_period(world.ledger, terms_hash)
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, terms_hash)
    lender.grant(world.ledger, request, LIMIT, "A")
    lender.close()
    world.ledger.close()

    ledger = Operator.open(tmp_path / "ledger", clock=world.clock)
    lender = Lender.open(lender_file, seed("files"), clock=world.clock)
    lender.sign_pending(ledger)
    wallet.receive(ledger)
    invoice = world.merchant.invoice(ledger, 700, "TWD", "goods")
    wallet.pay(ledger, 1, invoice)
    world.merchant.check(ledger)
    lender.sign_pending(ledger)
    wallet.receive(ledger)
    assert wallet.line(1).available_minor == LIMIT - 700
    assert world.merchant.sales[0].state == "paid"
    lender.close()
    ledger.close()


def test_wallet_of_another_ledger_is_told(world: World) -> None:
    wallet = world.holder()
    fork = World(INTEREST)
    with pytest.raises(CheckFailed):
        wallet.refresh(fork.ledger, 1)
    report = wallet.restore(fork.ledger)
    assert report.lines == []
    assert wallet.line(1).status == "ready"
    fork.close()
