"""The database of a ledger: one SQLite file, one writer at a time, many processes.

Opening checks that the file is a ledger of this version. Every change happens
inside :meth:`Store.write`, which commits with ``synchronous=FULL`` or leaves
nothing behind. SQLite's errors never leave this module: they become StoreError
(disk, permission), StateConflict (busy) or MalformedInput (not a ledger). Names
of tables and columns in statements are constants of this package, never input.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zkcredit.errors import CallerError, MalformedInput, StateConflict, StoreError, ZkCreditError
from zkcredit.ledger.log import EMPTY_ROOT

APPLICATION_ID = 0x7A6B6372
"""SQLite application id of a ledger ("zkcr")."""
VERSION = 1
"""SQLite user version: the version of the tables."""
BUSY_TIMEOUT_S = 30.0
"""How long one process waits for another's transaction."""
_FIRST_SAFE_WAL = (3, 51, 3)  # earlier libraries may corrupt a file in WAL mode
_PARAMETERS = 500
_CHUNK = 1024
_CACHE_KIB = 65_536
_WAL_PAGES = 4_096


@dataclass(frozen=True, slots=True)
class Coordinator:
    """The one row that orders all writers."""

    size: int
    frontier: bytes
    root: bytes
    last_timestamp_ms: int
    signed_size: int
    signed_root: bytes


@dataclass(slots=True)
class Changes:
    """Rows that one accepted batch adds, each list in the order of its table's columns."""

    entries: list[tuple[int, bytes]] = field(default_factory=list)
    evidence: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    registrations: list[tuple[int]] = field(default_factory=list)
    statements: list[tuple[bytes, int]] = field(default_factory=list)
    nullifiers: list[tuple[bytes, int, int]] = field(default_factory=list)
    payees: list[tuple[bytes, int]] = field(default_factory=list)
    opens: list[tuple[bytes, int]] = field(default_factory=list)
    settled: list[tuple[int, int]] = field(default_factory=list)
    owed: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    counts: dict[tuple[int, int, int], int] = field(default_factory=dict)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)


def _driver() -> Any:
    return importlib.import_module("pysqlite3")


def _translate(error: Exception, what: str) -> ZkCreditError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StateConflict(f"{what}: another process holds the ledger; try again")
    if name.startswith("SQLITE_NOTADB"):
        return MalformedInput(f"{what}: the file is not a ledger database")
    if name.startswith("SQLITE_CORRUPT"):
        return MalformedInput(f"{what}: the ledger database is damaged")
    if name.startswith("SQLITE_READONLY"):
        return StoreError(f"{what}: the ledger is open for reading only")
    if name.startswith("SQLITE_FULL"):
        return StoreError(f"{what}: the disk is full; nothing was changed")
    return StoreError(f"{what}: {error}")


class Store:
    """An open ledger database. Threads may share it; ``lock`` (reentrant) orders them."""

    def __init__(self, connection: Any, driver: Any) -> None:
        self._connection = connection
        self._driver = driver
        self.lock = threading.RLock()
        self._failed = False

    @classmethod
    def create(cls, path: Path | None, genesis: bytes) -> Store:
        """A new empty database at ``path``, or in memory if None."""
        if path is not None and path.exists():
            raise StateConflict(f"{path} exists already")
        driver = _driver()
        store = cls(_connect(driver, path, read_only=False, new=True), driver)
        with store._mapped("creating the ledger"):
            store._configure(path)
            from zkcredit.ledger.schema import create_tables

            create_tables(driver, store._connection)
            store._connection.execute(
                "INSERT INTO coordinator VALUES (1, ?, 0, x'', ?, 0, 0, ?)",
                (genesis, EMPTY_ROOT, EMPTY_ROOT),
            )
            store._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            store._connection.execute(f"PRAGMA user_version={VERSION}")
        return store

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Store:
        """The database at ``path``; raises StoreError, MalformedInput."""
        if not path.is_file():
            raise StoreError(f"no ledger database at {path}")
        driver = _driver()
        store = cls(_connect(driver, path, read_only=read_only, new=False), driver)
        try:
            with store._mapped(f"opening {path}"):
                store._check_identity(path)
                if not read_only:
                    store._configure(path)
        except ZkCreditError:
            store.close()
            raise
        return store

    def _check_identity(self, path: Path) -> None:
        if self._value("PRAGMA application_id") != APPLICATION_ID:
            raise MalformedInput(f"{path} is not a zkcredit ledger")
        version = self._value("PRAGMA user_version")
        if version != VERSION:
            raise MalformedInput(
                f"{path} is a ledger of version {version}; this program reads version {VERSION}"
            )

    def _configure(self, path: Path | None) -> None:
        execute = self._connection.execute
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA trusted_schema=OFF")
        execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        if path is None:
            return
        safe = self._driver.sqlite_version_info >= _FIRST_SAFE_WAL
        wanted = "wal" if safe else "delete"
        found = self._value(f"PRAGMA journal_mode={wanted}")
        if found != wanted:
            raise StoreError(f"{path}: journal mode is {found}, {wanted} was asked for")
        execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")

    def close(self) -> None:
        """Closes the file; safe to repeat."""
        with self.lock, contextlib.suppress(self._driver.Error):
            self._connection.close()

    @contextlib.contextmanager
    def _mapped(self, what: str) -> Iterator[None]:
        with self.lock:
            try:
                yield
            except self._driver.Error as error:
                raise _translate(error, what) from error

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        """One transaction: committed durably at the end, or rolled back on any error."""
        with self._mapped("writing to the ledger"):
            if self._failed:
                raise StoreError("an earlier write failed in the disk; open the ledger again")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                # After a failed fsync the file's state is unknown to this connection: stop.
                if _is_io_error(error):
                    self._failed = True
                with contextlib.suppress(self._driver.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                raise

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._mapped("reading the ledger"):
            rows: list[Any] = self._connection.execute(sql, parameters).fetchall()
            return rows

    def _value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        rows = self._rows(sql, parameters)
        return rows[0][0] if rows else None

    def genesis(self) -> bytes:
        """The encoded genesis that the ledger was created with."""
        value: bytes | None = self._value("SELECT genesis FROM coordinator")
        if value is None:
            raise MalformedInput("the ledger database has no coordinator row")
        return value

    def coordinator(self) -> Coordinator:
        """The coordinator row as it is now."""
        rows = self._rows(
            "SELECT size, frontier, root, last_timestamp_ms, signed_size, signed_root "
            "FROM coordinator"
        )
        return Coordinator(*rows[0])

    def advance(self, size: int, frontier: bytes, root: bytes, last_timestamp_ms: int) -> None:
        """Moves the head of the log; inside :meth:`write`."""
        self._connection.execute(
            "UPDATE coordinator SET size=?, frontier=?, root=?, last_timestamp_ms=?",
            (size, frontier, root, last_timestamp_ms),
        )

    def set_signed(self, size: int, root: bytes) -> None:
        """Notes the head that is about to be signed; inside :meth:`write`."""
        self._connection.execute(
            "UPDATE coordinator SET signed_size=?, signed_root=?", (size, root)
        )

    def insert(self, changes: Changes) -> None:
        """Adds the rows of a batch, unique keys sorted; inside :meth:`write`."""
        self._many("INSERT INTO entries VALUES (?, ?)", changes.entries)
        self._many("INSERT INTO evidence VALUES (?, ?, ?)", changes.evidence)
        self._many("INSERT INTO registrations VALUES (?)", changes.registrations)
        self._unique("statements", 2, changes.statements)
        self._unique("nullifiers", 3, changes.nullifiers)
        self._unique("payees", 2, changes.payees)
        self._unique("opens", 2, changes.opens)
        self._unique("settled", 2, changes.settled)
        self._many("INSERT INTO owed VALUES (?, ?, ?, ?, ?)", changes.owed)
        self._many(
            "INSERT INTO counts VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
            [(*key, count) for key, count in changes.counts.items()],
        )
        self._many(
            "INSERT INTO tiles VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hashes=excluded.hashes",
            [(*key, hashes) for key, hashes in changes.tiles.items()],
        )

    def _many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._connection.executemany(sql, rows)

    def _unique(self, table: str, columns: int, rows: Sequence[tuple[Any, ...]]) -> None:
        before = self._connection.total_changes
        marks = ", ".join("?" * columns)
        sql = f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
        self._many(sql, sorted(rows))
        if self._connection.total_changes - before != len(rows):
            raise StateConflict(f"a key of this batch is in {table} already; nothing was changed")

    def lookup(self, table: str, key: str, values: Iterable[Any]) -> list[Any]:
        """All rows of ``table`` whose column ``key`` is one of ``values``."""
        wanted = sorted(set(values))
        found: list[Any] = []
        for start in range(0, len(wanted), _PARAMETERS):
            part = wanted[start : start + _PARAMETERS]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT * FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
            found += self._rows(sql, part)
        return found

    def find(self, table: str, **keys: Any) -> int | None:
        """Entry index stored under the given key columns, None if there is none."""
        condition = " AND ".join(f"{name}=?" for name in keys)
        sql = f"SELECT idx FROM {table} WHERE {condition}"  # noqa: S608
        found: int | None = self._value(sql, tuple(keys.values()))
        return found

    def entry(self, index: int) -> bytes:
        """The encoded entry at ``index``; CallerError beyond the end."""
        found: bytes | None = self._value("SELECT entry FROM entries WHERE idx=?", (_i64(index),))
        if found is None:
            raise CallerError(f"the ledger has no entry {index}")
        return found

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        """Evidence and memo of the entry at ``index``."""
        rows = self._rows("SELECT evidence, memo FROM evidence WHERE idx=?", (_i64(index),))
        if not rows:
            raise CallerError(f"the ledger has no evidence of an entry {index}")
        return rows[0][0], rows[0][1]

    def reply(self, index: int) -> bytes | None:
        """The reply to the entry at ``index``."""
        found: bytes | None = self._value("SELECT reply FROM replies WHERE idx=?", (_i64(index),))
        return found

    def scan(self, table: str, columns: str, start: int, stop: int) -> Iterator[Any]:
        """Rows with ``start`` ≤ idx < ``stop`` in order, fetched in chunks."""
        condition = "WHERE idx>=? AND idx<? ORDER BY idx LIMIT ?"
        sql = f"SELECT idx, {columns} FROM {table} {condition}"  # noqa: S608
        while start < stop:
            rows = self._rows(sql, (_i64(start), _i64(stop), _CHUNK))
            yield from rows
            if len(rows) < _CHUNK:
                return
            start = rows[-1][0] + 1

    def records(self, start: int, stop: int) -> Iterator[tuple[int, bytes, Any, Any, Any]]:
        """(index, entry, evidence, memo, reply) in order; None for what is missing."""
        while start < stop:
            rows = self._rows(
                "SELECT e.idx, e.entry, v.evidence, v.memo, r.reply FROM entries e "
                "LEFT JOIN evidence v ON v.idx = e.idx LEFT JOIN replies r ON r.idx = e.idx "
                "WHERE e.idx>=? AND e.idx<? ORDER BY e.idx LIMIT ?",
                (_i64(start), _i64(stop), _CHUNK),
            )
            yield from rows
            if len(rows) < _CHUNK:
                return
            start = rows[-1][0] + 1

    def tile(self, level: int, number: int) -> bytes:
        """The hashes stored so far of one tile."""
        found: bytes | None = self._value(
            "SELECT hashes FROM tiles WHERE level=? AND number=?", (level, number)
        )
        return found or b""

    def registrations(self, start: int) -> list[tuple[int, bytes]]:
        """Index and encoded entry of every registration from ``start`` on."""
        return self._rows(
            "SELECT idx, entry FROM registrations JOIN entries USING (idx) "
            "WHERE idx>=? ORDER BY idx",
            (start,),
        )

    def count(self, terms: int, period: int, kind: int) -> int:
        """Number of entries of a kind in a period of the terms published at entry ``terms``."""
        return (
            self._value(
                "SELECT entries FROM counts WHERE terms=? AND period=? AND kind=?",
                (terms, period, kind),
            )
            or 0
        )

    def unanswered(self, issuer: int, limit: int) -> list[int]:
        """Oldest entries that await the reply of the issuer registered at entry ``issuer``."""
        rows = self._rows(
            "SELECT idx FROM owed WHERE issuer=? ORDER BY idx LIMIT ?", (issuer, limit)
        )
        return [row[0] for row in rows]

    def first_due_ms(self, issuer: int) -> int | None:
        """When the first public signature owed by this issuer is or was due."""
        found: int | None = self._value(
            "SELECT due_ms FROM owed WHERE issuer=? AND public=1 ORDER BY due_ms LIMIT 1",
            (issuer,),
        )
        return found

    def overdue(self, now_ms: int) -> list[tuple[int, int, int, int]]:
        """(entry, issuer, kind, due_ms) of every reply due before ``now_ms``."""
        return self._rows(
            "SELECT idx, issuer, kind, due_ms FROM owed WHERE due_ms<? ORDER BY idx", (now_ms,)
        )

    def insert_replies(self, replies: Sequence[tuple[int, bytes]]) -> None:
        """Adds replies and strikes them off what is owed; inside :meth:`write`."""
        self._unique("replies", 2, replies)

    def strike_owed(self, keys: Sequence[tuple[int, int, int, int]]) -> None:
        """Removes (issuer, public, due_ms, entry) from what is owed; inside :meth:`write`."""
        self._many("DELETE FROM owed WHERE issuer=? AND public=? AND due_ms=? AND idx=?", keys)


def _is_io_error(error: BaseException | None) -> bool:
    while error is not None:
        if (getattr(error, "sqlite_errorname", "") or "").startswith("SQLITE_IOERR"):
            return True
        error = error.__cause__
    return False


def _i64(index: int) -> int:
    """``index`` as SQLite can hold it; CallerError for what no entry can have."""
    if not 0 <= index < 1 << 63:
        raise CallerError(f"{index} is not the index of an entry")
    return index


def _is_at_rest(path: Path) -> bool:
    """Whether the file lies whole in a folder that this process may only read.

    SQLite then has nowhere to put the files that it shares with writers; without a
    log beside the file there is no writer to share with.
    """
    return not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()


def _connect(driver: Any, path: Path | None, *, read_only: bool, new: bool) -> Any:
    if path is None:
        target = ":memory:"
    else:
        mode = "ro" if read_only else "rwc" if new else "rw"
        target = f"{path.absolute().as_uri()}?mode={mode}"
        if read_only and _is_at_rest(path):
            target += "&immutable=1"
    try:
        return driver.connect(
            target,
            uri=path is not None,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except driver.Error as error:
        raise _translate(error, f"opening {path}") from error
