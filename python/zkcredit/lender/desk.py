"""What all parts of a lender share: store, keys, clock, and the act of signing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.entries import Kind, LineStatement, OpenStatement, Statement, Submission
from zkcredit.errors import MalformedInput, Refused, StateConflict, ZkCreditError
from zkcredit.issuing import IssuerDesk
from zkcredit.keys import LenderKeys
from zkcredit.lender.store import LenderStore, Signature
from zkcredit.messages import encode_message
from zkcredit.money import MAX_MINOR
from zkcredit.sealing import seal_reply
from zkcredit.terms import Terms
from zkcredit.tokens import Product, signed_period, tweak

if TYPE_CHECKING:
    import msgspec

    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry

BATCH = 1024
"""Entries that are verified, signed and stored in one go."""


@dataclass(slots=True)
class Job:
    """One entry to sign: what is added to C′, and what the reply is made of.

    ``reply`` turns the 80-byte signature into the bytes that go to the ledger.
    """

    index: int
    statement: LineStatement
    product: Product
    adjustments: list[tuple[int, int]] = field(default_factory=list)
    reply: Callable[[bytes], bytes] = bytes

    @property
    def origin(self) -> bytes:
        """Key of the signer's table."""
        return origin_of(self.statement)


def origin_of(statement: LineStatement) -> bytes:
    """The nullifier, or terms hash and commitment of an open."""
    if isinstance(statement, OpenStatement):
        return statement.terms_hash + statement.commitment
    return statement.nullifier


class Desk(IssuerDesk[LenderStore, LenderKeys]):
    """Store, keys and clock of one lender on one ledger, and its signing."""

    def product(self, registry: Registry, terms_hash: bytes) -> Product:
        """One of the lender's own products; Refused ``unknown-terms`` for others."""
        product = Product.find(registry, terms_hash)
        if product.issuer_id != self.issuer_id:
            raise Refused("unknown-terms", "these terms are another lender's")
        return product

    def keep_terms(self, product: Product) -> None:
        """Remembers the terms of an account, so that payments need no ledger; in a write."""
        self.store.set_meta("terms " + product.terms_hash.hex(), product.terms.encode())

    def terms(self, terms_hash: bytes) -> Terms:
        """Terms under which an account was granted."""
        data = self.store.meta("terms " + terms_hash.hex())
        if data is None:
            raise StateConflict("the lender's database lacks the terms of this account")
        return Terms.decode(data)

    def sign(self, registry: Registry, jobs: Sequence[Job]) -> list[Signature]:
        """Signs C′ of every job, batched by key, and makes the replies; stores nothing."""
        groups: dict[tuple[bytes, int], list[int]] = {}
        for position, job in enumerate(jobs):
            period = signed_period(job.statement.KIND, job.statement.period)
            groups.setdefault((job.product.terms_hash, period), []).append(position)
        rows: list[Signature | None] = [None] * len(jobs)
        for (terms_hash, period), positions in groups.items():
            key = self.keys.period_key(terms_hash, period)
            if key.public_key != registry.period(terms_hash, period).bbs_key:
                raise StateConflict(f"period {period} was opened with a key of another seed")
            product = jobs[positions[0]].product
            header, count = product.header(period), product.terms.message_count
            items = [(header, count, *self._item(jobs[position])) for position in positions]
            for position, (final, signature) in zip(
                positions, key.sign_commitments(items), strict=True
            ):
                job = jobs[position]
                rows[position] = Signature(
                    origin=job.origin,
                    kind=int(job.statement.KIND),
                    entry_index=job.index,
                    commitment=job.statement.commitment,
                    final=final,
                    adjustments=job.adjustments,
                    reply=self._reply(job, signature),
                )
        return [row for row in rows if row is not None]

    @staticmethod
    def _item(job: Job) -> tuple[bytes, bytes, list[tuple[int, int]]]:
        """C′, the tweak and what else is added to it."""
        statement = job.statement
        nullifier = b"" if isinstance(statement, OpenStatement) else statement.nullifier
        added = tweak(statement.KIND, nullifier, statement.commitment)
        return statement.commitment, added, job.adjustments

    def _reply(self, job: Job, signature: bytes) -> bytes:
        """The reply as it goes to the ledger: sealed ones end with the lender's signature."""
        reply = job.reply(signature)
        if job.statement.KIND.reply_is_public:
            return reply
        statement_hash = digests.statement_hash(job.statement.encode())
        ledger_id = job.product.ledger_id
        return reply + self.keys.bls.sign(
            digests.sealed_reply_digest(ledger_id, statement_hash, reply)
        )

    def post(self, ledger: LedgerView) -> int:
        """Hands frozen replies to the ledger that it may not have; returns how many."""
        posted = 0
        while rows := self.store.unposted(BATCH):
            size = ledger.size
            ready = [row for row in rows if row[0] < size]
            if not ready:
                return posted
            posted += self._post(ledger, ready)
            if len(ready) < len(rows):
                return posted
        return posted

    def _post(self, ledger: LedgerView, rows: Sequence[tuple[int, bytes, bytes]]) -> int:
        """Posts a batch; where the ledger holds another reply, that entry becomes a fault.

        One foreign reply must not keep all others from leaving.
        """
        try:
            ledger.post_replies([(index, reply) for index, reply, _ in rows])
        except (StateConflict, Refused, MalformedInput) as error:
            if len(rows) > 1:
                middle = len(rows) // 2
                return self._post(ledger, rows[:middle]) + self._post(ledger, rows[middle:])
            index = rows[0][0]
            if ledger.reply(index) is None:
                raise
            with self.store.write():
                self.store.add_fault(index, f"the reply was not taken: {error}")
                self.store.mark_posted([rows[0][2]])
            return 0
        self.store.mark_posted(origin for _, _, origin in rows)
        return len(rows)


def seal(key: bytes, ledger_id: bytes, statement: LineStatement, message: msgspec.Struct) -> bytes:
    """A private reply to a statement under the holder's key."""
    digest = digests.statement_hash(statement.encode())
    return seal_reply(key, ledger_id, digest, encode_message(message))


def check_entries(
    ledger: LedgerView, registry: Registry, entries: Sequence[tuple[int, Statement]]
) -> dict[int, ZkCreditError]:
    """Verifies the proofs of entries by their own evidence; the errors by entry index.

    The signer does this itself and does not rely on the operator.
    """
    from zkcredit.ledger.verify import Batch

    batch = Batch(registry)
    beside = ledger.evidence_of([index for index, _ in entries])
    for (index, statement), (evidence, memo) in zip(entries, beside, strict=True):
        batch.add(index, Submission(statement, evidence, memo))
    return batch.run()


def cap_minor(terms: Terms) -> int:
    """Most credit that a token of these terms may ever hold."""
    return min(terms.amount_max_minor, MAX_MINOR)


def line_statement(ledger: LedgerView, index: int, kind: Kind) -> LineStatement:
    """The statement of the entry at ``index`` if it is of this kind; MalformedInput if not."""
    if not 0 <= index < ledger.size:
        raise MalformedInput(f"the ledger has no entry {index}")
    statement = ledger.entry(index).statement
    if statement.KIND is not kind or not isinstance(statement, LineStatement):
        raise MalformedInput(f"entry {index} is a {statement.KIND.name.lower()}, not a {kind.name}")
    return statement
