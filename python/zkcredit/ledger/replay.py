"""Entries read back from a log and judged: which stand, and which are void.

Operators decide what becomes an entry; everybody else finds out here what an entry is
worth. An entry that breaks a rule, or whose signatures or proof do not verify, is
*void*: it stays in the tree, but registers nothing and uses up nothing. The verdict
depends on nothing but the bytes of the log and of the evidence that its entries name by
hash, so everybody who judges comes to the same one. Auditors and cosigners run this
same code, the first over their memory, the second over a database.

One rule is no ground for a verdict: ``issuer-in-default`` depends on when replies were
published, which no entry says.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zkcredit import digests
from zkcredit.entries import Entry, Submission
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused, ZkCreditError
from zkcredit.ledger import accept, rules, verify
from zkcredit.ledger.accept import Candidate
from zkcredit.ledger.registry import Registry

MALFORMED = "malformed"
"""The rule that bytes break which are no entry, or evidence that has no such form."""

Record = tuple[int, bytes, bytes | None, bytes | None, bytes | None]
"""(index, encoded entry, evidence, memo, reply); None for what the source lacks."""


@dataclass(frozen=True, slots=True)
class Void:
    """An entry that does not count: ``rule`` is the stable name of what it breaks."""

    index: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"entry {self.index}: {self.message}"


@dataclass(slots=True, eq=False)
class Replayed(Candidate):
    """An entry read back, as a candidate with a place and a time.

    Signatures and proof of a ``believed`` one are taken at the operator's word.
    """

    index: int = 0
    timestamp_ms: int = 0
    believed: bool = False


class Book(Protocol):
    """Where the judge looks up what happened before, and notes what stands."""

    def index(self, wave: Sequence[Replayed]) -> rules.Index:
        """An index that knows all that was accepted so far, for judging ``wave``.

        Its ``in_default`` must always be False.
        """
        ...

    def accept(self, entry: Replayed) -> None:
        """Takes in an entry that stands; the registry has not been told yet."""
        ...


class Judge:
    """Judges the entries of one log in order; ``registry`` and ``book`` follow along.

    ``operator_key`` is the BLS key (48 bytes) that countersigns registrations,
    ``last_timestamp_ms`` the time of the last entry that stands, 0 before the first.
    """

    def __init__(
        self, registry: Registry, operator_key: bytes, book: Book, last_timestamp_ms: int = 0
    ) -> None:
        self._registry = registry
        self._operator_key = operator_key
        self._book = book
        self.last_timestamp_ms = last_timestamp_ms
        self.proofs = 0
        """Number of entries with a proof that were judged,"""
        self.proofs_s = 0.0
        """and the seconds that took."""

    def judge(self, items: Sequence[Replayed | Void]) -> list[Void]:
        """Judges the next entries of the log as :func:`read` gives them, all proofs together.

        Returns the void ones, ascending.
        """
        voids = [item for item in items if isinstance(item, Void)]
        readable = (item for item in items if isinstance(item, Replayed))
        for wave in accept.waves(readable):
            started = time.perf_counter()
            voids += self._judge_wave(wave)
            if not wave[0].statement.KIND.is_registration:
                self.proofs += len(wave)
                self.proofs_s += time.perf_counter() - started
        return sorted(voids, key=lambda void: void.index)

    def _judge_wave(self, wave: list[Replayed]) -> list[Void]:
        batch = verify.Batch(self._registry, self._operator_key)
        for position, item in enumerate(wave):
            if not item.believed:
                batch.add(position, item.submission)
        unproved = batch.run()
        index = self._book.index(wave)
        voids: list[Void] = []
        for position, item in enumerate(wave):
            error = self._broken_rule(item, index) or unproved.get(position)
            if error is not None:
                voids.append(_void(item.index, error))
                continue
            self._book.accept(item)
            self._registry.apply(item.index, item.statement)
            self.last_timestamp_ms = item.timestamp_ms
        return voids

    def _broken_rule(self, item: Replayed, index: rules.Index) -> ZkCreditError | None:
        try:
            rules.check_timestamp(item.timestamp_ms, self.last_timestamp_ms)
            rules.check(item.statement, item.timestamp_ms, self._registry, index)
        except (MalformedInput, Refused) as error:
            return error
        return None


def read(record: Record, *, believe: bool = False) -> Replayed | Void:
    """Decodes a record and compares its evidence with the hash in the entry.

    With ``believe`` all but registrations need no evidence, and none is looked at.
    CheckFailed ``withheld`` if the evidence is missing or is not what the entry names:
    then there is no verdict, as the right evidence may prove the entry.
    """
    index, encoded, evidence, memo, _ = record
    try:
        entry = Entry.decode(encoded)
    except MalformedInput as error:
        return _void(index, error)
    believed = believe and not entry.statement.KIND.is_registration
    if believed:
        evidence, memo = b"", bytes(entry.statement.KIND.memo_bytes)
    elif evidence is None or memo is None:
        raise CheckFailed(f"the evidence of entry {index} is missing", check="withheld")
    elif entry.evidence_hash != digests.evidence_hash(evidence, memo):
        raise CheckFailed(
            f"the evidence of entry {index} is not what the log holds", check="withheld"
        )
    try:
        submission = Submission(entry.statement, evidence, memo)
    except CallerError as error:
        return _void(index, error)
    item = Replayed.of(submission)
    item.index, item.timestamp_ms, item.believed = index, entry.timestamp_ms, believed
    return item


def _void(index: int, error: ZkCreditError) -> Void:
    return Void(index, error.rule if isinstance(error, Refused) else MALFORMED, str(error))
