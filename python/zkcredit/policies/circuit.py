"""Requirements as a circuit of the engine, compiled at run time.

The text depends on the structure of the policy only: dates, bounds, set items and
revealed values are public scalars. The language is that of ``circuits/README.md``;
why the circuit proves the policy is argued in ``docs/presentations.md``.

For credential *i* of the policy the names are ``c<i>_blind``, ``c<i>_handle``,
``c<i>_expires`` and ``c<i>_f_<field>``, for clause *n* they begin with ``k<n>_``.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit._native import Circuit
from zkcredit.credentials.lists import list_bounds
from zkcredit.errors import CallerError, Refused
from zkcredit.policies.clauses import (
    EXPIRY_BITS,
    FieldRef,
    GroundClause,
    ListClause,
    Relation,
    SetClause,
    SumClause,
    to_scalar,
)
from zkcredit.policies.policy import Policy, VariableType
from zkcredit.policies.resolve import Requirements, Slot, resolve

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Registry

HANDLE_BITS = 32
"""Distances between handles, 1..2^32 − 1, and the ends of a gap, 0..2^32."""
LIMB_BITS = 124
"""Ranges of more than 128 bits are proved in two limbs of this width."""
_HALF_LIMB = 1 << (LIMB_BITS // 2)
_SAMPLES = {
    VariableType.INTEGER: "0",
    VariableType.AMOUNT: "0",
    VariableType.DATE: "2000-01-01",
    VariableType.TEXT: "text",
}
"""A value of each type of variable, to look at a policy before anybody fills it in."""


@dataclass(frozen=True, slots=True)
class Relations:
    """What prover and verifier share: the circuit, its public scalars, the clauses inside it.

    The clauses ``outside`` are about revealed fields alone: prover and verifier evaluate them.
    """

    text: str
    circuit: Circuit
    publics: dict[str, bytes]
    inside: tuple[GroundClause, ...]
    outside: tuple[SumClause | SetClause, ...]


def build(
    requirements: Requirements, revealed: Mapping[FieldRef, int], bound_messages: int
) -> Relations:
    """The circuit of these requirements when fields have been revealed as these integers.

    ``bound_messages`` is the number of messages of the commitment the presentation is bound
    to, 0 for none.
    """
    builder = _Builder(requirements, revealed)
    builder.credentials()
    for clause in builder.inside:
        builder.clause(clause)
    if requirements.policy.pseudonym:
        builder.pseudonym()
    if bound_messages:
        builder.bound(bound_messages)
    text = builder.text()
    return Relations(
        text, _compile(text), builder.publics, tuple(builder.inside), tuple(builder.outside)
    )


def check_size(requirements: Requirements) -> None:
    """Refused ``bad-policy`` if the policy asks for more than a circuit can hold."""
    sample = {ref: requirements.fields[ref].bounds()[0] for ref in requirements.reveal}
    build(requirements, sample, 0)


def check_policy(policy: Policy, registry: Registry) -> Requirements:
    """The requirements with sample values: raises what any request would be refused for."""
    variables = {name: _SAMPLES[kind] for name, kind in policy.variables.items()}
    requirements = resolve(policy, registry, dt.date(2000, 1, 1), variables)
    check_size(requirements)
    return requirements


@functools.lru_cache(64)
def _compile(text: str) -> Circuit:
    try:
        return Circuit.compile(text, {})
    except CallerError as error:
        raise Refused("bad-policy", f"the policy asks for too much: {error}") from None


@dataclass
class _Builder:
    requirements: Requirements
    revealed: Mapping[FieldRef, int]
    publics: dict[str, bytes] = field(default_factory=dict)
    inside: list[GroundClause] = field(default_factory=list)
    outside: list[SumClause | SetClause] = field(default_factory=list)
    _blocks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._slots = {slot.alias: i for i, slot in enumerate(self.requirements.slots)}
        for clause in self.requirements.clauses:
            if isinstance(clause, ListClause):
                self.inside.append(clause)
            elif all(ref in self.revealed for ref in clause.fields):
                self.outside.append(clause)
            elif isinstance(clause, SumClause):
                self.inside.append(clause.given(self.revealed))
            else:
                self.inside.append(clause)
        self._committed = {ref for x in self.inside if _multiplies(x) for ref in x.fields}

    def text(self) -> str:
        """The circuit's text."""
        head = 'name = "presentation"\nversion = 1\nparameters = []\n'
        return "\n".join([head, *self._blocks])

    # -- blocks ----------------------------------------------------------------------------

    def _block(self, table: str, **keys: str | bool | Iterable[str]) -> None:
        lines = [f"[[{table}]]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
        self._blocks.append("\n".join(lines) + "\n")

    def _public(self, name: str, value: int, meaning: str) -> str:
        self._block("public", name=name, meaning=meaning)
        self.publics[name] = to_scalar(value)
        return name

    def _secret(self, name: str, meaning: str, *, committed: bool = False, size: int = 0) -> str:
        array = {"size": str(size)} if size else {}
        self._block("secret", name=name, committed=committed, meaning=meaning, **array)
        return name

    def _signature(self, ident: str, name: str, messages: list[str], reason: str) -> None:
        self._block("signature", id=ident, name=name, messages=messages, reason=reason)

    def _assert(self, ident: str, equation: str, reason: str) -> None:
        self._block("constraint", id=ident, reason=reason, **{"assert": equation})

    def _range(self, ident: str, expression: str, bits: int, reason: str) -> None:
        """``expression`` lies in [0, 2^bits); two limbs where one range is too narrow."""
        if bits > 128:
            high = self._secret(limb_name(ident), "the upper limb of a difference")
            self._range(f"{ident}.upper", high, bits - LIMB_BITS, reason)
            expression, bits = f"{expression} - {_HALF_LIMB} * {_HALF_LIMB} * {high}", LIMB_BITS
        self._block("constraint", id=ident, range=expression, bits=str(bits), reason=reason)

    # -- credentials -----------------------------------------------------------------------

    def credentials(self) -> None:
        """Signatures, expiry and gap of every credential, with one owner."""
        self._secret("owner", "the holder's one secret")
        self._public("today", self.requirements.today.toordinal(), "the day of the request")
        for number, slot in enumerate(self.requirements.slots):
            self._credential(f"c{number}", f"credential.{slot.alias}", slot)

    def _credential(self, prefix: str, ident: str, slot: Slot) -> None:
        blind = self._secret(f"{prefix}_blind", "blinding of the credential")
        handle = self._secret(f"{prefix}_handle", "the issuer's number for the credential")
        expires = self._secret(f"{prefix}_expires", "last valid day of the credential")
        fields = []
        for item in slot.schema.fields:
            ref = FieldRef(slot.alias, item.name)
            if ref in self.revealed:
                self._public(self._name(ref), self.revealed[ref], "a revealed field")
            else:
                self._secret(self._name(ref), "a field", committed=ref in self._committed)
            fields.append(self._name(ref))
        messages = [blind, "owner", handle, expires, *fields]
        self._signature(ident, prefix, messages, "the issuer signed these fields for this owner")
        expiry = "the last valid day is not before the day of the request"
        self._range(f"{ident}.expiry", f"{expires} - today", EXPIRY_BITS, expiry)
        if slot.schema.revocable:
            ends = (f"{prefix}_lo", f"{prefix}_hi")
            self._gap(f"{ident}.gap", f"{prefix}_gap", ends, handle, HANDLE_BITS)

    def _gap(self, ident: str, name: str, ends: tuple[str, str], inner: str, bits: int) -> None:
        """A signature on an open interval, and ``inner`` strictly between its ends."""
        low = self._secret(ends[0], "lower end of a gap")
        high = self._secret(ends[1], "upper end of a gap")
        self._signature(ident, name, [low, high], "the issuer signed this gap of its list")
        between = "the value is strictly inside the gap"
        self._range(f"{ident}.low", f"{inner} - {low} - 1", bits, between)
        self._range(f"{ident}.high", f"{high} - {inner} - 1", bits, between)

    def _name(self, ref: FieldRef) -> str:
        return f"c{self._slots[ref.alias]}_f_{ref.name}"

    # -- clauses ---------------------------------------------------------------------------

    def clause(self, clause: GroundClause) -> None:
        """The constraints of one clause."""
        ident, prefix = f"clause.{clause.number}", f"k{clause.number}"
        match clause:
            case SumClause():
                self._sum(ident, prefix, clause)
            case SetClause():
                self._set(ident, prefix, clause)
            case ListClause():
                self._list(ident, prefix, clause)

    def _sum(self, ident: str, prefix: str, clause: SumClause) -> None:
        constant = self._public(f"{prefix}_c", clause.constant, "what is known of the clause")
        terms = [f"{factor} * {self._name(ref)}" for ref, factor in clause.factors.items()]
        total = " + ".join([*terms, constant])
        match clause.relation:
            case Relation.NOT_NEGATIVE:
                bounds = {ref: self.requirements.fields[ref].bounds() for ref in clause.factors}
                self._range(ident, total, clause.bits(bounds), "the sum is not negative")
            case Relation.ZERO:
                self._assert(ident, f"({total}) * ({total}) == 0", "the sum is zero")
            case Relation.NOT_ZERO:
                self._not_zero(ident, prefix, f"({total})")

    def _not_zero(self, ident: str, prefix: str, factor: str) -> None:
        inverse = self._secret(f"{prefix}_inverse", "inverse of what is not zero", committed=True)
        self._assert(ident, f"{factor} * {inverse} == 1", "what has an inverse is not zero")

    def _set(self, ident: str, prefix: str, clause: SetClause) -> None:
        """The product of all differences is zero, or has an inverse."""
        name = self._name(clause.field)
        items = [
            self._public(f"{prefix}_s{i}", item, "an item") for i, item in enumerate(clause.items)
        ]
        first, *rest = [f"({name} - {item})" for item in items]
        last = first if clause.negated or not rest else rest.pop()
        if rest:
            products = f"{prefix}_product"
            self._secret(products, "product of differences", committed=True, size=len(rest))
            for i, factor in enumerate(rest):
                reason = "the product of the differences so far"
                self._assert(
                    f"{ident}.product-{i}", f"{products}[{i}] == {first} * {factor}", reason
                )
                first = f"{products}[{i}]"
        if clause.negated:
            self._not_zero(ident, prefix, first)
        else:
            self._assert(ident, f"{first} * {last} == 0", "one of the differences is zero")

    def _list(self, ident: str, prefix: str, clause: ListClause) -> None:
        name = self._name(clause.field)
        if not clause.negated:
            self._signature(ident, prefix, [name], "the list's owner signed this item")
            return
        ends = (f"{prefix}_lo", f"{prefix}_hi")
        self._gap(ident, prefix, ends, name, list_bounds(clause.type).bits)

    # -- the rest --------------------------------------------------------------------------

    def pseudonym(self) -> None:
        """A point that is the same whenever this holder shows itself in this context."""
        tag = self.requirements.pseudonym_field
        self._block("label", name="context", meaning="verifier and context of the pseudonym")
        self._block(
            "commitment",
            id="pseudonym",
            point="pseudonym",
            terms={"context": "owner" if tag is None else self._name(tag)},
            subgroup=True,
            reason="the pseudonym is made of this holder's secret or tag",
        )

    def bound(self, messages: int) -> None:
        """The commitment the presentation is bound to: the same owner, the rest unseen."""
        blind = self._secret("bound_blind", "blinding of the bound commitment")
        names = [blind, "owner"]
        if messages > 2:
            names.append(self._secret("bound_rest", "the other messages", size=messages - 2))
        self._block(
            "commitment",
            id="bound",
            point="bound",
            messages=names,
            subgroup=False,
            reason="the commitment and the credentials have one owner",
        )


def _multiplies(clause: GroundClause) -> bool:
    """Whether its fields stand in products, and so have to be committed."""
    if isinstance(clause, SumClause):
        return clause.relation is not Relation.NOT_NEGATIVE
    return isinstance(clause, SetClause)


def limb_name(ident: str) -> str:
    """The secret that holds the upper limb of the range with this id."""
    return f"{ident.replace('.', '_')}_limb"


def _toml(value: str | bool | Iterable[str]) -> str:
    """Only names, numbers and texts of this module: nothing needs escaping."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'{k} = "{v}"' for k, v in value.items()) + " }"
    return "[" + ", ".join(f'"{item}"' for item in value) + "]"
