"""SQLite as :mod:`zkcredit.database` speaks to it: one file, one writer at a time."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zkcredit.errors import MalformedInput, StateConflict, StoreError, ZkCreditError

_FIRST_SAFE_WAL = (3, 51, 3)  # earlier libraries may corrupt a file in WAL mode
_PARAMETERS = 500


class Sqlite:
    """An open SQLite file, or a database in memory if ``path`` is None.

    Commits are durable (``synchronous=FULL``). See :class:`zkcredit.database.Driver`.
    """

    dialect = "sqlite"
    logs_pages = True

    def __init__(
        self, path: Path | None, kind: str, timeout_s: float, *, read_only: bool, new: bool
    ) -> None:
        self._path = path
        self._kind = kind
        self._read_only = read_only
        self._module = importlib.import_module("pysqlite3")
        self.error: type[Exception] = self._module.Error
        try:
            self.connection: Any = self._module.connect(
                _target(path, read_only=read_only, new=new),
                uri=path is not None,
                timeout=timeout_s,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except self.error as error:
            raise self.translate(error, f"opening {path}") from error

    def configure(self, pragmas: Sequence[str]) -> None:
        """Sets what holds for this connection alone; StoreError if there is no safe journal."""
        if self._read_only:
            return
        for pragma in ("synchronous=FULL", "trusted_schema=OFF", *pragmas):
            self.execute(f"PRAGMA {pragma}")
        if self._path is None:
            return
        safe = self._module.sqlite_version_info >= _FIRST_SAFE_WAL
        wanted = "wal" if safe else "delete"
        found = self._pragma(f"journal_mode={wanted}")
        if found != wanted:
            raise StoreError(f"{self._path}: journal mode is {found}, {wanted} was asked for")

    def _pragma(self, name: str) -> Any:
        return self.execute(f"PRAGMA {name}").fetchone()[0]

    def mark(self, application_id: int, version: int) -> None:
        """Writes what :meth:`identity` reads."""
        self.execute(f"PRAGMA application_id={application_id}")
        self.set_version(version)

    def set_version(self, version: int) -> None:
        """Changes the version of the tables."""
        self.execute(f"PRAGMA user_version={version}")

    def identity(self) -> tuple[int, int]:
        """The kind and version of the tables."""
        return self._pragma("application_id"), self._pragma("user_version")

    def close(self) -> None:
        """Closes the file; safe to repeat."""
        with contextlib.suppress(self.error):
            self.connection.close()

    # --- transactions --------------------------------------------------------

    def begin(self, gate: str | None) -> None:  # noqa: ARG002  (the file is the gate)
        """Begins a transaction as the only writer."""
        self.connection.execute("BEGIN IMMEDIATE")

    def begin_snapshot(self) -> None:
        """Begins a transaction that only reads, all of it from one moment."""
        self.connection.execute("BEGIN")

    def commit(self) -> None:
        """Makes the transaction durable."""
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undoes the transaction, if there still is one."""
        with contextlib.suppress(self.error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def is_fatal(self, error: BaseException | None) -> bool:
        """Whether the file's state is unknown after ``error``: a failed fsync, for example."""
        while error is not None:
            if (getattr(error, "sqlite_errorname", "") or "").startswith("SQLITE_IOERR"):
                return True
            error = error.__cause__
        return False

    # --- statements ----------------------------------------------------------

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Runs a statement; returns its cursor."""
        return self.connection.execute(sql, parameters)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Runs a statement for each row; returns how many rows of the tables changed."""
        before: int = self.connection.total_changes
        if rows:
            self.connection.executemany(sql, rows)
        after: int = self.connection.total_changes
        return after - before

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> int:
        """Inserts rows whose key is new; returns their number."""
        if not rows:
            return 0
        marks = ", ".join("?" * len(rows[0]))
        return self.many(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)  # noqa: S608

    def delete(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Deletes the rows whose ``columns`` are one of ``rows``."""
        condition = " AND ".join(f"{name}=?" for name in columns)
        self.many(f"DELETE FROM {table} WHERE {condition}", rows)  # noqa: S608

    def lookup(self, table: str, key: str, values: Sequence[Any]) -> list[Any]:
        """All rows whose column ``key`` is one of ``values``."""
        found: list[Any] = []
        for start in range(0, len(values), _PARAMETERS):
            part = values[start : start + _PARAMETERS]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT * FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
            found += self.execute(sql, part).fetchall()
        return found

    def damage(self) -> list[str]:
        """What ``PRAGMA integrity_check`` finds."""
        rows = self.execute("PRAGMA integrity_check").fetchall()
        return [row[0] for row in rows if row[0] != "ok"]

    def translate(self, error: Exception, what: str) -> ZkCreditError:
        """The error of this package for one of SQLite's."""
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StateConflict(
                f"{what}: another process holds the {self._kind} database; try again"
            )
        if name.startswith("SQLITE_NOTADB"):
            return MalformedInput(f"{what}: the file is not a {self._kind} database")
        if name.startswith("SQLITE_CORRUPT"):
            return MalformedInput(f"{what}: the {self._kind} database is damaged")
        if name.startswith("SQLITE_CONSTRAINT"):
            return StateConflict(f"{what}: {error}; nothing was changed")
        if name.startswith("SQLITE_READONLY"):
            return StoreError(f"{what}: the {self._kind} database is open for reading only")
        if name.startswith("SQLITE_FULL"):
            return StoreError(f"{what}: the disk is full; nothing was changed")
        return StoreError(f"{what}: {error}")


def _target(path: Path | None, *, read_only: bool, new: bool) -> str:
    if path is None:
        return ":memory:"
    mode = "ro" if read_only else "rwc" if new else "rw"
    target = f"{path.absolute().as_uri()}?mode={mode}"
    return target + "&immutable=1" if read_only and _is_at_rest(path) else target


def _is_at_rest(path: Path) -> bool:
    """Whether the file lies whole in a folder that this process may only read.

    SQLite then has nowhere to put the files that it shares with writers; without a
    log beside the file there is no writer to share with.
    """
    return not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
