"""Columns and creation of tables (SQLAlchemy Core).

Imported only where a database is created: opening one needs no more than
statements, and SQLAlchemy is slow to import.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, create_engine
from sqlalchemy.pool import StaticPool


def number(name: str, **options: Any) -> Column[int]:
    """An integer that is always there."""
    return Column(name, Integer, nullable=False, **options)


def blob(name: str, **options: Any) -> Column[bytes]:
    """Bytes that are always there."""
    return Column(name, LargeBinary, nullable=False, **options)


def text(name: str, **options: Any) -> Column[str]:
    """A text that is always there."""
    return Column(name, Text, nullable=False, **options)


def meta_table(metadata: MetaData) -> Table:
    """The table of small values that every participant's own database has."""
    return Table("meta", metadata, text("key", primary_key=True), blob("value"))


def create_all(metadata: MetaData, driver: Any, connection: Any) -> None:
    """Creates all tables through an open connection of the SQLite ``driver`` module."""
    engine = create_engine(
        "sqlite://",
        module=driver,
        creator=lambda: connection,
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as session:
        metadata.create_all(session)
