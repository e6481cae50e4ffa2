"""The database of a ledger: its tables' rows, read and written in bulk.

See :mod:`zkcredit.database` for transactions and errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from zkcredit.database import Database
from zkcredit.errors import CallerError, MalformedInput, StateConflict
from zkcredit.ledger.log import EMPTY_ROOT

_CHUNK = 1024
_CACHE_KIB = 131_072  # the recent keys and the upper levels of all tables at 10⁷ rows
_WAL_PAGES = 16_384  # random keys dirty a page each: let several batches share one write
_PREFIXES = 256
_MERGE_ENTRIES = 1_024
_KEYS = {
    "statements": ("hash",),
    "nullifiers": ("nullifier", "issuer"),
    "payees": ("payee",),
}
"""Large tables of random keys, which are their first columns; see :meth:`Store.merge_keys`."""


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
    requests: set[tuple[bytes, bytes]] = field(default_factory=set)


class Store(Database):
    """The open database of a ledger."""

    KIND = "ledger"
    APPLICATION_ID = 0x7A6B6372  # "zkcr"
    VERSION = 3
    OLDER = (2,)
    GATE = "coordinator"
    PRAGMAS = (f"cache_size=-{_CACHE_KIB}", f"wal_autocheckpoint={_WAL_PAGES}")

    @classmethod
    def create(cls, place: Path | str | None, genesis: bytes) -> Self:
        """A new empty database: a file, ``postgresql://…``, or in memory if None.

        StateConflict if it exists, CallerError for another address, StoreError.
        """

        def fill(store: Self) -> None:
            store._run(
                "INSERT INTO coordinator VALUES (1, ?, 0, ?, ?, 0, 0, ?)",
                (genesis, b"", EMPTY_ROOT, EMPTY_ROOT),
            )

        return cls._create(place, fill)

    @classmethod
    def open(cls, place: Path | str, *, read_only: bool = False) -> Self:
        """The database in this file or at this address; raises StoreError, MalformedInput."""
        return cls._open(place, read_only=read_only)

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        from zkcredit.ledger.schema import METADATA, split
        from zkcredit.tables import create_all

        create_all(METADATA, driver, connection)
        if driver.logs_pages:
            split(driver, connection, _KEYS)

    def _upgrade(self) -> None:
        """From version 2: the large tables of keys are split."""
        if self._driver.logs_pages:
            from zkcredit.ledger.schema import split

            split(self._driver, self._connection, _KEYS)

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
        self._run(
            "UPDATE coordinator SET size=?, frontier=?, root=?, last_timestamp_ms=?",
            (size, frontier, root, last_timestamp_ms),
        )

    def set_signed(self, size: int, root: bytes) -> None:
        """Notes the head that is about to be signed; inside :meth:`write`."""
        self._run("UPDATE coordinator SET signed_size=?, signed_root=?", (size, root))

    def insert(self, changes: Changes) -> None:
        """Adds the rows of a batch, unique keys sorted; inside :meth:`write`."""
        self._insert("entries", changes.entries)
        self._insert("evidence", changes.evidence)
        self._insert("registrations", changes.registrations)
        self._insert("statements", changes.statements)
        self._insert("nullifiers", changes.nullifiers)
        self._insert("payees", changes.payees)
        if changes.entries:
            self.merge_keys(changes.entries[0][0], changes.entries[-1][0] + 1)
        self._insert("opens", changes.opens)
        self._insert("settled", changes.settled)
        self._insert("owed", changes.owed)
        self._many(
            "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT (terms, period, kind) "
            "DO UPDATE SET entries = counts.entries + excluded.entries",
            [(*key, count) for key, count in changes.counts.items()],
        )
        self._many(
            "INSERT INTO tiles VALUES (?, ?, ?) ON CONFLICT (level, number) "
            "DO UPDATE SET hashes = excluded.hashes",
            [(*key, hashes) for key, hashes in changes.tiles.items()],
        )
        self.insert_requests(changes.requests)

    def insert_requests(self, requests: Iterable[tuple[bytes, bytes]]) -> None:
        """Adds (key, fingerprint) of clients' requests; the first stays. Inside :meth:`write`."""
        self._driver.insert("requests", sorted(requests))

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Adds rows in the order of their keys, which must all be new."""
        if self._add(table, sorted(rows)) != len(rows):
            raise StateConflict(f"a key of this batch is in {table} already; nothing was changed")

    def _add(self, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Inserts rows whose key is new; returns their number."""
        if table not in _KEYS or not self._driver.logs_pages:
            return self._driver.insert(table, rows)
        keys = _KEYS[table]
        marks = ", ".join(f"?{i}" for i in range(1, len(keys) + 2))
        known = " AND ".join(f"{name}=?{i}" for i, name in enumerate(keys, start=1))
        return self._many(
            f"INSERT INTO {table}_recent SELECT {marks} "  # noqa: S608
            f"WHERE NOT EXISTS (SELECT 1 FROM {table}_main WHERE {known}) ON CONFLICT DO NOTHING",
            rows,
        )

    def merge_keys(self, start: int, stop: int) -> None:
        """Merges the recent keys whose turn comes between sizes ``start`` and ``stop``.

        Where a database writes whole pages, the large tables of keys are two: new keys go to
        ``…_recent``, and at every 1,024th entry those that begin with one byte, the next of
        256 in turn, move to ``…_main``. So one page of the large table takes several keys at
        a time, and the small one never holds more than those of 262,144 entries. Both are
        asked before a key is new; the view without suffix is their union. Inside :meth:`write`.
        """
        if not self._driver.logs_pages:
            return
        last = stop // _MERGE_ENTRIES
        for turn in range(max(start // _MERGE_ENTRIES, last - _PREFIXES), last):
            bounds = _range(b"", turn % _PREFIXES, turn % _PREFIXES)
            for table, (key, *_) in _KEYS.items():
                due = f"FROM {table}_recent WHERE {key}>=? AND {key}<?"
                self._run(f"INSERT INTO {table}_main SELECT * {due}", bounds)
                self._run(f"DELETE {due}", bounds)

    def lookup(self, table: str, key: str, values: Iterable[Any]) -> list[Any]:
        """All rows of ``table`` whose column ``key`` is one of ``values``."""
        wanted = sorted(set(values))
        with self._mapped("reading the ledger database"):
            return self._driver.lookup(table, key, wanted)

    def find(self, table: str, **keys: Any) -> int | None:
        """Entry index stored under the given key columns, None if there is none."""
        condition = " AND ".join(f"{name}=?" for name in keys)
        sql = f"SELECT idx FROM {table} WHERE {condition}"  # noqa: S608
        found: int | None = self._value(sql, tuple(keys.values()))
        return found

    def bucket(self, table: str, key: str, prefix: bytes, low: int, high: int) -> list[Any]:
        """(key, idx) of all rows whose key begins with ``prefix`` and a byte in low..high."""
        sql = f"SELECT {key}, idx FROM {table} WHERE {key}>=? AND {key}<? ORDER BY {key}"  # noqa: S608
        return self._rows(sql, _range(prefix, low, high))

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

    def total(self, kinds: Sequence[int]) -> int:
        """Number of entries of these kinds."""
        marks = ", ".join("?" * len(kinds))
        sql = f"SELECT SUM(entries) FROM counts WHERE kind IN ({marks})"  # noqa: S608
        return int(self._value(sql, [int(kind) for kind in kinds]) or 0)

    def unanswered(self, issuer: int, limit: int) -> list[int]:
        """Oldest entries that await the reply of the issuer registered at entry ``issuer``."""
        rows = self._rows(
            "SELECT idx FROM owed WHERE issuer=? ORDER BY idx LIMIT ?", (issuer, limit)
        )
        return [row[0] for row in rows]

    def owed_bundles(self, width: int) -> set[int]:
        """Entry number divided by ``width``, of all entries that await a reply."""
        rows = self._rows("SELECT DISTINCT idx - idx % ? FROM owed", (width,))
        return {row[0] // width for row in rows}

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
        self._insert("replies", replies)

    def strike_owed(self, keys: Sequence[tuple[int, int, int, int]]) -> None:
        """Removes (issuer, public, due_ms, entry) from what is owed; inside :meth:`write`."""
        self._driver.delete("owed", ("issuer", "public", "due_ms", "idx"), keys)


def _range(prefix: bytes, low: int, high: int) -> tuple[bytes, bytes]:
    """Between what (the second exclusive) keys lie that go on with a byte in low..high."""
    end = prefix + bytes((high + 1,)) if high < 255 else prefix + b"\xff" * 64
    return prefix + bytes((low,)), end


def _i64(index: int) -> int:
    """``index`` as a database can hold it; CallerError for what no entry can have."""
    if not 0 <= index < 1 << 63:
        raise CallerError(f"{index} is not the index of an entry")
    return index
