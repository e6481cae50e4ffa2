"""Reading a ledger's database: entries, indexes and the tree, without any rule or key.

What the operator keeps and what a follower has copied are read in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from zkcredit.entries import Entry, Kind
from zkcredit.errors import CallerError
from zkcredit.ledger import OwedReply, log
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import VerifierKey
from zkcredit.ledger.registry import Registry
from zkcredit.ledger.store import Coordinator, Store


class StoredLog:
    """The log in a :class:`Store`, for reading. Threads may share one instance."""

    def __init__(self, store: Store, genesis: Genesis) -> None:
        self._store = store
        self._genesis = genesis
        self._ledger_id = genesis.ledger_id
        self._registry = Registry(self._ledger_id)
        self._registered = 0

    def close(self) -> None:
        """Closes the database; safe to repeat."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def failed(self) -> bool:
        """Whether a failed sync ended all writing: only a ledger opened anew goes on."""
        return self._store.failed

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

    # --- entries and what is beside them -------------------------------------

    def entry(self, index: int) -> Entry:
        """The entry at ``index``; CallerError if there is none."""
        return Entry.decode(self._store.entry(index))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Index and entry from ``start`` to before ``stop`` (default: the end)."""
        end = self.size if stop is None else stop
        for index, data in self._store.scan("entries", "entry", start, end):
            yield index, Entry.decode(data)

    def is_void(self, index: int) -> bool:  # noqa: ARG002
        """False: entries are judged before they get here, or by nobody."""
        return False

    def records(
        self, start: int, stop: int
    ) -> Iterator[tuple[int, bytes, bytes | None, bytes | None, bytes | None]]:
        """(index, encoded entry, evidence, memo, reply); None for what is not stored."""
        return self._store.records(start, stop)

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        """Evidence and memo of the entry at ``index``."""
        return self._store.evidence(index)

    def evidence_of(self, indexes: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Evidence and memo of each of these entries; CallerError if one has none."""
        rows = self._store.lookup("evidence", "idx", filter(_is_index, indexes))
        found = {index: (evidence, memo) for index, evidence, memo in rows}
        missing = [index for index in indexes if index not in found]
        if missing:
            raise CallerError(f"the ledger has no evidence of an entry {missing[0]}")
        return [found[index] for index in indexes]

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

    def registrations(self) -> list[int]:
        """Indexes of all registrations."""
        return [index for index, _ in self._store.registrations(0)]

    def total(self, *kinds: Kind) -> int:
        """Number of entries of these steps of lines, of all terms and periods."""
        return self._store.total(kinds)

    def bucket(self, table: str, prefix: str) -> list[tuple[bytes, int]]:
        """(key, entry) of all keys that begin with the hexadecimal digits ``prefix``.

        ``table`` is ``nullifiers``, ``payees`` or ``opens``.
        """
        column = {"nullifiers": "nullifier", "payees": "payee", "opens": "commitment"}[table]
        width = 2 * (len(prefix) // 2)
        rest = prefix[width:]
        whole = bytes.fromhex(prefix[:width])
        if rest:
            low = int(rest, 16) << 4
            return self._store.bucket(table, column, whole, low, low | 15)
        if whole:
            return self._store.bucket(table, column, whole[:-1], whole[-1], whole[-1])
        return self._store.bucket(table, column, b"", 0, 255)

    def settlements(self, claims: Iterable[int]) -> dict[int, int]:
        """The settlement of each of these claims that is settled."""
        return dict(self._store.lookup("settled", "claim", claims))

    def unanswered(self, issuer_id: bytes, limit: int = 1024) -> list[int]:
        """Indexes of entries that await this issuer's reply, oldest first."""
        return self._store.unanswered(self.registry.issuer(issuer_id).index, limit)

    def unanswered_bundles(self) -> set[int]:
        """Numbers of the bundles of 256 entries in which some reply is still owed."""
        return self._store.owed_bundles(log.TILE_WIDTH)

    def owed(self, now_ms: int) -> list[OwedReply]:
        """Replies overdue at ``now_ms``: the issuers' public faults."""
        parties = list(self.registry.issuers.values())  # another thread may add one meanwhile
        issuers = {party.index: party.id for party in parties}
        return [
            OwedReply(index, issuers[issuer], Kind(kind), due_ms)
            for index, issuer, kind, due_ms in self._store.overdue(now_ms)
        ]

    # --- the tree ------------------------------------------------------------

    @property
    def verifier_keys(self) -> tuple[VerifierKey, VerifierKey]:
        """The keys that checkpoints of this ledger are signed with: Ed25519, ML-DSA-44."""
        return self._genesis.log_keys

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


def _is_index(index: int) -> bool:
    """Whether a database can hold an entry of this index."""
    return 0 <= index < 1 << 63
