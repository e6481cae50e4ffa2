"""Attacks on records: each shown value, proof and grant altered, moved or taken elsewhere."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import pytest
from kit import Clock, Rogue, World, refused, seed, submission
from recordkit import Records, pay

from zkcredit.commitment import field_leaf
from zkcredit.entries import RecordsStatement
from zkcredit.errors import CallerError, MalformedInput, Refused, ZkCreditError
from zkcredit.lender import Lender
from zkcredit.messages import (
    committed_fields,
    decode_message,
    encode_message,
    signed,
    signing_digest,
    to_builtins,
)
from zkcredit.records import disclosure as disclosure_module
from zkcredit.records.anchors import Group, receipt_anchor
from zkcredit.records.disclosure import (
    Disclosure,
    Record,
    disclose,
    field_names,
    receipt,
    verify_disclosure,
    verify_record,
)
from zkcredit.records.documents import AGREEMENT, BILL, KINDS, RECEIPT, kind_of

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def records() -> Records:
    """A holder whose records the attackers get hold of; nobody changes its ledger."""
    return Records()


def verify(records: Records, disclosure: Disclosure) -> Any:
    """What a recipient makes of a disclosure that travelled as a file."""
    again = decode_message(encode_message(disclosure), Disclosure)
    return verify_disclosure(records.world.ledger, again)


def altered(disclosure: Disclosure, name: str, /, **changes: Any) -> Disclosure:
    """The disclosure with one shown field changed."""
    shown = [replace(f, **changes) if f.name == name else f for f in disclosure.shown]
    return replace(disclosure, shown=shown)


# -- single fields -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RECEIPT, BILL, AGREEMENT])
def test_every_field_can_be_shown_alone_and_none_can_be_altered(
    records: Records, kind: Any
) -> None:
    record = records.record(kind.name)
    plain = to_builtins(record.document)
    for name in field_names(kind):
        disclosure = disclose(record, [name])
        fields = verify(records, disclosure).fields
        assert fields[name] == getattr(record.document, name)
        assert set(fields) >= kind.always
        value = _other(plain[name])
        with pytest.raises((Refused, MalformedInput)):
            verify(records, altered(disclosure, name, value=value))


def _other(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return ("e" if value[0] != "e" else "f") + value[1:]
    return [*value, *value] or [1]


def test_what_is_hidden_stays_hidden(records: Records) -> None:
    record = records.record("bill")
    data = encode_message(disclose(record, ["period"]))
    for name in field_names(BILL):
        value = getattr(record.document, name)
        if isinstance(value, bytes) and name not in BILL.always:
            assert value.hex().encode() not in data
    assert record.document.nonce.hex().encode() not in data
    assert b"limit_minor" not in data


def test_hidden_values_are_not_guessed_from_their_leaves(records: Records) -> None:
    record = records.record("bill")
    first = disclose(record, ["period"])
    second = disclose(records.record("agreement"), ["customer"])
    assert len({*first.hidden, *second.hidden}) == len(first.hidden) + len(second.hidden)
    zeros = [name for name in field_names(BILL) if getattr(record.document, name) == 0]
    assert len(zeros) > 5  # equal values, and yet no two leaves or salts are equal
    salts = [field.salt for field in disclose(record, zeros).shown]
    assert len(set(salts)) == len(salts)


def test_a_field_under_another_name(records: Records) -> None:
    disclosure = disclose(records.record("bill"), ["minimum_minor", "balance_minor"])
    by_name = {field.name: field for field in disclosure.shown}
    low, high = by_name["minimum_minor"], by_name["balance_minor"]
    assert low.value != high.value
    for changes in (
        {"balance_minor": {"value": low.value, "salt": low.salt}},
        {"balance_minor": {"value": low.value}},
        {"balance_minor": {"salt": low.salt}},
    ):
        forged = disclosure
        for name, fields in changes.items():
            forged = altered(forged, name, **fields)
        with pytest.raises(Refused, match="bad-signature"):
            verify(records, forged)
    swapped = altered(altered(disclosure, "balance_minor", name="x"), "minimum_minor", name="y")
    with pytest.raises(MalformedInput):
        verify(records, swapped)


def test_a_field_of_another_record(records: Records) -> None:
    mine, others = (records.record(kind) for kind in ("agreement", "bill"))
    shown = {field.name: field for field in disclose(others, ["limit_minor"]).shown}
    disclosure = disclose(mine, ["limit_minor"])
    stolen = shown["limit_minor"]
    with pytest.raises(Refused, match="bad-signature"):
        verify(records, altered(disclosure, "limit_minor", salt=stolen.salt, value=stolen.value))
    with pytest.raises((Refused, MalformedInput)):
        verify(records, replace(disclosure, kind=BILL.tag))
    with pytest.raises(MalformedInput):
        verify(records, replace(disclosure, kind="zkcredit/payout-order/1"))


def test_fields_out_of_order_twice_or_too_few(records: Records) -> None:
    disclosure = disclose(records.record("bill"), ["period", "limit_minor"])
    for changes in (
        {"shown": disclosure.shown[::-1]},
        {"shown": [*disclosure.shown, disclosure.shown[-1]], "hidden": disclosure.hidden[1:]},
        {"hidden": disclosure.hidden[1:]},
        {"hidden": [*disclosure.hidden, bytes(32)]},
    ):
        with pytest.raises(MalformedInput):
            verify(records, replace(disclosure, **changes))
    with pytest.raises(Refused, match="bad-signature"):
        verify(records, replace(disclosure, hidden=disclosure.hidden[::-1]))


@pytest.mark.parametrize("missing", ["issuer_id", "ledger_id"])
def test_author_and_ledger_cannot_be_hidden(records: Records, missing: str) -> None:
    disclosure = disclose(records.record("bill"), ["period"])
    position = field_names(BILL).index(missing)
    (gone,) = (f for f in disclosure.shown if f.name == missing)
    value = getattr(records.record("bill").document, missing)
    hidden = list(disclosure.hidden)
    hidden.insert(0 if position == 0 else position - 1, field_leaf(gone.salt, missing, value))
    shown = [field for field in disclosure.shown if field.name != missing]
    with pytest.raises(Refused, match="undisclosed"):
        verify(records, replace(disclosure, shown=shown, hidden=hidden))


@pytest.mark.parametrize(
    ("kind", "figure", "missing"),
    [
        ("bill", "arrears_minor", "period"),
        ("bill", "balance_minor", "terms_hash"),
        ("agreement", "limit_minor", "currency"),
        ("agreement", "limit_minor", "agreed_ms"),
        ("report", "owed_minor", "currency"),
        ("report", "arrears_minor", "as_of_ms"),
    ],
)
def test_a_figure_without_currency_or_time(kind: str, figure: str, missing: str) -> None:
    """An old bill without arrears, or a debt in a currency of little worth."""
    records = Records()
    lender, ledger = records.world.lender, records.world.ledger
    lender.report(ledger, 1)
    lender.anchor_records(ledger)
    (record,) = (x for x in lender.records(ledger, 1) if kind_of(x.document).name == kind)
    assert missing in {field.name for field in disclose(record, [figure]).shown}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disclosure_module, "shown_fields", lambda _, names: {*names})
        bare = disclose(record, {figure, *KINDS[kind].always} - {missing})
    with refused("undisclosed"):
        verify(records, bare)


def test_a_value_of_another_type(records: Records) -> None:
    disclosure = disclose(records.record("bill"), ["period", "ledger_id"])
    for name, value in (
        ("period", "1"),
        ("period", 1.0),
        ("period", True),
        ("period", None),
        ("period", 0),
        ("period", {"a": 1}),
        ("ledger_id", records.world.ledger.ledger_id.hex().upper()),
        ("ledger_id", 5),
        ("ledger_id", []),
    ):
        with pytest.raises(MalformedInput):
            verify(records, altered(disclosure, name, value=value))
    with pytest.raises(CallerError, match="shoe_size"):
        disclose(records.record("bill"), ["shoe_size"])


@pytest.mark.parametrize("kind", ["bill", "receipt"])
def test_no_byte_of_a_disclosure_can_be_changed(records: Records, kind: str) -> None:
    names = ["label"] if kind == "receipt" else ["balance_minor"]
    data = encode_message(disclose(records.record(kind), names))
    verify_disclosure(records.world.ledger, decode_message(data, Disclosure))
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 7
        with pytest.raises(ZkCreditError):
            verify_disclosure(records.world.ledger, decode_message(bytes(changed), Disclosure))


# -- whole records -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["receipt", "bill", "agreement"])
def test_no_value_of_a_record_can_be_changed(records: Records, kind: str) -> None:
    record = records.record(kind)
    plain = to_builtins(record)
    names = [name for name, _ in committed_fields(record.document)]
    for name in (*names, "nonce", "signature"):
        value = plain["document"][name]
        forged = {**plain, "document": {**plain["document"], name: _other(value)}}
        with pytest.raises(ZkCreditError):
            verify_record(records.world.ledger, decode_message(json.dumps(forged), Record))


def test_a_receipt_brings_nothing_that_is_not_signed(records: Records) -> None:
    record = records.record("receipt")
    more = replace(record, document=replace(record.document, presentation=b"more"))
    with pytest.raises(MalformedInput, match="presentation"):
        verify_record(records.world.ledger, more)
    assert receipt(records.world.ledger, more.document) == record  # type: ignore[arg-type]


def test_a_record_that_nobody_anchored(records: Records) -> None:
    world = records.world
    record = records.record("bill")
    desk = world.lender._desk
    draft = replace(record.document, balance_minor=1)
    forged = signed(draft, desk.keys.bls.sign(signing_digest(draft)))
    for anchor in (
        record.anchor,
        replace(record.anchor, position=1),
        replace(record.anchor, entry_index=0),
        replace(record.anchor, entry_index=world.ledger.size),
        replace(record.anchor, path=[]),
        replace(record.anchor, path=[*record.anchor.path, bytes(32)]),
        receipt_anchor(records.receipt_entry),
    ):
        with pytest.raises(Refused, match="not-on-log"):
            verify_record(world.ledger, Record(document=forged, anchor=anchor))


def test_the_anchor_has_one_form(records: Records) -> None:
    for kind in ("bill", "agreement"):
        record = records.record(kind)
        for changes in (
            {"count": record.anchor.count + 1},
            {"count": 1},
            {"position": 1 - record.anchor.position},
        ):
            anchor = replace(record.anchor, **changes)
            with pytest.raises(Refused, match="not-on-log"):
                verify_record(records.world.ledger, replace(record, anchor=anchor))
    record = records.record("receipt")
    for changes in ({"count": 2}, {"position": 1}, {"path": [bytes(32)]}):
        anchor = replace(record.anchor, **changes)
        with pytest.raises(Refused, match="not-on-log"):
            verify_record(records.world.ledger, replace(record, anchor=anchor))


def test_records_of_another_ledger() -> None:
    here, there = Records(), Records(world=World(clock=Clock(1_767_225_600_007)))
    assert here.world.ledger.ledger_id != there.world.ledger.ledger_id
    for kind in ("receipt", "bill", "agreement"):
        record = here.record(kind)
        with pytest.raises(Refused, match="wrong-ledger"):
            verify_record(there.world.ledger, record)
        with pytest.raises(Refused, match="wrong-ledger"):
            verify_disclosure(there.world.ledger, disclose(record, []))


def test_an_anchor_of_another_lender(records: Records) -> None:
    """Somebody anchors a bank's record, or a record in the bank's name, as its own."""
    world = Records().world
    rival = Lender.create(None, seed("rival"), "Rival", clock=world.clock)
    rival.register(world.ledger)
    (bill,) = world.lender.records(world.ledger, 1, "bill")
    group = Group([signing_digest(bill.document)])
    rival._desk.submit(world.ledger, RecordsStatement(rival.issuer_id, group.root()))
    anchor = group.anchor(world.ledger.size - 1, 0)
    with pytest.raises(Refused, match="not-on-log"):
        verify_record(world.ledger, replace(bill, anchor=anchor))
    renamed = replace(bill.document, issuer_id=rival.issuer_id)
    renamed = signed(renamed, rival._desk.keys.bls.sign(signing_digest(renamed)))
    with pytest.raises(Refused, match="not-on-log"):
        verify_record(world.ledger, replace(bill, document=renamed))
    stolen = signed(bill.document, rival._desk.keys.bls.sign(signing_digest(bill.document)))
    with pytest.raises(Refused, match="bad-signature"):
        verify_record(world.ledger, replace(bill, document=stolen))
    for author in (bytes(32), world.merchant.merchant_id):
        unknown = replace(bill.document, issuer_id=author)
        with pytest.raises(Refused, match="unknown-issuer"):
            verify_record(world.ledger, replace(bill, document=unknown))


# -- receipts ----------------------------------------------------------------------------------


def test_a_purchase_of_one_cent_is_no_receipt_for_another_invoice() -> None:
    """A thief puts the hash, or hash and payee, of an unpaid invoice into its own purchase."""
    world = World()
    thief = world.holder("thief")
    dear = world.invoice(50_000)
    for payee in (None, dear.payee):
        cheap = world.purchase(1, payee=payee)
        named = {"invoice_hash": signing_digest(dear), "not_after_ms": dear.not_after_ms}
        cheap = dataclasses.replace(cheap, **named)
        made = world.steps(thief).spend(world.token(thief), cheap)
        index = world.ledger.submit(submission(made)).index
        record = Record(document=dear, anchor=receipt_anchor(index))
        for check in (
            lambda record=record: verify_record(world.ledger, record),
            lambda record=record: verify_disclosure(
                world.ledger, disclose(record, ["amount_minor"])
            ),
        ):
            with pytest.raises(Refused, match="not-paid"):
                check()
        if payee is None:
            with pytest.raises(Refused, match="not-paid"):
                verify_disclosure(world.ledger, disclose(record, ["label"]))
            with pytest.raises(Refused, match="not-on-log"):
                receipt(world.ledger, dear)
            thief = world.holder("second thief")
    world.merchant.check(world.ledger)
    assert world.merchant.sales[0].state == "wrong-claim"


def test_a_purchase_for_the_same_payee_is_no_receipt_without_the_hash() -> None:
    world = World()
    invoice = world.invoice(50_000)
    thief = world.holder("thief")
    made = world.steps(thief).spend(world.token(thief), world.purchase(1, payee=invoice.payee))
    index = world.ledger.submit(submission(made)).index
    for record in (
        Record(document=invoice, anchor=receipt_anchor(index)),
        receipt(world.ledger, invoice),
    ):
        with pytest.raises(Refused, match="not-on-log"):
            verify_disclosure(world.ledger, disclose(record, ["label"]))


def test_a_receipt_shows_all_of_the_payment_or_nothing(records: Records) -> None:
    record = records.record("receipt")
    shown = {field.name for field in disclose(record, ["amount_minor"]).shown}
    assert shown == RECEIPT.always | RECEIPT.together
    assert {field.name for field in disclose(record, ["label"]).shown} == RECEIPT.always | {"label"}
    full = disclose(record, ["amount_minor"])
    position = [name for name in field_names(RECEIPT) if name not in shown or name == "rho"]
    hidden = list(full.hidden)
    (rho,) = (field for field in full.shown if field.name == "rho")
    leaf = field_leaf(rho.salt, "rho", record.document.rho)  # type: ignore[union-attr]
    hidden.insert(position.index("rho"), leaf)
    less = replace(full, shown=[f for f in full.shown if f.name != "rho"], hidden=hidden)
    with pytest.raises(Refused, match="undisclosed"):
        verify(records, less)


@pytest.mark.parametrize("what", ["terms", "time", "currency"])
def test_a_receipt_is_for_what_the_merchant_would_take(what: str) -> None:
    """The merchant's own rules for a paid invoice are the rules for its receipt."""
    world = World()
    holder = world.holder()
    invoice = world.invoice(300)
    index = pay(world, holder, invoice)
    changes: dict[str, Any] = {
        "terms": {"accepted": [bytes(32)]},
        "time": {"not_after_ms": invoice.not_after_ms + 1},
        "currency": {"currency": "EUR"},
    }[what]
    bls = world.merchant._keys.bls
    draft = replace(invoice, **changes)
    other = signed(draft, bls.sign(signing_digest(draft)))
    rogue = Rogue(world.ledger)
    spend = replace_statement(world.ledger.entry(index), signing_digest(other))
    rogue.entry = lambda at: spend if at == index else world.ledger.entry(at)  # type: ignore[method-assign]
    with pytest.raises(Refused, match="not-paid"):
        verify_record(rogue, Record(document=other, anchor=receipt_anchor(index)))


def replace_statement(entry: Any, invoice_hash: bytes) -> Any:
    """The entry with another invoice hash in its purchase."""
    statement = dataclasses.replace(entry.statement, invoice_hash=invoice_hash)
    return dataclasses.replace(entry, statement=statement)
