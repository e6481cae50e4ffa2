"""The holder's book of records: what it has, whom it has shared with, what is erased.

Each record is one encrypted body under a data key of its own. The keys are in the
book's state, which belongs into the vault; the bodies lie in a store. Sharing wraps a
key for a recipient, revoking makes a new key and body, erasing forgets both. Every
change is stored (``save``) before an old body is deleted: after a crash the next call
deletes what was left over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.clock import system_clock
from zkcredit.codec import text_problem
from zkcredit.errors import CallerError, Refused, StateConflict
from zkcredit.messages import decode_message, encode_message, signing_digest
from zkcredit.money import MAX_MINOR
from zkcredit.records import grants
from zkcredit.records.anchors import Anchor
from zkcredit.records.bodies import open_body, seal_body
from zkcredit.records.disclosure import Disclosure, Record, disclose, verify_record
from zkcredit.records.documents import KINDS, AnyDocument, find_kind, kind_of
from zkcredit.records.grants import Grant
from zkcredit.records.recipients import OTHER, Recipient, check_recipient
from zkcredit.records.state import HeldGrant, HeldRecord, RecordsState

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.records.bodies import BodyStore

ACTIVE, EXPIRED, REVOKED = "active", "expired", "revoked"
"""States of a grant."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One record in a list; ``entry_index`` is None until its lender has anchored it."""

    number: int
    kind: str
    ledger_id: bytes
    commitment: bytes
    added_ms: int
    entry_index: int | None


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One grant in a list; ``fields`` is None if the whole record is shared.

    ``fingerprint`` names the recipient's key (32 bytes). Unless the recipient is
    ``registered``, nobody vouches for its name.
    """

    grant_id: bytes
    record: int
    recipient: str
    fingerprint: bytes
    registered: bool
    fields: tuple[str, ...] | None
    purpose: str
    issued_ms: int
    expires_ms: int
    state: str


class RecordBook:
    """Records and grants of one holder over a state, a store of bodies and a clock.

    ``save`` stores the state durably (the caller's vault); ``clock`` gives Unix time in
    milliseconds. CallerError for a number or grant that is not there; StateConflict if a
    body is missing from the store.
    """

    def __init__(
        self,
        state: RecordsState,
        bodies: BodyStore,
        save: Callable[[], None] | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._state = state
        self._bodies = bodies
        self._save = save
        self._clock = clock or system_clock

    def __repr__(self) -> str:
        return f"RecordBook({len(self._state.records)} records)"

    # -- keeping ---------------------------------------------------------------------------

    def records(self, kind: str | None = None) -> list[RecordRow]:
        """All records, or those of one kind (``receipt``, ``bill``, ``agreement``, ``report``)."""
        wanted = KINDS if kind is None else [find_kind(kind).name]
        return [row_of(held) for held in self._state.records if held.kind in wanted]

    def document(self, number: int) -> AnyDocument:
        """The document of a record, anchored or not."""
        held = self._held(number)
        message = self._opened(held)
        if held.entry_index is not None:
            return decode_message(message, Record).document
        return decode_message(message, KINDS[held.kind].document)

    def record(self, number: int) -> Record:
        """The record with its anchor; Refused ``not-anchored`` before its lender made one."""
        held = self._held(number)
        if held.entry_index is None:
            raise Refused(
                "not-anchored",
                f"record {number} is not on the log yet: its lender anchors it",
            )
        return decode_message(self._opened(held), Record)

    def add(self, ledger: LedgerView, record: Record) -> RecordRow:
        """Keeps a record after checking it (see ``verify_record``); the same again is fine."""
        verified = verify_record(ledger, record)
        held = self._find(verified.commitment)
        if held is None:
            held = self._keep(record.document, record.anchor)
        elif held.entry_index is None:
            self._reseal(held, encode_message(record))
            held.entry_index = record.anchor.entry_index
        self._finish()
        return row_of(held)

    def export(self, number: int) -> bytes:
        """The record in the clear, as a message file that :meth:`add` reads elsewhere."""
        return encode_message(self.record(number), indent=True)

    def erase(self, number: int) -> None:
        """Destroys key and body of a record and of all that was disclosed of it.

        The ledger stays as it is: what it holds of the record says nothing without it.
        """
        held = self._held(number)
        for grant in self._state.grants:
            if grant.record == number and grant.body:
                self._state.stale.append(grant.body)
        self._state.stale.append(held.body)
        self._state.grants = [x for x in self._state.grants if x.record != number]
        self._state.records.remove(held)
        self._finish()

    # -- sharing ---------------------------------------------------------------------------

    def disclose(self, number: int, fields: Iterable[str]) -> Disclosure:
        """Single fields in the clear, with proof: for whoever may know where they go."""
        return disclose(self.record(number), fields)

    def share(
        self,
        ledger: LedgerView,
        number: int,
        recipient: Recipient,
        *,
        purpose: str,
        expires_ms: int,
        fields: Iterable[str] | None = None,
    ) -> Grant:
        """Shares a whole record or single fields with one recipient.

        The recipient's key is checked first, as ``check_recipient`` does. Hand over the
        grant, and the body it names unless the recipient reads the same store. ``purpose``
        is 1..64 bytes, ``expires_ms`` Unix time in the future. Refused ``not-anchored``.
        """
        record = self.record(number)
        held = self._held(number)
        check_recipient(ledger, recipient)
        now_ms = self._clock()
        if not now_ms < expires_ms <= MAX_MINOR:
            raise CallerError("a grant must expire in the future")
        if (problem := text_problem(purpose)) is not None:
            raise CallerError(f"purpose: {problem}")
        wanted = None if fields is None else sorted(set(fields))
        data_key, body = held.data_key, held.body
        if wanted is not None:
            data_key = _new_key()
            body = self._bodies.put(seal_body(data_key, encode_message(disclose(record, wanted))))
        grant = grants.seal_grant(
            recipient,
            data_key,
            body,
            grant_id=secrets.token_bytes(32),
            purpose=purpose,
            issued_ms=now_ms,
            expires_ms=expires_ms,
        )
        self._state.grants.append(
            HeldGrant(
                grant_id=grant.grant_id,
                record=number,
                recipient=encode_message(recipient),
                message=encode_message(grant),
                fields=wanted,
                body=b"" if wanted is None else body,
            )
        )
        self._finish()
        return grant

    def grants(self, number: int | None = None) -> list[GrantRow]:
        """Grants of one record or all, oldest first, with their state."""
        return [self._grant_row(x) for x in self._state.grants if number in (None, x.record)]

    def grant(self, grant_id: bytes) -> Grant:
        """A grant's message again, as it must be handed over now."""
        return _message(self._held_grant(grant_id))

    def body(self, grant_id: bytes) -> bytes:
        """The encrypted body that a grant names, for recipients without access to the store."""
        body = self._bodies.get(_message(self._held_grant(grant_id)).body)
        if body is None:
            raise StateConflict("the body of this grant is not in the store")
        return body

    def revoke(self, grant_id: bytes) -> list[Grant]:
        """Takes a grant back; returns the other grants that changed by it, to hand over anew.

        A whole record gets a new key and body, and the old body is deleted. What the
        recipient has read or copied it keeps: see ``docs/records.md``.
        """
        revoked = self._held_grant(grant_id)
        if revoked.revoked_ms is not None:
            return []
        revoked.revoked_ms = self._clock()
        moved: list[Grant] = []
        if revoked.fields is not None:
            self._state.stale.append(revoked.body)
        else:
            held = self._held(revoked.record)
            self._reseal(held, self._opened(held))
            moved = [self._rewrap(x, held) for x in self._whole_grants(held.number)]
        self._finish()
        return moved

    # -- inside ----------------------------------------------------------------------------

    def _keep(self, document: AnyDocument, anchor: Anchor | None) -> HeldRecord:
        data_key = _new_key()
        message = document if anchor is None else Record(document=document, anchor=anchor)
        held = HeldRecord(
            number=self._state.next_number,
            kind=kind_of(document).name,
            ledger_id=bytes(document.ledger_id),
            commitment=signing_digest(document),
            data_key=data_key,
            body=self._bodies.put(seal_body(data_key, encode_message(message))),
            added_ms=self._clock(),
            entry_index=None if anchor is None else anchor.entry_index,
        )
        self._state.next_number += 1
        self._state.records.append(held)
        return held

    def _reseal(self, held: HeldRecord, message: bytes) -> None:
        """A new data key and body; the old body is deleted once the state is stored."""
        data_key = _new_key()
        body = self._bodies.put(seal_body(data_key, message.rstrip()))
        self._state.stale.append(held.body)
        held.data_key, held.body = data_key, body

    def _rewrap(self, grant: HeldGrant, held: HeldRecord) -> Grant:
        recipient = decode_message(grant.recipient, Recipient)
        moved = grants.rewrap(_message(grant), recipient, held.data_key, held.body)
        grant.message = encode_message(moved)
        return moved

    def _whole_grants(self, number: int) -> list[HeldGrant]:
        """Grants of the whole record that still hold."""
        return [
            grant
            for grant in self._state.grants
            if grant.record == number
            and grant.fields is None
            and self._grant_row(grant).state == ACTIVE
        ]

    def _finish(self) -> None:
        """Stores the state, then deletes bodies that nothing uses any more."""
        if self._save is not None:
            self._save()
        while self._state.stale:
            self._bodies.delete(self._state.stale[-1])
            self._state.stale.pop()

    def _opened(self, held: HeldRecord) -> bytes:
        body = self._bodies.get(held.body)
        if body is None:
            raise StateConflict(f"the body of record {held.number} is not in the store")
        return open_body(held.data_key, body)

    def _held(self, number: int) -> HeldRecord:
        for held in self._state.records:
            if held.number == number:
                return held
        raise CallerError(f"there is no record {number}")

    def _find(self, commitment: bytes) -> HeldRecord | None:
        for held in self._state.records:
            if held.commitment == commitment:
                return held
        return None

    def _held_grant(self, grant_id: bytes) -> HeldGrant:
        for grant in self._state.grants:
            if grant.grant_id == grant_id:
                return grant
        raise CallerError(f"there is no grant {grant_id.hex()[:16]}")

    def _grant_row(self, grant: HeldGrant) -> GrantRow:
        message = _message(grant)
        state = ACTIVE if self._clock() <= message.expires_ms else EXPIRED
        return GrantRow(
            grant_id=grant.grant_id,
            record=grant.record,
            recipient=message.recipient_name,
            fingerprint=message.recipient,
            registered=decode_message(grant.recipient, Recipient).role != OTHER,
            fields=None if grant.fields is None else tuple(grant.fields),
            purpose=message.purpose,
            issued_ms=message.issued_ms,
            expires_ms=message.expires_ms,
            state=state if grant.revoked_ms is None else REVOKED,
        )


def _new_key() -> bytes:
    return secrets.token_bytes(32)


def _message(grant: HeldGrant) -> Grant:
    return decode_message(grant.message, Grant)


def row_of(held: HeldRecord) -> RecordRow:
    """How a record is listed."""
    return RecordRow(
        number=held.number,
        kind=held.kind,
        ledger_id=held.ledger_id,
        commitment=held.commitment,
        added_ms=held.added_ms,
        entry_index=held.entry_index,
    )
