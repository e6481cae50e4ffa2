"""A mirror of a log: every entry judged, in a database of one's own.

The mirror has its own indexes of nullifiers, payees and claims and its own view of
issuers, terms and periods, and believes nobody but the log's keys. It advances from
checkpoint to checkpoint in steps of up to 1,024 entries, each one transaction: a step is
in the signed tree and judged, or it is not there. Verdicts do not depend on the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from zkcredit.ahead import ahead
from zkcredit.cosigner.store import CosignerStore
from zkcredit.cosigner.tree import PublishedTree, TileReader
from zkcredit.entries import Entry
from zkcredit.errors import CheckFailed, MalformedInput
from zkcredit.ledger import accept, log
from zkcredit.ledger.accept import BatchIndex
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.log import TILE_WIDTH
from zkcredit.ledger.note import Checkpoint
from zkcredit.ledger.reading import StoredLog
from zkcredit.ledger.registry import Registry
from zkcredit.ledger.replay import Judge, Record, Replayed, Void, read
from zkcredit.ledger.store import Changes, Coordinator

_STEP_BUNDLES = 4
"""Bundles of 256 entries judged together: many proofs cost less each, memory stays small."""
_STEP_BYTES = 16 << 20
"""A step that holds more ends with its bundle. Two steps are in memory at a time."""


class PublishedLog(Protocol):
    """Where a mirror reads from, such as :class:`~zkcredit.ledger.static.StaticSource`."""

    @property
    def genesis(self) -> Genesis:
        """The genesis that the source claims."""
        ...

    @property
    def published_checkpoint(self) -> str:
        """The checkpoint that is offered."""
        ...

    def records(self, start: int, stop: int) -> Iterator[Record]:
        """Entries ``start`` to before ``stop`` with what lies beside them."""
        ...

    def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile as far as the checkpoint reaches."""
        ...


class Mirror(StoredLog):
    """The log as far as it was judged; the store is a cosigner's.

    With ``believe`` proofs are taken at the operator's word: for clients, never for cosigners.
    """

    def __init__(self, store: CosignerStore, genesis: Genesis, *, believe: bool = False) -> None:
        super().__init__(store, genesis)
        self._cosigner_store = store
        self._believe = believe

    # --- what stands -----------------------------------------------------------

    def is_void(self, index: int) -> bool:
        """Whether the entry at ``index`` breaks a rule."""
        return self._void(index) is not None

    def _void(self, index: int) -> Void | None:
        found = self._cosigner_store.voids(index, 1)
        return found[0] if found and found[0].index == index else None

    def entry(self, index: int) -> Entry:
        """The entry at ``index``; CallerError if there is none, CheckFailed ``void``."""
        void = self._void(index)
        if void is not None:
            raise CheckFailed(f"entry {index} counts for nothing: {void.message}", check="void")
        return super().entry(index)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Index and entry of those that stand, from ``start`` to before ``stop``."""
        end = self.size if stop is None else stop
        voids = self._voids(start)
        void = next(voids, end)
        for index, data in self._store.scan("entries", "entry", start, end):
            if index == void:
                void = next(voids, end)
            else:
                yield index, Entry.decode(data)

    def _voids(self, start: int) -> Iterator[int]:
        """Indexes of void entries from ``start`` on, ascending."""
        while found := self._cosigner_store.voids(start):
            for void in found:
                yield void.index
            start = found[-1].index + 1

    # --- following -------------------------------------------------------------

    def follow(
        self,
        source: PublishedLog,
        head: Checkpoint,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Judges everything up to ``head``, whose signatures the caller has checked.

        ``progress`` is called with (entries judged, size of the head). Raises CheckFailed:
        ``rolled-back`` if the head is smaller than this mirror, ``fork`` if it does not
        continue it, ``withheld`` where entries or evidence are missing, ``damaged-tiles``
        and ``damaged-entries`` where files are not what was signed; StoreError. What was
        judged before stays.
        """
        own = self._store.coordinator()
        if head.size < own.size:
            raise CheckFailed(
                f"the log is published with {head.size} entries, {own.size} were verified before",
                check="rolled-back",
            )
        if (head.size, head.root) == (own.size, own.root):
            return
        leaves = self._store.tile(0, own.size // TILE_WIDTH) if own.size % TILE_WIDTH else b""
        frontier = log.Frontier.decode(own.size, own.frontier)
        tree = PublishedTree(tiles_of(source), head, frontier, leaves)
        for step in ahead(_steps(source, own.size, head.size, self._believe)):
            self._take(step, head, tree)
            if progress is not None:
                progress(step.stop, head.size)

    def _take(self, step: _Step, head: Checkpoint, tree: PublishedTree) -> None:
        own = self._store.coordinator()
        frontier = log.Frontier.decode(own.size, own.frontier)
        tiles = accept.append_leaves(self._store, frontier, step.leaves)
        if not _is_in(tree, tiles, own.size, step.stop) or (
            step.stop == head.size and frontier.root() != head.root
        ):
            raise CheckFailed(
                f"entries {own.size} to {step.stop - 1} are not those of the signed tree",
                check="damaged-entries",
            )
        items = step.items()
        try:
            with self._store.write():
                self._judge(step, items, own, frontier, tiles)
        except BaseException:
            self._registry, self._registered = Registry(self._ledger_id), 0
            raise

    def _judge(
        self,
        step: _Step,
        items: Sequence[Replayed | Void],
        own: Coordinator,
        frontier: log.Frontier,
        tiles: dict[tuple[int, int], bytes],
    ) -> None:
        store, registry = self._cosigner_store, self.registry
        book = _Book(store, registry, step.encoded)
        judge = Judge(registry, self._genesis.bls_key, book, own.last_timestamp_ms)
        voids = judge.judge(items)
        book.write_rest(voids, tiles)
        store.insert_voids(voids)
        store.advance(frontier.size, frontier.encode(), frontier.root(), judge.last_timestamp_ms)
        self._registered = frontier.size


class _Book:
    """The judge's book in the database: rows are written before each wave looks them up."""

    def __init__(self, store: CosignerStore, registry: Registry, encoded: dict[int, bytes]) -> None:
        self._store = store
        self._registry = registry
        self._encoded = encoded
        self._changes = Changes()
        self._index: _Index | None = None

    def index(self, wave: Sequence[Replayed]) -> _Index:
        self._flush()
        self._index = _Index(self._store, self._registry, wave)
        return self._index

    def accept(self, entry: Replayed) -> None:
        assert self._index is not None
        self._changes.entries.append((entry.index, self._encoded[entry.index]))
        self._index.record(entry.index, entry, self._changes)

    def write_rest(self, voids: list[Void], tiles: dict[tuple[int, int], bytes]) -> None:
        """Writes what is left; void entries stay in the log, but in no index."""
        self._changes.entries += [(void.index, self._encoded[void.index]) for void in voids]
        self._changes.tiles = tiles
        self._flush()

    def _flush(self) -> None:
        self._store.insert(self._changes)
        self._changes = Changes()


class _Index(BatchIndex):
    """The rules' index over entries that stand."""

    _store: CosignerStore

    def _spend_entries(self, claims: set[int]) -> list[tuple[int, bytes]]:
        void = {row[0] for row in self._store.lookup("voids", "idx", claims)}
        return super()._spend_entries(claims - void)

    def in_default(self, issuer_id: bytes, now_ms: int) -> bool:  # noqa: ARG002
        """Always False: no entry says when replies were published."""
        return False


def _is_in(tree: PublishedTree, tiles: dict[tuple[int, int], bytes], start: int, stop: int) -> bool:
    """Whether the bundles that entries ``start`` to ``stop`` − 1 complete are in the tree."""
    for number in range(start // TILE_WIDTH, stop // TILE_WIDTH):
        tile, place = divmod(number, TILE_WIDTH)
        root = tiles[1, tile][place * log.HASH_BYTES :][: log.HASH_BYTES]
        if root != tree.bundle_root(number):
            return False
    return True


def tiles_of(source: PublishedLog) -> TileReader:
    """Reads tiles of a source; one that is no tile raises CheckFailed ``damaged-tiles``."""

    def tile(level: int, number: int) -> bytes:
        try:
            return source.tile(level, number)
        except MalformedInput as error:
            raise CheckFailed(str(error), check="damaged-tiles") from error

    return tile


class _Step:
    """The records of a few bundles, prepared as far as no state is needed."""

    def __init__(self, records: list[Record], believe: bool) -> None:
        self.stop = records[-1][0] + 1
        self.encoded = {record[0]: record[1] for record in records}
        self.leaves = [log.leaf_hash(record[1]) for record in records]
        self._items: list[Replayed | Void] = []
        self._withheld: CheckFailed | None = None
        try:
            self._items = [read(record, believe=believe) for record in records]
        except CheckFailed as error:
            self._withheld = error

    def items(self) -> list[Replayed | Void]:
        """What is to be judged; CheckFailed ``withheld``."""
        if self._withheld is not None:
            raise self._withheld
        return self._items


def _steps(source: PublishedLog, start: int, stop: int, believe: bool) -> Iterator[_Step]:
    """Entries ``start`` to before ``stop`` in steps that end with a bundle."""
    while start < stop:
        last = min((start // TILE_WIDTH + _STEP_BUNDLES) * TILE_WIDTH, stop)
        records: list[Record] = []
        held = 0
        try:
            for record in source.records(start, last):
                records.append(record)
                held += sum(len(part) for part in record[1:4] if part)
                if held > _STEP_BYTES and (record[0] + 1) % TILE_WIDTH == 0:
                    last = record[0] + 1
                    break
        except MalformedInput as error:
            raise CheckFailed(str(error), check="damaged-entries") from error
        if [record[0] for record in records] != list(range(start, last)):
            raise CheckFailed(f"entries {start} to {last - 1} are not all there", check="withheld")
        yield _Step(records, believe)
        start = last
