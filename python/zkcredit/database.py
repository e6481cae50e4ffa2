"""One SQLite file with one writer at a time: what ledger, lender and issuer have in common.

Opening checks that the file is of the right kind and version. Every change happens
inside :meth:`Database.write`, which commits with ``synchronous=FULL`` or leaves
nothing behind. SQLite's errors never leave this module: they become StoreError
(disk, permission), StateConflict (busy) or MalformedInput (another kind of file,
damage). Names of tables and columns in statements are constants, never input.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from zkcredit.errors import MalformedInput, StateConflict, StoreError, ZkCreditError

BUSY_TIMEOUT_S = 30.0
"""How long one process waits for another's transaction."""
_FIRST_SAFE_WAL = (3, 51, 3)  # earlier libraries may corrupt a file in WAL mode


class Database:
    """An open database. Threads may share it; ``lock`` (reentrant) orders them.

    Subclasses name their kind and version and create their tables.
    """

    KIND: ClassVar[str]
    APPLICATION_ID: ClassVar[int]
    VERSION: ClassVar[int]
    PRAGMAS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, connection: Any, driver: Any) -> None:
        self._connection = connection
        self._driver = driver
        self.lock = threading.RLock()
        self._failed = False
        self._depth = 0

    @classmethod
    def _create(cls, path: Path | None) -> Self:
        """A new empty database at ``path``, or in memory if None; StateConflict if it exists."""
        if path is not None and path.exists():
            raise StateConflict(f"{path} exists already")
        database = cls._connect(path, read_only=False, new=True)
        with database._mapped(f"creating the {cls.KIND} database"):
            database._configure(path)
            database._create_tables(database._driver, database._connection)
            database._connection.execute(f"PRAGMA application_id={cls.APPLICATION_ID}")
            database._connection.execute(f"PRAGMA user_version={cls.VERSION}")
        return database

    @classmethod
    def _open(cls, path: Path, *, read_only: bool = False) -> Self:
        """The database at ``path``; raises StoreError, MalformedInput."""
        if not path.is_file():
            raise StoreError(f"no {cls.KIND} database at {path}")
        database = cls._connect(path, read_only=read_only, new=False)
        try:
            with database._mapped(f"opening {path}"):
                database._check_identity(path)
                if not read_only:
                    database._configure(path)
        except ZkCreditError:
            database.close()
            raise
        return database

    @classmethod
    def _connect(cls, path: Path | None, *, read_only: bool, new: bool) -> Self:
        driver = importlib.import_module("pysqlite3")
        if path is None:
            target = ":memory:"
        else:
            mode = "ro" if read_only else "rwc" if new else "rw"
            target = f"{path.absolute().as_uri()}?mode={mode}"
            if read_only and _is_at_rest(path):
                target += "&immutable=1"
        try:
            connection = driver.connect(
                target,
                uri=path is not None,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except driver.Error as error:
            raise cls._translate(error, f"opening {path}") from error
        return cls(connection, driver)

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        raise NotImplementedError

    def _check_identity(self, path: Path) -> None:
        if self._value("PRAGMA application_id") != self.APPLICATION_ID:
            raise MalformedInput(f"{path} is not a zkcredit {self.KIND} database")
        version = self._value("PRAGMA user_version")
        if version != self.VERSION:
            raise MalformedInput(
                f"{path} is a {self.KIND} database of version {version}; "
                f"this program reads version {self.VERSION}"
            )

    def _configure(self, path: Path | None) -> None:
        execute = self._connection.execute
        for pragma in ("synchronous=FULL", "trusted_schema=OFF", *self.PRAGMAS):
            execute(f"PRAGMA {pragma}")
        if path is None:
            return
        safe = self._driver.sqlite_version_info >= _FIRST_SAFE_WAL
        wanted = "wal" if safe else "delete"
        found = self._value(f"PRAGMA journal_mode={wanted}")
        if found != wanted:
            raise StoreError(f"{path}: journal mode is {found}, {wanted} was asked for")

    @classmethod
    def _translate(cls, error: Exception, what: str) -> ZkCreditError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StateConflict(
                f"{what}: another process holds the {cls.KIND} database; try again"
            )
        if name.startswith("SQLITE_NOTADB"):
            return MalformedInput(f"{what}: the file is not a {cls.KIND} database")
        if name.startswith("SQLITE_CORRUPT"):
            return MalformedInput(f"{what}: the {cls.KIND} database is damaged")
        if name.startswith("SQLITE_CONSTRAINT"):
            return StateConflict(f"{what}: {error}; nothing was changed")
        if name.startswith("SQLITE_READONLY"):
            return StoreError(f"{what}: the {cls.KIND} database is open for reading only")
        if name.startswith("SQLITE_FULL"):
            return StoreError(f"{what}: the disk is full; nothing was changed")
        return StoreError(f"{what}: {error}")

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
                raise self._translate(error, what) from error

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        """One transaction: durable at the end, or rolled back on any error; may be nested."""
        with self._mapped(f"writing to the {self.KIND} database"):
            if self._depth:
                yield
                return
            if self._failed:
                raise StoreError(f"an earlier write failed: open the {self.KIND} database again")
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
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
            finally:
                self._depth = 0

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._mapped(f"reading the {self.KIND} database"):
            rows: list[Any] = self._connection.execute(sql, parameters).fetchall()
            return rows

    def _value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        rows = self._rows(sql, parameters)
        return rows[0][0] if rows else None

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self._connection.execute(sql, parameters)

    def _many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Runs a statement for each row; returns how many rows of the tables changed."""
        before: int = self._connection.total_changes
        if rows:
            self._connection.executemany(sql, rows)
        after: int = self._connection.total_changes
        return after - before


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


def _is_io_error(error: BaseException | None) -> bool:
    while error is not None:
        if (getattr(error, "sqlite_errorname", "") or "").startswith("SQLITE_IOERR"):
            return True
        error = error.__cause__
    return False


def _is_at_rest(path: Path) -> bool:
    """Whether the file lies whole in a folder that this process may only read.

    SQLite then has nowhere to put the files that it shares with writers; without a
    log beside the file there is no writer to share with.
    """
    return not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
