"""Presentations bound to purchases, at the wallet and at the till."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec
import pytest
from credentialkit import PERSON, Issuer
from kit import DAY_MS, World, refused

from zkcredit.credentials.builtin import BUSINESS, IDENTITY
from zkcredit.credentials.schema import Schema, Value
from zkcredit.errors import CallerError, Refused, StateConflict
from zkcredit.merchant import Merchant
from zkcredit.messages import Invoice, decode_message, encode_message
from zkcredit.policies.policy import Policy
from zkcredit.policies.present import present
from zkcredit.policies.presentation import Presentation
from zkcredit.records.bodies import MemoryBodies
from zkcredit.wallet import Wallet
from zkcredit.wallet.binding import bind_purchase

SHOP: dict[str, Value] = {"registered_name": "Wine Ltd", "category": "alcohol", "country": "AT"}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(shops=2)
    world.registrar = Issuer(world.ledger, "Registrar", (IDENTITY, BUSINESS))  # type: ignore[attr-defined]
    yield world
    world.close()


def registrar(world: World) -> Issuer:
    return world.registrar  # type: ignore[attr-defined, no-any-return]


def give(world: World, to: Wallet | Merchant, schema: Schema, values: dict[str, Value]) -> None:
    """Puts a credential of the registrar into somebody's state."""
    from zkcredit.keys import WalletKeys

    held = registrar(world).issue(WalletKeys(to._keys.seed), schema, values)
    to._state.credentials.append(held)


def adults(world: World) -> Policy:
    return Policy.parse(f"""
        title = "Wine"
        prove = ["birth_date <= today - 18y"]
        reveal = ["country"]
        [credentials.identity]
        schema = "identity"
        issuers = ["{registrar(world).id.hex()}"]
    """)


def wine(world: World, amount_minor: int = 2_000, **options: object) -> Invoice:
    return world.invoice(amount_minor, policy=adults(world), **options)


def answer(world: World, wallet: Wallet, sale: int) -> Presentation:
    request = world.merchant.request_of(sale)
    consent = wallet.presenter.plan(world.ledger, request)
    with pytest.raises(CallerError, match="agreed"):
        wallet.presenter.present(world.ledger, consent)
    consent.given = True
    shown = wallet.presenter.present(world.ledger, consent)
    return decode_message(encode_message(shown), Presentation)


def state(world: World, sale: int = 1) -> str:
    world.merchant.check(world.ledger)
    return world.merchant.sales[sale - 1].state


@pytest.fixture
def wallet(world: World) -> Wallet:
    wallet = world.holder()
    give(world, wallet, IDENTITY, PERSON)
    return wallet


def test_present_then_pay(world: World, wallet: Wallet) -> None:
    invoice = wine(world)
    wallet.prepare_payment(world.ledger, 1, invoice)
    shown = answer(world, wallet, 1)
    found = world.merchant.verify_presentation(world.ledger, shown)
    assert found.values == {"identity.country": "AT"}
    pending = wallet.line(1).pending
    assert pending is not None
    for serial in (world.token(wallet).serial, pending.next.serial):
        assert serial.hex().encode() not in encode_message(shown)
    assert state(world) == "open"
    wallet.pay(world.ledger, 1, invoice)
    assert state(world) == "paid"
    assert world.merchant.disclosed(1) == found
    again = Merchant.load(world.merchant.dump(), clock=world.clock)
    assert again.disclosed(1) == found


@pytest.mark.parametrize("received", [False, True])
def test_pay_then_present(world: World, wallet: Wallet, received: bool) -> None:
    wallet.pay(world.ledger, 1, wine(world))
    if received:
        world.answer(wallet)
    assert state(world) == "undisclosed"
    world.merchant.verify_presentation(world.ledger, answer(world, wallet, 1))
    assert state(world) == "paid"
    with refused("presentation"):
        world.merchant.verify_presentation(
            world.ledger, msgspec.structs.replace(answer(world, wallet, 1), request=bytes(32))
        )


def test_the_next_step_hides_the_purchase(world: World, wallet: Wallet) -> None:
    wallet.pay(world.ledger, 1, wine(world))
    world.answer(wallet)
    world.pay(wallet, 100)
    with refused("no-purchase"):
        answer(world, wallet, 1)


def test_an_adult_answers_for_a_minor(world: World, wallet: Wallet) -> None:
    """The adult prepares the purchase and shows its age, the minor pays."""
    minor = world.holder("minor")
    invoice = wine(world)
    wallet.prepare_payment(world.ledger, 1, invoice)
    world.merchant.verify_presentation(world.ledger, answer(world, wallet, 1))
    minor.pay(world.ledger, 1, invoice)
    assert state(world) == "undisclosed"
    borrowed = wallet.presenter.plan(world.ledger, world.merchant.request_of(1))
    borrowed.given = True
    with refused("presentation"):
        shown = minor.presenter.present(world.ledger, borrowed)
        world.merchant.verify_presentation(world.ledger, shown)
    assert state(world) == "undisclosed"
    world.settle()  # the claim itself is good
    assert world.merchant.sales[0].state == "settled"


def test_too_young(world: World) -> None:
    minor = world.holder("minor")
    give(world, minor, IDENTITY, {**PERSON, "birth_date": dt.date(2010, 1, 1)})
    minor.prepare_payment(world.ledger, 1, wine(world))
    with pytest.raises(Refused, match="at least 18 years old") as caught:
        answer(world, minor, 1)
    assert caught.value.rule == "clause-fails"


def test_answer_of_another_sale(world: World, wallet: Wallet) -> None:
    first = wine(world)
    wine(world)
    wallet.prepare_payment(world.ledger, 1, first)
    shown = answer(world, wallet, 1)
    moved = msgspec.structs.replace(shown, request=world.merchant.sales[1].request)
    with refused("presentation"):
        world.merchant.verify_presentation(world.ledger, moved)


def test_another_invoice_of_the_same_wallet(world: World, wallet: Wallet) -> None:
    """The purchase is the wallet's, but not the one that the shop asks about."""
    asked, other = wine(world), wine(world)
    wallet.prepare_payment(world.ledger, 1, other)
    consent = wallet.presenter.plan(world.ledger, world.merchant.request_of(1))
    consent.given = True
    with refused("no-purchase"):
        wallet.presenter.present(world.ledger, consent)
    hashes = {number: world.merchant.sales[number - 1].invoice_hash for number in (1, 2)}
    bound = bind_purchase(world.ledger, wallet._keys, wallet.line(1), [], hashes[2])
    with refused("other-purchase"):
        present(world.ledger.registry, consent, wallet._keys, bound)
    assert asked.nonce != other.nonce


@pytest.mark.parametrize("paid", [False, True])
def test_another_shop_asks_about_the_purchase(world: World, wallet: Wallet, *, paid: bool) -> None:
    """Invoice hashes are public: whoever asks about one wants to know whose purchase it is."""
    from zkcredit.policies.request import make_request

    invoice = wine(world)
    wallet.prepare_payment(world.ledger, 1, invoice)
    if paid:
        wallet.pay(world.ledger, 1, invoice)
        world.answer(wallet)
    curious = world.merchants[1]
    request = make_request(
        world.ledger.registry,
        curious._keys.bls,
        curious.merchant_id,
        adults(world),
        now_ms=world.clock(),
        bound_to="purchase",
        invoice_hash=world.merchant.sales[0].invoice_hash,
    )
    consent = wallet.presenter.plan(world.ledger, request)
    consent.given = True
    with refused("other-party"):
        wallet.presenter.present(world.ledger, consent)
    answer(world, wallet, 1)


def test_a_restored_wallet_learns_whom_it_paid(world: World, wallet: Wallet) -> None:
    """The ledger does not say whose invoice was paid, so the wallet would answer nobody."""
    invoice = wine(world)
    wallet.pay(world.ledger, 1, invoice)
    world.answer(wallet)
    held = wallet._state.credentials
    again = Wallet.from_seed(wallet._keys.seed, clock=world.clock)
    again.restore(world.ledger)
    again._state.credentials.extend(held)
    consent = again.presenter.plan(world.ledger, world.merchant.request_of(1))
    consent.given = True
    with pytest.raises(Refused, match="take the invoice in") as caught:
        again.presenter.present(world.ledger, consent)
    assert caught.value.rule == "other-party"
    saved: list[bytes] = []
    book = again.records(MemoryBodies(), lambda: saved.append(again.dump()))
    other = world.invoice(5, shop=1)
    with refused("not-on-log"):
        book.add_receipt(world.ledger, other)
    assert again.history()[-1].merchant_id == b""
    book.add_receipt(world.ledger, invoice)
    again = Wallet.load(saved[-1], clock=world.clock)
    assert again.history()[-1].merchant_id == world.merchant.merchant_id
    shown = again.presenter.present(world.ledger, consent)
    world.merchant.verify_presentation(world.ledger, shown)
    assert state(world) == "paid"


def test_an_invoice_that_is_payable_for_longer_than_a_request_holds(world: World) -> None:
    sales = len(world.merchant.sales)
    with pytest.raises(CallerError, match="a day at most"):
        wine(world, valid_ms=DAY_MS + 1)
    assert len(world.merchant.sales) == sales
    wine(world, valid_ms=DAY_MS)


def test_what_was_answered_is_remembered(world: World, wallet: Wallet) -> None:
    """From the wallet's vault, over purchases and requests alike."""
    for day in range(1, 6):
        text = adults(world).encoded.decode()
        policy = Policy.parse(text.replace("today - 18y", f"2003-01-{10 - day:02}"))
        request = world.merchant.request(world.ledger, policy)
        consent = wallet.presenter.plan(world.ledger, request)
        assert len(consent.warnings) == (day > 3)
        consent.given = True
        wallet.presenter.present(world.ledger, consent)
        wallet = Wallet.load(wallet.dump(), clock=world.clock)


def test_a_request_is_answered_once(world: World, wallet: Wallet) -> None:
    merchant = world.merchant
    request = merchant.request(world.ledger, adults(world))
    consent = wallet.presenter.plan(world.ledger, request)
    consent.given = True
    first, second = (wallet.presenter.present(world.ledger, consent) for _ in range(2))
    assert first.proof != second.proof
    found = merchant.verify_presentation(world.ledger, first)
    assert merchant.verify_presentation(world.ledger, first) == found
    with pytest.raises(StateConflict):
        merchant.verify_presentation(world.ledger, second)


def test_a_purchase_is_prepared_anew(world: World, wallet: Wallet) -> None:
    """The first attempt was shown and then given up for another line."""
    second = world.open_line(wallet)
    invoice = wine(world)
    wallet.prepare_payment(world.ledger, 1, invoice)
    world.merchant.verify_presentation(world.ledger, answer(world, wallet, 1))
    world.refresh(wallet, 1)
    wallet.pay(world.ledger, second, invoice)
    assert state(world) == "undisclosed"
    world.merchant.verify_presentation(world.ledger, answer(world, wallet, 1))
    assert state(world) == "paid"


def test_late_or_foreign_requests(world: World, wallet: Wallet) -> None:
    request = world.merchant.request(world.ledger, adults(world))
    consent = wallet.presenter.plan(world.ledger, request)
    consent.given = True
    shown = wallet.presenter.present(world.ledger, consent)
    with refused("presentation"):
        world.merchants[1].verify_presentation(world.ledger, shown)
    world.clock.forward(16 * 60_000)
    with refused("expired"):
        world.merchant.verify_presentation(world.ledger, shown)
    world.merchant.request(world.ledger, adults(world))
    assert len(world.merchant._state.inquiries) == 1
    with pytest.raises(CallerError):
        world.merchant.request_of(1)


def test_as_long_as_the_invoice(world: World, wallet: Wallet) -> None:
    wallet.pay(world.ledger, 1, wine(world))
    world.clock.forward(3_600_000)
    shown = answer(world, wallet, 1)
    world.merchant.verify_presentation(world.ledger, shown)
    assert state(world) == "paid"
    world.settle()
    with pytest.raises(StateConflict):
        world.merchant.verify_presentation(world.ledger, answer(world, wallet, 1))
    world.clock.forward(1)
    with refused("expired"):
        answer(world, wallet, 1)


def test_open_line_with_identity(world: World) -> None:
    """The lender knows that the line and the identity have one owner."""
    from zkcredit.policies.request import make_request, own_request
    from zkcredit.policies.verify import verify

    wallet = world.wallet("new")
    give(world, wallet, IDENTITY, PERSON)
    asked = wallet.request_line(world.ledger, world.terms_hash)
    keys, registry = world.lender._desk.keys, world.ledger.registry
    request = make_request(
        registry,
        keys.bls,
        world.issuer_id,
        adults(world),
        now_ms=world.clock(),
        bound_to="open",
    )
    consent = wallet.presenter.plan(world.ledger, request)
    consent.given = True
    with pytest.raises(CallerError, match="which line"):
        wallet.presenter.present(world.ledger, consent)
    key, shop_id = world.merchant._keys.bls, world.merchant.merchant_id
    curious = make_request(
        registry, key, shop_id, adults(world), now_ms=world.clock(), bound_to="open"
    )
    foreign = wallet.presenter.plan(world.ledger, curious)
    foreign.given = True
    with refused("other-party"):
        wallet.presenter.present(world.ledger, foreign, line=1)
    shown = wallet.presenter.present(world.ledger, consent, line=1)
    found = verify(registry, own_request(registry, request, world.clock()), shown)
    from zkcredit.entries import OpenStatement, Statement

    statement = Statement.decode(asked.statement)
    assert isinstance(statement, OpenStatement)
    assert found.commitment == statement.commitment


# -- verified merchants ------------------------------------------------------------------------


def test_verified_merchant(world: World, wallet: Wallet) -> None:
    give(world, world.merchant, BUSINESS, SHOP)
    invoice = decode_message(encode_message(world.invoice(500, verified=True)), Invoice)
    preview = wallet.check_invoice(world.ledger, 1, invoice)
    assert preview.business == "verified by Registrar: alcohol, AT"
    wallet.pay(world.ledger, 1, invoice)
    assert state(world) == "paid"
    plain = world.invoice(500)
    world.answer(wallet)
    assert wallet.check_invoice(world.ledger, 1, plain).business == "not verified"


def test_presentation_of_another_invoice(world: World, wallet: Wallet) -> None:
    """Another invoice, another shop: the presentation is bound to payee and amount."""
    give(world, world.merchant, BUSINESS, SHOP)
    shown = world.invoice(500, verified=True).presentation
    for other in (world.invoice(501), world.invoice(500, shop=1)):
        forged = msgspec.structs.replace(other, presentation=shown)
        said = wallet.check_invoice(world.ledger, 1, forged).business
        assert said.startswith("not verified: ")
    junk = msgspec.structs.replace(world.invoice(500), presentation=b"{}")
    assert wallet.check_invoice(world.ledger, 1, junk).business.startswith("not verified: ")


def test_no_business_credential(world: World) -> None:
    with refused("no-credential"):
        world.invoice(500, verified=True)
    give(world, world.merchant, BUSINESS, SHOP)
    registrar(world).next_epoch(BUSINESS)
    with refused("no-credential"):
        world.invoice(500, verified=True)
    assert world.merchant.sales == []
