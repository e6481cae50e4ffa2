"""Everything that a ledger's database holds, derived anew from the log and compared.

The log's entries and evidence are the truth; tree, tiles, indexes, counts and what is owed
follow from them. :func:`fsck` judges every entry as cosigners do
(:mod:`zkcredit.ledger.replay`, proofs included), builds all tables again in a scratch
database with the code that accepts, and names each row that differs. It changes nothing,
and an operator may go on working meanwhile: one state of the database is read.

Not derivable, so only looked at: keys of clients' requests (their form), attachments that
have not arrived yet (counted). One rule is not replayed: purchases stop while the issuer
owes signatures.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zkcredit.entries import Entry, LineStatement
from zkcredit.errors import CheckFailed, MalformedInput, ProofRefused, Refused
from zkcredit.ledger import accept, folder, log
from zkcredit.ledger.accept import BatchIndex
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint
from zkcredit.ledger.operator import Operator
from zkcredit.ledger.registry import Registry
from zkcredit.ledger.replay import Judge, Record, Replayed, Void, read
from zkcredit.ledger.replies import verify_replies
from zkcredit.ledger.store import Changes, Coordinator, Store

BATCH = 1_024
"""Entries judged together."""
LISTED_MAX = 100
"""Most differences of one name that are listed; all are counted."""
_END = (1 << 63) - 1
_WITHHELD = "withheld"
_DERIVED = {
    "registrations": ("idx",),
    "statements": ("hash",),
    "nullifiers": ("nullifier", "issuer"),
    "payees": ("payee",),
    "opens": ("commitment",),
    "settled": ("claim",),
    "tiles": ("level", "number"),
    "owed": ("issuer", "public", "due_ms", "idx"),
    "counts": ("terms", "period", "kind"),
}
"""Tables that follow from the log and their keys, which are their first columns."""

_SNAPSHOT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"}


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the log says; ``name`` is the stable name of what it is in.

    Names: ``database`` (the file itself), ``entries``, ``evidence``, ``void`` (an entry that
    breaks a rule), ``replies``, ``coordinator``, a table of the database, ``signed-head``,
    ``checkpoint``, ``operator.key``, ``attachments``.
    """

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was found: the head derived from the entries, and every difference.

    ``counts`` says how many differences there are by name, ``differences`` lists the first
    100 of each. ``attachments_missing`` counts files that entries name and that are
    not there: no fault, as they come after the entry. ``wall_s`` is seconds taken.
    """

    ledger_id: bytes
    size: int
    root: bytes
    differences: list[Difference]
    counts: dict[str, int]
    attachments_missing: int
    wall_s: float

    @property
    def ok(self) -> bool:
        """Whether everything is as the log says."""
        return not self.differences


def fsck(place: str | Path, *, progress: Callable[[int, int], None] | None = None) -> FsckReport:
    """Checks the ledger in the folder ``place``; ``progress`` gets (entries done, entries).

    Raises StoreError or MalformedInput only for a folder that cannot be opened as a ledger.
    """
    path = Path(place)
    with (
        Operator.open(path, read_only=True) as ledger,
        tempfile.TemporaryDirectory(prefix="zkcredit-fsck-") as scratch,
    ):
        genesis = ledger.genesis
        derived = Store.create(Path(scratch) / "derived.db", genesis.encode())
        try:
            return _Fsck(path, ledger, derived).run(progress)
        finally:
            derived.close()


class _Book:
    """The judge's book over the scratch database; rows are those that acceptance writes."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._index: _Index | None = None
        self.changes = Changes()
        self.encoded: dict[int, bytes] = {}
        self.answered: set[int] = set()

    def index(self, wave: Sequence[Replayed]) -> _Index:
        self.flush()
        self._index = _Index(self._store, self._registry, wave)
        return self._index

    def accept(self, entry: Replayed) -> None:
        assert self._index is not None
        whole = Entry.decode(self.encoded[entry.index])
        accept.add_entry(
            self._registry, self.changes, entry.index, whole, self.encoded[entry.index]
        )
        self._index.record(entry.index, entry, self.changes)
        if entry.index in self.answered:
            self.changes.owed.pop()

    def flush(self) -> None:
        """Writes the rows of the wave before."""
        self._store.insert(self.changes)
        self.changes = Changes()


class _Index(BatchIndex):
    """The rules' index over the scratch database."""

    def in_default(self, issuer_id: bytes, now_ms: int) -> bool:  # noqa: ARG002
        """Always False: no entry says when replies were published."""
        return False


class _Fsck:
    """One pass over one ledger."""

    def __init__(self, path: Path, ledger: Operator, derived: Store) -> None:
        self._path = path
        self._ledger = ledger
        self._genesis: Genesis = ledger.genesis
        self._store = ledger._store  # the tables themselves are what is checked
        self._tables = _Tables(ledger._store)
        self._derived = derived
        self._registry = Registry(ledger.ledger_id)
        self._book = _Book(derived, self._registry)
        self._judge = Judge(self._registry, self._genesis.bls_key, self._book)
        self._frontier = log.Frontier()
        self._roots: dict[int, bytes] = {}
        self._differences: list[Difference] = []
        self._counts: dict[str, int] = {}

    def run(self, progress: Callable[[int, int], None] | None) -> FsckReport:
        started = time.perf_counter()
        missing = 0
        try:
            for problem in self._store.damage():
                self._report("database", problem)
            with self._store.snapshot():
                missing = self._check(progress)
        except MalformedInput as error:
            self._report("database", str(error))
        return FsckReport(
            ledger_id=self._ledger.ledger_id,
            size=self._frontier.size,
            root=self._frontier.root(),
            differences=self._differences,
            counts=self._counts,
            attachments_missing=missing,
            wall_s=time.perf_counter() - started,
        )

    def _report(self, name: str, message: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1
        if self._counts[name] <= LISTED_MAX:
            self._differences.append(Difference(name, message))

    def _check(self, progress: Callable[[int, int], None] | None) -> int:
        head = self._store.coordinator()
        published = self._published()
        self._roots = dict.fromkeys((0, head.signed_size, getattr(published, "size", 0)), b"")
        records = self._store.records(0, _END)
        while batch := list(itertools.islice(records, BATCH)):
            self._take(batch)
            if progress is not None:
                progress(min(self._frontier.size, head.size), head.size)
        self._note_root()
        self._check_head(head)
        self._check_signed("signed-head", head.signed_size, head.signed_root)
        if published is not None:
            self._check_signed("checkpoint", published.size, published.root)
            if published.size > head.signed_size:
                self._report("signed-head", "a larger tree is published than was signed")
        for table in ("evidence", "replies"):
            for (index,) in self._tables.strays(table):
                self._report(table, f"there is no entry {index}")
        for table, key in _DERIVED.items():
            self._compare(table, key)
        for key, fingerprint in self._tables.walk("requests", ("key",)):
            if (len(key), len(fingerprint)) != (32, 32):
                self._report("requests", f"{key.hex()} is no key of a request")
        self._check_key()
        return self._check_attachments()

    # --- the log -------------------------------------------------------------

    def _take(self, batch: list[Record]) -> None:
        """Judges the next records and appends them to the derived tree and tables."""
        frontier = self._frontier.copy()
        leaves: list[bytes] = []
        for index, encoded, *_ in batch:
            expected = frontier.size + len(leaves)
            if index != expected:
                self._report("entries", f"entry {index} stands in the place of {expected}")
            leaves.append(log.leaf_hash(encoded))
            self._note_root()
            self._frontier.append(leaves[-1])
        self._book.encoded = {record[0]: record[1] for record in batch}
        self._book.answered = {record[0] for record in batch if record[4] is not None}
        with self._derived.write():
            for void in self._judge.judge([self._read(record) for record in batch]):
                if void.rule != _WITHHELD:
                    self._report("void", f"{void} [{void.rule}]")
            self._book.changes.tiles = accept.append_leaves(self._derived, frontier, leaves)
            self._book.flush()
        self._check_replies(batch)

    def _note_root(self) -> None:
        if self._frontier.size in self._roots:
            self._roots[self._frontier.size] = self._frontier.root()

    def _read(self, record: Record) -> Replayed | Void:
        try:
            return read(record)
        except CheckFailed as error:
            self._report("evidence", str(error))
            return Void(record[0], _WITHHELD, str(error))

    def _check_replies(self, batch: list[Record]) -> None:
        items: list[tuple[int, LineStatement, bytes]] = []
        for index, encoded, _, _, reply in batch:
            if reply is None:
                continue
            try:
                statement = Entry.decode(encoded).statement
            except MalformedInput:
                continue  # reported as void
            if isinstance(statement, LineStatement):
                items.append((index, statement, reply))
            else:
                self._report("replies", f"entry {index} is answered by nobody")
        try:
            verify_replies(self._registry, [item[1:] for item in items])
        except ProofRefused as error:
            for position in error.indexes:
                index = items[position][0]
                self._report("replies", f"the reply to entry {index} is not its issuer's")
        except (MalformedInput, Refused) as error:
            self._report("replies", f"among entries from {batch[0][0]} on: {error}")

    # --- the head, signed and published --------------------------------------

    def _check_head(self, head: Coordinator) -> None:
        found: dict[str, Any] = {
            "size": self._frontier.size,
            "frontier": self._frontier.encode(),
            "root": self._frontier.root(),
            "last_timestamp_ms": self._judge.last_timestamp_ms,
        }
        for column, value in found.items():
            stored = getattr(head, column)
            if stored != value:
                self._report(
                    "coordinator", f"{column} is {_show(stored)}, the entries say {_show(value)}"
                )

    def _check_signed(self, name: str, size: int, root: bytes) -> None:
        if size > self._frontier.size:
            self._report(name, f"signed at {size} entries, the log has {self._frontier.size}")
        elif self._roots[size] != root:
            self._report(name, f"the root signed at {size} entries is not that of the entries")

    def _published(self) -> Checkpoint | None:
        try:
            text = self._ledger.published_checkpoint
            return None if text is None else Checkpoint.open(text, *self._genesis.log_keys)
        except (MalformedInput, CheckFailed) as error:
            self._report("checkpoint", str(error))
            return None

    # --- tables and files ----------------------------------------------------

    def _compare(self, table: str, key: tuple[str, ...]) -> None:
        """Goes through both tables in the order of their keys."""
        pairs = (_Tables(self._derived).walk(table, key), self._tables.walk(table, key))
        derived, stored = (next(rows, None) for rows in pairs)
        while derived is not None or stored is not None:
            left, right = (None if row is None else row[: len(key)] for row in (derived, stored))
            if right is None or (left is not None and left < right):
                self._report(table, f"no row {_show(derived)}")
                derived = next(pairs[0], None)
            elif left is None or right < left:
                self._report(table, f"row {_show(stored)} does not follow from the log")
                stored = next(pairs[1], None)
            else:
                if derived != stored:
                    self._report(table, f"row {_show(stored)} should be {_show(derived)}")
                derived, stored = (next(rows, None) for rows in pairs)

    def _check_key(self) -> None:
        """The operator's key, if this is where it lies."""
        if (self._path / folder.KEY).is_file() and os.access(self._path / folder.KEY, os.R_OK):
            try:
                folder.read_keys(self._path, self._genesis)
            except MalformedInput as error:
                self._report("operator.key", str(error))

    def _check_attachments(self) -> int:
        missing = 0
        for digest in sorted(self._registry.attachments):
            try:
                missing += self._ledger.attachment(digest) is None
            except MalformedInput as error:
                self._report("attachments", str(error))
        known = {digest.hex() for digest in self._registry.attachments}
        for path in sorted((self._path / folder.ATTACHMENTS).glob("[!.]*")):
            if path.name not in known:
                self._report("attachments", f"no entry names {path.name}")
        return missing


class _Tables:
    """Rows of a store's tables as they lie there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def walk(self, table: str, key: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """All rows in the order of their key, which is the first columns."""
        columns, marks = ", ".join(key), ", ".join("?" * len(key))
        start, parameters = "", tuple[Any, ...]()
        while True:
            sql = f"SELECT * FROM {table} {start} ORDER BY {columns} LIMIT {BATCH}"  # noqa: S608
            rows = self._store._rows(sql, parameters)
            yield from map(tuple, rows)
            if len(rows) < BATCH:
                return
            start = f"WHERE ({columns}) > ({marks})"
            parameters = tuple(rows[-1][: len(key)])

    def strays(self, table: str) -> list[Any]:
        """(idx,) of rows beside the log that belong to no entry."""
        return self._store._rows(
            f"SELECT t.idx FROM {table} t LEFT JOIN entries e ON e.idx = t.idx "  # noqa: S608
            f"WHERE e.idx IS NULL ORDER BY t.idx"
        )


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 48 else f"{value[:8].hex()}… ({len(value)} bytes)"
    if isinstance(value, tuple):
        return f"({', '.join(map(_show, value))})"
    return str(value)
