"""The ledger: a verifiable log plus an index of what may happen only once.

:class:`LedgerView` is what wallets, lenders, merchants and auditors use;
:class:`Operator` is the embedded implementation over one folder or memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zkcredit.entries import Entry, Kind, Submission
    from zkcredit.errors import ZkCreditError
    from zkcredit.ledger.genesis import Genesis
    from zkcredit.ledger.operator import Operator as Operator
    from zkcredit.ledger.registry import Registry

__all__ = ["LedgerView", "Operator", "OwedReply", "Receipt"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Answer to an accepted submission.

    ``index`` is the entry's place in the log, ``timestamp_ms`` its Unix time,
    ``duplicate`` tells that the same statement had been accepted before.
    """

    index: int
    timestamp_ms: int
    statement_hash: bytes
    duplicate: bool


@dataclass(frozen=True, slots=True)
class OwedReply:
    """A public fault: the issuer has not answered entry ``index`` by ``due_ms``."""

    index: int
    issuer_id: bytes
    kind: Kind
    due_ms: int


class LedgerView(Protocol):
    """What the roles need of a ledger. Indexes count entries from 0.

    Unknown indexes raise CallerError; store trouble raises StoreError or
    StateConflict.
    """

    @property
    def ledger_id(self) -> bytes:
        """32 bytes that name this ledger."""
        ...

    @property
    def genesis(self) -> Genesis:
        """Public keys and origin from which ``ledger_id`` is derived."""
        ...

    @property
    def registry(self) -> Registry:
        """Who is registered and what issuers have published, as of now."""
        ...

    @property
    def size(self) -> int:
        """Number of entries."""
        ...

    def submit(self, submission: Submission) -> Receipt:
        """Accepts one submission or raises Refused, MalformedInput or StoreError."""
        ...

    def submit_many(self, submissions: Sequence[Submission]) -> list[Receipt | ZkCreditError]:
        """Accepts a batch; each gets its own receipt or the error that refused it."""
        ...

    def entry(self, index: int) -> Entry:
        """The entry at ``index``; CheckFailed ``void`` if the reader has found it void."""
        ...

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Entries ``start`` (included) to ``stop`` (excluded, default: the end), with index.

        What the reader has found void is left out.
        """
        ...

    def is_void(self, index: int) -> bool:
        """Whether the reader has found the entry at ``index`` void; False if nobody judged."""
        ...

    def evidence(self, index: int) -> tuple[bytes, bytes]:
        """Evidence and memo of the entry at ``index``."""
        ...

    def evidence_of(self, indexes: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Evidence and memo of each of these entries."""
        ...

    def reply(self, index: int) -> bytes | None:
        """The issuer's reply to the entry at ``index``, None while it is owed."""
        ...

    def replies(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
        """All replies to entries ``start`` (included) to ``stop`` (excluded)."""
        ...

    def post_replies(self, replies: Sequence[tuple[int, bytes]]) -> None:
        """Stores replies; the first valid one stays and the same bytes may come again."""
        ...

    def unanswered(self, issuer_id: bytes, limit: int = 1024) -> list[int]:
        """Indexes of entries that await this issuer's reply, oldest first."""
        ...

    def find_statement(self, statement_hash: bytes) -> int | None:
        """Index of the entry that holds this statement."""
        ...

    def find_nullifier(self, issuer_id: bytes, nullifier: bytes) -> int | None:
        """Index of the entry that used this nullifier (32 bytes)."""
        ...

    def find_payee(self, payee: bytes) -> int | None:
        """Index of the spend entry that pays this payee (32 bytes): the claim's id."""
        ...

    def find_open(self, commitment: bytes) -> int | None:
        """Index of the open entry with this commitment (48 bytes)."""
        ...

    def claim_settled_by(self, index: int) -> int | None:
        """Index of the settlement that settled claim ``index``, None if it is open."""
        ...

    def count(self, kind: Kind, terms_hash: bytes, period: int) -> int:
        """Number of entries of a step of a line under these terms in this period."""
        ...

    def attach(self, data: bytes) -> bytes:
        """Stores a file of up to 64 MiB that an entry names; returns its BLAKE3 hash.

        Refused ``unknown-attachment`` before an entry names that hash; may be repeated.
        """
        ...

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash, None if it is not here; MalformedInput if damaged."""
        ...

    def checkpoint(self) -> str:
        """The signed checkpoint of the current log (C2SP signed note)."""
        ...

    def cosigned_checkpoints(self) -> list[str]:
        """Checkpoints that may have cosignatures; nothing in them is checked.

        See :func:`zkcredit.ledger.finality.finality`, which checks them.
        """
        ...

    def root(self, size: int | None = None) -> bytes:
        """Root of the log (32 bytes), or of its first ``size`` entries."""
        ...

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Hashes that show entry ``index`` to be in the tree of ``size`` entries."""
        ...

    def consistency_proof(self, old_size: int, new_size: int) -> list[bytes]:
        """Hashes that show the tree of ``old_size`` entries to be a prefix."""
        ...

    def owed(self, now_ms: int) -> list[OwedReply]:
        """Replies that are overdue at ``now_ms`` (Unix time)."""
        ...


def __getattr__(name: str) -> object:
    if name == "Operator":
        from zkcredit.ledger.operator import Operator

        return Operator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
