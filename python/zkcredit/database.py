"""A database with one writer at a time: what ledger, lender and issuer have in common.

Opening checks that the database is of the right kind and version. Every change happens
inside :meth:`Database.write` or :meth:`Database.transact`, which commit durably or leave
nothing behind. Errors of SQLite and PostgreSQL never leave this module: they become
StoreError (disk, permission, connection), StateConflict (busy) or MalformedInput (another
kind of database, damage). Names of tables and columns in statements are constants, never
input. What the two do differently is in :mod:`zkcredit.sqlite` and :mod:`zkcredit.postgres`.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from zkcredit.errors import MalformedInput, StateConflict, StoreError, ZkCreditError
from zkcredit.sqlite import Sqlite

BUSY_TIMEOUT_S = 30.0
"""How long one process waits for another's transaction."""
_ATTEMPTS = 12
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 1.0
_T = TypeVar("_T")


class TransactionAborted(StateConflict):
    """The server undid a transaction that met another one: it may be run again from its start."""


class Driver(Protocol):
    """What each kind of database does in its own way. Statements mark parameters by ``?``."""

    dialect: str
    """SQLAlchemy's name for it."""
    logs_pages: bool
    """Whether a commit writes every changed page whole, so that scattered rows are dear."""
    error: type[Exception]
    """Base of everything that the driver's module raises."""
    connection: Any
    """The module's own connection."""

    def configure(self, pragmas: Sequence[str]) -> None:
        """Sets what a connection needs; ``pragmas`` are for SQLite."""
        ...

    def mark(self, application_id: int, version: int) -> None:
        """Writes what :meth:`identity` reads; inside a transaction."""
        ...

    def set_version(self, version: int) -> None:
        """Changes the version of the tables; inside a transaction."""
        ...

    def identity(self) -> tuple[int, int]:
        """The kind and version of the tables."""
        ...

    def close(self) -> None:
        """Closes the connection; safe to repeat."""
        ...

    def begin(self, gate: str | None) -> None:
        """Begins a transaction as the only writer: ``gate`` is the one-row table to lock."""
        ...

    def begin_snapshot(self) -> None:
        """Begins a transaction that only reads, all of it from one moment."""
        ...

    def commit(self) -> None:
        """Makes the transaction durable."""
        ...

    def rollback(self) -> None:
        """Undoes the transaction, if there still is one."""
        ...

    def is_fatal(self, error: BaseException | None) -> bool:
        """Whether nothing may be written through this connection after ``error``."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Runs a statement; returns its cursor."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Runs a statement for each row; returns how many rows of the tables changed."""
        ...

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> int:
        """Inserts rows whose key is new, in the order of the columns; returns their number."""
        ...

    def delete(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Deletes the rows whose ``columns`` are one of ``rows``."""
        ...

    def lookup(self, table: str, key: str, values: Sequence[Any]) -> list[Any]:
        """All rows whose column ``key`` is one of ``values``."""
        ...

    def damage(self) -> list[str]:
        """What the database's own check of its storage finds, where it has one."""
        ...

    def translate(self, error: Exception, what: str) -> ZkCreditError:
        """The error of this package for one of the driver's."""
        ...


class Database:
    """An open database. Threads may share it; ``lock`` (reentrant) orders them.

    Subclasses name their kind and version and create their tables. Of a version in
    ``OLDER`` they can read everything, and bring it up to date before they write. ``GATE`` is
    their table of one row, which writers of a shared database lock.
    """

    KIND: ClassVar[str]
    APPLICATION_ID: ClassVar[int]
    VERSION: ClassVar[int]
    OLDER: ClassVar[tuple[int, ...]] = ()
    PRAGMAS: ClassVar[tuple[str, ...]] = ()
    GATE: ClassVar[str | None] = None

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.lock = threading.RLock()
        self._failed = False
        self._depth = 0

    @property
    def _connection(self) -> Any:
        return self._driver.connection

    @property
    def failed(self) -> bool:
        """Whether a failed sync ended all writing: only a database opened anew goes on."""
        return self._failed

    @classmethod
    def _create(cls, place: Path | str | None, fill: Callable[[Self], None] | None = None) -> Self:
        """A new database at ``place``, a file or an address, or in memory if None.

        ``fill`` writes the first rows. The database is there whole or not at all;
        StateConflict if it exists.
        """
        if isinstance(place, Path) and place.exists():
            raise StateConflict(f"{place} exists already")
        database = cls(cls._connect(place, new=True))
        try:
            with database._mapped(f"creating the {cls.KIND} database"):
                database._driver.configure(cls.PRAGMAS)
                with database._transaction(gate=None):
                    database._create_tables(database._driver, database._connection)
                    database._driver.mark(cls.APPLICATION_ID, cls.VERSION)
                    if fill is not None:
                        fill(database)
        except ZkCreditError:
            database.close()
            raise
        return database

    @classmethod
    def _open(cls, place: Path | str, *, read_only: bool = False) -> Self:
        """The database at ``place``; raises StoreError, MalformedInput."""
        if isinstance(place, Path) and not place.is_file():
            raise StoreError(f"no {cls.KIND} database at {place}")
        database = cls(cls._connect(place, read_only=read_only))
        name = str(place) if isinstance(place, Path) else "the database at that address"
        try:
            with database._mapped(f"opening {name}"):
                version = database._check_identity(name)
                database._driver.configure(cls.PRAGMAS)
                if version != cls.VERSION and not read_only:
                    database._bring_up_to_date()
        except ZkCreditError:
            database.close()
            raise
        return database

    @classmethod
    def _connect(
        cls, place: Path | str | None, *, read_only: bool = False, new: bool = False
    ) -> Driver:
        if isinstance(place, str):
            from zkcredit.postgres import Postgres

            return Postgres(place, cls.KIND, BUSY_TIMEOUT_S, read_only=read_only)
        return Sqlite(place, cls.KIND, BUSY_TIMEOUT_S, read_only=read_only, new=new)

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        raise NotImplementedError

    def _bring_up_to_date(self) -> None:
        """One transaction, unless another process has done it meanwhile."""
        with self._transaction(self.GATE):  # all of it
            if self._driver.identity()[1] in self.OLDER:
                self._upgrade()
                self._driver.set_version(self.VERSION)

    def _upgrade(self) -> None:
        """Makes tables of an older version those of this one; inside a transaction."""
        raise NotImplementedError

    def _check_identity(self, name: str) -> int:
        """The version of the tables, which this program can read; else MalformedInput."""
        application_id, version = self._driver.identity()
        if application_id != self.APPLICATION_ID:
            raise MalformedInput(f"{name} is not a zkcredit {self.KIND} database")
        if version != self.VERSION and version not in self.OLDER:
            raise MalformedInput(
                f"{name} is a {self.KIND} database of version {version}; "
                f"this program reads version {self.VERSION}"
            )
        return version

    def close(self) -> None:
        """Closes the database; safe to repeat."""
        with self.lock:
            self._driver.close()

    @contextlib.contextmanager
    def _mapped(self, what: str) -> Iterator[None]:
        with self.lock:
            try:
                yield
            except self._driver.error as error:
                raise self._driver.translate(error, what) from error

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        """One transaction: durable at the end, or rolled back on any error; may be nested."""
        with self._mapped(f"writing to the {self.KIND} database"):
            if self._depth:
                yield
                return
            if self._failed:
                raise StoreError(f"an earlier write failed: open the {self.KIND} database again")
            with self._transaction(self.GATE):
                yield

    @contextlib.contextmanager
    def _transaction(self, gate: str | None) -> Iterator[None]:
        self._depth = 1
        try:
            self._driver.begin(gate)
            yield
            self._driver.commit()
        except BaseException as error:
            # After a failed fsync the file's state is unknown to this connection: stop.
            if self._driver.is_fatal(error):
                self._failed = True
            self._driver.rollback()
            raise
        finally:
            self._depth = 0

    def transact(self, work: Callable[[], _T]) -> _T:
        """Runs ``work`` inside :meth:`write`, again from its start if the server undid it.

        ``work`` must take what it decides on from the database each time it runs. Servers
        undo transactions that they cannot order; after 12 attempts StateConflict is raised.
        """
        pause_s = _FIRST_PAUSE_S
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.write():
                    return work()
            except TransactionAborted:
                if self._depth or attempt == _ATTEMPTS:
                    raise
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  (spreads rivals)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment, whatever others commit meanwhile."""
        with self._mapped(f"reading the {self.KIND} database"):
            self._driver.begin_snapshot()
            try:
                yield
            finally:
                self._driver.rollback()

    def damage(self) -> list[str]:
        """What the database's own check of its storage finds, where it has one."""
        with self._mapped(f"checking the {self.KIND} database"):
            return self._driver.damage()

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._mapped(f"reading the {self.KIND} database"):
            rows: list[Any] = self._driver.execute(sql, parameters).fetchall()
            return rows

    def _value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        rows = self._rows(sql, parameters)
        return rows[0][0] if rows else None

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self._driver.execute(sql, parameters)

    def _many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Runs a statement for each row; returns how many rows of the tables changed."""
        return self._driver.many(sql, rows)


class OwnStore(Database):
    """A participant's own database, for its eyes only, with a table ``meta`` of small values."""

    @classmethod
    def create(cls, path: str | os.PathLike[str] | None) -> Self:
        """A new empty database, in memory if ``path`` is None; StateConflict if it exists."""
        target = None if path is None else Path(path)
        store = cls._create(target)
        if target is not None:
            with contextlib.suppress(OSError):
                target.chmod(0o600)
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """An existing database; StoreError, or MalformedInput for another kind or version."""
        return cls._open(Path(path))

    def meta(self, key: str) -> bytes | None:
        """A stored value, None if it was never set."""
        value: bytes | None = self._value("SELECT value FROM meta WHERE key=?", (key,))
        return value

    def set_meta(self, key: str, value: bytes) -> None:
        """Stores a value; inside :meth:`write`."""
        self._run(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value=excluded.value",
            (key, value),
        )
