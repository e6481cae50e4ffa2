"""The operator of an embedded ledger: a folder with its database, or memory.

>>> from zkcredit.ledger import Operator
>>> ledger = Operator.create(None, origin="example.org/ledger")  # doctest: +SKIP
>>> receipt = ledger.submit(submission)  # doctest: +SKIP

Several processes may open one folder, and several folders name one PostgreSQL
database. Proofs are verified outside any lock;
then one transaction decides, and only afterwards is anything answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zkcredit import digests
from zkcredit.clock import system_clock
from zkcredit.entries import (
    Entry,
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
from zkcredit.ledger import Receipt, accept, folder, log, rules, verify
from zkcredit.ledger.accept import BatchIndex, Candidate, RequestKey
from zkcredit.ledger.attachments import Attachments
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint, Note
from zkcredit.ledger.reading import StoredLog
from zkcredit.ledger.registry import Registry
from zkcredit.ledger.replies import verify_replies
from zkcredit.ledger.store import Changes, Coordinator, Store

BATCH_MAX = 4_096
"""Most submissions that one call accepts; more are split by the caller."""


class Operator(StoredLog):
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
        super().__init__(store, genesis)
        self._path = path
        self._keys = keys
        self._clock = clock or system_clock
        self._published: str | None = None
        place = None if path is None else path / folder.ATTACHMENTS
        self._attachments = Attachments(place, read_only=read_only)

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        *,
        origin: str = "zkcredit.example/ledger",
        database: str | None = None,
        clock: Callable[[], int] | None = None,
    ) -> Operator:
        """A new ledger in the folder ``path`` (made if missing), or in memory if None.

        ``origin`` names the log in its checkpoints; ``clock`` gives Unix time in ms.
        ``database`` is the address (``postgresql://…``) of an empty PostgreSQL database
        that the folder shall name; without it an SQLite file lies in the folder.
        Raises StateConflict if folder or database hold a ledger, StoreError, CallerError.
        """
        keys = folder.OperatorKeys.generate()
        genesis = keys.genesis(origin)
        if path is None:
            if database is not None:
                raise CallerError("a ledger in a database needs a folder for its keys")
            return cls(Store.create(None, genesis.encode()), genesis, None, keys, clock)
        place = Path(path)
        folder.prepare(place)
        try:
            folder.write_file(place / folder.KEY, keys.encode(), secret=True)
            if database is not None:
                folder.write_address(place, database)
            folder.write_file(place / folder.GENESIS, genesis.encode())
            # From here on there is a ledger: all that others need is in the folder.
            store = Store.create(folder.database(place), genesis.encode())
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
        store = Store.open(folder.database(place), read_only=read_only)
        if store.genesis() != genesis.encode():
            store.close()
            raise MalformedInput(f"{place}: genesis and database are of different ledgers")
        return cls(store, genesis, place, None, clock, read_only=read_only)

    # --- accepting -----------------------------------------------------------

    def submit(self, submission: Submission) -> Receipt:
        """Accepts one submission; raises what :meth:`submit_many` would return."""
        result = self.submit_many([submission])[0]
        if isinstance(result, ZkCreditError):
            raise result
        return result

    def submit_many(
        self,
        submissions: Sequence[Submission],
        requests: Sequence[RequestKey | None] | None = None,
    ) -> list[Receipt | ZkCreditError]:
        """Accepts a batch of up to 4,096 in order; culprits get their error, others land.

        A statement that is on the ledger already gives its old receipt, marked
        as duplicate. Errors of the store are raised; what was answered before
        stays, and the batch may be submitted again.

        ``requests`` names for each submission the request that brought it: its key is
        stored in the transaction that accepts, and Refused ``idempotency-key-reused``
        answers the same key with another fingerprint.
        """
        if len(submissions) > BATCH_MAX:
            raise CallerError(f"a batch holds up to {BATCH_MAX} submissions")
        asked = requests or [None] * len(submissions)
        candidates = [
            Candidate.of(submission, request)
            for submission, request in zip(submissions, asked, strict=True)
        ]
        for wave in accept.waves(candidates):
            index = self._precheck(wave)
            self._verify([c for c in wave if c.pending])
            waiting = [c for c in wave if c.pending]
            if waiting:
                self._sequence(waiting, index)
        self._keep_requests(candidates)
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
        self._check_requests(wave)
        now_ms = self._clock()
        for candidate in wave:
            if candidate.pending and not self._answer_known(candidate, index):
                _apply_rules(candidate, now_ms, registry, index)
        return index

    def _check_requests(self, candidates: Sequence[Candidate]) -> None:
        """Refuses a key that an earlier request used for something else."""
        keys = {candidate.request.key for candidate in candidates if candidate.request}
        known: dict[bytes, bytes] = dict(self._store.lookup("requests", "key", keys))
        for candidate in candidates:
            if candidate.request is None:
                continue
            key, fingerprint = candidate.request
            if known.setdefault(key, fingerprint) != fingerprint:
                candidate.error = Refused(
                    "idempotency-key-reused",
                    "this key was used for another request: take a new one",
                )

    def _keep_requests(self, candidates: Sequence[Candidate]) -> None:
        """Notes keys under which only what was accepted before was sent again."""
        late = {c.request for c in candidates if c.request and c.receipt and c.receipt.duplicate}
        known = {key for key, _ in self._store.lookup("requests", "key", (x.key for x in late))}
        if any(request.key not in known for request in late):
            self._store.transact(lambda: self._store.insert_requests(late))

    def _answer_known(self, candidate: Candidate, index: BatchIndex) -> bool:
        known = index.statement(candidate.statement_hash)
        if known is None:
            return False
        timestamp_ms = self.entry(known).timestamp_ms
        candidate.receipt = Receipt(known, timestamp_ms, candidate.statement_hash, True)
        return True

    def _verify(self, candidates: list[Candidate]) -> None:
        batch = verify.Batch(self.registry, founder_key=self._genesis.bls_key)
        for position, candidate in enumerate(candidates):
            batch.add(position, candidate.submission)
        for position, error in batch.run().items():
            candidates[position].error = error

    def _sequence(self, candidates: list[Candidate], index: BatchIndex) -> None:
        """One transaction: rules, indexes, entries, tree, head."""
        self._countersign(candidates)
        looked_up: Iterator[BatchIndex] = iter((index,))  # good for the first attempt only

        def decide() -> list[tuple[Candidate, Receipt]]:
            for candidate in candidates:
                candidate.receipt = candidate.error = None
            return self._decide(candidates, self._store.coordinator(), next(looked_up, None))

        for candidate, receipt in self._store.transact(decide):
            candidate.receipt = receipt

    def _decide(
        self, candidates: list[Candidate], head: Coordinator, index: BatchIndex | None
    ) -> list[tuple[Candidate, Receipt]]:
        registry = self.registry
        if candidates[0].statement.KIND.is_registration:
            registry = registry.copy()
        if index is None or index.size != head.size or registry is not self._registry:
            index = BatchIndex(self._store, registry, candidates)
        index.forget_replies()
        now_ms = max(self._clock(), head.last_timestamp_ms)
        rules.check_timestamp(now_ms, head.last_timestamp_ms)
        self._check_requests(candidates)
        changes, leaves, accepted = Changes(), [], []
        size = head.size
        known: dict[bytes, Receipt] = {}
        for candidate in candidates:
            if not candidate.pending:
                continue
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
            if candidate.request is not None:
                changes.requests.add(candidate.request)
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

        def store() -> None:
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

        self._store.transact(store)

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

    # --- the log -------------------------------------------------------------

    def checkpoint(self) -> str:
        """The signed checkpoint of the log as it is now.

        The head is stored as signed before the signature is made; a head that
        contradicts an earlier one raises StateConflict and nothing is signed.
        """
        if self._path is None:
            self._published = self._sign_head()
            return self._published
        with folder.locked(self._path / folder.GENESIS):  # the file never goes back
            text = self._sign_head()
            folder.write_file(self._path / folder.CHECKPOINT, text.encode())
        return text

    def _sign_head(self) -> str:
        signers = self._operator_keys().signers(self._genesis.origin)

        def settle() -> Coordinator:
            head = self._store.coordinator()
            self._check_signed(head.signed_size, head.signed_root, head)
            self._check_published(head)
            self._store.set_signed(head.size, head.root)
            return head

        head = self._store.transact(settle)
        unsigned = Note(Checkpoint(self._genesis.origin, head.size, head.root).text(), ())
        return unsigned.signed_by(*signers, time_s=self._clock() // 1000).encode()

    @property
    def published_checkpoint(self) -> str | None:
        """The last signed checkpoint, None if there is none yet."""
        if self._path is None or not (self._path / folder.CHECKPOINT).is_file():
            return self._published
        return folder.read_text(self._path / folder.CHECKPOINT)

    def cosigned_checkpoints(self) -> list[str]:
        """Cosigned checkpoints in the ledger's folder, and in ``published`` inside it."""
        if self._path is None:
            return [self._published] if self._published else []
        published = self._path / folder.PUBLISHED
        places = (self._path / folder.COSIGNED, published / folder.COSIGNED)
        files = (*places, published / folder.CHECKPOINT)
        return [folder.read_file(path).decode(errors="replace") for path in files if path.is_file()]

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


def _apply_rules(candidate: Candidate, now_ms: int, registry: Registry, index: BatchIndex) -> bool:
    try:
        rules.check(candidate.statement, now_ms, registry, index)
    except (Refused, MalformedInput) as error:
        candidate.error = error
        return False
    return True
