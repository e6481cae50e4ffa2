"""Clauses as they are proved: over the integers that credentials hold.

Whatever is known when a request is made (today, variables, literals) has become
one integer; what is left are fields. Each clause can say whether values satisfy
it, and that plain answer is what the circuit of
:mod:`zkcredit.policies.circuit` proves.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from zkcredit.codec import GROUP_ORDER
from zkcredit.credentials.schema import FieldType, Schema

EXPIRY_BITS = 15
"""Width of the days until a credential expires: it can be shown if they are less than 89 years."""


def to_scalar(value: int) -> bytes:
    """An integer as a canonical scalar (32 bytes); negative ones count down from r."""
    return (value % GROUP_ORDER).to_bytes(32, "big")


class FieldRef(NamedTuple):
    """A field of one of the policy's credentials."""

    alias: str
    name: str

    def __str__(self) -> str:
        return f"{self.alias}.{self.name}"


class Relation(enum.Enum):
    """How a sum compares with zero."""

    NOT_NEGATIVE = ">= 0"
    ZERO = "== 0"
    NOT_ZERO = "!= 0"


@dataclass(frozen=True, slots=True)
class SumClause:
    """``Σ factor·field + constant`` is not negative, zero or not zero.

    ``number`` counts the policy's clauses from 1, ``text`` is the clause as written.
    """

    number: int
    text: str
    relation: Relation
    factors: dict[FieldRef, int]
    constant: int

    @property
    def fields(self) -> tuple[FieldRef, ...]:
        """The fields it speaks about."""
        return tuple(self.factors)

    def given(self, known: Mapping[FieldRef, int]) -> SumClause:
        """The clause about the other fields when the values of some are known."""
        constant = self.constant + sum(
            factor * known[field] for field, factor in self.factors.items() if field in known
        )
        factors = {field: k for field, k in self.factors.items() if field not in known}
        return replace(self, factors=factors, constant=constant)

    def holds(self, values: Mapping[FieldRef, int]) -> bool:
        """Whether these values (of all fields) satisfy the clause."""
        total = self.given(values).constant
        match self.relation:
            case Relation.NOT_NEGATIVE:
                return total >= 0
            case Relation.ZERO:
                return total == 0
            case Relation.NOT_ZERO:
                return total != 0

    def bits(self, bounds: Mapping[FieldRef, tuple[int, int]]) -> int:
        """Width of the range [0, 2^bits) that holds every true sum; at least 1.

        A false sum is negative and above -2^128, so modulo the group order it lies far
        above every such range: the range does not wrap.
        """
        largest = smallest = self.constant
        for field, factor in self.factors.items():
            ends = [factor * end for end in bounds[field]]
            largest, smallest = largest + max(ends), smallest + min(ends)
        assert max(abs(largest), abs(smallest)) < 1 << 128, "factors and bounds are limited"
        return max(1, largest.bit_length()) if largest > 0 else 1


@dataclass(frozen=True, slots=True)
class SetClause:
    """A field is one, or none, of a few integers (1..64, increasing); ``shown`` as texts."""

    number: int
    text: str
    field: FieldRef
    items: tuple[int, ...]
    negated: bool
    shown: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[FieldRef, ...]:
        """The field it speaks about."""
        return (self.field,)

    def holds(self, values: Mapping[FieldRef, int]) -> bool:
        """Whether the value satisfies the clause."""
        return (values[self.field] in self.items) != self.negated


@dataclass(frozen=True, slots=True)
class ListClause:
    """A field is, or is not, on the list of this schema that ``issuer_id`` (32 bytes) signs.

    ``list_name`` is for people to read, unlike that of any other list of this owner.
    """

    number: int
    text: str
    field: FieldRef
    issuer_id: bytes
    schema: Schema
    list_name: str
    negated: bool

    @property
    def type(self) -> FieldType:
        """Type of the items."""
        return self.schema.fields[0].type

    @property
    def fields(self) -> tuple[FieldRef, ...]:
        """The field it speaks about."""
        return (self.field,)


GroundClause = SumClause | SetClause | ListClause
