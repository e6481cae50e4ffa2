"""Tables of a lender's database (SQLAlchemy Core); imported only where one is created."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
)
from sqlalchemy.pool import StaticPool

METADATA = MetaData()


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, Integer, nullable=False, **options)


def _bytes(name: str, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False, **options)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


META = Table("meta", METADATA, _text("key", primary_key=True), _bytes("value"))

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("number", Integer, primary_key=True),
    _text("customer"),
    _bytes("terms_hash"),
    _text("state"),
    _number("limit_minor"),
    _number("balance_minor"),
    _number("minimum_minor"),
    _number("arrears_minor"),
    _number("period"),
    Column("open_index", Integer),
    _bytes("commitment"),
    _bytes("owner_tag"),
    _bytes("reply_key"),
    _text("attributes"),
    _text("note"),
    UniqueConstraint("terms_hash", "commitment"),
)
"""One row for each line: what the lender knows of it. ``attributes`` is a JSON list."""

SIGNATURES = Table(
    "signatures",
    METADATA,
    _bytes("origin", primary_key=True),
    _number("kind"),
    _number("entry_index"),
    _bytes("commitment"),
    _bytes("final"),
    _text("adjustments"),
    _bytes("reply"),
    _number("posted"),
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
    _number("account"),
    Column("kind", Text, CheckConstraint("kind IN ('payment', 'credit', 'limit')")),
    _number("amount_minor"),
    _text("reference"),
    _number("recorded_ms"),
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
    _number("account", primary_key=True),
    _number("period", primary_key=True),
    _number("entry_index", unique=True),
    _bytes("body"),
    _bytes("rho_due"),
    sqlite_with_rowid=False,
)
SETTLEMENTS = Table(
    "settlements",
    METADATA,
    _bytes("statement", primary_key=True),
    _number("entry_index"),
    _bytes("payout"),
    sqlite_with_rowid=False,
)
"""Payout orders by the hash of the settlement's statement."""

PAID_CLAIMS = Table(
    "paid_claims",
    METADATA,
    _bytes("payee", primary_key=True),
    _bytes("statement"),
    sqlite_with_rowid=False,
)
"""Claims that a payout was promised for: once each, whatever the ledger forgets."""

FAULTS = Table(
    "faults",
    METADATA,
    Column("entry_index", Integer, primary_key=True),
    _text("reason"),
)


def create_tables(driver: Any, connection: Any) -> None:
    """Creates all tables through an open connection of the SQLite ``driver`` module."""
    engine = create_engine(
        "sqlite://",
        module=driver,
        creator=lambda: connection,
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as session:
        METADATA.create_all(session)
