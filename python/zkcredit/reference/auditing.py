"""A ledger verified a second time, by code that shares nothing with the first."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused
from zkcredit.reference.evidence import verify_reply
from zkcredit.reference.hashing import plain_hash
from zkcredit.reference.judging import Judge, Void
from zkcredit.reference.merkle import Tree
from zkcredit.reference.notes import read_checkpoint
from zkcredit.reference.records import Entry, Genesis, Step
from zkcredit.reference.replay import Ledger
from zkcredit.reference.source import Folder, Row, Source

Progress = Callable[[int, int], None]
_VOIDS_LISTED = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked; it exists only if everything held.

    ``kinds`` counts all entries by kind, ``verified`` those whose proofs and
    signatures were verified too. ``checkpoint_size`` and ``pinned_size`` are the
    sizes of the published and of the pinned checkpoint, None where there is none.
    ``unanswered`` counts entries without the issuer's reply, ``attachments_missing``
    files beside the log that entries name and the source lacks.
    """

    ledger_id: bytes
    size: int
    root: bytes
    checkpoint_size: int | None
    pinned_size: int | None
    kinds: dict[str, int]
    verified: dict[str, int]
    claims_settled: int
    unanswered: int
    attachments_missing: int
    wall_s: float

    @property
    def entries_verified(self) -> int:
        """Number of entries whose proofs and signatures were verified."""
        return sum(self.verified.values())


def audit(
    source: Source | str | Path,
    *,
    sample: int | None = None,
    genesis: bytes | None = None,
    checkpoint: str | None = None,
    seen: tuple[int, bytes] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verifies a ledger (a folder, or any :class:`Source`) in pure Python.

    Every entry is decoded, hashed and put through the rules, its evidence
    compared with its hash, the root with all that is signed. Proofs and
    signatures take up to seconds each; ``sample`` verifies those of so many
    entries only, chosen by the system's random source. ``genesis`` (encoded) pins
    what the ledger must be, ``checkpoint`` (a signed note) and ``seen`` (size and
    root, seen before) what it must continue. ``progress`` is
    called with (entries verified, entries to verify).

    Raises CheckFailed for what does not hold (``void`` at the end, with all entries
    that break a rule), MalformedInput for input that is no ledger, StoreError for
    files that cannot be read.
    """
    if sample is not None and sample < 0:
        raise CallerError("a sample cannot be negative")
    ledger = Folder(source) if isinstance(source, str | Path) else source
    if genesis is not None and genesis != ledger.genesis:
        raise CheckFailed("this is another ledger: its genesis is not the pinned one")
    return _Audit(ledger, checkpoint, seen, _choose(ledger.size, sample), progress).run()


def _choose(size: int, sample: int | None) -> set[int]:
    if sample is None or sample >= size:
        return set(range(size))
    return set(random.SystemRandom().sample(range(size), sample))


@dataclass
class _Audit:
    source: Source
    pinned: str | None
    seen: tuple[int, bytes] | None
    chosen: set[int]
    progress: Progress | None
    tree: Tree = field(default_factory=Tree)
    kinds: Counter[str] = field(default_factory=Counter)
    verified: Counter[str] = field(default_factory=Counter)
    voids: list[Void] = field(default_factory=list)
    unanswered: int = 0
    done: int = 0

    def run(self) -> Report:
        start = time.perf_counter()
        genesis = Genesis.decode(self.source.genesis)
        self.ledger = Ledger(genesis.ledger_id)
        self.judge = Judge(self.ledger, genesis.operator_key)
        notes = [
            None if note is None else read_checkpoint(note, genesis)
            for note in (self.source.checkpoint, self.pinned)
        ]
        heads = [(note.size, note.root) for note in notes if note is not None]
        if self.seen is not None:
            heads.append(self.seen)
        self._read(heads)
        self._refuse_voids()
        published, pinned = (None if note is None else note.size for note in notes)
        return Report(
            ledger_id=genesis.ledger_id,
            size=self.tree.size,
            root=self.tree.root(),
            checkpoint_size=published,
            pinned_size=pinned,
            kinds=dict(self.kinds),
            verified=dict(self.verified),
            claims_settled=len(self.ledger.settled),
            unanswered=self.unanswered,
            attachments_missing=self._check_attachments(),
            wall_s=time.perf_counter() - start,
        )

    def _read(self, heads: Sequence[tuple[int, bytes]]) -> None:
        """Reads every entry, and compares the tree with the heads on the way."""
        roots = {0: self.tree.root()}
        wanted = {size for size, _ in heads}
        for index, row in enumerate(self.source.rows()):
            self._entry(index, row)
            if index + 1 in wanted:
                roots[index + 1] = self.tree.root()
        if self.tree.size != self.source.size:
            raise CheckFailed(f"the log has {self.tree.size} entries, not {self.source.size}")
        if self.source.root is not None and self.source.root != self.tree.root():
            raise CheckFailed("the root in the database is not that of its entries")
        for size, root in heads:
            if roots.get(size) != root:
                raise CheckFailed(f"the log does not continue what was seen at {size} entries")

    def _entry(self, index: int, row: Row) -> None:
        data, evidence, memo, reply = row
        self.tree.append(data)
        prove = index in self.chosen
        found = self.judge.judge(index, data, evidence, memo, prove=prove)
        if isinstance(found, Void):
            self.voids.append(found)
        else:
            self.kinds[found.kind] += 1
            self._reply(index, found, reply)
        if not prove:
            return
        self.done += 1
        if not isinstance(found, Void):
            self.verified[found.kind] += 1
        if self.progress is not None:
            self.progress(self.done, len(self.chosen))

    def _reply(self, index: int, entry: Entry, reply: bytes | None) -> None:
        """Counts a reply that is owed, and verifies one that is there."""
        is_step = isinstance(entry.content, Step)
        if reply is None:
            self.unanswered += is_step
        elif not is_step:
            raise CheckFailed(f"entry {index}: nobody replies to a {entry.kind}")
        elif index in self.chosen:
            try:
                verify_reply(self.ledger, entry, reply)
            except (MalformedInput, Refused) as error:
                raise CheckFailed(f"the reply to entry {index}: {error}") from error

    def _refuse_voids(self) -> None:
        if self.voids:
            listed = "; ".join(map(str, self.voids[:_VOIDS_LISTED]))
            more = "" if len(self.voids) <= _VOIDS_LISTED else "; …"
            raise CheckFailed(f"{len(self.voids)} entries are void: {listed}{more}", check="void")

    def _check_attachments(self) -> int:
        """Compares the files beside the log with their hashes; counts the missing ones."""
        missing = 0
        for digest in self.ledger.list_hashes:
            data = self.source.attachment(digest)
            if data is None:
                missing += 1
            elif plain_hash(data) != digest:
                raise CheckFailed(f"attachment {digest.hex()} is not what the log names")
        return missing
