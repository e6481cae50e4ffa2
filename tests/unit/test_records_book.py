"""The holder's book and the lender's side: keeping, sharing, revoking, erasing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit import LIMIT, PLAIN, Clock, World
from recordkit import HOUR_MS, PURPOSE, Records, pay

from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    Refused,
    StateConflict,
    StoreError,
)
from zkcredit.lender import records as lender_records
from zkcredit.messages import decode_message, encode_message
from zkcredit.records.bodies import FolderBodies, MemoryBodies, seal_body
from zkcredit.records.book import RecordBook
from zkcredit.records.disclosure import Disclosure, Record, verify_record
from zkcredit.records.documents import CreditAgreement
from zkcredit.records.grants import Grant, seal_grant
from zkcredit.records.recipients import fingerprint
from zkcredit.records.state import RecordsState


@pytest.fixture(scope="module")
def filed() -> Records:
    """Filed once; for tests that only read."""
    return Records()


# -- what lenders write ------------------------------------------------------------------------


def test_a_lenders_records_are_anchored_together(filed: Records) -> None:
    world = filed.world
    found = world.lender.records(world.ledger, 1)
    assert [verify_record(world.ledger, record).kind for record in found] == ["bill", "agreement"]
    assert {record.anchor.entry_index for record in found} == set(filed.entries)
    assert len(filed.entries) == 1
    assert world.lender.records(world.ledger, 1, "bill") == found[:1]
    assert world.lender.records(world.ledger, 1, "report") == []
    assert world.lender.records(world.ledger, 2) == []
    assert world.lender.anchor_records(world.ledger) == []
    with pytest.raises(CallerError, match="agreement"):
        world.lender.records(world.ledger, 1, "letter")
    world.audit()


def test_an_agreement_says_what_the_terms_say() -> None:
    world = World(terms=replace(PLAIN, attributes=1, grace_days=9))
    world.holder("Ann", LIMIT, [7])
    agreement = world.lender.agreement(world.ledger, 1)
    terms = world.terms
    assert (agreement.customer, agreement.limit_minor, agreement.attributes) == ("Ann", LIMIT, [7])
    assert (agreement.grace_days, agreement.currency) == (9, terms.currency)
    assert agreement.minimum_floor_minor == terms.minimum_floor_minor
    assert world.lender.agreement(world.ledger, 1) == agreement
    world.lender.change_limit(1, LIMIT // 2, "cut")
    second = world.lender.agreement(world.ledger, 1)
    assert second.limit_minor == LIMIT // 2
    assert world.lender.agreement(world.ledger, 1) == second
    world.lender.change_limit(1, LIMIT, "back")
    third = world.lender.agreement(world.ledger, 1)
    assert third.nonce not in (agreement.nonce, second.nonce)


def test_a_report_counts_as_the_credential_does() -> None:
    world = World()
    holder = world.holder()
    world.pay(holder, 5_000)
    for _ in range(2):
        world.open_period()
        world.bill(holder)
    world.clock.forward(36 * HOUR_MS)
    world.lender.record_payment(1, 1_500, "transfer")
    report = world.lender.report(world.ledger, 1)
    history = world.lender.credit_history(1)
    figures = (report.periods, report.on_time_periods, report.days_late)
    assert figures == (1, 0, 2)
    names = ("periods", "on_time_periods", "days_late")
    assert figures == tuple(history[name] for name in names)
    assert report.owed_minor == world.lender.owed_minor(1) == 5_000 - 1_500
    assert report.arrears_minor == 1_000
    assert (report.state, report.limit_minor) == ("arrears", LIMIT)
    assert report.opened_ms == world.ledger.entry(3).timestamp_ms < report.as_of_ms
    again = world.lender.report(world.ledger, 1)
    assert again.nonce != report.nonce


def test_no_records_before_the_line_is_open() -> None:
    world = World()
    request = world.wallet().request_line(world.ledger, world.terms_hash)
    world.lender.grant(world.ledger, request, LIMIT, "Ann")
    for write in (world.lender.agreement, world.lender.report):
        with pytest.raises(StateConflict, match="not open"):
            write(world.ledger, 1)


def test_many_records_take_several_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lender_records, "GROUP", 2)
    world = World()
    world.holder()
    for _ in range(5):
        world.lender.report(world.ledger, 1)
    entries = world.lender.anchor_records(world.ledger)
    assert len(entries) == 3
    found = world.lender.records(world.ledger, 1)
    assert sorted({record.anchor.entry_index for record in found}) == entries
    assert [record.document.as_of_ms for record in found] == sorted(
        record.document.as_of_ms for record in found
    )
    for record in found:
        verify_record(world.ledger, record)
    world.lender.report(world.ledger, 1)
    assert len(world.lender.records(world.ledger, 1)) == 5
    assert len(world.lender.anchor_records(world.ledger)) == 1


def test_anchoring_goes_on_after_a_crash(tmp_path: Path) -> None:
    world = World()
    world.holder()
    world.lender.report(world.ledger, 1)
    submit = world.ledger.submit

    def crash(submission: Any) -> Any:
        submit(submission)
        raise StoreError("power cut")

    world.ledger.submit = crash  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        world.lender.anchor_records(world.ledger)
    world.ledger.submit = submit  # type: ignore[method-assign]
    size = world.ledger.size
    (entry,) = world.lender.anchor_records(world.ledger)
    assert (entry, world.ledger.size) == (size - 1, size)
    verify_record(world.ledger, world.lender.records(world.ledger, 1)[0])


# -- keeping -----------------------------------------------------------------------------------


def test_the_wallet_files_receipts_and_bills(filed: Records) -> None:
    rows = filed.book.records()
    assert [(row.number, row.kind) for row in rows] == [
        (1, "receipt"),
        (2, "bill"),
        (3, "agreement"),
    ]
    assert rows[0].entry_index == filed.receipt_entry
    assert filed.book.document(1) == filed.invoice
    assert filed.book.document(2) == filed.wallet.documents(1)[0]
    assert filed.book.record(1).anchor.entry_index == filed.receipt_entry
    assert filed.book.file(filed.world.ledger) == []
    assert "3 records" in repr(filed.book)
    for what in (lambda: filed.book.record(9), lambda: filed.book.records("letter")):
        with pytest.raises(CallerError):
            what()


def test_a_bill_waits_for_its_anchor() -> None:
    world, bodies = World(), MemoryBodies()
    holder = world.holder()
    world.pay(holder, 100)
    world.open_period()
    bill = world.bill(holder)
    book = holder.records(bodies)
    receipt, row = book.file(world.ledger)
    assert (receipt.kind, row.kind, row.entry_index) == ("receipt", "bill", None)
    assert book.document(row.number) == bill
    for use in (book.record, book.export, lambda number: book.disclose(number, ["period"])):
        with pytest.raises(Refused, match="not-anchored"):
            use(row.number)
    world.lender.anchor_records(world.ledger)
    (record,) = world.lender.records(world.ledger, 1)
    added = book.add(world.ledger, record)
    assert (added.number, added.entry_index) == (row.number, record.anchor.entry_index)
    assert book.add(world.ledger, record) == added
    assert book.record(row.number) == record
    assert len(bodies._bodies) == 2


def test_an_invoice_that_was_never_paid_is_dropped() -> None:
    world = World()
    holder = world.holder()
    holder.prepare_payment(world.ledger, 1, world.invoice(100))
    book = holder.records(MemoryBodies())
    assert book.file(world.ledger) == []
    assert len(holder._state.records.invoices) == 1
    world.clock.forward(2 * HOUR_MS)
    assert book.file(world.ledger) == []
    assert holder._state.records.invoices == []


def test_a_receipt_from_its_invoice_after_a_restore(filed: Records) -> None:
    world = filed.world
    restored = world.wallet()
    restored.restore(world.ledger)
    book = restored.records(MemoryBodies())
    assert [row.kind for row in book.file(world.ledger)] == ["bill"]
    row = book.add_receipt(world.ledger, filed.invoice)
    assert row.entry_index == filed.receipt_entry
    with pytest.raises(Refused, match="not-on-log"):
        book.add_receipt(world.ledger, world.invoice(5))


def test_other_ledgers_are_left_alone() -> None:
    here, there = World(), World(clock=Clock(1_767_225_600_001))
    holder = here.holder()
    pay(here, holder, here.invoice(100))
    book = holder.records(MemoryBodies())
    assert book.file(there.ledger) == []
    assert len(book.file(here.ledger)) == 1


def test_a_book_survives_in_the_vault(tmp_path: Path) -> None:
    records = Records(bodies=FolderBodies(tmp_path))
    records.share("bill", records.other())
    again = records.world.again(records.wallet)
    book = again.records(FolderBodies(tmp_path))
    assert book.records() == records.book.records()
    assert book.grants() == records.book.grants()
    assert book.record(2) == records.book.record(2)
    old = msgspec.msgpack.decode(records.wallet.dump())
    del old["records"]
    empty = type(again).load(msgspec.msgpack.encode(old))
    assert empty.records(FolderBodies(tmp_path)).records() == []


def test_a_missing_body_is_said(filed: Records) -> None:
    book = RecordBook(filed.wallet._state.records, MemoryBodies())
    with pytest.raises(StateConflict, match="not in the store"):
        book.document(1)


def test_the_state_prints_no_secret(filed: Records) -> None:
    state = filed.wallet._state.records
    assert repr(state) == "<RecordsState>"
    assert state.records[0].data_key.hex() not in repr(state.records)
    assert repr(state.records[0]) == "<HeldRecord>"


def test_an_export_is_read_elsewhere(filed: Records) -> None:
    data = filed.book.export(filed.number("agreement"))
    book = RecordBook(RecordsState(), MemoryBodies())
    row = book.add(filed.world.ledger, decode_message(data, Record))
    assert (row.number, row.kind) == (1, "agreement")
    record = filed.record("agreement")
    forged = msgspec.structs.replace(record.document, limit_minor=1)
    with pytest.raises(Refused, match="bad-signature"):
        book.add(filed.world.ledger, msgspec.structs.replace(record, document=forged))
    assert len(book.records()) == 1


# -- sharing, revoking, erasing ----------------------------------------------------------------


def test_sharing_with_a_lender_a_merchant_and_an_accountant() -> None:
    records = Records()
    world, purpose = records.world, {"purpose": PURPOSE}
    bank = records.share("bill", records.bank())
    shared = world.lender.open_grant(world.ledger, bank, records.bodies, **purpose)
    assert shared.content == records.record("bill")
    assert (shared.verified.kind, shared.verified.author) == ("bill", "Bank")
    shop = records.book.share(
        world.ledger,
        records.number("agreement"),
        world.merchant.recipient(world.ledger),
        purpose=PURPOSE,
        expires_ms=world.clock() + HOUR_MS,
        fields=["limit_minor"],
    )
    shared = world.merchant.open_grant(world.ledger, shop, records.bodies, **purpose)
    assert isinstance(shared.content, Disclosure)
    agreed = records.record("agreement").document
    assert isinstance(agreed, CreditAgreement)
    assert dict(shared.verified.fields) == {
        "ledger_id": world.ledger.ledger_id,
        "issuer_id": world.issuer_id,
        "currency": "TWD",
        "limit_minor": LIMIT,
        "agreed_ms": agreed.agreed_ms,
    }
    other = records.other()
    shared = other.open(records.share("receipt", other), records.bodies)
    assert shared.verified.entry_index == records.receipt_entry
    assert shared.verified.timestamp_ms == world.ledger.entry(records.receipt_entry).timestamp_ms
    rows = records.book.grants()
    assert [(row.recipient, row.fields, row.state) for row in rows] == [
        ("Bank", None, "active"),
        ("Shop 0", ("limit_minor",), "active"),
        ("Accountant", None, "active"),
    ]
    assert [row.registered for row in rows] == [True, True, False]
    assert rows[2].fingerprint == fingerprint(other.key.public_key)
    assert records.book.grants(records.number("bill")) == rows[:1]
    assert records.book.grant(rows[0].grant_id) == bank
    handed = MemoryBodies()
    handed.put(records.book.body(rows[0].grant_id))
    assert records.bank().open(bank, handed).verified.kind == "bill"


def test_the_example_in_the_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs/records.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    world = World()
    wallet = world.holder()
    world.pay(wallet, 500)
    world.open_period()
    world.bill(wallet)
    names: dict[str, Any] = {"folder": tmp_path, "wallet": wallet, "account": 1}
    names |= {"ledger": world.ledger, "lender": world.lender, "landlord": world.merchant}
    exec(example, names | {"save": wallet.dump, "now_ms": world.clock()})
    assert capsys.readouterr().out == "Bank 0\n"
    assert [row.kind for row in wallet.records(MemoryBodies()).records()] == ["receipt"]


def test_a_grant_is_for_a_purpose_and_a_time() -> None:
    records = Records()
    world, other = records.world, records.other()
    grant = records.share("bill", other)
    assert decode_message(encode_message(grant), Grant) == grant
    with pytest.raises(Refused, match="wrong-purpose"):
        other.open(grant, records.bodies, purpose="advertising")
    other.open(grant, records.bodies, now_ms=grant.expires_ms)
    with pytest.raises(Refused, match="grant-expired"):
        other.open(grant, records.bodies, now_ms=grant.expires_ms + 1)
    world.clock.forward(HOUR_MS)
    assert records.book.grants()[0].state == "active"
    world.clock.forward(1)
    assert records.book.grants()[0].state == "expired"
    bodies = len(records.bodies._bodies)
    for changes in (
        {"expires_ms": world.clock()},
        {"expires_ms": 1 << 63},
        {"purpose": "", "fields": ["period"]},
        {"purpose": "x" * 65},
        {"fields": ["shoe_size"]},
    ):
        with pytest.raises(CallerError):
            records.share("bill", other, **changes)
    assert len(records.bodies._bodies) == bodies
    assert len(records.book.grants()) == 1


def test_revoking_makes_a_new_key_for_the_others() -> None:
    records = Records()
    first, second, third = (records.other(name) for name in ("A", "B", "C"))
    revoked = records.share("bill", first)
    kept = records.share("bill", second)
    expired = records.share("bill", third, expires_ms=records.world.clock() + 1)
    some = records.share("bill", third, fields=["period"])
    records.world.clock.forward(2)
    (moved,) = records.book.revoke(revoked.grant_id)
    assert (moved.grant_id, moved.purpose) == (kept.grant_id, kept.purpose)
    assert moved.body != kept.body == revoked.body == expired.body
    assert records.book.grant(kept.grant_id) == moved
    assert second.open(moved, records.bodies).content == records.record("bill")
    assert third.open(some, records.bodies).verified.fields["period"] == 1
    for desk, grant in ((first, revoked), (second, kept)):
        with pytest.raises(Refused, match="body-missing"):
            desk.open(grant, records.bodies)
    assert [row.state for row in records.book.grants()] == [
        "revoked",
        "active",
        "expired",
        "active",
    ]
    assert records.book.revoke(revoked.grant_id) == []
    assert records.book.revoke(some.grant_id) == []
    with pytest.raises(Refused, match="body-missing"):
        third.open(some, records.bodies)
    with pytest.raises(CallerError):
        records.book.revoke(bytes(32))
    assert len(records.bodies._bodies) == 3


def test_erasing_leaves_nothing_but_the_log() -> None:
    records = Records()
    other, world = records.other(), records.world
    whole, some = records.share("bill", other), records.share("bill", other, fields=["period"])
    kept = records.share("receipt", other)
    number = records.number("bill")
    records.book.erase(number)
    for grant in (whole, some):
        with pytest.raises(Refused, match="body-missing"):
            other.open(grant, records.bodies)
    assert [row.kind for row in records.book.records()] == ["receipt", "agreement"]
    assert [row.grant_id for row in records.book.grants()] == [kept.grant_id]
    assert len(records.bodies._bodies) == 2
    assert records.wallet.documents(1) == []
    assert records.book.file(world.ledger) == []
    with pytest.raises(CallerError):
        records.book.erase(number)
    assert other.open(kept, records.bodies).verified.kind == "receipt"
    assert world.audit().size == world.ledger.size
    row = records.book.add(world.ledger, world.lender.records(world.ledger, 1)[0])
    assert row.number > number + 1


class Frail(MemoryBodies):
    """A store that fails to delete once."""

    failures = 1

    def delete(self, digest: bytes) -> None:
        """As usual, or not."""
        if self.failures:
            self.failures -= 1
            raise StoreError("disk gone")
        super().delete(digest)


@pytest.mark.parametrize("change", ["revoke", "erase"])
def test_an_old_body_is_deleted_after_a_crash(change: str) -> None:
    bodies = Frail()
    bodies.failures = 0
    records = Records(bodies=bodies)
    other = records.other()
    grant = records.share("receipt", other)
    bodies.failures = 1
    saved: list[bytes] = []
    book = records.wallet.records(bodies, save=lambda: saved.append(records.wallet.dump()))
    changes = {"revoke": lambda: book.revoke(grant.grant_id), "erase": lambda: book.erase(1)}
    with pytest.raises(StoreError):
        changes[change]()
    assert bodies.get(grant.body) is not None
    again = type(records.wallet).load(saved[-1], clock=records.world.clock).records(bodies)
    again.file(records.world.ledger)
    assert bodies.get(grant.body) is None
    assert len(again.records("receipt")) == (change == "revoke")


def test_nothing_is_deleted_before_the_state_is_stored() -> None:
    records = Records()
    grant = records.share("receipt", records.other())

    def fail() -> None:
        raise StoreError("disk full")

    book = records.wallet.records(records.bodies, save=fail)
    for change in (lambda: book.revoke(grant.grant_id), lambda: book.erase(1)):
        with pytest.raises(StoreError):
            change()
    assert records.bodies.get(grant.body) is not None


def test_a_body_of_something_else_is_refused() -> None:
    records = Records()
    other = records.other()

    for content in (encode_message(records.invoice), b"{}"):
        body = records.bodies.put(seal_body(bytes(32), content))
        options = {"purpose": PURPOSE, "issued_ms": 0, "expires_ms": records.world.clock()}
        grant = seal_grant(other.recipient, bytes(32), body, grant_id=bytes(32), **options)
        with pytest.raises(MalformedInput):
            other.open(grant, records.bodies)
        short = seal_grant(other.recipient, bytes(31), body, grant_id=bytes(32), **options)
        with pytest.raises(CheckFailed, match="hold a key"):
            other.open(short, records.bodies)
