"""Tables of a ledger's database (SQLAlchemy Core).

Imported only where a ledger is created: opening one needs no more than the
statements in :mod:`zkcredit.ledger.store`, and SQLAlchemy is slow to import.
Every key that comes at random has a table without row numbers, sorted by it. Rows that
belong together are written in one transaction, and auditors check that they are there:
foreign keys would only look that up again for every row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
)

from zkcredit.tables import blob, create_all, number

METADATA = MetaData()


COORDINATOR = Table(
    "coordinator",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    blob("genesis"),
    number("size"),
    blob("frontier"),
    blob("root"),
    number("last_timestamp_ms"),
    number("signed_size"),
    blob("signed_root"),
)
ENTRIES = Table("entries", METADATA, number("idx", primary_key=True), blob("entry"))
EVIDENCE = Table(
    "evidence",
    METADATA,
    number("idx", primary_key=True),
    blob("evidence"),
    blob("memo"),
)
REPLIES = Table(
    "replies",
    METADATA,
    number("idx", primary_key=True),
    blob("reply"),
)
REGISTRATIONS = Table("registrations", METADATA, number("idx", primary_key=True))


def _unique(name: str, *keys: Column[Any]) -> Table:
    return Table(name, METADATA, *keys, number("idx"), sqlite_with_rowid=False)


STATEMENTS = _unique("statements", blob("hash", primary_key=True))
NULLIFIERS = _unique(
    "nullifiers", blob("nullifier", primary_key=True), number("issuer", primary_key=True)
)
PAYEES = _unique("payees", blob("payee", primary_key=True))
OPENS = _unique("opens", blob("commitment", primary_key=True))
SETTLED = _unique("settled", number("claim", primary_key=True))
REQUESTS = Table(
    "requests",
    METADATA,
    blob("key", primary_key=True),
    blob("fingerprint"),
    sqlite_with_rowid=False,
)
TILES = Table(
    "tiles",
    METADATA,
    number("level", primary_key=True),
    number("number", primary_key=True),
    blob("hashes"),
)
OWED = Table(
    "owed",
    METADATA,
    number("issuer", primary_key=True),
    number("public", primary_key=True),
    number("due_ms", primary_key=True),
    number("idx", primary_key=True),
    number("kind"),
    Index("owed_idx", "issuer", "idx"),
    sqlite_with_rowid=False,
)
COUNTS = Table(
    "counts",
    METADATA,
    number("terms", primary_key=True),
    number("period", primary_key=True),
    number("kind", primary_key=True),
    number("entries"),
    sqlite_with_rowid=False,
)


def split(driver: Any, connection: Any, tables: Iterable[str]) -> None:
    """Makes each of these tables one of many keys, one of few, and the view of both.

    Runs inside the caller's transaction; what the table holds goes to the one of many.
    """
    few = MetaData()
    for name in tables:
        connection.execute(f"ALTER TABLE {name} RENAME TO {name}_main")
        METADATA.tables[name].to_metadata(few, name=f"{name}_recent")
    create_all(few, driver, connection)
    for name in tables:
        both = f"SELECT * FROM {name}_main UNION ALL SELECT * FROM {name}_recent"  # noqa: S608
        connection.execute(f"CREATE VIEW {name} AS {both}")
