"""PostgreSQL as :mod:`zkcredit.database` speaks to it, through psycopg 3.

Nothing here goes beyond what PostgreSQL-compatible engines offer: plain tables, keys that
are unique, ``ON CONFLICT DO NOTHING``, and one row that writers lock ``FOR UPDATE``. There
are no sequences, triggers, advisory locks, temporary tables or savepoints.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Sequence
from typing import Any

from zkcredit.database import TransactionAborted
from zkcredit.errors import CallerError, MalformedInput, StateConflict, StoreError, ZkCreditError

SCHEMES = ("postgresql://", "postgres://")
"""How an address of a database begins."""
_CONNECT_TIMEOUT_S = 10
_IDLE_TIMEOUT_S = 60
_TYPES = {bytes: "bytea", int: "bigint", str: "text"}
_ABORTED = ("40001", "40P01")  # serialization failure, deadlock
_BUSY = ("55P03", "57014")  # lock or statement timeout
_EXISTS = ("42P07", "42P06")  # table, schema
_NO_TABLE = "42P01"


class Postgres:
    """A connection to the database at ``url``, made anew at the first call after it was lost.

    Commits are durable: a server that runs with ``fsync=off`` is refused, and
    ``synchronous_commit`` is never off. See :class:`zkcredit.database.Driver`.
    """

    dialect = "postgresql"
    logs_pages = False

    def __init__(self, url: str, kind: str, timeout_s: float, *, read_only: bool) -> None:
        self._url = url
        self._kind = kind
        self._timeout_s = timeout_s
        self._read_only = read_only
        self._inside = False
        self._closed = False
        self._module = importlib.import_module("psycopg")
        self.error: type[Exception] = self._module.Error
        check_address(url)
        try:
            self.connection: Any = self._connect()
        except self.error as error:
            raise self.translate(error, "connecting") from error

    def _connect(self) -> Any:
        """A new connection; raises what psycopg raises, and StoreError for an unsafe server."""
        connection = self._module.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_S,
            application_name=f"zkcredit {self._kind}",
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: Any) -> None:
        for name, value in (
            ("lock_timeout", f"{self._timeout_s * 1000:.0f}ms"),
            # A writer that is cut off must not keep everybody else out.
            ("idle_in_transaction_session_timeout", f"{_IDLE_TIMEOUT_S}s"),
            ("default_transaction_read_only", "on" if self._read_only else "off"),
        ):
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        durable, commit = connection.execute(
            "SELECT current_setting('fsync', true), current_setting('synchronous_commit', true)"
        ).fetchone()
        if durable == "off":
            raise StoreError("the database server runs with fsync=off: what it accepts may be lost")
        if commit == "off":
            connection.execute("SET synchronous_commit TO on")

    def configure(self, pragmas: Sequence[str]) -> None:
        """Does nothing: each new connection is set up when it is made."""

    def mark(self, application_id: int, version: int) -> None:
        """Writes what :meth:`identity` reads."""
        self.execute("CREATE TABLE format (application_id bigint, version bigint)")
        self.execute("INSERT INTO format VALUES (?, ?)", (application_id, version))

    def set_version(self, version: int) -> None:
        """Changes the version of the tables."""
        self.execute("UPDATE format SET version=?", (version,))

    def identity(self) -> tuple[int, int]:
        """The kind and version of the tables, zeros if nothing says them."""
        rows = self.execute("SELECT application_id, version FROM format").fetchall()
        return rows[0] if len(rows) == 1 else (0, 0)

    def close(self) -> None:
        """Closes the connection; safe to repeat."""
        self._closed = True
        with contextlib.suppress(self.error):
            self.connection.close()

    # --- transactions --------------------------------------------------------

    def begin(self, gate: str | None) -> None:
        """Begins a transaction; it goes on when it holds the row of the table ``gate``."""
        self.execute("BEGIN")
        self._inside = True
        if gate is not None:
            self.execute(f"SELECT 1 FROM {gate} FOR UPDATE")  # noqa: S608

    def begin_snapshot(self) -> None:
        """Begins a transaction that only reads, all of it from one moment."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._inside = True

    def commit(self) -> None:
        """Makes the transaction durable."""
        self.execute("COMMIT")
        self._inside = False

    def rollback(self) -> None:
        """Undoes the transaction; closes a connection that cannot say it has."""
        self._inside = False
        if self.connection.closed:
            return
        try:
            self.connection.execute("ROLLBACK")
        except self.error:
            with contextlib.suppress(self.error):
                self.connection.close()

    def is_fatal(self, error: BaseException | None) -> bool:  # noqa: ARG002
        """Always False: the server itself stops after a failed fsync."""
        return False

    # --- statements ----------------------------------------------------------

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Runs a statement; returns its cursor. Connects again if there is no connection."""
        if self.connection.closed and not self._inside and not self._closed:
            self.connection = self._connect()
        return self.connection.execute(_marked(sql), parameters, binary=True)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Runs a statement for each row; returns how many rows of the tables changed."""
        if not rows:
            return 0
        with self.connection.cursor() as cursor:
            cursor.executemany(_marked(sql), rows)
            changed: int = cursor.rowcount
            return changed

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> int:
        """Inserts rows whose key is new; returns their number."""
        if not rows:
            return 0
        sql = f"INSERT INTO {table} SELECT * FROM {_unnest(rows[0])} ON CONFLICT DO NOTHING"  # noqa: S608
        inserted: int = self.execute(sql, _columns(rows)).rowcount
        return inserted

    def delete(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Deletes the rows whose ``columns`` are one of ``rows``."""
        if rows:
            condition = f"({', '.join(columns)}) IN (SELECT * FROM {_unnest(rows[0])})"  # noqa: S608
            self.execute(f"DELETE FROM {table} WHERE {condition}", _columns(rows))  # noqa: S608

    def lookup(self, table: str, key: str, values: Sequence[Any]) -> list[Any]:
        """All rows whose column ``key`` is one of ``values``."""
        if not values:
            return []
        sql = f"SELECT * FROM {table} WHERE {key} = ANY(?::{_TYPES[type(values[0])]}[])"  # noqa: S608
        found: list[Any] = self.execute(sql, (values,)).fetchall()
        return found

    def damage(self) -> list[str]:
        """Nothing: a server's files are checked where they are (checksums, `pg_amcheck`)."""
        return []

    def translate(self, error: Exception, what: str) -> ZkCreditError:
        """The error of this package for one of psycopg's."""
        state = getattr(error, "sqlstate", None) or ""
        if state in _ABORTED:
            return TransactionAborted(f"{what}: it met another transaction; try again")
        if state in _BUSY:
            return StateConflict(
                f"{what}: another process holds the {self._kind} database; try again"
            )
        if state in _EXISTS:
            return StateConflict(f"{what}: the database holds tables of these names already")
        if state == _NO_TABLE:
            return MalformedInput(f"{what}: this is not a zkcredit {self._kind} database")
        if state.startswith("23"):
            return StateConflict(f"{what}: {_first_line(error)}; nothing was changed")
        if state == "25006":
            return StoreError(f"{what}: the {self._kind} database is open for reading only")
        if state == "53100":
            return StoreError(f"{what}: the server's disk is full; nothing was changed")
        connection = getattr(self, "connection", None)
        if connection is not None and connection.closed:
            return StoreError(
                f"{what}: the connection to the database was lost; what was being written "
                f"is there whole or not at all: try again ({_first_line(error)})"
            )
        return StoreError(f"{what}: {_first_line(error)}")


def check_address(url: str) -> None:
    """CallerError if ``url`` is not an address of a PostgreSQL database; never repeats it."""
    psycopg = importlib.import_module("psycopg")
    problem = "not the address of a database: expected postgresql://user@host/name"
    if not url.startswith(SCHEMES):
        raise CallerError(problem)
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise CallerError(problem) from None


def has_password(url: str) -> bool:
    """Whether the address holds a password."""
    conninfo = importlib.import_module("psycopg.conninfo")
    return bool(conninfo.conninfo_to_dict(url).get("password"))


@functools.cache
def _marked(sql: str) -> str:
    """Psycopg's marks; ``%b`` sends values in binary, which halves the time of an insertion."""
    return sql.replace("%", "%%").replace("?", "%b")


def _unnest(row: Sequence[Any]) -> str:
    return f"unnest({', '.join(f'?::{_TYPES[type(value)]}[]' for value in row)})"


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
