"""What a holder remembers of its records: keys, places and grants, for the vault."""

from __future__ import annotations

import msgspec

from zkcredit.messages import prepare_types
from zkcredit.state import Secretive


class HeldRecord(Secretive, kw_only=True):
    """One record. ``data_key`` (32 bytes) opens the body whose BLAKE3 hash is ``body``.

    ``number`` names it in this book. Until the lender has anchored a document,
    ``entry_index`` is None and the body holds the document alone.
    """

    number: int
    kind: str
    ledger_id: bytes
    commitment: bytes
    data_key: bytes
    body: bytes
    added_ms: int
    entry_index: int | None = None


class HeldGrant(Secretive, kw_only=True):
    """One grant. ``fields`` is None if the whole record is shared.

    A grant of single fields has a body and key of its own, one of a whole record uses
    the record's. ``recipient`` and ``message`` are the encoded messages.
    """

    grant_id: bytes
    record: int
    recipient: bytes
    message: bytes
    fields: list[str] | None = None
    body: bytes = b""
    revoked_ms: int | None = None


class RecordsState(Secretive, kw_only=True):
    """All records and grants; ``stale`` are bodies that are still to be deleted.

    ``invoices`` are messages that were paid, or tried to, until they become receipts.

    ``next_number`` is never used twice, so an erased record's number names nothing else.
    """

    records: list[HeldRecord] = msgspec.field(default_factory=list)
    grants: list[HeldGrant] = msgspec.field(default_factory=list)
    stale: list[bytes] = msgspec.field(default_factory=list)
    invoices: list[bytes] = msgspec.field(default_factory=list)
    next_number: int = 1


prepare_types(RecordsState)
