"""Tables of a ledger's database (SQLAlchemy Core).

Imported only where a ledger is created: opening one needs no more than the
statements in :mod:`zkcredit.ledger.store`, and SQLAlchemy is slow to import.
Every key that comes at random has a table without row numbers, sorted by it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    create_engine,
)
from sqlalchemy.pool import StaticPool

METADATA = MetaData()


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, Integer, nullable=False, **options)


def _bytes(name: str, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False, **options)


COORDINATOR = Table(
    "coordinator",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    _bytes("genesis"),
    _number("size"),
    _bytes("frontier"),
    _bytes("root"),
    _number("last_timestamp_ms"),
    _number("signed_size"),
    _bytes("signed_root"),
)
ENTRIES = Table("entries", METADATA, Column("idx", Integer, primary_key=True), _bytes("entry"))
EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("idx", Integer, ForeignKey("entries.idx"), primary_key=True),
    _bytes("evidence"),
    _bytes("memo"),
)
REPLIES = Table(
    "replies",
    METADATA,
    Column("idx", Integer, ForeignKey("entries.idx"), primary_key=True),
    _bytes("reply"),
)
REGISTRATIONS = Table(
    "registrations",
    METADATA,
    Column("idx", Integer, ForeignKey("entries.idx"), primary_key=True),
)


def _unique(name: str, *keys: Column[Any]) -> Table:
    return Table(name, METADATA, *keys, _number("idx"), sqlite_with_rowid=False)


STATEMENTS = _unique("statements", _bytes("hash", primary_key=True))
NULLIFIERS = _unique(
    "nullifiers", _bytes("nullifier", primary_key=True), _number("issuer", primary_key=True)
)
PAYEES = _unique("payees", _bytes("payee", primary_key=True))
OPENS = _unique("opens", _bytes("commitment", primary_key=True))
SETTLED = _unique("settled", _number("claim", primary_key=True))
TILES = Table(
    "tiles",
    METADATA,
    _number("level", primary_key=True),
    _number("number", primary_key=True),
    _bytes("hashes"),
)
OWED = Table(
    "owed",
    METADATA,
    _number("issuer", primary_key=True),
    _number("public", primary_key=True),
    _number("due_ms", primary_key=True),
    _number("idx", primary_key=True),
    _number("kind"),
    Index("owed_idx", "issuer", "idx"),
    sqlite_with_rowid=False,
)
COUNTS = Table(
    "counts",
    METADATA,
    _number("terms", primary_key=True),
    _number("period", primary_key=True),
    _number("kind", primary_key=True),
    _number("entries"),
    sqlite_with_rowid=False,
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
