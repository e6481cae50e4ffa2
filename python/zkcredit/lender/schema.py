"""Tables of a lender's database (SQLAlchemy Core); imported only where one is created."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
)

from zkcredit.tables import blob, meta_table, number, text

METADATA = MetaData()


META = meta_table(METADATA)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("number", Integer, primary_key=True),
    text("customer"),
    blob("terms_hash"),
    text("state"),
    number("limit_minor"),
    number("balance_minor"),
    number("minimum_minor"),
    number("arrears_minor"),
    number("period"),
    Column("open_index", Integer),
    blob("commitment"),
    blob("owner_tag"),
    blob("reply_key"),
    text("attributes"),
    text("note"),
    UniqueConstraint("terms_hash", "commitment"),
)
"""One row for each line: what the lender knows of it. ``attributes`` is a JSON list."""

SIGNATURES = Table(
    "signatures",
    METADATA,
    blob("origin", primary_key=True),
    number("kind"),
    number("entry_index"),
    blob("commitment"),
    blob("final"),
    text("adjustments"),
    blob("reply"),
    number("posted"),
    sqlite_with_rowid=False,
)
"""The signer's own table: one final commitment for each nullifier, ever.

``origin`` is the nullifier, or terms hash and commitment of an open.
"""
Index("signatures_unposted", SIGNATURES.c.entry_index, sqlite_where=SIGNATURES.c.posted == 0)

MOVEMENTS = Table(
    "movements",
    METADATA,
    Column("id", Integer, primary_key=True),
    number("account"),
    text("kind"),
    CheckConstraint("kind IN ('payment', 'credit', 'limit')"),
    number("amount_minor"),
    text("reference"),
    number("recorded_ms"),
    Column("token_entry", Integer),
    Column("document_entry", Integer),
    UniqueConstraint("account", "kind", "reference"),
    Index("movements_open", "account", "document_entry"),
)
"""Payments, credits and limit changes.

``token_entry`` is the entry whose reply put it on the line, ``document_entry`` the
one whose billing document lists it.
"""

DOCUMENTS = Table(
    "documents",
    METADATA,
    number("account", primary_key=True),
    number("period", primary_key=True),
    number("entry_index", unique=True),
    blob("body"),
    blob("rho_due"),
    sqlite_with_rowid=False,
)
SETTLEMENTS = Table(
    "settlements",
    METADATA,
    blob("statement", primary_key=True),
    number("entry_index"),
    blob("payout"),
    sqlite_with_rowid=False,
)
"""Payout orders by the hash of the settlement's statement."""

PAID_CLAIMS = Table(
    "paid_claims",
    METADATA,
    blob("payee", primary_key=True),
    blob("statement"),
    sqlite_with_rowid=False,
)
"""Claims that a payout was promised for: once each, whatever the ledger forgets."""

RECORD_GROUPS = Table(
    "record_groups",
    METADATA,
    Column("number", Integer, primary_key=True),
    blob("root"),
    Column("entry_index", Integer),
)
"""Records that are anchored together; ``entry_index`` is set once the ledger has the root."""
Index("record_groups_open", "number", sqlite_where=RECORD_GROUPS.c.entry_index.is_(None))

RECORDS = Table(
    "records",
    METADATA,
    Column("id", Integer, primary_key=True),
    blob("commitment", unique=True),
    number("account"),
    text("kind"),
    Column("body", LargeBinary),
    Column("document_entry", Integer),
    Column("group_number", Integer),
    Column("position", Integer),
    Index("records_of_account", "account"),
    Index("records_of_group", "group_number", "position"),
)
"""Signed documents of accounts. A bill's body is the row of ``document_entry`` in documents."""

INQUIRIES = Table(
    "inquiries",
    METADATA,
    blob("hash", primary_key=True),
    blob("request"),
    number("valid_until_ms"),
    sqlite_with_rowid=False,
)
"""Presentation requests to newcomers."""

PEOPLE = Table(
    "people",
    METADATA,
    number("account", primary_key=True),
    blob("pseudonym"),
    text("disclosed"),
    Index("people_by_pseudonym", "pseudonym"),
)
"""Who has which line: pseudonyms for this lender. ``disclosed`` is a JSON object."""

FAULTS = Table(
    "faults",
    METADATA,
    Column("entry_index", Integer, primary_key=True),
    text("reason"),
)
