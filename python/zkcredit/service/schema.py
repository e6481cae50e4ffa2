"""Tables of the service's own database (SQLAlchemy Core); imported only where one is made."""

from __future__ import annotations

from sqlalchemy import Index, MetaData, Table

from zkcredit.tables import blob, number, text

METADATA = MetaData()

KEYS = Table(
    "keys",
    METADATA,
    blob("party", primary_key=True),
    blob("key"),
    number("issued_ms"),
    sqlite_with_rowid=False,
)
"""The Ed25519 key that signs a party's requests."""

NONCES = Table(
    "nonces",
    METADATA,
    blob("party", primary_key=True),
    text("nonce", primary_key=True),
    number("created_s"),
    Index("nonces_created", "created_s"),
    sqlite_with_rowid=False,
)
"""Nonces of signatures that may still be replayed."""

REQUESTS = Table(
    "requests",
    METADATA,
    blob("key", primary_key=True),
    blob("fingerprint"),
    sqlite_with_rowid=False,
)
"""What a key of idempotency was used for, of requests that add no entry."""
