"""Columns and creation of tables (SQLAlchemy Core).

Imported only where a database is created: opening one needs no more than
statements, and SQLAlchemy is slow to import.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

# 64 bits everywhere; only an INTEGER key is the row number itself in SQLite.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def number(name: str, **options: Any) -> Column[int]:
    """An integer of 64 bits that is always there; no database counts it up by itself."""
    return Column(name, _NUMBER, nullable=False, autoincrement=False, **options)


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
    """Creates all tables through the open ``connection`` of a :class:`~zkcredit.database.Driver`.

    Runs inside the caller's transaction.
    """
    dialect = make_url(f"{driver.dialect}://").get_dialect()()
    for table in metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
