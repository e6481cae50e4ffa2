"""What a dishonest lender, shop or stranger tells a wallet or a lender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from kit import INTEREST, LIMIT, PLAIN, Mirror, Rogue, World, refused, seed, unchanged

from zkcredit import digests
from zkcredit._native import BlsKey
from zkcredit.auditor import audit
from zkcredit.entries import Entry, IssuerStatement, Statement, Submission, TermsStatement
from zkcredit.errors import (
    CheckFailed,
    MalformedInput,
    Refused,
    StateConflict,
    ZkCreditError,
)
from zkcredit.lender import billing, granting
from zkcredit.messages import StatementOpening, UpdateReply, signing_digest
from zkcredit.wallet import Wallet


@pytest.fixture
def world() -> Iterator[World]:
    made = World(INTEREST, shops=2)
    yield made
    made.close()


def second_months(world: World, *names: str) -> list[Wallet]:
    """Lines that carry a balance, with a payment by update and a purchase in month 2."""
    wallets = [world.holder(name) for name in names]
    for wallet in wallets:
        world.pay(wallet, 50_000)
    world.open_period()
    for wallet in wallets:
        account = world.token(wallet).account
        world.bill(wallet)
        world.lender.record_payment(account, 200, "early")
        world.update(wallet)
        world.pay(wallet, 3_000)
        world.lender.record_payment(account, 300, "late")
    return wallets


def second_month(world: World) -> Wallet:
    (wallet,) = second_months(world, "holder")
    return wallet


# --- bills ------------------------------------------------------------------------------


LIES = {
    "bill_minor": 1,
    "previous_balance_minor": 1,
    "added_before_minor": 1,
    "interest_minor": 1,
    "late_fee_minor": 1,
    "waived_minor": 1,
    "limit_minor": -1,
    "balance_minor": 1,
    "minimum_minor": 1,
    "arrears_minor": 1,
    "account": 1,
    "period": 1,
    "next_period": 1,
    "entry_index": 1,
}
"""What a lender may try to move in a document, and by how much."""


def lying_lender(
    monkeypatch: pytest.MonkeyPatch, world: World, change: Any, key: BlsKey | None = None
) -> None:
    """The lender alters each document, signs it, and signs the token that goes with it."""
    honest = billing._bill
    signer = key or world.lender._desk.keys.bls

    def bill(*arguments: Any) -> Any:
        document = change(honest(*arguments))
        return msgspec.structs.replace(document, signature=signer.sign(signing_digest(document)))

    monkeypatch.setattr(billing, "_bill", bill)


@pytest.mark.parametrize("field", LIES)
def test_a_forged_bill(world: World, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    wallet = second_month(world)
    world.open_period()

    def change(document: Any) -> Any:
        value = getattr(document, field) + LIES[field]
        return msgspec.structs.replace(document, **{field: value})

    lying_lender(monkeypatch, world, change)
    opening = wallet.make_statement(world.ledger, 1)
    world.lender.statement(world.ledger, opening)
    (event,) = wallet.receive(world.ledger)
    assert event.status == "disputed"
    assert field in event.text
    assert wallet.line(1).problem == event.text
    with refused("line-not-ready"), unchanged(world.ledger):
        wallet.pay(world.ledger, 1, world.invoice(1))
    assert world.again(wallet).line(1).disputed  # the evidence is kept


def test_a_bill_with_interest_on_what_was_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All figures agree with each other, but not with the terms."""
    wallet = second_month(world)
    world.open_period()

    def change(document: Any) -> Any:
        more = 123
        return msgspec.structs.replace(
            document,
            interest_minor=document.interest_minor + more,
            balance_minor=document.balance_minor + more,
        )

    lying_lender(monkeypatch, world, change)
    world.lender.statement(world.ledger, wallet.make_statement(world.ledger, 1))
    (event,) = wallet.receive(world.ledger)
    assert event.status == "disputed"
    assert "interest_minor" in event.text


def test_a_bill_that_leaves_out_payments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = second_month(world)
    world.open_period()
    monkeypatch.setattr(
        billing._Case,
        "sum_minor",
        lambda case, *kinds, on_line=None: 200 if on_line else 0,
    )
    world.lender.statement(world.ledger, wallet.make_statement(world.ledger, 1))
    (event,) = wallet.receive(world.ledger)
    assert event.status == "disputed"


def test_a_bill_signed_by_somebody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = second_month(world)
    world.open_period()
    lying_lender(monkeypatch, world, lambda document: document, BlsKey.derive(seed("x"), b""))
    world.lender.statement(world.ledger, wallet.make_statement(world.ledger, 1))
    (event,) = wallet.receive(world.ledger)
    assert event.status == "disputed"
    assert "not signed" in event.text


def test_a_disputed_bill_is_accepted_only_under_protest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = second_month(world)
    world.open_period()
    lying_lender(
        monkeypatch,
        world,
        lambda d: msgspec.structs.replace(d, interest_minor=d.interest_minor + 5),
    )
    world.lender.statement(world.ledger, wallet.make_statement(world.ledger, 1))
    wallet.receive(world.ledger)
    restored = world.wallet()
    restored.restore(world.ledger)
    assert restored.line(1).status == "disputed"
    wallet.accept_disputed(1, world.ledger)
    assert wallet.line(1).status == "ready"
    assert wallet.documents(1)[-1].interest_minor > 5
    world.pay(wallet, 10)


def test_an_update_that_gives_less_than_it_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = second_month(world)
    honest = billing._update_job

    def job(case: Any) -> Any:
        made, replies = honest(case)
        made.adjustments = [(position, value - 100) for position, value in made.adjustments]
        return made, replies

    monkeypatch.setattr(billing, "_update_job", job)
    world.lender.update(world.ledger, wallet.make_update(world.ledger, 1))
    (event,) = wallet.receive(world.ledger)
    assert event.status == "disputed"


def test_an_update_with_another_limit_than_it_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = second_month(world)
    honest = billing.seal

    def seal(*arguments: Any) -> bytes:
        changed = [
            msgspec.structs.replace(one, limit_minor=one.limit_minor + 1)
            if isinstance(one, UpdateReply)
            else one
            for one in arguments
        ]
        return honest(*changed)

    monkeypatch.setattr(billing, "seal", seal)
    world.lender.update(world.ledger, wallet.make_update(world.ledger, 1))
    (event,) = wallet.receive(world.ledger)
    assert event.status == "disputed"
    assert "limit" in event.text


def test_a_credit_that_is_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """Well signed, but more than the terms' amounts can hold."""
    world = World()
    monkeypatch.setattr(granting, "cap_minor", lambda _: 1 << 60)
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, world.terms.signed_max_minor + 1, "customer")
    world.answer(wallet)
    assert wallet.line(1).status == "disputed"
    assert "range" in (wallet.line(1).problem or "")


# --- wrong openings -----------------------------------------------------------------------


def opened(world: World, wallet: Wallet) -> StatementOpening:
    world.open_period()
    return wallet.make_statement(world.ledger, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"due_minor": 2_999},
        {"due_minor": 0},
        {"due_minor": -3_000},
        {"account": 2},
        {"delta": bytes(31) + b"\x01"},
        {"rho_due": bytes(31) + b"\x01"},
    ],
    ids=lambda change: "-".join(f"{k}" for k in change),
)
def test_a_wrong_statement_opening(world: World, change: dict[str, Any]) -> None:
    wallet, _ = second_months(world, "holder", "other")
    opening = opened(world, wallet)
    assert (opening.account, opening.due_minor) == (1, 3_000)
    accounts = world.lender.accounts()
    with refused("bad-opening"):
        world.lender.statement(world.ledger, msgspec.structs.replace(opening, **change))
    assert world.lender.accounts() == accounts
    assert world.ledger.reply(opening.entry_index) is None
    assert world.lender.statement(world.ledger, opening).bill_minor == 3_000


def test_a_bill_is_bound_to_its_entry(world: World) -> None:
    """S − Y: neither holder nor lender can open it as another account or another bill."""
    wallet, other = second_months(world, "holder", "other")
    opening = opened(world, wallet)
    theirs = other.make_statement(world.ledger, 1)
    for mixed in (
        msgspec.structs.replace(opening, entry_index=theirs.entry_index),
        msgspec.structs.replace(theirs, entry_index=opening.entry_index),
        msgspec.structs.replace(opening, account=theirs.account, delta=theirs.delta),
    ):
        with refused("bad-opening"):
            world.lender.statement(world.ledger, mixed)


def test_an_opening_of_something_else(world: World) -> None:
    wallet = second_month(world)
    opening = opened(world, wallet)
    for change, error in (
        ({"entry_index": 0}, MalformedInput),
        ({"entry_index": world.ledger.size}, MalformedInput),
        ({"account": 99}, Refused),
        ({"ledger_id": bytes(32)}, Refused),
    ):
        with pytest.raises(error):
            world.lender.statement(world.ledger, msgspec.structs.replace(opening, **change))


def test_a_bill_is_not_told_to_whoever_asks_for_it_again(world: World) -> None:
    """The account's number and the entry are not enough to read somebody's bill."""
    wallet = second_month(world)
    opening = opened(world, wallet)
    document = world.lender.statement(world.ledger, opening)
    curious = msgspec.structs.replace(
        opening, due_minor=0, delta=bytes(32), rho_due=bytes(32), reply_key=bytes(32)
    )
    with pytest.raises(ZkCreditError):
        world.lender.statement(world.ledger, curious)
    assert world.lender.statement(world.ledger, opening) == document


def test_an_update_is_not_told_to_whoever_asks_for_it_again(world: World) -> None:
    wallet = second_month(world)
    opening = wallet.make_update(world.ledger, 1)
    reply = world.lender.update(world.ledger, opening)
    with pytest.raises(ZkCreditError):
        world.lender.update(
            world.ledger,
            msgspec.structs.replace(opening, delta=bytes(32), reply_key=bytes(32)),
        )
    assert world.lender.update(world.ledger, opening) == reply


def test_an_update_opened_for_another_account(world: World) -> None:
    wallet, other = second_month(world), world.holder("other")
    opening = wallet.make_update(world.ledger, 1)
    for change in ({"account": 2}, {"delta": bytes(32)}):
        with refused("bad-opening"):
            world.lender.update(world.ledger, msgspec.structs.replace(opening, **change))
    assert other.line(1).available_minor == LIMIT


def test_one_account_twice_in_a_batch(world: World) -> None:
    wallet = second_month(world)
    opening = opened(world, wallet)
    results = world.lender.statements(world.ledger, [opening, opening])
    good = [result for result in results if not isinstance(result, ZkCreditError)]
    assert len(good) == 1
    assert len(world.lender.documents(1)) == 2


# --- offers and invoices --------------------------------------------------------------------


def test_terms_and_periods_that_are_not_on_the_ledger() -> None:
    world = World()
    wallet = world.wallet()
    with refused("unknown-terms"):
        wallet.request_line(world.ledger, bytes(32))
    quiet = world.lender.publish_terms(world.ledger, INTEREST)
    with refused("period-not-current"):
        wallet.request_line(world.ledger, quiet)
    assert wallet.lines == []


def test_invoices_that_a_wallet_refuses(world: World) -> None:
    wallet = world.holder()
    good = world.invoice(100)
    key = world.merchant._keys.bls

    def signed(signer: BlsKey = key, **change: Any) -> Any:
        invoice = msgspec.structs.replace(good, **change)
        return msgspec.structs.replace(invoice, signature=signer.sign(signing_digest(invoice)))

    before = wallet.dump()
    for invoice, rule in (
        (signed(ledger_id=bytes(32)), "wrong-ledger"),
        (signed(merchant_id=bytes(32)), "unknown-merchant"),
        (signed(merchant_id=world.merchants[1].merchant_id), "bad-signature"),
        (signed(BlsKey.derive(seed("thief"), b"")), "bad-signature"),
        (msgspec.structs.replace(good, amount_minor=99), "bad-signature"),
        (msgspec.structs.replace(good, payee=bytes(32)), "bad-signature"),
        (msgspec.structs.replace(good, rho=bytes(32)), "bad-signature"),
        (msgspec.structs.replace(good, signature=bytes(96)), "bad-signature"),
        (signed(not_after_ms=world.clock.now_ms - 1), "expired"),
        (signed(accepted=[bytes(32)]), "not-accepted"),
        (signed(currency="USD"), "wrong-currency"),
        (signed(amount_minor=LIMIT + 1), "over-limit"),
        (signed(amount_minor=1 << 40), "amount"),
    ):
        for step in (wallet.check_invoice, wallet.pay):
            with refused(rule), unchanged(world.ledger):
                step(world.ledger, 1, invoice)
    with pytest.raises(ZkCreditError), unchanged(world.ledger):  # a blinding that is no scalar
        wallet.pay(world.ledger, 1, signed(rho=b"\xff" * 32))
    assert wallet.dump() == before
    assert wallet.pay(world.ledger, 1, good).index == world.ledger.size - 1


def test_a_registration_that_the_operator_has_not_countersigned(world: World) -> None:
    """A rogue mirror shows a lender that was never accepted: an audit finds it."""
    mirror = Mirror(world.ledger)
    audit(mirror)
    entry = Entry.decode(mirror.rows[0][1])
    evidence = mirror.rows[0][2][:-96] + bytes([0xC0]) + bytes(95)
    mirror.put(0, Submission(entry.statement, evidence))
    with pytest.raises((CheckFailed, MalformedInput)):
        audit(mirror)


def test_a_registration_by_somebody_else(world: World) -> None:
    thief = BlsKey.derive(seed("thief"), b"")
    owner = world.lender._desk.keys.bls
    terms = TermsStatement(world.issuer_id, PLAIN.encode())
    stolen = IssuerStatement(owner.public_key, "Bank 2")
    for statement, possession in ((terms, b""), (stolen, thief.prove_possession())):
        digest = digests.registration_digest(world.ledger.ledger_id, statement.encode())
        with pytest.raises(ZkCreditError), unchanged(world.ledger):
            world.ledger.submit(Submission(statement, possession + thief.sign(digest)))


def test_an_open_that_the_lender_has_not_approved(world: World) -> None:
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    statement = Statement.decode(request.statement)
    thief = BlsKey.derive(seed("thief"), b"")
    digest = digests.approval_digest(world.ledger.ledger_id, request.statement, request.memo)
    made = Submission(statement, thief.sign(digest) + request.proof, request.memo)
    with refused("bad-signature"), unchanged(world.ledger):
        world.ledger.submit(made)
    good = world.lender._desk.keys.bls.sign(digest)
    view = Rogue(world.ledger, [Submission(statement, good + request.proof, request.memo)])
    report = world.lender.sign_pending(view)  # type: ignore[arg-type]
    assert (report.signed, len(report.refused)) == (0, 1)  # approved, but nobody's account


def test_a_request_with_somebody_elses_proof(world: World) -> None:
    first, second = world.wallet("first"), world.wallet("second")
    one = first.request_line(world.ledger, world.terms_hash)
    two = second.request_line(world.ledger, world.terms_hash)
    mixed = msgspec.structs.replace(one, proof=two.proof)
    with refused("bad-proof"), unchanged(world.ledger):
        world.lender.grant(world.ledger, mixed, LIMIT, "customer")
    assert world.lender.accounts() == []
    world.lender.grant(world.ledger, one, LIMIT, "customer")
    world.answer(first)
    with pytest.raises(StateConflict), unchanged(world.ledger):
        world.lender.grant(world.ledger, one, LIMIT * 2, "customer")
    assert world.lender.grant(world.ledger, one, LIMIT, "customer").limit_minor == LIMIT


# --- the crowd --------------------------------------------------------------------------------


def test_the_wallet_warns_below_fifty_lines() -> None:
    world = World()
    wallet = world.holder()
    (warning,) = world.again(wallet).check_invoice(world.ledger, 1, world.invoice(5)).warnings
    assert "at most 1;" in warning
    crowd = [world.wallet(number) for number in range(48)]
    world.lender.grant_many(
        world.ledger,
        [(one.request_line(world.ledger, world.terms_hash), LIMIT, "many") for one in crowd],
    )
    world.lender.sign_pending(world.ledger)
    assert wallet.crowd(world.ledger, world.terms_hash) == 49
    assert wallet.check_invoice(world.ledger, 1, world.invoice(5)).warnings
    world.holder("the fiftieth")
    assert wallet.crowd(world.ledger, world.terms_hash) == 50
    assert wallet.check_invoice(world.ledger, 1, world.invoice(5)).warnings == []
    world.open_period()
    world.bill(wallet)
    assert wallet.crowd(world.ledger, world.terms_hash) == 1
    assert wallet.check_invoice(world.ledger, 1, world.invoice(5)).warnings
