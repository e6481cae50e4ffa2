"""The operator of an embedded ledger: one folder, or memory.

>>> from zkcredit.ledger import Operator
>>> ledger = Operator.create(None, origin="example.org/ledger")  # doctest: +SKIP
>>> receipt = ledger.submit(submission)  # doctest: +SKIP

Several processes may open one folder. Proofs are verified outside any lock;
then one transaction decides, and only afterwards is anything answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from zkcredit import digests
from zkcredit.entries import (
    Entry,
    Kind,
    LineStatement,
    Submission,
)
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    Refused,
    StateConflict,
    ZkCreditError,
)
from zkcredit.ledger import OwedReply, Receipt, accept, folder, log, rules, verify
from zkcredit.ledger.accept import BatchIndex, Candidate
from zkcredit.ledger.attachments import Attachments
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint, Note, VerifierKey
from zkcredit.ledger.registry import Registry
from zkcredit.ledger.replies import verify_replies
from zkcredit.ledger.store import Changes, Coordinator, Store

BATCH_MAX = 4_096
"""Most submissions that one call accepts; more are split by the caller."""


def _system_clock() -> int:
    return time.time_ns() // 1_000_000


class Operator:
    """A ledger and its operator. Implements :class:`zkcredit.ledger.LedgerView`.

    Use :meth:`create` or :meth:`open`; close it, or use it as a context manager.
    Threads may share one instance.
    """

    def __init__(
        self,
        store: Store,
        genesis: Genesis,
        path: Path | None,
        keys: folder.OperatorKeys | None,
        clock: Callable[[], int] | None,
        *,
        read_only: bool = False,
    ) -> None:
        self._store = store
        self._genesis = genesis
        self._ledger_id = genesis.ledger_id
        self._path = path
        self._keys = keys
        self._clock = clock or _system_clock
        self._registry = Registry(self._ledger_id)
        self._registered = 0
        self._published: str | None = None
        place = None if path is None else path / folder.ATTACHMENTS
        self._attachments = Attachments(place, read_only=read_only)

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        *,
        origin: str = "zkcredit.example/ledger",
        clock: Callable[[], int] | None = None,
    ) -> Operator:
        """A new ledger in the folder ``path`` (made if missing), or in memory if None.

        ``origin`` names the log in its checkpoints; ``clock`` gives Unix time in ms.
        Raises StateConflict if the folder holds a ledger, StoreError, CallerError.
        """
        keys = folder.OperatorKeys.generate()
        genesis = keys.genesis(origin)
        if path is None:
            return cls(Store.create(None, genesis.encode()), genesis, None, keys, clock)
        place = Path(path)
        folder.prepare(place)
        try:
            folder.write_file(place / folder.KEY, keys.encode(), secret=True)
            store = Store.create(place / folder.DATABASE, genesis.encode())
            folder.write_file(place / folder.GENESIS, genesis.encode())
        except ZkCreditError:
            folder.discard(place)
            raise
        return cls(store, genesis, place, keys, clock)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        clock: Callable[[], int] | None = None,
    ) -> Operator:
        """The ledger in the folder ``path``; raises StoreError, MalformedInput."""
        place = Path(path)
        genesis = folder.read_genesis(place)
        store = Store.open(place / folder.DATABASE, read_only=read_only)
        if store.genesis() != genesis.encode():
            store.close()
            raise MalformedInput(f"{place}: genesis and database are of different ledgers")
        return cls(store, genesis, place, None, clock, read_only=read_only)

    def close(self) -> None:
        """Closes the database; safe to repeat."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ledger_id(self) -> bytes:
        """32 bytes that name this ledger."""
        return self._ledger_id

    @property
    def genesis(self) -> Genesis:
        """Origin and public keys; what an auditor pins."""
        return self._genesis

    @property
    def registry(self) -> Registry:
        """Who is registered and what issuers have published, as of now."""
        with self._store.lock:
            for index, data in self._store.registrations(self._registered):
                self._registry.apply(index, Entry.decode(data).statement)
                self._registered = index + 1
        return self._registry

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._store.coordinator().size

    # --- accepting -----------------------------------------------------------

    def submit(self, submission: Submission) -> Receipt:
        """Accepts one submission; raises what :meth:`submit_many` would return."""
        result = self.submit_many([submission])[0]
        if isinstance(result, ZkCreditError):
            raise result
        return result

    def submit_many(self, submissions: Sequence[Submission]) -> list[Receipt | ZkCreditError]:
        """Accepts a batch of up to 4,096 in order; culprits get their error, others land.

        A statement that is on the ledger already gives its old receipt, marked
        as duplicate. Errors of the store are raised; what was answered before
        stays, and the batch may be submitted again.
        """
        if len(submissions) > BATCH_MAX:
            raise CallerError(f"a batch holds up to {BATCH_MAX} submissions")
        candidates = [Candidate.of(submission) for submission in submissions]
        for wave in accept.waves(candidates):
            index = self._precheck(wave)
            self._verify([c for c in wave if c.pending])
            waiting = [c for c in wave if c.pending]
            if waiting:
                self._sequence(waiting, index)
        results: list[Receipt | ZkCreditError] = []
        for candidate in candidates:
            result = candidate.receipt or candidate.error
            assert result is not None
            results.append(result)
        return results

    def _precheck(self, wave: list[Candidate]) -> BatchIndex:
        """Answers at once what is known or refused already, before any proof is verified."""
        registry = self.registry
        index = BatchIndex(self._store, registry, wave)
        now_ms = self._clock()
        for candidate in wave:
            if not self._answer_known(candidate, index):
                _apply_rules(candidate, now_ms, registry, index)
        return index

    def _answer_known(self, candidate: Candidate, index: BatchIndex) -> bool:
        known = index.statement(candidate.statement_hash)
        if known is None:
            return False
        timestamp_ms = self.entry(known).timestamp_ms
        candidate.receipt = Receipt(known, timestamp_ms, candidate.statement_hash, True)
        return True

    def _verify(self, candidates: list[Candidate]) -> None:
        batch = verify.Batch(self.registry)
        for position, candidate in enumerate(candidates):
            batch.add(position, candidate.submission)
        for position, error in batch.run().items():
            candidates[position].error = error

    def _sequence(self, candidates: list[Candidate], index: BatchIndex) -> None:
        """One transaction: rules, indexes, entries, tree, head."""
        self._countersign(candidates)
        with self._store.write():
            head = self._store.coordinator()
            accepted = self._decide(candidates, head, index)
        for candidate, receipt in accepted:
            candidate.receipt = receipt

    def _decide(
        self, candidates: list[Candidate], head: Coordinator, index: BatchIndex
    ) -> list[tuple[Candidate, Receipt]]:
        registry = self.registry
        if candidates[0].statement.KIND.is_registration:
            registry = registry.copy()
        if index.size != head.size or registry is not self._registry:
            index = BatchIndex(self._store, registry, candidates)
        index.forget_replies()
        now_ms = max(self._clock(), head.last_timestamp_ms)
        rules.check_timestamp(now_ms, head.last_timestamp_ms)
        changes, leaves, accepted = Changes(), [], []
        size = head.size
        known: dict[bytes, Receipt] = {}
        for candidate in candidates:
            key = candidate.statement_hash
            if key in known:
                accepted.append((candidate, Receipt(known[key].index, now_ms, key, True)))
                continue
            if self._answer_known(candidate, index):
                continue
            if not _apply_rules(candidate, now_ms, registry, index):
                continue
            submission = candidate.submission
            digest = digests.evidence_hash(submission.evidence, submission.memo)
            entry = Entry(now_ms, digest, candidate.statement)
            encoded = entry.encode_with(candidate.encoded)
            leaves.append(accept.add_entry(registry, changes, size, entry, encoded))
            changes.evidence.append((size, submission.evidence, submission.memo))
            index.record(size, candidate, changes)
            if candidate.statement.KIND.is_registration:
                registry.apply(size, candidate.statement)
            known[key] = Receipt(size, now_ms, key, False)
            accepted.append((candidate, known[key]))
            size += 1
        if leaves:
            frontier = log.Frontier.decode(head.size, head.frontier)
            changes.tiles = accept.append_leaves(self._store, frontier, leaves)
            self._store.insert(changes)
            self._store.advance(size, frontier.encode(), frontier.root(), now_ms)
        return accepted

    def _countersign(self, candidates: list[Candidate]) -> None:
        if not candidates[0].statement.KIND.is_registration:
            return
        key = self._operator_keys().bls()
        for candidate in candidates:
            digest = digests.countersignature_digest(self._ledger_id, candidate.encoded)
            old = candidate.submission
            evidence = old.evidence + key.sign(digest)
            candidate.submission = Submission(old.statement, evidence, old.memo)

    def _operator_keys(self) -> folder.OperatorKeys:
        if self._keys is None:
            assert self._path is not None
            self._keys = folder.read_keys(self._path, self._genesis)
        return self._keys

    # --- reading -------------------------------------------------------------

    def entry(self, index: int) -> Entry:
        """The entry at ``index``; CallerError if there is none."""
        return Entry.decode(self._store.entry(index))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Index and entry from ``start`` to before ``stop`` (default: the end)."""
        end = self.size if stop is None else stop
        for index, data in self._store.scan("entries", "entry", start, end):
            yield index, Entry.decode(data)

    def records(
        self, start: int, stop: int
    ) -> Iterator[tuple[int, bytes, bytes | None, bytes | None, bytes | None]]:
        """(index, encoded entry, evidence, memo, reply); None for what is not stored."""
        return self._store.records(start, stop)

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        """Evidence and memo of the entry at ``index``."""
        return self._store.evidence(index)

    def reply(self, index: int) -> bytes | None:
        """The issuer's reply to the entry at ``index``, None while there is none."""
        return self._store.reply(index)

    def replies(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
        """All replies to the entries from ``start`` to before ``stop``."""
        end = self.size if stop is None else stop
        return self._store.scan("replies", "reply", start, end)

    def find_statement(self, statement_hash: bytes) -> int | None:
        """Index of the entry that holds this statement."""
        return self._store.find("statements", hash=statement_hash)

    def find_nullifier(self, issuer_id: bytes, nullifier: bytes) -> int | None:
        """Index of the entry that used this nullifier of this issuer."""
        issuer = self.registry.issuer(issuer_id).index
        return self._store.find("nullifiers", nullifier=nullifier, issuer=issuer)

    def find_payee(self, payee: bytes) -> int | None:
        """Index of the spend entry that pays this payee: the claim's id."""
        return self._store.find("payees", payee=payee)

    def find_open(self, commitment: bytes) -> int | None:
        """Index of the open entry with this commitment."""
        return self._store.find("opens", commitment=commitment)

    def claim_settled_by(self, index: int) -> int | None:
        """Index of the settlement of the claim of entry ``index``."""
        return self._store.find("settled", claim=index)

    def count(self, kind: Kind, terms_hash: bytes, period: int) -> int:
        """Number of entries of a step of a line under these terms in this period."""
        terms = self.registry.published(terms_hash).index
        return self._store.count(terms, period, int(kind))

    def attach(self, data: bytes) -> bytes:
        """Stores a file that an entry names; see :meth:`Attachments.add`."""
        return self._attachments.add(data, self.registry.attachments)

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash; see :meth:`Attachments.get`."""
        return self._attachments.get(digest)

    # --- replies of issuers --------------------------------------------------

    def post_replies(self, replies: Sequence[tuple[int, bytes]]) -> None:
        """Stores replies, all or none.

        The issuer's signatures are verified in one batch (ProofRefused names the
        positions of culprits). The first valid reply stays: the same bytes may come again,
        other bytes raise StateConflict.
        """
        entries = self._entries_at([index for index, _ in replies])
        self._check_replies(replies, entries)
        registry = self.registry
        with self._store.write():
            stored: dict[int, bytes] = dict(
                self._store.lookup("replies", "idx", (index for index, _ in replies))
            )
            new: dict[int, bytes] = {}
            keys = []
            for (index, reply), entry in zip(replies, entries, strict=True):
                old = stored.get(index, new.get(index))
                if old is None:
                    new[index] = reply
                    keys.append(accept.owed_key(registry, index, entry))
                elif old != reply:
                    raise StateConflict(f"entry {index} has another reply already")
            self._store.insert_replies(list(new.items()))
            self._store.strike_owed(keys)

    def _entries_at(self, indexes: Sequence[int]) -> list[Entry]:
        possible = (index for index in indexes if 0 <= index < 1 << 63)
        found = dict(self._store.lookup("entries", "idx", possible))
        missing = [index for index in indexes if index not in found]
        if missing:
            raise CallerError(f"the ledger has no entry {missing[0]}")
        return [Entry.decode(found[index]) for index in indexes]

    def _check_replies(
        self, replies: Sequence[tuple[int, bytes]], entries: Sequence[Entry]
    ) -> None:
        items: list[tuple[LineStatement, bytes]] = []
        for (index, reply), entry in zip(replies, entries, strict=True):
            if not isinstance(entry.statement, LineStatement):
                raise CallerError(f"entry {index} is not answered by anybody")
            items.append((entry.statement, reply))
        verify_replies(self.registry, items)

    def unanswered(self, issuer_id: bytes, limit: int = 1024) -> list[int]:
        """Indexes of entries that await this issuer's reply, oldest first."""
        return self._store.unanswered(self.registry.issuer(issuer_id).index, limit)

    def owed(self, now_ms: int) -> list[OwedReply]:
        """Replies overdue at ``now_ms``: the issuers' public faults."""
        issuers = {party.index: party.id for party in self.registry.issuers.values()}
        return [
            OwedReply(index, issuers[issuer], Kind(kind), due_ms)
            for index, issuer, kind, due_ms in self._store.overdue(now_ms)
        ]

    # --- the log -------------------------------------------------------------

    @property
    def verifier_keys(self) -> tuple[VerifierKey, VerifierKey]:
        """The keys that checkpoints of this ledger are signed with: Ed25519, ML-DSA-44."""
        return self._genesis.log_keys

    def checkpoint(self) -> str:
        """The signed checkpoint of the log as it is now.

        The head is stored as signed before the signature is made; a head that
        contradicts an earlier one raises StateConflict and nothing is signed.
        """
        signers = self._operator_keys().signers(self._genesis.origin)
        with self._store.write():
            head = self._store.coordinator()
            self._check_signed(head.signed_size, head.signed_root, head)
            self._check_published(head)
            self._store.set_signed(head.size, head.root)
        unsigned = Note(Checkpoint(self._genesis.origin, head.size, head.root).text(), ())
        text = unsigned.signed_by(*signers, time_s=self._clock() // 1000).encode()
        if self._path is None:
            self._published = text
        else:
            folder.write_file(self._path / folder.CHECKPOINT, text.encode())
        return text

    @property
    def published_checkpoint(self) -> str | None:
        """The last signed checkpoint, None if there is none yet."""
        if self._path is None or not (self._path / folder.CHECKPOINT).is_file():
            return self._published
        try:
            return folder.read_file(self._path / folder.CHECKPOINT).decode()
        except UnicodeDecodeError:
            raise MalformedInput("the published checkpoint is not text") from None

    def _check_signed(self, size: int, root: bytes, head: Coordinator) -> None:
        if size > head.size or self._root_at(size, head) != root:
            raise StateConflict(
                f"the log contradicts the checkpoint signed at {size} entries: "
                "its file was rolled back or changed; nothing was signed"
            )

    def _check_published(self, head: Coordinator) -> None:
        text = self.published_checkpoint
        if text is None:
            return
        published = Checkpoint.parse(Note.decode(text).text)
        self._check_signed(published.size, published.root, head)

    def _root_at(self, size: int, head: Coordinator) -> bytes:
        if size == head.size:
            return head.root
        return log.EMPTY_ROOT if size == 0 else log.subtree_root(self._node, 0, size)

    def _node(self, level: int, number: int) -> bytes:
        return log.node_from_tiles(self._store.tile, level, number)

    def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile of the tree as far as there are any, 32 bytes each."""
        return self._store.tile(level, number)

    def root(self, size: int | None = None) -> bytes:
        """Root of the log, or of its first ``size`` entries."""
        head = self._store.coordinator()
        wanted = head.size if size is None else size
        if not 0 <= wanted <= head.size:
            raise CallerError(f"the log has {head.size} entries, not {wanted}")
        return self._root_at(wanted, head)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Audit path of entry ``index`` in the tree of ``size`` entries."""
        self.root(size)
        return log.inclusion_proof(self._node, index, size)

    def consistency_proof(self, old_size: int, new_size: int) -> list[bytes]:
        """Proof that the tree of ``old_size`` entries is a prefix of that of ``new_size``."""
        self.root(new_size)
        return log.consistency_proof(self._node, old_size, new_size)


def _apply_rules(candidate: Candidate, now_ms: int, registry: Registry, index: BatchIndex) -> bool:
    try:
        rules.check(candidate.statement, now_ms, registry, index)
    except (Refused, MalformedInput) as error:
        candidate.error = error
        return False
    return True
