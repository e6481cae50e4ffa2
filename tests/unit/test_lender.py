from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit import DAY_MS, INTEREST, LIMIT, PLAIN, World, consistent, refused, seed, unchanged

from zkcredit._native import Seed, bls_verify_batch
from zkcredit.entries import Kind
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    ProofRefused,
    Refused,
    StateConflict,
    StoreError,
)
from zkcredit.ledger import Operator
from zkcredit.lender import Account, Lender
from zkcredit.lender.store import LenderStore
from zkcredit.messages import signing_digest


@pytest.fixture
def world() -> Iterator[World]:
    world = World(INTEREST)
    yield world
    world.close()


# -- the database --------------------------------------------------------------------------


def test_lender_comes_back_from_its_file(tmp_path: Path, world: World) -> None:
    file = tmp_path / "lender.db"
    lender = Lender.create(file, seed("second"), "Second", clock=world.clock)
    lender.register(world.ledger)
    terms_hash = lender.publish_terms(world.ledger, PLAIN)
    lender.open_period(world.ledger, terms_hash)
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, terms_hash)
    lender.grant(world.ledger, request, 5_000, "Alice")
    lender.close()
    lender.close()
    again = Lender.open(file, seed("second"), clock=world.clock)
    assert (again.name, again.account(1).customer) == ("Second", "Alice")
    assert again.sign_pending(world.ledger).signed == 1
    wallet.receive(world.ledger)
    assert wallet.line(1).status == "ready"
    assert again.register(world.ledger).duplicate
    again.close()
    assert file.stat().st_mode & 0o077 == 0


def test_wrong_files_and_seeds(tmp_path: Path) -> None:
    file = tmp_path / "lender.db"
    Lender.create(file, seed(1), "Bank").close()
    with pytest.raises(StateConflict, match="exists"):
        Lender.create(file, seed(1), "Bank")
    with pytest.raises(StateConflict, match="another seed"):
        Lender.open(file, seed(2))
    with pytest.raises(StoreError):
        Lender.open(tmp_path / "none.db", seed(1))
    with pytest.raises(CallerError):
        Lender.create(tmp_path / "bad.db", seed(1), "bad\nname")
    assert not (tmp_path / "bad.db").exists()
    (tmp_path / "text.db").write_text("not a database, but long enough to look at " * 40)
    with pytest.raises(MalformedInput):
        Lender.open(tmp_path / "text.db", seed(1))
    Operator.create(tmp_path / "ledger").close()
    with pytest.raises(MalformedInput, match="not a zkcredit lender"):
        Lender.open(tmp_path / "ledger" / "ledger.db", seed(1))


def test_other_version_of_the_database(tmp_path: Path) -> None:
    file = tmp_path / "lender.db"
    store = LenderStore.create(file)
    store._run("PRAGMA user_version=3")
    store.close()
    with pytest.raises(MalformedInput, match="version 2"):
        Lender.open(file, seed(1))


def test_a_failed_transaction_leaves_nothing() -> None:
    store = LenderStore.create(None)

    def fail() -> None:
        with store.write():
            store.set_meta("key", b"value")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.meta("key") is None


def test_nothing_secret_is_printed_or_pickled(world: World) -> None:
    world.holder("Alice")
    text = repr([world.lender, world.lender.accounts()])
    assert "Alice" not in text
    with pytest.raises(CallerError):
        pickle.dumps(world.lender)


# -- registration --------------------------------------------------------------------------


def test_a_lender_belongs_to_one_ledger(world: World) -> None:
    other = Operator.create(None)
    with pytest.raises(StateConflict):
        world.lender.register(other)
    with pytest.raises(StateConflict):
        world.lender.open_period(other, world.terms_hash)
    fresh = Lender.create(None, seed("fresh"), "Fresh")
    with pytest.raises(CallerError, match="not registered"):
        fresh.publish_terms(world.ledger, PLAIN)


def test_terms_of_another_lender(world: World) -> None:
    other = Lender.create(None, seed("other"), "Other", clock=world.clock)
    other.register(world.ledger)
    with refused("unknown-terms"):
        other.open_period(world.ledger, world.terms_hash)
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    with refused("unknown-terms"):
        other.grant(world.ledger, request, LIMIT, "A")


# -- granting ------------------------------------------------------------------------------


def test_granting_twice_changes_nothing(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    first = world.lender.grant(world.ledger, request, LIMIT, "A")
    with unchanged(world.ledger):
        again = world.lender.grant(world.ledger, request, LIMIT, "A")
    assert again.number == first.number == 1
    world.answer(wallet)
    with unchanged(world.ledger):
        assert world.lender.grant(world.ledger, request, LIMIT, "A").state == "active"
        with pytest.raises(StateConflict):
            world.lender.grant(world.ledger, request, LIMIT + 1, "A")


@pytest.mark.parametrize(
    ("limit", "customer", "attributes"),
    [(-1, "A", ()), (1 << 32, "A", ()), (5, "", ()), (5, "a\nb", ()), (5, "A", (1,))],
)
def test_impossible_grants(world: World, limit: int, customer: str, attributes: Any) -> None:
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    with unchanged(world.ledger), pytest.raises(CallerError):
        world.lender.grant(world.ledger, request, limit, customer, attributes)
    assert world.lender.accounts() == []


def test_request_with_a_changed_proof_or_memo(world: World) -> None:
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    proof = bytearray(request.proof)
    proof[-1] ^= 1
    for changed in (
        msgspec.structs.replace(request, proof=bytes(proof)),
        msgspec.structs.replace(request, memo=bytes(128)),
    ):
        with unchanged(world.ledger), pytest.raises((ProofRefused, MalformedInput)):
            world.lender.grant(world.ledger, changed, LIMIT, "A")
    with refused("wrong-ledger"):
        other = msgspec.structs.replace(request, ledger_id=bytes(32))
        world.lender.grant(world.ledger, other, LIMIT, "A")
    with pytest.raises(MalformedInput):
        world.lender.grant(
            world.ledger, msgspec.structs.replace(request, statement=b"\x01\x06"), LIMIT, "A"
        )
    assert world.lender.accounts() == []


def test_batch_of_grants_names_the_bad_one(world: World) -> None:
    requests = [
        world.wallet(name).request_line(world.ledger, world.terms_hash) for name in range(4)
    ]
    requests[2] = msgspec.structs.replace(requests[2], memo=bytes(128))
    offers = [(request, LIMIT, "A") for request in [*requests, requests[0]]]
    results = world.lender.grant_many(world.ledger, offers)
    kinds = [type(result) for result in results]
    assert kinds == [Account, Account, ProofRefused, Account, StateConflict]
    numbers = [r.number for r in results if isinstance(r, Account)]
    assert len(set(numbers)) == 3


# -- signing -------------------------------------------------------------------------------


def test_signing_is_repeatable(world: World) -> None:
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(100))
    report = world.lender.sign_pending(world.ledger)
    assert (report.signed, report.posted, report.refused, report.waiting) == (1, 1, [], [])
    report = world.lender.sign_pending(world.ledger)
    assert (report.signed, report.posted) == (0, 0)
    report = world.lender.sign_pending(world.ledger, rescan=True)
    assert (report.signed, report.posted) == (0, 0)


def test_a_crash_before_posting_posts_the_same_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "post_replies", _crash)
        with pytest.raises(StoreError):
            world.lender.sign_pending(world.ledger)
    assert world.ledger.reply(receipt.index) is None
    [(index, reply, _)] = world.lender._store.unposted(10)
    report = world.lender.sign_pending(world.ledger)
    assert (report.signed, report.posted, index) == (0, 1, receipt.index)
    assert world.ledger.reply(receipt.index) == reply
    wallet.receive(world.ledger)
    world.pay(wallet, 50)


def _crash(*_: object) -> None:
    raise StoreError("killed")


def test_a_foreign_reply_is_refused_and_changes_nothing(world: World) -> None:
    wallets = [world.holder(name) for name in range(3)]
    world.open_period()
    openings = [wallet.make_statement(world.ledger, 1) for wallet in wallets]
    with pytest.raises(ProofRefused):
        world.ledger.post_replies([(openings[1].entry_index, bytes(200))])
    assert len(world.lender.statements(world.ledger, openings)) == 3
    for wallet in wallets:
        wallet.receive(world.ledger)
    assert [wallet.line(1).status for wallet in wallets] == ["ready", "ready", "ready"]
    assert world.lender.faults() == []


def test_a_lender_that_lost_its_database_does_not_open_lines_blindly(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "A")
    amnesiac = Lender.create(None, seed("lender"), "Bank", clock=world.clock)
    assert amnesiac.register(world.ledger).duplicate
    report = amnesiac.sign_pending(world.ledger)
    assert (report.signed, len(report.refused)) == (0, 1)
    assert "not in the database" in amnesiac.faults()[0][1]


def test_rolled_back_ledger_is_noticed_and_nothing_signed_twice(tmp_path: Path) -> None:
    from kit import cut

    world = World(PLAIN, path=tmp_path / "ledger")
    wallet, twin = world.holder(), world.wallet()
    twin.restore(world.ledger)
    backup = cut(tmp_path / "ledger", tmp_path / "old")
    wallet.pay(world.ledger, 1, world.invoice(100))
    world.answer(wallet)
    world.ledger.close()
    old = Operator.open(backup, clock=world.clock)
    with pytest.raises(StateConflict, match="rolled back"):
        world.lender.sign_pending(old)
    merchant = world.merchant
    invoice = merchant.invoice(old, 900, "TWD", "other goods")
    twin.refresh(old, 1)  # another C′ for the nullifier that was signed already
    with pytest.raises(StateConflict, match="rewritten"):
        world.lender.sign_pending(old)
    report = world.lender.sign_pending(old, rescan=True)
    assert report.signed == 0
    assert len(report.refused) == 1
    assert "signed before" in world.lender.faults()[0][1]
    assert old.reply(old.size - 1) is None
    with refused("line-not-ready"):
        twin.pay(old, 1, invoice)
    old.close()
    world.lender.close()


# -- billing -------------------------------------------------------------------------------


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


# -- silence, identity ------------------------------------------------------------------------


def test_silent_lender_is_a_public_fault(world: World) -> None:
    wallet = world.holder()
    receipt = wallet.pay(world.ledger, 1, world.invoice(100))
    assert wallet.receive(world.ledger) == []
    world.clock.forward(DAY_MS)
    owed = world.ledger.owed(world.clock())
    assert [(item.index, item.kind) for item in owed] == [(receipt.index, Kind.SPEND)]


def test_same_seed_same_keys(world: World) -> None:
    twin = Lender.create(None, Seed.from_bytes(seed("lender").expose()), "Bank")
    assert twin.register(world.ledger).duplicate
    assert twin.issuer_id == world.lender.issuer_id
    assert replace(PLAIN).encode() == PLAIN.encode()
