"""Tables that a cosigner's database has beside those of a ledger (SQLAlchemy Core).

Imported only where a cosigner is created, see :mod:`zkcredit.ledger.schema`.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table

from zkcredit.tables import blob, number, text

METADATA = MetaData()

VOIDS = Table(
    "voids",
    METADATA,
    Column("idx", Integer, primary_key=True),
    text("rule"),
    text("message"),
)
HEADS = Table(
    "heads",
    METADATA,
    text("keys", primary_key=True),
    text("origin", primary_key=True),
    number("size"),
    blob("root"),
    sqlite_with_rowid=False,
)
