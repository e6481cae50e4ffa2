"""What a wallet does with the answers of a lender that cheats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from kit import INTEREST, LIMIT, World, refused

from zkcredit.errors import ProofRefused, StateConflict
from zkcredit.messages import signing_digest
from zkcredit.terms import Terms


@pytest.fixture
def world() -> Iterator[World]:
    world = World(INTEREST)
    yield world
    world.close()


@pytest.mark.parametrize(
    "change",
    [
        {"interest_minor": 1},
        {"late_fee_minor": 300},
        {"bill_minor": 701},
        {"previous_balance_minor": 5},
        {"balance_minor": 701},
        {"minimum_minor": 699},
        {"arrears_minor": 1},
        {"waived_minor": 1},
        {"limit_minor": 5},
        {"limit_change_minor": -5},
        {"added_before_minor": 3},
        {"account": 2},
        {"period": 2},
        {"next_period": 3},
        {"entry_index": 1},
        {"terms_hash": bytes(32)},
        {"signature": bytes(96)},
    ],
)
def test_wrong_documents_are_disputed(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    from zkcredit.lender import billing
    from zkcredit.messages import signed

    honest = billing._bill

    def cheat(desk: Any, case: Any) -> Any:
        document = msgspec.structs.replace(honest(desk, case), **change)
        if "signature" in change:
            return document
        return signed(document, desk.keys.bls.sign(signing_digest(document)))

    wallet = world.holder()
    world.pay(wallet, 700)
    world.open_period()
    monkeypatch.setattr(billing, "_bill", cheat)
    opening = wallet.make_statement(world.ledger, 1)
    world.lender.statement(world.ledger, opening)
    [event] = wallet.receive(world.ledger)
    assert event.status == wallet.line(1).status == "disputed"
    assert "document" in event.text
    assert wallet.receive(world.ledger) == []
    assert wallet.documents(1) == []
    with refused("line-not-ready"):
        wallet.pay(world.ledger, 1, world.invoice(1))
    again = world.again(wallet)
    again.accept_disputed(1, world.ledger)
    assert again.line(1).status == "ready"
    assert len(again.documents(1)) == 1
    with pytest.raises(StateConflict):
        again.accept_disputed(1, world.ledger)


def test_wrong_signature_is_disputed_for_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zkcredit.lender import signing

    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "A")
    honest = signing.OpenReply
    monkeypatch.setattr(
        signing, "OpenReply", lambda **f: honest(**{**f, "limit_minor": f["limit_minor"] + 1})
    )
    world.answer(wallet)
    assert wallet.line(1).status == "disputed"
    with pytest.raises(ProofRefused):
        wallet.accept_disputed(1, world.ledger)


def test_lender_must_set_the_attributes_of_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    from zkcredit.lender import signing

    world = World(Terms(currency="TWD", attributes=1))
    wallet = world.wallet()
    request = wallet.request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "A", (3,))
    honest = signing.OpenReply
    monkeypatch.setattr(signing, "OpenReply", lambda **f: honest(**{**f, "attributes": []}))
    world.answer(wallet)
    assert wallet.line(1).status == "disputed"
    assert "attributes" in (wallet.line(1).problem or "")
    world.close()
