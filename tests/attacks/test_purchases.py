"""False statements about purchases: a negative for each clause, replays, every byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from kit import PLAIN, World, refused, seed, tainted
from purchasekit import Liar, Market, answer, ask, lie, rows, spends

from zkcredit import _native
from zkcredit.errors import MalformedInput, Refused, ZkCreditError
from zkcredit.lender import Lender
from zkcredit.messages import signing_digest
from zkcredit.purchases.messages import (
    PurchasesProof,
    PurchasesRequest,
    proof_context,
    read_request,
)
from zkcredit.purchases.verify import _commitments, verify
from zkcredit.purchases.weights import weighted_points, weighted_scalars
from zkcredit.reference import g1
from zkcredit.wallet import Wallet
from zkcredit.wallet.state import HistoryRow

change = msgspec.structs.replace


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


def believed(world: World, request: PurchasesRequest, make: Callable[[], PurchasesProof]) -> bool:
    """Whether a verifier takes the answer; the attacker's own prover may fail already."""
    try:
        proof = make()
    except ZkCreditError:
        return False
    try:
        verify(world.ledger, request, proof, world.clock())
    except ZkCreditError:
        return False
    return True


def test_another_holders_purchase(market: Market) -> None:
    foreign = spends(market.other)[0]
    for show in ("sum", "amounts"):
        request = ask(market, show=show)
        proof = market.buyer.prove_purchases(market.ledger, 1, request)
        swapped = change(proof, entries=[*proof.entries[:2], foreign])
        with refused("purchases"):
            verify(market.ledger, request, swapped, market.clock())
    own, theirs = rows(market.buyer), rows(market.other)
    assert believed(market, request, lambda: lie(market, market.buyer._keys, request, own))
    for mixed in ([*own, *theirs], [own[0], theirs[0]], theirs):
        for keys in (market.buyer._keys, market.other._keys):
            honest = mixed == theirs and keys is market.other._keys
            assert (
                believed(market, request, lambda k=keys, m=mixed: lie(market, k, request, m))
                == honest
            )


def pooling(keys: Any, others: Any) -> type[Liar]:
    """A prover that knows two wallets' secrets and tells the truth about the weighted rest."""

    class Pooling(Liar):
        def witness(self, rests: Sequence[bytes], context: bytes) -> dict[str, Any]:
            zero = _native.SecretScalar.from_bytes(bytes(32))
            theirs = {row.index for row in others[1]}
            owners = [
                (others[0].owner if row.index in theirs else keys.owner) - keys.owner
                for row in self.rows + self.bills
            ]
            first = self.openings[0].next.account
            accounts = [zero + (opening.next.account - first) for opening in self.openings]
            return super().witness(rests, context) | {
                "no_owner": weighted_scalars(owners, rests, context),
                "no_account": weighted_scalars(accounts, rests, context),
            }

    return Pooling


def test_two_holders_with_one_account_number() -> None:
    """Only the owner tells them apart, as this lender has forgotten its first customer."""
    world = World()
    first = world.holder("first")
    world.pay(first, 50)
    world.lender.close()
    world.lender = Lender.create(None, seed("lender"), "Bank", clock=world.clock)
    world.lender.register(world.ledger)
    world.lender.publish_terms(world.ledger, world.terms)
    second = world.holder("second")
    world.pay(second, 20)
    own, theirs = rows(first), rows(second)
    assert own[0].opening is not None
    assert theirs[0].opening is not None
    assert own[0].opening.next.account == theirs[0].opening.next.account
    request, keys = ask(world), first._keys
    prover = pooling(keys, (second._keys, theirs))
    assert believed(world, request, lambda: lie(world, keys, request, own, prover=prover))
    both = [*own, *theirs]
    assert not believed(world, request, lambda: lie(world, keys, request, both, prover=prover))


def test_two_lines_of_one_holder() -> None:
    """Only the account tells them apart: one line's bill would not hold the other's purchases."""
    world = World()
    wallet = world.holder()
    world.open_line(wallet, customer="again")
    world.pay(wallet, 50)
    world.pay(wallet, 20, line=2)
    request, keys = ask(world), wallet._keys
    prover = pooling(keys, (keys, []))
    own, more = rows(wallet), rows(wallet, line=2)
    assert believed(world, request, lambda: lie(world, keys, request, own, prover=prover))
    both = [*own, *more]
    assert not believed(world, request, lambda: lie(world, keys, request, both, prover=prover))


def with_amounts(wallet: Wallet, amounts_minor: Sequence[int]) -> list[HistoryRow]:
    own = rows(wallet)
    return [change(row, amount_minor=a) for row, a in zip(own, amounts_minor, strict=True)]


@pytest.mark.parametrize(
    ("show", "amounts_minor"),
    [
        ("sum", (50, 70, 31)),
        ("sum", (50, 70, 0)),
        ("amounts", (50, 70, 31)),
        ("amounts", (50, 71, 29)),
        ("amounts", (70, 50, 30)),
    ],
)
def test_wrong_amounts(market: Market, show: Any, amounts_minor: tuple[int, ...]) -> None:
    request = ask(market, show=show)
    false = with_amounts(market.buyer, amounts_minor)
    assert not believed(market, request, lambda: lie(market, market.buyer._keys, request, false))
    proof = market.buyer.prove_purchases(market.ledger, 1, request)
    shown = list(amounts_minor) if show == "amounts" else [sum(amounts_minor)]
    with refused("purchases"):
        verify(market.ledger, request, change(proof, amounts_minor=shown), market.clock())


def test_an_average_that_is_not_below(market: Market) -> None:
    keys = market.buyer._keys
    request = ask(market, show="average", below_minor=50)
    for amounts_minor in ((50, 70, 30), (50, 70, 29), (1, 1, 1)):
        false = with_amounts(market.buyer, amounts_minor)
        assert not believed(market, request, lambda f=false: lie(market, keys, request, f))
    twice = [*rows(market.buyer), rows(market.buyer)[2]]
    assert not believed(market, request, lambda: lie(market, keys, request, twice))
    higher = ask(market, show="average", below_minor=51)
    proof = market.buyer.prove_purchases(market.ledger, 1, higher)
    verify(market.ledger, higher, proof, market.clock())
    with refused("purchases"):
        verify(market.ledger, higher, change(proof, entries=proof.entries[:2]), market.clock())


def test_one_purchase_counted_twice(market: Market) -> None:
    request, own = ask(market), rows(market.buyer)
    for chosen in ([own[0], own[0]], [own[1], own[0]]):
        proof = lie(market, market.buyer._keys, request, chosen)
        with pytest.raises(Refused, match="counted-twice"):
            verify(market.ledger, request, proof, market.clock())


def two_lines() -> tuple[World, Wallet]:
    """A holder with two lines in two periods: 60 and 40, then 5; and 40, then 5."""
    world = World()
    wallet = world.holder()
    world.open_line(wallet, customer="again")
    world.pay(wallet, 60)
    for line in (1, 2):
        world.pay(wallet, 40, line=line)
    world.open_period()
    for line in (1, 2):
        world.bill(wallet, line)
        world.pay(wallet, 5, line=line)
    world.open_period()
    for line in (1, 2):
        world.bill(wallet, line)
    return world, wallet


def test_a_purchase_left_out() -> None:
    world, wallet = two_lines()
    keys, prover = wallet._keys, pooling(wallet._keys, (wallet._keys, []))
    own, other = rows(wallet), rows(wallet, line=2)
    bills, other_bills = rows(wallet, "statement"), rows(wallet, "statement", 2)
    for show in ("sum", "amounts"):
        request = ask(world, (1, 2), coverage="all", show=show)

        def tried(
            purchases: list[HistoryRow],
            shown: list[HistoryRow] = bills,
            asked: PurchasesRequest = request,
        ) -> bool:
            return believed(world, asked, lambda: lie(world, keys, asked, purchases, shown, prover))

        assert tried(own)
        assert not tried(own[1:])
        assert not tried([own[0], own[2]])
        assert not tried([own[0], other[0], own[2]])  # the same sum with another line's
        assert not tried([*own[:2], other[1]])
        assert not tried(other)
        assert not tried(own, [bills[0], other_bills[1]])
        assert not tried(own, bills[:1])
        assert not tried(own, [bills[1], bills[0]])
        assert not tried(own, [])
    assert answer(world, wallet, request).complete
    average = ask(world, (1, 2), coverage="all", show="average", below_minor=41)
    cheap = own[1:]
    assert not believed(world, average, lambda: lie(world, keys, average, cheap, bills, prover))


def test_entries_of_other_periods_terms_and_kinds() -> None:
    world = World()
    wallet = world.holder()
    world.pay(wallet, 50)
    world.refresh(wallet)
    other = world.lender.publish_terms(world.ledger, replace(PLAIN, late_fee_minor=1))
    world.lender.open_period(world.ledger, other)
    world.open_period()
    world.bill(wallet)
    world.pay(wallet, 5)
    first, second = rows(wallet)
    late = ask(world, (2, 2))
    with pytest.raises(Refused, match="other-period"):
        verify(world.ledger, late, lie(world, wallet._keys, late, [first]), world.clock())
    elsewhere = ask(world, (1, 1), terms_hash=other)
    proof = lie(world, wallet._keys, elsewhere, [first])
    with pytest.raises(Refused, match="other-terms"):
        verify(world.ledger, elsewhere, proof, world.clock())
    request = ask(world, (1, 2))
    proof = wallet.prove_purchases(world.ledger, 1, request)
    for index in (0, first.index + 1, world.ledger.size, 1 << 62):
        with refused("purchases"):
            wrong = change(proof, entries=sorted([index, second.index]))
            verify(world.ledger, request, wrong, world.clock())
    for false in (
        change(proof, entries=[]),
        change(proof, bills=[rows(wallet, "statement")[0].index]),
        change(proof, amounts_minor=[]),
        change(proof, amounts_minor=[50, 5]),
        change(proof, holder=proof.holder[1:]),
        change(proof, pseudonym=proof.holder),
    ):
        with refused("purchases"):
            verify(world.ledger, request, false, world.clock())


def test_replayed(market: Market) -> None:
    shop = market.add_merchant("Shop 1")
    request = ask(market)
    proof = market.buyer.prove_purchases(market.ledger, 1, request)
    verify(market.ledger, request, proof, market.clock())
    again = ask(market)
    elsewhere = ask(market, key=shop._keys.bls, verifier_id=shop.merchant_id)
    for other in (again, elsewhere):
        for replayed in (proof, change(proof, request=signing_digest(other))):
            with refused("purchases"):
                verify(market.ledger, other, replayed, market.clock())


def test_on_another_ledger(market: Market) -> None:
    fork = Market()
    request, asked = ask(market), ask(fork)
    proof = market.buyer.prove_purchases(market.ledger, 1, request)
    with refused("wrong-ledger"):
        verify(fork.ledger, request, proof, fork.clock())
    fields = {"ledger_id": asked.ledger_id, "request": signing_digest(asked)}
    assert spends(fork.buyer) == spends(market.buyer)
    for moved in (proof, change(proof, **fields)):
        with refused("purchases"):
            verify(fork.ledger, asked, moved, fork.clock())


def test_anothers_pseudonym(market: Market) -> None:
    request = ask(market, pseudonym="landlord")
    mine = market.buyer.prove_purchases(market.ledger, 1, request)
    theirs = market.other.prove_purchases(market.ledger, 1, request)
    for false in (theirs.pseudonym, b"", mine.holder):
        with refused("purchases"):
            verify(market.ledger, request, change(mine, pseudonym=false), market.clock())


def test_a_second_pseudonym_by_torsion(market: Market) -> None:
    """It is refused for what it is, whatever the proof: no equation would see it."""
    request = ask(market, pseudonym="landlord")
    proof = market.buyer.prove_purchases(market.ledger, 1, request)
    forged = change(proof, pseudonym=tainted(proof.pseudonym))
    question = read_request(market.ledger.registry, request, market.clock())
    commitments = _commitments(market.ledger, question, forged)
    rests, context = commitments.rests(forged.holder), proof_context(forged)
    points = commitments.points(question, rests, context)
    shown = (forged.holder, points["rest"], forged.pseudonym, points["claims"])
    head = b"".join(g1.encode_uncompressed(g1.decode(point, "point")) for point in shown)
    forged = change(forged, proof=head + proof.proof[len(head) :])
    with pytest.raises(Refused, match="outside the subgroup"):
        verify(market.ledger, request, forged, market.clock())


@pytest.mark.parametrize("show", ["sum", "average"])
def test_changed_bytes(market: Market, show: Any) -> None:
    options = {"below_minor": 51} if show == "average" else {}
    request = ask(market, show=show, pseudonym="landlord", **options)
    proof = market.buyer.prove_purchases(market.ledger, 1, request)
    step = 7 if show == "sum" else 61
    places = [("proof", i) for i in range(0, len(proof.proof), step)]
    places += [(name, i) for name in ("holder", "pseudonym") for i in range(48)]
    for name, place in places:
        data = bytearray(getattr(proof, name))
        data[place] ^= 1 << place % 8
        with refused("purchases"):
            changed = change(proof, **{name: bytes(data)})
            verify(market.ledger, request, changed, market.clock())
    for length in (0, len(proof.proof) - 1):
        with refused("purchases"):
            verify(
                market.ledger, request, change(proof, proof=proof.proof[:length]), market.clock()
            )


def test_points_outside_the_group_are_not_added() -> None:
    """(0, 2) has order 3."""
    with pytest.raises(MalformedInput):
        weighted_points([_native.commit([("owner", 1)]), b"\x80" + bytes(47)], bytes(32))
