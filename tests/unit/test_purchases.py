"""Purchases proved to a third party: what is asked, what is learnt, what cannot be answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from kit import PLAIN, World, refused
from purchasekit import Market, answer, ask, spends

from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.messages import decode_message, encode_message
from zkcredit.purchases.messages import PurchasesRequest
from zkcredit.purchases.prove import learns
from zkcredit.purchases.verify import verify


@pytest.fixture(scope="module")
def shared() -> Market:
    return Market()


def test_each_amount(shared: Market) -> None:
    found = answer(shared, shared.buyer, ask(shared, show="amounts"))
    assert found.entries == spends(shared.buyer)
    assert (found.amounts_minor, found.total_minor, found.currency) == ((50, 70, 30), 150, "TWD")
    assert (found.complete, found.below_minor, found.pseudonym) == (False, 0, b"")
    first, _, last = spends(shared.buyer)
    chosen = answer(shared, shared.buyer, ask(shared, show="amounts"), last, first, last)
    assert (chosen.entries, chosen.amounts_minor) == ((first, last), (50, 30))


def test_the_sum_alone(shared: Market) -> None:
    request = ask(shared)
    proof = shared.buyer.prove_purchases(shared.ledger, 1, request)
    assert proof.amounts_minor == [150]
    found = verify(shared.ledger, request, proof, shared.clock())
    assert (found.amounts_minor, found.total_minor) == (None, 150)
    again = shared.buyer.prove_purchases(shared.ledger, 1, request)
    assert (again.holder, again.proof) != (proof.holder, proof.proof)


def test_less_than_on_average(shared: Market) -> None:
    request = ask(shared, show="average", below_minor=51)
    proof = shared.buyer.prove_purchases(shared.ledger, 1, request)
    assert proof.amounts_minor == []
    found = verify(shared.ledger, request, proof, shared.clock())
    assert (found.amounts_minor, found.total_minor, found.below_minor) == (None, None, 51)
    exact = ask(shared, show="average", below_minor=50)
    with refused("purchases.average"):
        answer(shared, shared.buyer, exact)
    cheap = spends(shared.buyer)[2]
    assert answer(shared, shared.buyer, ask(shared, show="average", below_minor=31), cheap).entries


def test_a_pseudonym(shared: Market) -> None:
    request = ask(shared, pseudonym="landlord")
    first = answer(shared, shared.buyer, request).pseudonym
    assert len(first) == 48
    assert answer(shared, shared.buyer, ask(shared, pseudonym="landlord")).pseudonym == first
    assert answer(shared, shared.buyer, ask(shared, pseudonym="bank")).pseudonym != first
    assert answer(shared, shared.other, request).pseudonym != first


def test_all_of_a_line() -> None:
    world = World()
    wallet = world.holder()
    world.pay(wallet, 50)
    world.pay(wallet, 70)
    world.refresh(wallet)
    world.update(wallet)
    with refused("not-billed"):
        answer(world, wallet, ask(world, coverage="all"))
    world.open_period()
    world.bill(wallet)
    world.pay(wallet, 5)
    world.open_period()
    world.bill(wallet)
    world.open_period()
    world.bill(wallet)
    for show, amounts, options in (
        ("sum", None, {}),
        ("amounts", (50, 70, 5), {}),
        ("average", None, {"below_minor": 42}),
    ):
        request = ask(world, (1, 3), coverage="all", show=show, **options)
        found = answer(world, wallet, request)
        assert found.complete
        assert (found.entries, found.amounts_minor) == (spends(wallet), amounts)
        assert found.total_minor == (None if show == "average" else 125)
    second = answer(world, wallet, ask(world, (2, 2), coverage="all"))
    assert second.total_minor == 5
    nothing = answer(world, wallet, ask(world, (3, 3), coverage="all"))
    assert (nothing.entries, nothing.total_minor, nothing.complete) == ((), 0, True)
    for show, options in (("average", {"below_minor": 9}), ("sum", {"coverage": "chosen"})):
        empty = ask(world, (3, 3), **{"coverage": "all", "show": show} | options)
        with refused("no-purchases"):
            answer(world, wallet, empty)
    with pytest.raises(CallerError, match="none can be chosen"):
        answer(world, wallet, ask(world, coverage="all"), spends(wallet)[0])


def test_plans_and_attributes() -> None:
    """Other sizes of tokens; a bill no longer holds a whole period."""
    world = World(terms=replace(PLAIN, due_buckets=3, attributes=2))
    wallet = world.holder(attributes=(4, 9))
    wallet.pay(world.ledger, 1, world.invoice(100), plan=3)
    world.answer(wallet)
    world.pay(wallet, 11)
    assert answer(world, wallet, ask(world, show="amounts")).amounts_minor == (100, 11)
    with pytest.raises(Refused, match="not-billed-whole"):
        ask(world, coverage="all")


def test_a_proof_has_one_length(shared: Market) -> None:
    request = ask(shared)
    one = shared.buyer.prove_purchases(shared.ledger, 1, request, spends(shared.buyer)[:1])
    three = shared.buyer.prove_purchases(shared.ledger, 1, request)
    assert len(one.proof) == len(three.proof) == 864


def test_what_the_wallet_keeps(shared: Market) -> None:
    again = shared.again(shared.buyer)
    assert answer(shared, again, ask(shared)).total_minor == 150
    row = shared.buyer.history()[-1]
    assert row.opening is not None
    assert repr(row.opening) == "<Opening>"
    restored = shared.wallet("buyer")
    restored.restore(shared.ledger)
    assert spends(restored) == spends(shared.buyer)
    assert answer(shared, restored, ask(shared)).total_minor == 150


def test_a_wallet_restored_without_memos(shared: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    restored = shared.wallet("buyer")
    monkeypatch.setattr("zkcredit.wallet.follow._beside", lambda *_: (b"", b""))
    restored.restore(shared.ledger)
    assert spends(restored) == spends(shared.buyer)
    with refused("opening-unknown"):
        answer(shared, restored, ask(shared))


def test_questions_that_are_not_answered(shared: Market) -> None:
    good = ask(shared)
    changed: list[tuple[str, dict[str, Any]]] = [
        ("wrong-ledger", {"ledger_id": bytes(32)}),
        ("unknown-verifier", {"verifier_id": bytes(32)}),
        ("bad-signature", {"nonce": bytes(32)}),
        ("bad-signature", {"show": "amounts"}),
        ("bad-signature", {"valid_until_ms": good.valid_until_ms + 1}),
    ]
    for rule, fields in changed:
        request = msgspec.structs.replace(good, **fields)
        with refused(rule):
            answer(shared, shared.buyer, request)
    foreign = spends(shared.other)[0]
    with refused("unknown-purchase"):
        answer(shared, shared.buyer, good, foreign)
    proof = shared.buyer.prove_purchases(shared.ledger, 1, good)
    late_ms = good.valid_until_ms + 1
    with refused("expired"):
        verify(shared.ledger, good, proof, late_ms)
    terms = replace(PLAIN, apr_bps=1)
    other_terms = shared.lender.publish_terms(shared.ledger, terms)
    shared.lender.open_period(shared.ledger, other_terms)
    asked = ask(shared, terms_hash=other_terms)
    with refused("other-terms"):
        answer(shared, shared.buyer, asked)


def test_questions_without_sense(shared: Market) -> None:
    for options in (
        {"show": "average"}, {"below_minor": 5}, {"pseudonym": ""}, {"pseudonym": "a\n"},
    ):  # fmt: skip
        with pytest.raises(CallerError):
            ask(shared, **options)
    for periods in ((0, 1), (1, 2)):
        with pytest.raises(Refused, match="unknown-period"):
            ask(shared, periods)
    message = encode_message(ask(shared))
    with pytest.raises(MalformedInput):
        decode_message(message.replace(b'"sum"', b'"all"'), PurchasesRequest)
    world = World()
    world.open_period()
    with pytest.raises(CallerError, match="in order"):
        ask(world, (2, 1))


def test_plain_words(shared: Market) -> None:
    def words(**options: Any) -> list[str]:
        return learns(shared.ledger.registry, ask(shared, **options), shared.clock())

    assert any("their sum" in text for text in words())
    assert any("0.51 TWD on average" in text for text in words(show="average", below_minor=51))
    assert any("the amount of each" in text for text in words(show="amounts"))
    assert any("all purchases" in text for text in words(coverage="all"))
    assert words(pseudonym="x")[-1] == "your pseudonym for 'x', the same each time"


def test_too_many(shared: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkcredit.purchases.prove.ENTRIES_MAX", 2)
    with refused("too-many"):
        answer(shared, shared.buyer, ask(shared))
