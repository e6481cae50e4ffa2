"""Where an audit reads a ledger: its SQLite folder, published files, or rows handed over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zkcredit.errors import CheckFailed, MalformedInput, StoreError
from zkcredit.reference.bytesin import Bytes
from zkcredit.reference.notes import read_checkpoint
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
"""Entries of a query, and of a bundle of the published files."""


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
        self.checkpoint = None if note is None else _text(note)

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


class Published:
    """The files of ``zkcredit ledger publish`` (``docs/protocol.md`` §9).

    ``get`` gives the bytes of a file by its name, None for one that is not there. What is
    read is the log under the published checkpoint, whose signatures are verified here.
    Raises CheckFailed for a log that is cut, MalformedInput, StoreError if it is none.
    """

    def __init__(self, get: Callable[[str], bytes | None]) -> None:
        self._get = get
        self.genesis = self._need("genesis")
        genesis = Genesis.decode(self.genesis)
        self.ledger_id = genesis.ledger_id
        self.checkpoint = _text(self._need("checkpoint"))
        head = read_checkpoint(self.checkpoint, genesis)
        self.size, self.root = head.size, head.root

    def rows(self) -> Iterator[Row]:
        """Everything published up to the checkpoint, in the order of entries."""
        for number in range(-(-self.size // _PAGE)):
            width = min(_PAGE, self.size - number * _PAGE)
            entries, evidence = self._bundle(number, width)
            replies = _items(self._get(f"reply/{_number(number)}"), 4)
            for place in range(width):
                proof, memo = _pair(evidence[place]) if place < len(evidence) else (None, None)
                reply = replies[place] if place < len(replies) else b""
                yield entries[place], proof, memo, reply or None

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash beside the log, if it is there."""
        return self._get(f"attachments/{digest.hex()}")

    def _bundle(self, number: int, width: int) -> tuple[list[bytes], list[bytes]]:
        """Entries and evidence of a bundle: the partial one, or the full one that followed it."""
        names = [_number(number)]
        if width < _PAGE:
            names.insert(0, f"{names[0]}.p/{width}")
        for name in names:
            data = self._get(f"tile/entries/{name}")
            if data is not None:
                entries = _items(data, 2)
                if len(entries) < width:
                    raise MalformedInput(f"entry bundle {number} has {len(entries)} entries")
                return entries, _items(self._get(f"evidence/{name}"), 4)
        raise CheckFailed(f"there is no tile/entries/{names[0]}: the log is cut", check="withheld")

    def _need(self, name: str) -> bytes:
        data = self._get(name)
        if data is None:
            raise StoreError(f"there is no {name}: this is not a published log")
        return data


def _text(note: bytes) -> str:
    try:
        return note.decode()
    except UnicodeDecodeError:
        raise MalformedInput("the published checkpoint is not text") from None


def _number(number: int) -> str:
    """The number of a bundle in a path: groups of three digits, all but the last after an x."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def _items(data: bytes | None, prefix: int) -> list[bytes]:
    """Items after their lengths of ``prefix`` bytes; none if the file is not there."""
    reader, items = Bytes(data or b"", "bundle"), []
    while reader.left:
        items.append(reader.take(reader.number(prefix)))
    if len(items) > _PAGE:
        raise MalformedInput(f"a bundle has {len(items)} items")
    return items


def _pair(item: bytes) -> tuple[bytes, bytes]:
    """Evidence and memo of one entry."""
    reader = Bytes(item, "evidence")
    pair = reader.take(reader.number(4)), reader.take(reader.number(1))
    reader.end()
    return pair
