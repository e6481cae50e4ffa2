"""Published logs for tests of cosigners: honest ones, and ones whose operator cheats.

A :class:`Forger` publishes whatever entries it is given, signed with the operator's keys:
all that a malicious operator can do, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zkcredit import digests
from zkcredit.codec import Writer
from zkcredit.cosigner import Cosigner
from zkcredit.entries import Entry, Submission
from zkcredit.ledger import folder, log
from zkcredit.ledger.note import Checkpoint, Note
from zkcredit.ledger.operator import Operator
from zkcredit.ledger.replay import Record
from zkcredit.ledger.static import StaticLog, StaticSource, bundle_path, encode_bundle

NOW_S = 1_900_000_000


def publish(ledger: Operator, public: Path) -> StaticSource:
    """The honest operator's files as a source."""
    StaticLog(ledger, public).publish()
    return StaticSource(public)


def cosigner_of(ledger: Operator, place: Path, name: str = "bank-a.example") -> Cosigner:
    return Cosigner.create(place, ledger.genesis, name, clock=lambda: NOW_S * 1000)


@dataclass
class Forger:
    """An operator's keys in the wrong hands; ``records`` is the log that is shown."""

    ledger: Operator
    records: list[Record] = field(default_factory=list)

    @classmethod
    def of(cls, ledger: Operator) -> Forger:
        """Begins with all that is on the honest ledger."""
        return cls(ledger, list(ledger.records(0, ledger.size)))

    def add(self, submission: Submission, timestamp_ms: int | None = None) -> int:
        """Appends a submission without asking any rule; returns its index."""
        time_ms = self._last_ms() if timestamp_ms is None else timestamp_ms
        evidence = submission.evidence
        if submission.statement.KIND.is_registration:
            encoded = submission.statement.encode()
            digest = digests.countersignature_digest(self.ledger.ledger_id, encoded)
            evidence += self.ledger._operator_keys().bls().sign(digest)
        digest = digests.evidence_hash(evidence, submission.memo)
        entry = Entry(time_ms, digest, submission.statement).encode()
        return self.add_raw(entry, evidence, submission.memo)

    def add_raw(self, encoded: bytes, evidence: bytes = b"", memo: bytes = b"") -> int:
        self.records.append((len(self.records), encoded, evidence, memo, None))
        return len(self.records) - 1

    def _last_ms(self) -> int:
        return Entry.decode(self.records[-1][1]).timestamp_ms

    def checkpoint(self, records: Sequence[Record] | None = None) -> str:
        """A checkpoint of these records (default: all) with both keys of the log."""
        tree = log.Frontier()
        for record in self.records if records is None else records:
            tree.append(log.leaf_hash(record[1]))
        genesis = self.ledger.genesis
        head = Checkpoint(genesis.origin, tree.size, tree.root())
        signers = self.ledger._operator_keys().signers(genesis.origin)
        return Note(head.text(), ()).signed_by(*signers, time_s=NOW_S).encode()

    def publish(self, public: Path) -> StaticSource:
        """Writes the whole log as static files, in place of whatever was there."""
        folder.make(public)
        self._write(public / folder.GENESIS, self.ledger.genesis.encode())
        tiles: dict[tuple[int, int], bytes] = {}
        tree, counts = log.Frontier(), dict.fromkeys(range(8), 0)
        for record in self.records:
            for level, node in tree.append(log.leaf_hash(record[1])):
                place = level, counts[level] // log.TILE_WIDTH
                tiles[place] = tiles.get(place, b"") + node
                counts[level] += 1
        for (level, number), data in tiles.items():
            self._write(public / log.tile_path(level, number, len(data) // 32), data)
        for number in range(-(-len(self.records) // log.TILE_WIDTH)):
            self._write_bundle(public, number)
        self._write(public / folder.CHECKPOINT, self.checkpoint().encode())
        return StaticSource(public)

    def _write_bundle(self, public: Path, number: int) -> None:
        rows = self.records[number * log.TILE_WIDTH :][: log.TILE_WIDTH]
        entries = b"".join(Writer().var16(row[1]).finish() for row in rows)
        self._write(public / log.tile_path("entries", number, len(rows)), entries)
        beside = [Writer().var32(row[2] or b"").var8(row[3] or b"").finish() for row in rows]
        self._write(public / bundle_path("evidence", number, len(rows)), encode_bundle(beside))

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
