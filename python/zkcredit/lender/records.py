"""Documents that a lender signs as records, and their anchors on the log.

Bills become records when they are signed; agreements and reports when somebody asks
for them. A group of records is frozen in the database before its root goes to the
ledger, so that every call may be repeated.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeVar

from zkcredit.entries import RecordsStatement
from zkcredit.errors import StateConflict
from zkcredit.lender.history import owed_minor, payment_record
from zkcredit.lender.store import Account
from zkcredit.messages import (
    decode_message,
    encode_message,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.records.anchors import Group
from zkcredit.records.disclosure import Record
from zkcredit.records.documents import (
    AGREEMENT,
    KINDS,
    CreditAgreement,
    CreditReport,
    find_kind,
    kind_of,
)
from zkcredit.records.grants import Grant, Shared, open_grant
from zkcredit.records.recipients import ISSUER, Recipient, RecipientKey

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.lender.desk import Desk
    from zkcredit.records.bodies import BodyStore

_D = TypeVar("_D", CreditAgreement, CreditReport)

GROUP = 4_096
"""Records that are anchored by one entry."""


def agreement(desk: Desk, ledger: LedgerView, number: int) -> CreditAgreement:
    """The signed agreement of an account; the same one until limit or attributes change."""
    account = _open_account(desk, ledger, number)
    terms = desk.product(ledger.registry, account.terms_hash).terms
    draft = unsigned(
        CreditAgreement,
        ledger_id=ledger.ledger_id,
        issuer_id=desk.issuer_id,
        terms_hash=account.terms_hash,
        account=number,
        customer=account.customer,
        entry_index=account.open_index,
        currency=terms.currency,
        limit_minor=account.limit_minor,
        attributes=account.attributes,
        apr_bps=terms.apr_bps,
        minimum_floor_minor=terms.minimum_floor_minor,
        minimum_pct_bps=terms.minimum_pct_bps,
        late_fee_minor=terms.late_fee_minor,
        grace_days=terms.grace_days,
        due_buckets=terms.due_buckets,
        agreed_ms=desk.clock(),
        nonce=secrets.token_bytes(32),
    )
    with desk.store.write():
        for row in reversed(desk.store.records(number)):
            if row.kind == AGREEMENT.name:
                last = decode_message(row.body, CreditAgreement)
                if (last.limit_minor, last.attributes) == (draft.limit_minor, draft.attributes):
                    return last
                break
        return _keep(desk, draft)


def report(desk: Desk, ledger: LedgerView, number: int) -> CreditReport:
    """A new signed report on an account, as of now."""
    account = _open_account(desk, ledger, number)
    assert account.open_index is not None
    paid = payment_record(desk, account)
    draft = unsigned(
        CreditReport,
        ledger_id=ledger.ledger_id,
        issuer_id=desk.issuer_id,
        account=number,
        customer=account.customer,
        opened_ms=ledger.entry(account.open_index).timestamp_ms,
        as_of_ms=desk.clock(),
        state=account.state,
        currency=desk.terms(account.terms_hash).currency,
        limit_minor=account.limit_minor,
        owed_minor=owed_minor(desk, account),
        arrears_minor=account.arrears_minor,
        periods=paid.periods,
        on_time_periods=paid.on_time_periods,
        days_late=paid.days_late,
        nonce=secrets.token_bytes(32),
    )
    with desk.store.write():
        return _keep(desk, draft)


def anchor(desk: Desk, ledger: LedgerView) -> list[int]:
    """Anchors all records that are not on the log yet; returns the entries' indexes."""
    issuer_id, store = desk.on(ledger), desk.store
    with store.write():
        while commitments := store.ungrouped(GROUP):
            store.add_group(commitments, Group(commitments).root())
    entries = []
    for number, root in store.open_groups():
        statement = RecordsStatement(issuer_id, root)
        receipt = desk.submit(ledger, statement)
        store.set_group_entry(number, receipt.index)
        entries.append(receipt.index)
    return entries


def records(desk: Desk, ledger: LedgerView, number: int, kind: str | None) -> list[Record]:
    """The anchored records of an account, oldest first, to be handed to its holder.

    CallerError for a ``kind`` that there is not.
    """
    desk.on(ledger)
    wanted = KINDS if kind is None else [find_kind(kind).name]
    found, groups = [], dict[int, Group]()
    for row in desk.store.records(number):
        if row.kind not in wanted or row.group is None or row.position is None:
            continue
        if row.entry_index is None:
            continue
        if row.group not in groups:
            groups[row.group] = Group(desk.store.group(row.group))
        document = decode_message(row.body, KINDS[row.kind].document)
        place = groups[row.group].anchor(row.entry_index, row.position)
        found.append(Record(document=document, anchor=place))
    return found


def recipient(desk: Desk, ledger: LedgerView) -> Recipient:
    """The lender's public key as a recipient, signed with its registered key."""
    key = RecipientKey.derive(desk.keys.seed)
    party = (desk.on(ledger), desk.name)
    return key.registered(ledger.ledger_id, ISSUER, party, desk.keys.bls)


def open_shared(
    desk: Desk, ledger: LedgerView, grant: Grant, bodies: BodyStore, purpose: str
) -> Shared:
    """What a grant to this lender holds; see :func:`~zkcredit.records.grants.open_grant`."""
    key = RecipientKey.derive(desk.keys.seed)
    return open_grant(ledger, grant, key, bodies, purpose=purpose, now_ms=desk.clock())


def _open_account(desk: Desk, ledger: LedgerView, number: int) -> Account:
    desk.on(ledger)
    account = desk.store.account(number)
    if account.open_index is None:
        raise StateConflict(f"account {number} is not open yet: sign its opening first")
    return account


def _keep(desk: Desk, draft: _D) -> _D:
    digest = signing_digest(draft)
    document = signed(draft, desk.keys.bls.sign(digest))
    kind = kind_of(document).name
    desk.store.add_record(digest, document.account, kind, body=encode_message(document))
    return document
