"""Tables of an issuer's database (SQLAlchemy Core); imported only where one is created."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, UniqueConstraint

from zkcredit.tables import blob, meta_table, number, text

METADATA = MetaData()

META = meta_table(METADATA)

ISSUED = Table(
    "issued",
    METADATA,
    blob("schema_hash", primary_key=True),
    number("key_number", primary_key=True),
    blob("commitment", primary_key=True),
    number("handle"),
    number("expires"),
    text("texts"),
    blob("signature"),
    number("issued_ms"),
    Column("revoked_ms", Integer),
    Column("epoch", Integer),
    text("reason"),
    UniqueConstraint("schema_hash", "handle"),
    sqlite_with_rowid=False,
)
"""One answer for each request, ever.

``expires`` is the ordinal of a date, ``texts`` a JSON list. ``revoked_ms`` is set by a
revocation, ``epoch`` by the first list that holds it.
"""

EPOCHS = Table(
    "epochs",
    METADATA,
    blob("schema_hash", primary_key=True),
    number("key_number", primary_key=True),
    number("epoch", primary_key=True),
    sqlite_with_rowid=False,
)
"""Epochs whose list is fixed: written before the ledger sees their entry."""
