"""The auditor: re-verifies a whole ledger from its bytes, without any secret.

:func:`audit` reads every entry once, rebuilds the tree, replays the rules in
memory, verifies every signature and proof, compares the result with signed
checkpoints and checks totals that merchants and lenders open. It raises
CheckFailed for what does not hold: at once, or, for entries that are void
(:mod:`zkcredit.ledger.replay`), after everything was read. One rule depends on
when replies arrived and is not replayed: purchases stop while the issuer owes
signatures; what is owed is reported instead.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from zkcredit.entries import (
    BillingStatement,
    Kind,
    LineStatement,
    OpenStatement,
    SettleStatement,
    SpendStatement,
    Statement,
)
from zkcredit.entries import NullifyingStatement as Nullifying
from zkcredit.errors import CheckFailed, MalformedInput, ProofRefused, Refused
from zkcredit.ledger import OwedReply, log, rules
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint
from zkcredit.ledger.registry import PublishedTerms, Registry
from zkcredit.ledger.replay import Judge, Record, Replayed, Void, read
from zkcredit.ledger.replies import verify_replies
from zkcredit.ledger.sums import Row, Sums, TotalCheck

BATCH = 1_024
"""Entries judged together."""
FAULTS_MAX = 1_000
"""Most public faults listed; all are counted."""
_VOIDS_LISTED = 20


class Source(Protocol):
    """What is audited: an :class:`~zkcredit.ledger.operator.Operator` or a mirror of one."""

    @property
    def genesis(self) -> Genesis:
        """The genesis that the source claims."""
        ...

    @property
    def size(self) -> int:
        """Number of entries."""
        ...

    @property
    def published_checkpoint(self) -> str | None:
        """The last checkpoint that the operator signed."""
        ...

    def records(self, start: int, stop: int) -> Iterator[Record]:
        """The records from ``start`` to before ``stop``."""
        ...

    def attachment(self, digest: bytes) -> bytes | None:
        """The file that entries name by this BLAKE3 hash, None if it is not here."""
        ...


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found; it exists only if every check held.

    ``checkpoint_size`` is None if the operator has published no checkpoint;
    entries beyond it are verified but not yet vouched for. ``unanswered`` counts
    entries without a reply, ``faults`` those overdue. ``uncovered_claims`` and
    ``uncovered_bills`` are not part of any total that was handed in.
    ``attachments_missing`` counts files beside the log that entries name and the
    source lacks. Times:
    ``verify_us_per_purchase`` (microseconds, mean of all entries with a proof), ``wall_s``.
    ``registry`` is who is registered, as the verified entries say.
    """

    ledger_id: bytes
    size: int
    root: bytes
    checkpoint_size: int | None
    pinned_size: int | None
    kinds: dict[str, int]
    entries_verified: int
    claims_settled: int
    unanswered: int
    faults_count: int
    faults: list[OwedReply]
    totals: list[TotalCheck]
    uncovered_claims: int
    uncovered_bills: int
    attachments_missing: int
    verify_us_per_purchase: float
    wall_s: float
    registry: Registry

    @property
    def purchases(self) -> int:
        """Number of purchases on the log."""
        return self.kinds.get("spend", 0)


def audit(
    source: Source | str | Path,
    *,
    genesis: Genesis | None = None,
    ledger_id: bytes | None = None,
    checkpoint: str | None = None,
    totals: Iterable[Row] | None = None,
    now_ms: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Verifies everything on a ledger (a source, or a ledger folder).

    ``genesis`` or ``ledger_id`` (32 bytes) pin the ledger; without either the
    source's own genesis is believed. ``checkpoint`` is a signed checkpoint kept
    from an earlier day: a log that does not continue it was rolled back or
    forked. ``totals`` are the rows of all totals
    (``[*merchant.totals().rows, *lender.totals(ledger).rows]``). ``now_ms`` (default: the
    last timestamp) decides which replies are overdue. ``progress`` is called
    with (entries done, entries).

    Raises CheckFailed, MalformedInput, StoreError.
    """
    if isinstance(source, str | Path):
        from zkcredit.ledger.operator import Operator

        with Operator.open(source, read_only=True) as ledger:
            return _Audit(ledger, genesis, ledger_id, checkpoint, totals).run(now_ms, progress)
    return _Audit(source, genesis, ledger_id, checkpoint, totals).run(now_ms, progress)


class _Memory:
    """The judge's book in memory: keys of 32 to 52 bytes and the entry that used them.

    ``follow`` is called with every entry that stands, after it was noted.
    """

    def __init__(self, registry: Registry, follow: Callable[[Replayed], None]) -> None:
        self._registry = registry
        self._follow = follow
        self._nullifiers: dict[bytes, int] = {}
        self._payees: dict[bytes, int] = {}
        self._opens: dict[bytes, int] = {}
        self._claims: dict[int, tuple[bytes, PublishedTerms]] = {}
        self.settled: dict[int, int] = {}

    def _nullifier_key(self, issuer_id: bytes, nullifier: bytes) -> bytes:
        return self._registry.issuer(issuer_id).index.to_bytes(4, "big") + nullifier

    def nullifier(self, issuer_id: bytes, nullifier: bytes) -> int | None:
        return self._nullifiers.get(self._nullifier_key(issuer_id, nullifier))

    def payee(self, payee: bytes) -> int | None:
        return self._payees.get(payee)

    def opened(self, commitment: bytes) -> int | None:
        return self._opens.get(commitment)

    def claim(self, index: int) -> rules.Claim | None:
        found = self._claims.get(index)
        if found is None:
            return None
        payee, published = found
        return rules.Claim(published.issuer_id, published.terms.currency, payee)

    def settled_by(self, index: int) -> int | None:
        return self.settled.get(index)

    def in_default(self, issuer_id: bytes, now_ms: int) -> bool:  # noqa: ARG002
        return False

    def index(self, wave: Sequence[Replayed]) -> _Memory:  # noqa: ARG002
        return self

    def accept(self, entry: Replayed) -> None:
        self._note(entry.index, entry.statement)
        self._follow(entry)

    def _note(self, index: int, statement: Statement) -> None:
        if isinstance(statement, Nullifying):
            published = self._registry.published(statement.terms_hash)
            key = self._nullifier_key(published.issuer_id, statement.nullifier)
            self._nullifiers[key] = index
            if isinstance(statement, SpendStatement):
                self._payees[statement.payee] = index
                self._claims[index] = (statement.payee, published)
        elif isinstance(statement, OpenStatement):
            self._opens[statement.commitment] = index
        elif isinstance(statement, SettleStatement):
            self.settled.update((claim, index) for claim, _ in statement.claims)


@dataclass(slots=True)
class _Heads:
    """Roots that the log must have at certain sizes, with what vouches for each."""

    expected: dict[int, list[tuple[bytes, str]]] = field(default_factory=dict)

    def add(self, checkpoint: Checkpoint, size: int, what: str) -> int:
        if checkpoint.size > size:
            raise CheckFailed(
                f"the log has {size} entries, but {what} was signed at {checkpoint.size}: "
                "it was rolled back"
            )
        self.expected.setdefault(checkpoint.size, []).append((checkpoint.root, what))
        return checkpoint.size

    def check(self, frontier: log.Frontier) -> None:
        for root, what in self.expected.get(frontier.size, ()):
            if root != frontier.root():
                raise CheckFailed(
                    f"the first {frontier.size} entries are not those of {what}: "
                    "the log was changed or forked"
                )


class _Audit:
    """One pass over one source."""

    def __init__(
        self,
        source: Source,
        genesis: Genesis | None,
        ledger_id: bytes | None,
        checkpoint: str | None,
        totals: Iterable[Row] | None,
    ) -> None:
        self._source = source
        self._genesis = source.genesis
        if genesis is not None and genesis != self._genesis:
            raise CheckFailed("the ledger's genesis is not the pinned one")
        self._ledger_id = self._genesis.ledger_id
        if ledger_id is not None and ledger_id != self._ledger_id:
            raise CheckFailed(f"this is ledger {self._ledger_id.hex()}, not the pinned one")
        published = source.published_checkpoint  # before the size: the log only grows
        self._size = source.size
        self._heads = _Heads()
        self._checkpoint_size = self._pin(published, "the published checkpoint")
        self._pinned_size = self._pin(checkpoint, "the pinned checkpoint")
        self._registry = Registry(self._ledger_id)
        self._memory = _Memory(self._registry, self._follow)
        self._judge = Judge(self._registry, self._genesis.bls_key, self._memory)
        self._frontier = log.Frontier()
        self._sums = Sums(totals or ())
        self._sums_wanted = totals is not None
        self._kinds: Counter[Kind] = Counter()
        self._owed: list[OwedReply] = []
        self._batch: list[Record] = []
        self._answers: dict[int, bytes | None] = {}
        self._voids: list[Void] = []
        self._replies: list[tuple[int, LineStatement, bytes]] = []

    def _pin(self, note: str | None, what: str) -> int | None:
        if note is None:
            return None
        head = Checkpoint.open(note, *self._genesis.log_keys)
        return self._heads.add(head, self._size, what)

    def run(self, now_ms: int | None, progress: Callable[[int, int], None] | None) -> AuditReport:
        started = time.perf_counter()
        self._heads.check(self._frontier)
        for record in self._source.records(0, self._size):
            self._take(record)
            done = record[0] + 1
            if progress is not None and (done % BATCH == 0 or done == self._size):
                progress(done, self._size)
        if self._frontier.size != self._size:
            raise CheckFailed(f"the log ends after {self._frontier.size} of {self._size} entries")
        self._run_batch()
        self._run_replies()
        self._refuse_voids()
        totals, claims, bills = self._sums.check() if self._sums_wanted else ([], 0, 0)
        limit_ms = self._judge.last_timestamp_ms if now_ms is None else now_ms
        faults = [item for item in self._owed if item.due_ms < limit_ms]
        proofs = self._judge.proofs
        return AuditReport(
            ledger_id=self._ledger_id,
            size=self._size,
            root=self._frontier.root(),
            checkpoint_size=self._checkpoint_size,
            pinned_size=self._pinned_size,
            kinds={kind.name.lower(): self._kinds[kind] for kind in Kind if self._kinds[kind]},
            entries_verified=self._size,
            claims_settled=len(self._memory.settled),
            unanswered=len(self._owed),
            faults_count=len(faults),
            faults=faults[:FAULTS_MAX],
            totals=totals,
            uncovered_claims=claims,
            uncovered_bills=bills,
            attachments_missing=self._check_attachments(),
            verify_us_per_purchase=1e6 * self._judge.proofs_s / proofs if proofs else 0.0,
            wall_s=time.perf_counter() - started,
            registry=self._registry,
        )

    def _take(self, record: Record) -> None:
        index, encoded = record[:2]
        if index != self._frontier.size:
            raise CheckFailed(f"entry {self._frontier.size} is missing")
        self._frontier.append(log.leaf_hash(encoded))
        if self._frontier.size in self._heads.expected:
            self._heads.check(self._frontier)
        self._batch.append(record)
        if len(self._batch) >= BATCH:
            self._run_batch()

    def _run_batch(self) -> None:
        batch, self._batch = self._batch, []
        self._answers = {record[0]: record[4] for record in batch}
        self._voids += self._judge.judge([read(record) for record in batch])

    def _refuse_voids(self) -> None:
        if self._voids:
            listed = "; ".join(map(str, self._voids[:_VOIDS_LISTED]))
            more = "" if len(self._voids) <= _VOIDS_LISTED else "; …"
            raise CheckFailed(f"{len(self._voids)} entries are void: {listed}{more}", check="void")

    def _follow(self, entry: Replayed) -> None:
        """Sums, replies and counts of an entry that stands."""
        index, statement, reply = entry.index, entry.statement, self._answers[entry.index]
        self._kinds[statement.KIND] += 1
        if not isinstance(statement, OpenStatement | Nullifying):
            return
        published = self._registry.published(statement.terms_hash)
        if self._sums_wanted and isinstance(statement, SpendStatement):
            currency = published.terms.currency
            self._sums.add_claim(index, published.issuer_id, currency, statement.claim)
        elif self._sums_wanted and isinstance(statement, BillingStatement):
            currency = published.terms.currency
            self._sums.add_bill(published.issuer_id, currency, statement.due_commitment)
        if reply is None:
            due_ms = entry.timestamp_ms + published.terms.sign_within_ms
            self._owed.append(OwedReply(index, published.issuer_id, statement.KIND, due_ms))
        else:
            self._replies.append((index, statement, reply))
            if len(self._replies) >= BATCH:
                self._run_replies()

    def _check_attachments(self) -> int:
        """Compares the files beside the log with their hashes; counts the missing ones."""
        from zkcredit._native import blake3_hash

        missing = 0
        for digest in self._registry.attachments:
            try:
                data = self._source.attachment(digest)
            except MalformedInput as error:
                raise CheckFailed(str(error)) from error
            if data is None:
                missing += 1
            elif blake3_hash(data) != digest:
                raise CheckFailed(f"attachment {digest.hex()} is not what the log names")
        return missing

    def _run_replies(self) -> None:
        items, self._replies = self._replies, []
        try:
            verify_replies(self._registry, [item[1:] for item in items])
        except ProofRefused as error:
            bad = [items[offset][0] for offset in error.indexes]
            raise CheckFailed(f"replies to entries {bad} are not their issuer's") from error
        except (Refused, MalformedInput) as error:
            raise CheckFailed(f"a reply is malformed: {error}") from error
