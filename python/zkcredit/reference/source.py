"""Where an audit reads a ledger: its folder, by a few read-only queries, or memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zkcredit.errors import CheckFailed, MalformedInput, StoreError
from zkcredit.reference.records import Genesis

Row = tuple[bytes, bytes | None, bytes | None, bytes | None]
"""Encoded entry, evidence, memo, reply; None for what is not stored."""

_HEAD = "SELECT genesis, size, root FROM coordinator WHERE id = 1"
_ROWS = """
    SELECT entries.idx, entry, evidence, memo, reply FROM entries
    LEFT JOIN evidence ON evidence.idx = entries.idx
    LEFT JOIN replies ON replies.idx = entries.idx
    WHERE entries.idx >= ? AND entries.idx < ? ORDER BY entries.idx
"""
_PAGE = 256


class Source(Protocol):
    """What an audit needs of a ledger; entries are numbered from 0."""

    @property
    def genesis(self) -> bytes:
        """Encoded genesis that the ledger claims."""
        ...

    @property
    def size(self) -> int:
        """Number of entries."""
        ...

    @property
    def root(self) -> bytes | None:
        """Root that the ledger claims, if it claims one."""
        ...

    @property
    def checkpoint(self) -> str | None:
        """The signed checkpoint that is published, if there is one."""
        ...

    def rows(self) -> Iterator[Row]:
        """Everything stored, in the order of entries."""
        ...

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash beside the log, if it is there."""
        ...


@dataclass(frozen=True)
class Memory:
    """A ledger whose rows are in memory."""

    genesis: bytes
    stored: Sequence[Row]
    root: bytes | None = None
    checkpoint: str | None = None
    attachments: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.stored)

    def rows(self) -> Iterator[Row]:
        """Everything stored, in the order of entries."""
        return iter(self.stored)

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash beside the log, if it is there."""
        return self.attachments.get(digest)


class Folder:
    """A ledger's folder, as it is when this is made; entries that come later are left out.

    Raises StoreError for what cannot be read, CheckFailed if the parts of the
    folder contradict each other.
    """

    def __init__(self, path: str | Path) -> None:
        self._folder = Path(path)
        self._database = self._folder / "ledger.db"
        found = list(self._query(_HEAD))
        if len(found) != 1:
            raise MalformedInput(f"{self._database} is no ledger: it has no head")
        genesis, size, root = found[0]
        self.genesis, self.size, self.root = bytes(genesis), int(size), bytes(root)
        beside = self._file("genesis")
        if beside is not None and beside != self.genesis:
            raise CheckFailed("the genesis file is not that of the database")
        note = self._file("checkpoint")
        try:
            self.checkpoint = None if note is None else note.decode()
        except UnicodeDecodeError:
            raise MalformedInput("the published checkpoint is not text") from None

    @property
    def ledger_id(self) -> bytes:
        """The 32 bytes that name the ledger."""
        return Genesis.decode(self.genesis).ledger_id

    def rows(self) -> Iterator[Row]:
        """Everything stored, in the order of entries."""
        for start in range(0, self.size, _PAGE):
            stop = min(start + _PAGE, self.size)
            page = list(self._query(_ROWS, start, stop))
            if [row[0] for row in page] != list(range(start, stop)):
                raise CheckFailed(f"entries are missing between {start} and {stop}")
            for _, entry, evidence, memo, reply in page:
                yield entry, evidence, memo, reply

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash beside the log, if it is there."""
        return self._file(f"attachments/{digest.hex()}")

    def _query(self, text: str, *values: int) -> Iterator[tuple[Any, ...]]:
        try:
            # Without a write-ahead log nobody writes: then no file appears beside it either.
            at_rest = not self._database.with_name("ledger.db-wal").exists()
            address = f"{self._database.absolute().as_uri()}?mode=ro{'&immutable=1' * at_rest}"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                yield from connection.execute(text, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self._database}: {error}") from error

    def _file(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._folder / name}: {error.strerror or error}") from error
