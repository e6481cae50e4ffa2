"""What verifiers have been told: a verifier that asks often finds out what nobody showed it.

Each answer about a hidden field cuts what its verifier does not know yet, and some twenty find
a date. A wallet keeps, for each verifier and field, how many answers told something new, and for
numbers and dates what they come to. A question that repeats what is known is not counted: a
shop may ask for an adult at every purchase. One that the holder cannot answer is counted as
well, because silence answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zkcredit.credentials.schema import Field, FieldType
from zkcredit.policies.clauses import FieldRef, ListClause, Relation, SetClause, SumClause
from zkcredit.state import Secretive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkcredit.policies.clauses import GroundClause
    from zkcredit.policies.request import Asked

UNREMARKED = 3
"""Questions of one verifier about one field before the holder is warned."""
CLAUSES_KEPT = 64
"""Most clauses of a verifier about a field that are remembered word for word."""
_ORDERED = (FieldType.INTEGER, FieldType.AMOUNT, FieldType.DATE)


class Told(Secretive, kw_only=True):
    """What one verifier has been told of one field.

    ``questions`` counts what was new. By its answers the field's integer is in ``low`` …
    ``high``, both included (0, 0 for texts and enums). ``clauses`` are hashes (16 bytes) of those
    that are no such bounds, ``request`` is the hash of the last request that was counted.
    """

    verifier_id: bytes
    schema_hash: bytes
    field: str
    questions: int = 0
    low: int = 0
    high: int = 0
    clauses: list[bytes] = msgspec.field(default_factory=list)
    request: bytes = b""


class Memory:
    """Reads and keeps what verifiers were told; ``told`` is the list that the vault keeps."""

    def __init__(self, told: list[Told]) -> None:
        self._told = told

    def warnings(self, asked: Asked) -> Iterator[str]:
        """What the holder should know before answering: who has asked how often about what."""
        from zkcredit.policies import words

        for ref, before, after in self._changes(asked):
            if after.questions > max(UNREMARKED, before.questions):
                whole = asked.requirements.fields[ref].bounds()
                known = (after.low, after.high)
                known_now = None if known in (whole, (0, 0)) else known
                yield words.asked_again(
                    asked.requirements, ref, asked.verifier_name, after.questions, known_now
                )

    def answered(self, asked: Asked) -> None:
        """Keeps what a presentation tells; the same request again changes nothing."""
        for _, before, after in self._changes(asked):
            self._keep(before, after)

    def unanswered(self, asked: Asked) -> None:
        """Counts a request that the holder could not answer."""
        for _, before, after in self._changes(asked):
            count, request = after.questions, after.request
            self._keep(before, msgspec.structs.replace(before, questions=count, request=request))

    def _keep(self, before: Told, after: Told) -> None:
        if before in self._told:
            self._told[self._told.index(before)] = after
        else:
            self._told.append(after)

    def _changes(self, asked: Asked) -> Iterator[tuple[FieldRef, Told, Told]]:
        """Each hidden field that is asked about, what its verifier knows and would know."""
        requirements = asked.requirements
        hidden = {
            ref: None
            for clause in requirements.clauses
            for ref in clause.fields
            if ref not in requirements.reveal
        }
        for ref in hidden:
            before = after = self._find(asked, ref)
            if before.request != asked.hash:
                for clause in requirements.clauses:
                    if ref in clause.fields:
                        after = _told(after, clause, requirements.fields[ref])
                after = msgspec.structs.replace(after, request=asked.hash)
            if after.questions > before.questions:
                yield ref, before, after

    def _find(self, asked: Asked, ref: FieldRef) -> Told:
        slot = next(slot for slot in asked.requirements.slots if slot.alias == ref.alias)
        wanted = bytes(asked.request.verifier_id), slot.schema.hash, ref.name
        for told in self._told:
            if (told.verifier_id, told.schema_hash, told.field) == wanted:
                return told
        field = asked.requirements.fields[ref]
        low, high = field.bounds() if field.type in _ORDERED else (0, 0)
        verifier_id, schema_hash, name = wanted
        return Told(
            verifier_id=verifier_id, schema_hash=schema_hash, field=name, low=low, high=high
        )


def _told(before: Told, clause: GroundClause, field: Field) -> Told:
    """What is known once the clause has been proved."""
    if field.type in _ORDERED:
        if before.low == before.high:
            return before
        bounds = _bounds(clause)
        if bounds is not None:
            low, high = max(before.low, bounds[0]), min(before.high, bounds[1])
            if (low, high) == (before.low, before.high):
                return before
            if low > high:  # of another credential than the answers before
                low, high = max(field.bounds()[0], bounds[0]), min(field.bounds()[1], bounds[1])
            count = before.questions + 1
            return msgspec.structs.replace(before, questions=count, low=low, high=high)
    digest = _digest(clause)
    if digest in before.clauses:
        return before
    kept = [*before.clauses, digest][-CLAUSES_KEPT:]
    return msgspec.structs.replace(before, questions=before.questions + 1, clauses=kept)


_ENDLESS = 1 << 63


def _bounds(clause: GroundClause) -> tuple[int, int] | None:
    """The integers for which a clause about one field holds, if they are all in one piece."""
    if not isinstance(clause, SumClause) or len(clause.factors) != 1:
        return None
    (factor,), constant = clause.factors.values(), clause.constant
    match clause.relation:
        case Relation.NOT_NEGATIVE if factor > 0:
            return -(constant // factor), _ENDLESS
        case Relation.NOT_NEGATIVE:
            return -_ENDLESS, constant // -factor
        case Relation.ZERO:
            return -constant // factor, -constant // factor
        case Relation.NOT_ZERO:
            return None


def _digest(clause: GroundClause) -> bytes:
    """A clause by what it says; its place and the names in a policy do not matter."""
    from zkcredit._native import blake3_hash

    said: tuple[object, ...]
    match clause:
        case SumClause():
            factors = sorted((ref.name, factor) for ref, factor in clause.factors.items())
            said = clause.relation.value, factors, clause.constant
        case SetClause():
            said = clause.negated, clause.items
        case ListClause():
            said = clause.negated, clause.issuer_id, clause.schema.hash
    return blake3_hash(repr(said).encode())[:16]
