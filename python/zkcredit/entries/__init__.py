"""Statements, entries and submissions: the bytes that go onto a ledger.

A *statement* says what happens: a registration (issuer, terms, period, merchant;
schema, credential key, revocation list, records; members) or a step of a hidden line
(open, spend, refresh, update, billing statement, settlement). An *entry* of the log is a
statement with the operator's timestamp and the hash of its evidence. *Evidence*
(signatures or a proof) and *memo* (128 bytes only the holder reads) lie beside the
log. A *submission* is what a participant hands to the operator: all three together.

All integers are big-endian; every encoding starts with a version byte, has one
form only and is decoded strictly (:class:`~zkcredit.errors.MalformedInput`).
Objects that cannot be encoded raise :class:`~zkcredit.errors.CallerError` when
they are built. Points of curves are opaque bytes here.
"""

from __future__ import annotations

from zkcredit.entries.base import (
    MEMO_BYTES,
    VERSION,
    KeyAction,
    Kind,
    Statement,
)
from zkcredit.entries.entry import (
    ENTRY_MAX_BYTES,
    EVIDENCE_MAX_BYTES,
    Entry,
    Submission,
)
from zkcredit.entries.members import MEMBERS_MAX, Member, MembersStatement
from zkcredit.entries.registrations import (
    SCHEMA_MAX_BYTES,
    TERMS_MAX_BYTES,
    CredentialKeyStatement,
    IssuerStatement,
    MerchantStatement,
    PeriodStatement,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
    TermsStatement,
)
from zkcredit.entries.steps import (
    CLAIMS_MAX,
    BillingStatement,
    LineStatement,
    NullifyingStatement,
    OpenStatement,
    RefreshStatement,
    SettleStatement,
    SpendStatement,
    UpdateStatement,
)

SIGNATURE_BYTES = 96
"""Length of a BLS signature or proof of possession."""

__all__ = [
    "CLAIMS_MAX",
    "ENTRY_MAX_BYTES",
    "EVIDENCE_MAX_BYTES",
    "MEMBERS_MAX",
    "MEMO_BYTES",
    "SCHEMA_MAX_BYTES",
    "SIGNATURE_BYTES",
    "TERMS_MAX_BYTES",
    "VERSION",
    "BillingStatement",
    "CredentialKeyStatement",
    "Entry",
    "IssuerStatement",
    "KeyAction",
    "Kind",
    "LineStatement",
    "Member",
    "MembersStatement",
    "MerchantStatement",
    "NullifyingStatement",
    "OpenStatement",
    "PeriodStatement",
    "RecordsStatement",
    "RefreshStatement",
    "RevocationStatement",
    "SchemaStatement",
    "SettleStatement",
    "SpendStatement",
    "Statement",
    "Submission",
    "TermsStatement",
    "UpdateStatement",
]
