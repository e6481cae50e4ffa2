"""Attacks on claims: settled twice, by others, for more; and wrong payout orders."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from kit import LIMIT, PLAIN, Rogue, World, forged_circuit, refused, seed, submission, unchanged

from zkcredit import digests
from zkcredit._native import (
    BlsKey,
    SecretScalar,
    add_points,
    add_scalars,
    aggregate_payee_keys,
    commit,
    subtract_points,
)
from zkcredit.entries import SettleStatement, Statement, Submission
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    ProofRefused,
    Refused,
)
from zkcredit.lender import Lender
from zkcredit.messages import SettlementOpening, signing_digest
from zkcredit.wallet import Wallet
from zkcredit.wallet.steps import Purchase


@pytest.fixture
def world() -> World:
    return World(shops=2)


def shop_with_claims(
    world: World, count: int = 3
) -> tuple[Wallet, list[tuple[int, bytes, object]]]:
    wallet = world.holder()
    return wallet, [world.claim_of(world.pay(wallet, 100 + i)) for i in range(count)]


def test_claims_settled_twice(world: World) -> None:
    _, claims = shop_with_claims(world)
    world.ledger.submit(world.settlement(claims[:2]))
    for again in (claims[:2], claims[:1], claims[1:]):
        made = world.settlement(again, payout_hash=bytes(32))
        with refused("claim-settled"), unchanged(world.ledger):
            world.ledger.submit(made)
    world.ledger.submit(world.settlement(claims[2:]))
    assert world.audit().claims_settled == 3


def test_a_claim_in_two_settlements_of_one_batch(world: World) -> None:
    _, claims = shop_with_claims(world)
    first, second = world.settlement(claims[:2]), world.settlement(claims[1:])
    results = world.ledger.submit_many([first, second])
    assert [getattr(result, "rule", "ok") for result in results] == ["ok", "claim-settled"]
    third = world.settlement(claims[1:], payout_hash=bytes(32))
    results = world.ledger.submit_many([third, first])
    assert [getattr(result, "rule", "ok") for result in results] == ["claim-settled", "ok"]


def test_a_claim_twice_inside_one_settlement(world: World) -> None:
    _, claims = shop_with_claims(world, 2)
    with pytest.raises(CallerError):
        world.settlement([claims[0], claims[0]])
    with pytest.raises(CallerError):
        world.settlement([claims[1], claims[0]])
    encoded = world.settlement(claims).statement.encode()
    row = encoded[-56:]
    with pytest.raises(MalformedInput):
        Statement.decode(encoded[:-112] + row + row)


def test_claims_settled_in_another_asset_or_for_another_issuer(world: World) -> None:
    _, claims = shop_with_claims(world)
    other = Lender.create(None, seed("other lender"), "Other Bank", clock=world.clock)
    other.register(world.ledger)
    world.lender.publish_terms(world.ledger, replace(PLAIN, currency="USD"))
    for change in ({"asset": "USD"}, {"issuer_id": other.issuer_id}):
        with refused("wrong-claim"), unchanged(world.ledger):
            world.ledger.submit(world.settlement(claims, **change))
    with refused("unknown-issuer"), unchanged(world.ledger):
        world.ledger.submit(world.settlement(claims, issuer_id=bytes(32)))


def test_claims_that_are_none(world: World) -> None:
    _, claims = shop_with_claims(world, 1)
    _, key, secret = claims[0]
    for index in (0, 1, world.ledger.size, 1 << 63):
        with refused("unknown-claim"), unchanged(world.ledger):
            world.ledger.submit(world.settlement([(index, key, secret)]))


def test_claims_settled_by_another_merchant(world: World) -> None:
    wallet, claims = shop_with_claims(world)
    own = world.claim_of(world.pay(wallet, 50, shop=1), shop=1)
    index, key, _ = claims[0]
    with refused("wrong-claim"), unchanged(world.ledger):  # with its own key
        world.ledger.submit(world.settlement([(index, own[1], own[2])]))
    with refused("bad-proof"), unchanged(world.ledger):  # with the right key, not its secret
        world.ledger.submit(world.settlement([(index, key, own[2])]))
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(world.settlement([(index, key, own[2]), own]))
    world.ledger.submit(world.settlement(claims))


def test_a_rogue_payee_key(world: World) -> None:
    """A key chosen as the difference to the victim's would cancel it in a plain sum."""
    wallet, claims = shop_with_claims(world, 1)
    victim_index, victim_key, _ = claims[0]
    secret = SecretScalar.from_bytes(bytes(31) + b"\x2a")
    rogue_key = subtract_points(commit([("payee", secret)]), victim_key)
    assert add_points([victim_key, rogue_key]) == commit([("payee", secret)])
    purchase = world.purchase(10, payee=digests.payee_hash(rogue_key))
    made = submission(world.steps(wallet).spend(world.token(wallet), purchase))
    rogue_index = world.ledger.submit(made).index
    pair = [(victim_index, victim_key, None), (rogue_index, rogue_key, None)]
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(world.settlement(pair, key=secret))
    statement = world.settlement(pair, key=secret).statement
    weights = digests.settle_context(world.ledger.ledger_id, statement.encode())
    keys = [victim_key, rogue_key]
    assert aggregate_payee_keys(keys, weights) != commit([("payee", secret)])
    assert aggregate_payee_keys(keys, weights) != aggregate_payee_keys(keys, b"\x01" * 32)


def test_a_settlement_with_another_payout(world: World) -> None:
    """Whoever sees a settlement cannot point its proof at another payout or set of claims."""
    _, claims = shop_with_claims(world)
    made = world.settlement(claims)
    statement = made.statement
    assert isinstance(statement, SettleStatement)
    for change in (
        {"payout_hash": bytes(32)},
        {"claims": statement.claims[:2]},
        {"claims": statement.claims[1:]},
    ):
        with refused("bad-proof"), unchanged(world.ledger):
            world.ledger.submit(replace(made, statement=replace(statement, **change)))
    swapped = Submission(statement, made.evidence[:-1] + bytes([made.evidence[-1] ^ 1]))
    with pytest.raises((ProofRefused, MalformedInput)), unchanged(world.ledger):
        world.ledger.submit(swapped)


# --- openings and payouts -------------------------------------------------------------------


def opened(world: World, count: int = 3) -> SettlementOpening:
    shop_with_claims(world, count)
    (opening,) = world.merchant.settle(world.ledger, "IBAN 1", force=True)
    return opening


def resigned(world: World, opening: SettlementOpening, shop: int = 0) -> SettlementOpening:
    key = world.merchants[shop]._keys.bls
    return msgspec.structs.replace(opening, signature=key.sign(signing_digest(opening)))


@pytest.mark.parametrize(
    "change",
    [
        {"sum_minor": 10_000_000},
        {"sum_minor": 302},
        {"sum_rho": bytes(31) + b"\x01"},
        {"salt": bytes(32)},
        {"reference": "IBAN 2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_wrong_settlement_opening(world: World, change: dict[str, object]) -> None:
    opening = opened(world)
    with refused("bad-signature"):
        world.lender.settlement(world.ledger, msgspec.structs.replace(opening, **change))
    wrong = resigned(world, msgspec.structs.replace(opening, **change))
    with refused("bad-opening"):
        world.lender.settlement(world.ledger, wrong)
    assert world.lender.payouts() == []
    assert world.lender.settlement(world.ledger, opening).sum_minor == 303


def test_a_merchant_cannot_bind_a_larger_sum(world: World) -> None:
    """The payout hash agrees with the opening, but the claims do not add up to it."""
    _, claims = shop_with_claims(world)
    merchant = world.merchant
    rho = add_scalars([merchant._keys.rho(sale.nonce).expose() for sale in merchant.sales])
    bound = digests.payout_hash(bytes(32), 999_999, rho, "IBAN 1")
    index = world.ledger.submit(world.settlement(claims, payout_hash=bound)).index
    opening = resigned(
        world,
        SettlementOpening(
            ledger_id=world.ledger.ledger_id,
            entry_index=index,
            merchant_id=merchant.merchant_id,
            salt=bytes(32),
            sum_minor=999_999,
            sum_rho=rho,
            reference="IBAN 1",
            signature=bytes(96),
        ),
    )
    with refused("bad-opening"):
        world.lender.settlement(world.ledger, opening)


def test_an_opening_of_another_entry_ledger_or_lender(world: World) -> None:
    opening = opened(world)
    for change, error in (
        ({"entry_index": 0}, MalformedInput),
        ({"entry_index": world.ledger.size}, MalformedInput),
        ({"ledger_id": bytes(32)}, Refused),
        ({"merchant_id": bytes(32)}, Refused),
    ):
        with pytest.raises(error):
            world.lender.settlement(
                world.ledger, resigned(world, msgspec.structs.replace(opening, **change))
            )
    other = Lender.create(None, seed("other lender"), "Other Bank", clock=world.clock)
    other.register(world.ledger)
    with refused("wrong-claim"):
        other.settlement(world.ledger, opening)


def test_a_payout_is_promised_to_one_merchant_once(world: World) -> None:
    opening = opened(world)
    order = world.lender.settlement(world.ledger, opening)
    assert world.lender.settlement(world.ledger, opening) == order
    moved = msgspec.structs.replace(opening, merchant_id=world.merchants[1].merchant_id)
    with refused("bad-signature"):
        world.lender.settlement(world.ledger, moved)
    with refused("claim-settled"):
        world.lender.settlement(world.ledger, resigned(world, moved, shop=1))
    assert world.lender.payouts() == [order]


def test_a_rolled_back_ledger_gets_no_second_payout(world: World) -> None:
    """The operator forgot the settlement; the same claims come again in another entry."""
    _, claims = shop_with_claims(world)
    merchant = world.merchant
    rho = add_scalars([merchant._keys.rho(sale.nonce).expose() for sale in merchant.sales])

    def promised(salt: bytes, before: list[Submission]) -> object:
        bound = digests.payout_hash(salt, 303, rho, "IBAN 1")
        made = world.settlement(claims, payout_hash=bound)
        view = Rogue(world.ledger, [*before, made])
        opening = SettlementOpening(
            ledger_id=world.ledger.ledger_id,
            entry_index=view.size - 1,
            merchant_id=merchant.merchant_id,
            salt=salt,
            sum_minor=303,
            sum_rho=rho,
            reference="IBAN 1",
            signature=bytes(96),
        )
        return world.lender.settlement(view, resigned(world, opening))  # type: ignore[arg-type]

    first = promised(b"\1" * 32, [])
    filler = world.settlement(claims, payout_hash=bytes(32))
    for salt, before in ((b"\2" * 32, [filler]), (b"\3" * 32, [])):
        with refused("claim-settled"):
            promised(salt, before)
    assert promised(b"\1" * 32, [filler]) == first  # the same statement, elsewhere
    assert world.lender.payouts() == [first]


def test_a_settlement_whose_claims_were_signed_by_nobody(world: World) -> None:
    """A rogue operator invents a settlement of real claims by a stranger's key."""
    wallet, claims = shop_with_claims(world, 1)
    own = world.claim_of(world.pay(wallet, 50, shop=1), shop=1)
    index, _, _ = claims[0]
    merchant, victim = world.merchants[1], world.merchant
    rho = victim._keys.rho(victim.sales[0].nonce).expose()
    bound = digests.payout_hash(bytes(32), 100, rho, "IBAN 9")
    stolen = world.settlement([(index, own[1], own[2])], payout_hash=bound)
    view = Rogue(world.ledger, [stolen])
    opening = SettlementOpening(
        ledger_id=world.ledger.ledger_id,
        entry_index=view.size - 1,
        merchant_id=merchant.merchant_id,
        salt=bytes(32),
        sum_minor=100,
        sum_rho=rho,
        reference="IBAN 9",
        signature=bytes(96),
    )
    with refused("wrong-claim"):
        world.lender.settlement(view, resigned(world, opening, shop=1))  # type: ignore[arg-type]


def test_a_claim_whose_purchase_was_never_proved(world: World) -> None:
    """A rogue operator invents the purchase itself; the lender pays only what was proved."""
    wallet, thief = world.holder(), world.merchant
    with forged_circuit("spend", "spend.credit-left"):
        forged = world.forge_spend(wallet, LIMIT + 1)
    index = world.ledger.size
    sale = thief.sales[-1]
    secret, rho = thief._keys.payee_secret(sale.nonce), thief._keys.rho(sale.nonce).expose()
    bound = digests.payout_hash(bytes(32), LIMIT + 1, rho, "IBAN 9")
    made = world.settlement([(index, commit([("payee", secret)]), secret)], payout_hash=bound)
    view = Rogue(world.ledger, [forged, made])
    opening = SettlementOpening(
        ledger_id=world.ledger.ledger_id,
        entry_index=index + 1,
        merchant_id=thief.merchant_id,
        salt=bytes(32),
        sum_minor=LIMIT + 1,
        sum_rho=rho,
        reference="IBAN 9",
        signature=bytes(96),
    )
    with refused("bad-proof"):
        world.lender.settlement(view, resigned(world, opening))  # type: ignore[arg-type]
    assert world.lender.payouts() == []


def test_a_payout_order_that_is_not_for_what_was_settled(world: World) -> None:
    opening = opened(world)
    order = world.lender.settlement(world.ledger, opening)
    key = world.lender._desk.keys.bls

    def again(signer: BlsKey = key, **change: object) -> object:
        changed = msgspec.structs.replace(order, **change)
        signature = signer.sign(signing_digest(changed))
        return msgspec.structs.replace(changed, signature=signature)

    for change in (
        {"sum_minor": 302, "net_minor": 302},
        {"fee_minor": 3, "net_minor": 300},
        {"net_minor": 300},
        {"reference": "IBAN 2"},
        {"merchant_id": world.merchants[1].merchant_id},
        {"issuer_id": bytes(32)},
        {"currency": "USD"},
    ):
        with refused("bad-payout"):
            world.merchant.accept_payout(world.ledger, again(**change))  # type: ignore[arg-type]
    with refused("unknown-settlement"):
        world.merchant.accept_payout(world.ledger, again(entry_index=0))  # type: ignore[arg-type]
    with refused("bad-signature"):
        thief = BlsKey.derive(seed("thief"), b"")
        world.merchant.accept_payout(world.ledger, again(thief))  # type: ignore[arg-type]
    assert world.merchant.payouts() == []
    world.merchant.accept_payout(world.ledger, order)


# --- claims a merchant must not take ----------------------------------------------------------


def test_a_claim_of_another_amount_invoice_or_lender_is_no_payment(world: World) -> None:
    for change in ({"amount_minor": 99}, {"rho": bytes(31) + b"\x05"}, {"invoice_hash": bytes(32)}):
        wallet = world.holder(next(iter(change)))
        invoice = world.invoice(100)
        values = {
            "amount_minor": 100,
            "rho": bytes(invoice.rho),
            "payee": bytes(invoice.payee),
            "invoice_hash": signing_digest(invoice),
            "merchant_id": bytes(invoice.merchant_id),
            "not_after_ms": invoice.not_after_ms,
            "plan": 1,
            "label": "goods",
        }
        purchase = Purchase(**values | change)  # type: ignore[arg-type]
        world.ledger.submit(submission(world.steps(wallet).spend(world.token(wallet), purchase)))
        assert world.merchant.check(world.ledger) == []
        sale = world.merchant.sales[-1]
        assert sale.state == "wrong-claim"
    assert world.merchant.settle(world.ledger, "IBAN 1", force=True) == []


def test_a_lender_the_merchant_does_not_take(world: World) -> None:
    other = Lender.create(None, seed("other lender"), "Other Bank", clock=world.clock)
    other.register(world.ledger)
    theirs = other.publish_terms(world.ledger, PLAIN)
    wallet = world.holder()
    invoice = world.invoice(100, accepted=[theirs])
    with refused("not-accepted"), unchanged(world.ledger):
        wallet.pay(world.ledger, 1, invoice)
    assert wallet.usable_lines(world.ledger, invoice) == []
    purchase = Purchase(
        amount_minor=100,
        rho=bytes(invoice.rho),
        payee=bytes(invoice.payee),
        invoice_hash=signing_digest(invoice),
        merchant_id=bytes(invoice.merchant_id),
        not_after_ms=invoice.not_after_ms,
        plan=1,
        label="goods",
    )
    made = submission(world.steps(wallet).spend(world.token(wallet), purchase))
    world.ledger.submit(made)  # a client that pays with it all the same
    assert world.merchant.check(world.ledger) == []
    assert world.merchant.sales[-1].state == "wrong-claim"


def test_few_claims_are_settled_only_by_force(world: World) -> None:
    wallet, _ = shop_with_claims(world, 4)
    with refused("too-few-claims"), unchanged(world.ledger):
        world.merchant.settle(world.ledger, "IBAN 1")
    world.pay(wallet, 5)
    (opening,) = world.merchant.settle(world.ledger, "IBAN 1")
    assert opening.sum_minor == 100 + 101 + 102 + 103 + 5
