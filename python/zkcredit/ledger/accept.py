"""Acceptance of a batch: what is looked up before, and what is written after the rules.

Used inside one transaction of the store, after all proofs of the batch have
been verified outside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from zkcredit import digests
from zkcredit.entries import (
    Entry,
    Kind,
    LineStatement,
    OpenStatement,
    SettleStatement,
    SpendStatement,
    Statement,
    Submission,
)
from zkcredit.entries import NullifyingStatement as Nullifying
from zkcredit.ledger import log
from zkcredit.ledger.rules import Claim

if TYPE_CHECKING:
    from zkcredit.errors import ZkCreditError
    from zkcredit.ledger import Receipt
    from zkcredit.ledger.registry import Registry
    from zkcredit.ledger.store import Changes, Store

_COUNTED = (Kind.PERIOD, Kind.CREDENTIAL_KEY, Kind.REVOCATIONS, Kind.MEMBERS)


class RequestKey(NamedTuple):
    """A client's name for one request (``key``) and what it asked for: 32 bytes each."""

    key: bytes
    fingerprint: bytes


@dataclass(slots=True, eq=False)
class Candidate:
    """A submission on its way: it ends with a receipt or an error."""

    submission: Submission
    encoded: bytes
    statement_hash: bytes
    request: RequestKey | None = None
    receipt: Receipt | None = None
    error: ZkCreditError | None = None

    @classmethod
    def of(cls, submission: Submission, request: RequestKey | None = None) -> Self:
        """The candidate of a submission, brought by ``request`` if that had a key."""
        encoded = submission.statement.encode()
        return cls(submission, encoded, digests.statement_hash(encoded), request)

    @property
    def statement(self) -> Statement:
        """What is submitted."""
        return self.submission.statement

    @property
    def pending(self) -> bool:
        """Whether neither receipt nor error is known yet."""
        return self.receipt is None and self.error is None


_C = TypeVar("_C", bound=Candidate)


def waves(candidates: Iterable[_C]) -> Iterator[list[_C]]:
    """Cuts a batch where something may depend on a registration before it.

    Registrations of one kind go together, but those that count up (periods,
    credential keys, revocation lists, members) each alone; all that carries a proof goes
    together.
    """
    wave: list[_C] = []
    for candidate in candidates:
        kind = candidate.statement.KIND
        if wave:
            last = wave[-1].statement.KIND
            same = kind == last if kind.is_registration else not last.is_registration
            if not same or kind in _COUNTED:
                yield wave
                wave = []
        wave.append(candidate)
    if wave:
        yield wave


class BatchIndex:
    """The rules' index over the store, read in bulk for the statements of one batch.

    ``size`` is the size of the log before anything was read: as long as the log
    has not grown since, what was read still holds.
    """

    def __init__(self, store: Store, registry: Registry, batch: Sequence[Candidate]) -> None:
        self.size = store.coordinator().size
        self._store = store
        self._registry = registry
        statements = [candidate.statement for candidate in batch]
        spends = [s for s in statements if isinstance(s, SpendStatement)]
        claims = {
            index
            for s in statements
            if isinstance(s, SettleStatement)
            for index, _ in s.claims
            if index < 1 << 63
        }
        self._nullifiers: dict[tuple[int, bytes], int] = {
            (issuer, nullifier): index
            for nullifier, issuer, index in store.lookup(
                "nullifiers",
                "nullifier",
                (s.nullifier for s in statements if isinstance(s, Nullifying)),
            )
        }
        self._payees: dict[bytes, int] = dict(
            store.lookup("payees", "payee", (s.payee for s in spends))
        )
        self._opens: dict[bytes, int] = dict(
            store.lookup(
                "opens",
                "commitment",
                (s.commitment for s in statements if isinstance(s, OpenStatement)),
            )
        )
        self._settled: dict[int, int] = dict(store.lookup("settled", "claim", claims))
        self._claims: dict[int, Claim] = {}
        for index, data in self._spend_entries(claims):
            self._add_claim(index, Entry.decode(data).statement)
        self._first_due: dict[int, int | None] = {}
        hashes = (candidate.statement_hash for candidate in batch)
        # Last, as others accept meanwhile and no row goes away: a statement whose nullifier
        # was found above is found here, too, and answered instead of refused.
        self._statements: dict[bytes, int] = dict(store.lookup("statements", "hash", hashes))

    def _spend_entries(self, claims: set[int]) -> list[tuple[int, bytes]]:
        """The encoded entries of these indexes, as far as there are any."""
        return self._store.lookup("entries", "idx", claims)

    def _add_claim(self, index: int, statement: Statement) -> None:
        if isinstance(statement, SpendStatement):
            published = self._registry.published(statement.terms_hash)
            claim = Claim(published.issuer_id, published.terms.currency, statement.payee)
            self._claims[index] = claim

    def forget_replies(self) -> None:
        """Asks again who owes signatures; replies arrive without the log growing."""
        self._first_due.clear()

    def issuer_number(self, issuer_id: bytes) -> int:
        """The compact key of an issuer in the tables: its registration's index."""
        return self._registry.issuer(issuer_id).index

    def statement(self, statement_hash: bytes) -> int | None:
        """Entry that holds this statement."""
        return self._statements.get(statement_hash)

    def nullifier(self, issuer_id: bytes, nullifier: bytes) -> int | None:
        """See :class:`~zkcredit.ledger.rules.Index`, as for the methods below."""
        return self._nullifiers.get((self.issuer_number(issuer_id), nullifier))

    def payee(self, payee: bytes) -> int | None:
        """Spend entry of a payee."""
        return self._payees.get(payee)

    def opened(self, commitment: bytes) -> int | None:
        """Open entry of a commitment."""
        return self._opens.get(commitment)

    def claim(self, index: int) -> Claim | None:
        """Claim of a spend entry."""
        return self._claims.get(index)

    def settled_by(self, index: int) -> int | None:
        """Settlement of a claim."""
        return self._settled.get(index)

    def in_default(self, issuer_id: bytes, now_ms: int) -> bool:
        """Whether a public signature of the issuer is overdue."""
        number = self.issuer_number(issuer_id)
        if number not in self._first_due:
            self._first_due[number] = self._store.first_due_ms(number)
        due_ms = self._first_due[number]
        return due_ms is not None and due_ms < now_ms

    def record(self, index: int, candidate: Candidate, changes: Changes) -> None:
        """Remembers an accepted candidate for the rest of the batch and for the tables."""
        statement = candidate.statement
        self._statements[candidate.statement_hash] = index
        changes.statements.append((candidate.statement_hash, index))
        if isinstance(statement, LineStatement):
            published = self._registry.published(statement.terms_hash)
            key = (published.index, statement.period, int(statement.KIND))
            changes.counts[key] = changes.counts.get(key, 0) + 1
            if not isinstance(statement, OpenStatement):
                issuer = self.issuer_number(published.issuer_id)
                self._nullifiers[issuer, statement.nullifier] = index
                changes.nullifiers.append((statement.nullifier, issuer, index))
        if isinstance(statement, SpendStatement):
            self._payees[statement.payee] = index
            changes.payees.append((statement.payee, index))
            self._add_claim(index, statement)
        elif isinstance(statement, OpenStatement):
            self._opens[statement.commitment] = index
            changes.opens.append((statement.commitment, index))
        elif isinstance(statement, SettleStatement):
            for claim, _ in statement.claims:
                self._settled[claim] = index
                changes.settled.append((claim, index))
        elif statement.KIND.is_registration:
            changes.registrations.append((index,))


def owed_key(registry: Registry, index: int, entry: Entry) -> tuple[int, int, int, int]:
    """(issuer number, public, due time in ms, entry) under which a reply is owed."""
    statement = entry.statement
    assert isinstance(statement, LineStatement)
    published = registry.published(statement.terms_hash)
    issuer = registry.issuer(published.issuer_id).index
    due_ms = min(entry.timestamp_ms + published.terms.sign_within_ms, (1 << 63) - 1)
    return issuer, int(statement.KIND.reply_is_public), due_ms, index


def add_entry(
    registry: Registry, changes: Changes, index: int, entry: Entry, encoded: bytes
) -> bytes:
    """Queues the rows of an entry (given also ``encoded``); returns its leaf hash."""
    statement = entry.statement
    changes.entries.append((index, encoded))
    if isinstance(statement, LineStatement):
        changes.owed.append((*owed_key(registry, index, entry), int(statement.KIND)))
    return log.leaf_hash(encoded)


def append_leaves(
    store: Store, frontier: log.Frontier, leaves: Iterable[bytes]
) -> dict[tuple[int, int], bytes]:
    """Appends leaf hashes to the tree; returns the tiles that changed, whole."""
    changed: dict[tuple[int, int], bytearray] = {}
    counts: dict[int, int] = {}
    size = frontier.size
    for leaf in leaves:
        for level, node in frontier.append(leaf):
            count = counts.get(level, size >> log.TILE_HEIGHT * level)
            place = (level, count // log.TILE_WIDTH)
            if place not in changed:
                partial = count % log.TILE_WIDTH
                changed[place] = bytearray(store.tile(*place) if partial else b"")
            changed[place] += node
            counts[level] = count + 1
    return {place: bytes(data) for place, data in changed.items()}
