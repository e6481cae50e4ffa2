"""Attacks on grants of records: opened by others, changed, revoked, or with a forged body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from recordkit import PURPOSE, Desk, Records

from zkcredit.errors import CheckFailed, Refused
from zkcredit.messages import encode_message
from zkcredit.records import grants
from zkcredit.records.bodies import MemoryBodies, open_body, seal_body
from zkcredit.records.grants import Grant, seal_grant
from zkcredit.records.recipients import fingerprint

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def records() -> Records:
    """A holder whose records the attackers get hold of; nobody changes its ledger."""
    return Records()


def test_a_grant_opens_for_nobody_else(records: Records) -> None:
    grant = records.share("bill", records.other("A"))
    thief = records.other("B")
    with pytest.raises(Refused, match="wrong-recipient"):
        thief.open(grant, records.bodies)
    with pytest.raises(CheckFailed):
        thief.open(replace(grant, recipient=_print(thief)), records.bodies)


def _print(desk: Desk) -> bytes:
    return fingerprint(desk.key.public_key)


CHANGES: dict[str, Callable[[Grant], dict[str, Any]]] = {
    "purpose": lambda _: {"purpose": "advertising"},
    "expires_ms": lambda grant: {"expires_ms": grant.expires_ms + 1},
    "issued_ms": lambda grant: {"issued_ms": grant.issued_ms - 1},
    "grant_id": lambda _: {"grant_id": bytes(32)},
    "recipient_name": lambda _: {"recipient_name": "Bank"},
    "body": lambda _: {"body": bytes(32)},
    "sealed_key": lambda grant: {"sealed_key": grant.sealed_key[:-1] + b"\0"},
}


@pytest.mark.parametrize("field", CHANGES)
def test_no_field_of_a_grant_can_be_changed(records: Records, field: str) -> None:
    desk = records.other()
    grant = records.share("bill", desk)
    forged = replace(grant, **CHANGES[field](grant))
    purpose = forged.purpose
    with pytest.raises(CheckFailed, match="does not open"):
        desk.open(forged, records.bodies, purpose=purpose)
    with pytest.raises(Refused, match="wrong-ledger"):
        desk.open(replace(grant, ledger_id=bytes(32)), records.bodies)


def test_a_body_in_anothers_place(records: Records) -> None:
    """Whoever keeps the bodies can take them away, and nothing more."""
    desk = records.other()
    bill, agreement = records.share("bill", desk), records.share("agreement", desk)

    class Swapped(MemoryBodies):
        def get(self, digest: bytes) -> bytes | None:
            return records.bodies.get(agreement.body if digest == bill.body else bill.body)

    for grant in (bill, agreement):
        with pytest.raises(CheckFailed):
            desk.open(grant, Swapped())


def test_a_forged_record_in_a_good_grant(records: Records) -> None:
    """The holder seals something that the bank never signed."""
    desk, record = records.other(), records.record("bill")
    forged = replace(record, document=replace(record.document, balance_minor=0))
    book = records.wallet.records(bodies := MemoryBodies())
    held = book._held(records.number("bill"))
    body = bodies.put(seal_body(held.data_key, encode_message(forged)))
    grant = seal_grant(
        desk.recipient,
        held.data_key,
        body,
        grant_id=bytes(32),
        purpose=PURPOSE,
        issued_ms=0,
        expires_ms=records.world.clock(),
    )
    with pytest.raises(Refused, match="bad-signature"):
        desk.open(grant, bodies)


def test_a_record_is_not_sealed_for_an_impostor(records: Records) -> None:
    bank, thief = records.bank(), records.other("thief")
    forged = replace(bank.recipient, public_key=thief.key.public_key)
    impostor = Desk(records.world, "Bank", thief.key, forged)
    with pytest.raises(Refused, match="bad-signature"):
        records.share("bill", impostor)


def test_a_revoked_grant_does_not_open_the_new_body() -> None:
    records = Records()
    out, kept = records.other("A"), records.other("B")
    revoked, _ = records.share("bill", out), records.share("bill", kept)
    old = MemoryBodies()
    old.put(records.book.body(revoked.grant_id))
    (moved,) = records.book.revoke(revoked.grant_id)
    theirs = replace(moved, sealed_key=revoked.sealed_key, recipient=revoked.recipient)
    for forged in (moved, theirs, replace(revoked, body=moved.body)):
        with pytest.raises((CheckFailed, Refused)):
            out.open(forged, records.bodies)
    old_key = out.key.open(revoked.sealed_key, grants._info(revoked))
    with pytest.raises(CheckFailed):
        open_body(old_key, records.book.body(moved.grant_id))
    assert out.open(revoked, old).verified.kind == "bill"  # what was copied stays readable
