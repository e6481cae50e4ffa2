"""What a policy means on a ledger: names become fields of schemas, clauses become integers.

Holder and verifier resolve the same text with the same date and variables, so
they speak about the same requirements without exchanging them.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from zkcredit.credentials.builtin import BUILTIN
from zkcredit.credentials.schema import Field, FieldType
from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.money import parse_number
from zkcredit.policies.clauses import (
    FieldRef,
    GroundClause,
    ListClause,
    Relation,
    SetClause,
    SumClause,
)
from zkcredit.policies.language import (
    Clause,
    Comparison,
    Literal,
    LiteralKind,
    Membership,
    Name,
    Term,
)
from zkcredit.policies.policy import OWNER, CredentialRule, ListRule, Policy, VariableType

if TYPE_CHECKING:
    from zkcredit.credentials.schema import Schema
    from zkcredit.ledger.registry import Registry

TODAY = "today"
PERSON_FIELD = "person"
"""The one field, a registrar's random-looking tag, of which a pseudonym may be made.

A pseudonym of a name or a date could be found again by trying all of them.
"""

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_ORDERS = ("<", "<=", ">", ">=")
_NUMERIC = {FieldType.INTEGER: VariableType.INTEGER, FieldType.AMOUNT: VariableType.AMOUNT}


@dataclass(frozen=True, slots=True)
class Slot:
    """One credential that is asked for: its schema and the issuers that are trusted."""

    alias: str
    schema: Schema
    issuers: tuple[bytes, ...]


@dataclass(frozen=True)
class Requirements:
    """A policy at one date and with one set of variables: what has to be shown and proved."""

    policy: Policy
    today: dt.date
    variables: Mapping[str, str]
    slots: tuple[Slot, ...]
    reveal: tuple[FieldRef, ...]
    clauses: tuple[GroundClause, ...]
    pseudonym_field: FieldRef | None

    @property
    def issuer_ids(self) -> set[bytes]:
        """All issuers that the policy names, of credentials and of lists."""
        lists = {rule.issuer_id for rule in self.policy.lists.values()}
        return lists.union(*(slot.issuers for slot in self.slots))

    @cached_property
    def fields(self) -> dict[FieldRef, Field]:
        """All fields of all credentials asked for."""
        return {
            FieldRef(slot.alias, field.name): field
            for slot in self.slots
            for field in slot.schema.fields
        }


def resolve(
    policy: Policy, registry: Registry, today: dt.date, variables: Mapping[str, str]
) -> Requirements:
    """The requirements of a policy; ``variables`` are written like literals of the language.

    Refused: ``unknown-schema``, ``unknown-field``, ``unknown-issuer``, ``unknown-list``, or
    ``bad-policy`` for types that do not agree and values that do not fit.
    """
    if set(variables) != set(policy.variables):
        wanted = ", ".join(sorted(policy.variables)) or "none"
        raise Refused("bad-policy", f"the variables to give are: {wanted}")
    slots = tuple(_slot(rule, registry) for rule in policy.credentials.values())
    lists = {name: _list(rule, registry) for name, rule in policy.lists.items()}
    schemas = {slot.alias: slot.schema for slot in slots}
    scope = _Scope(policy, schemas, lists, today, variables)
    reveal = [scope.field(name) for name in policy.reveal]
    if len(set(reveal)) != len(reveal):
        raise Refused("bad-policy", "a field is to be revealed twice")
    clauses = tuple(_ground(scope, n, clause) for n, clause in enumerate(policy.clauses, 1))
    tag = _pseudonym_field(scope, reveal)
    return Requirements(policy, today, variables, slots, tuple(reveal), clauses, tag)


def find_schema(name: str, issuers: tuple[bytes, ...], registry: Registry) -> Schema:
    """The schema of this hash or name on the ledger; Refused ``unknown-schema``.

    A ready-made name always means the ready-made schema; any other must be unique among
    the schemas that the trusted issuers have published.
    """
    if len(name) == 64:
        try:
            return registry.schema(bytes.fromhex(name)).schema
        except ValueError:
            raise Refused("unknown-schema", f"{name!r} is not the hash of a schema") from None
    if name in BUILTIN:
        return registry.schema(BUILTIN[name].hash).schema
    found = [item for item in registry.find_schema(name) if item.issuer_id in issuers]
    if len(found) != 1:
        count = f"{len(found)} schemas" if found else "no schema"
        raise Refused(
            "unknown-schema", f"the issuers have published {count} {name!r}: give its hash"
        )
    return found[0].schema


def _slot(rule: CredentialRule, registry: Registry) -> Slot:
    for issuer_id in rule.issuers:
        registry.issuer(issuer_id)
    return Slot(rule.alias, find_schema(rule.schema, rule.issuers, registry), rule.issuers)


class _List(NamedTuple):
    """A signed list: its owner, its schema, and a name that the owner's other lists lack."""

    owner: bytes
    schema: Schema
    shown: str


def _list(rule: ListRule, registry: Registry) -> _List:
    registry.issuer(rule.issuer_id)
    schema = find_schema(rule.name, (rule.issuer_id,), registry)
    published = registry.schema(schema.hash)
    if not schema.is_list or published.issuer_id != rule.issuer_id:
        raise Refused("unknown-list", f"{rule.name!r} is no signed list of this issuer")
    alike = [x for x in registry.find_schema(schema.name) if x.issuer_id == rule.issuer_id]
    shown = schema.name if len(alike) == 1 else f"{schema.name} {schema.hash.hex()[:16]}"
    return _List(rule.issuer_id, schema, shown)


def _pseudonym_field(scope: _Scope, reveal: list[FieldRef]) -> FieldRef | None:
    source = scope.policy.pseudonym_from
    if source == OWNER:
        return None
    ref = scope.field(Name(source))
    if scope.type(ref).type is not FieldType.TEXT or ref.name != PERSON_FIELD:
        raise Refused(
            "bad-policy", f"a pseudonym is made of '{OWNER}' or of a text field '{PERSON_FIELD}'"
        )
    if ref in reveal:
        raise Refused("bad-policy", f"{ref} cannot be revealed and be a pseudonym")
    return ref


class _Scope:
    """What names stand for."""

    def __init__(
        self,
        policy: Policy,
        schemas: dict[str, Schema],
        lists: dict[str, _List],
        today: dt.date,
        variables: Mapping[str, str],
    ) -> None:
        self.policy = policy
        self.schemas = schemas
        self.lists = lists
        self.today = today
        self.variables = variables

    def is_public(self, path: str) -> bool:
        """Whether the name is ``today`` or a variable; Refused if it is a field's as well."""
        if path != TODAY and path not in self.policy.variables:
            return False
        if any(path in _names(schema) for schema in self.schemas.values()):
            raise Refused("bad-policy", f"{path!r} is a variable and a field: write alias.field")
        return True

    def field(self, name: Name) -> FieldRef:
        """The field of a name; Refused ``unknown-field``."""
        alias, dot, field = name.path.partition(".")
        if not dot:
            found = [a for a, schema in self.schemas.items() if name.path in _names(schema)]
            if len(found) > 1:
                raise Refused("unknown-field", f"several credentials have {name.path!r}")
            alias, field = (found[0], name.path) if found else ("", "")
        if alias not in self.schemas or field not in _names(self.schemas[alias]):
            raise Refused("unknown-field", f"no credential of the policy has {name.path!r}")
        return FieldRef(alias, field)

    def type(self, ref: FieldRef) -> Field:
        """The schema's description of a field."""
        return self.schemas[ref.alias].field(ref.name)


def _names(schema: Schema) -> set[str]:
    return {field.name for field in schema.fields}


def _ground(scope: _Scope, number: int, clause: Clause) -> GroundClause:
    try:
        if isinstance(clause, Membership):
            return _membership(scope, number, clause)
        return _comparison(scope, number, clause)
    except Refused as error:
        why = str(error).removesuffix(f" [{error.rule}]")
        raise Refused(error.rule, f"clause {number}, {clause.text!r}: {why}") from None
    except (CallerError, MalformedInput) as error:
        raise Refused("bad-policy", f"clause {number}, {clause.text!r}: {error}") from None


def _membership(scope: _Scope, number: int, clause: Membership) -> GroundClause:
    ref = scope.field(clause.name)
    field = scope.type(ref)
    if isinstance(clause.members, str) and clause.members in scope.policy.lists:
        owner, schema, shown = scope.lists[clause.members]
        if _kind(field) != _kind(schema.fields[0]):
            raise MalformedInput(f"{field.name} and the items of {shown!r} are of different kinds")
        return ListClause(number, clause.text, ref, owner, schema, shown, clause.negated)
    if isinstance(clause.members, str):
        texts = scope.policy.sets[clause.members]
    else:
        texts = tuple(_literal_text(item, field) for item in clause.members)
    items = tuple(sorted({field.scalar(field.parse(text)) for text in texts}))
    return SetClause(number, clause.text, ref, items, clause.negated, tuple(texts))


def _literal_text(literal: Literal, field: Field) -> str:
    wanted = {
        FieldType.TEXT: LiteralKind.TEXT,
        FieldType.ENUM: LiteralKind.TEXT,
        FieldType.DATE: LiteralKind.DATE,
    }.get(field.type, LiteralKind.NUMBER)
    if literal.kind is not wanted:
        raise MalformedInput(f"{field.name} is compared with a {wanted.value}")
    return literal.text


def _comparison(scope: _Scope, number: int, clause: Comparison) -> SumClause:
    """Left minus right as factors of fields and a constant."""
    sides = (clause.left, clause.right)
    names = [x.atom for side in sides for x in side if isinstance(x.atom, Name)]
    fields = [scope.type(scope.field(x)) for x in names if not scope.is_public(x.path)]
    if not fields:
        raise MalformedInput("it speaks about no field")
    field = fields[0]
    for other in fields[1:]:
        if _kind(other) != _kind(field):
            raise MalformedInput(f"{field.name} and {other.name} are of different kinds")
    if field.type in (FieldType.TEXT, FieldType.ENUM) and clause.operator in _ORDERS:
        raise MalformedInput("texts and enums are compared with == and != only")
    total = _Sum(scope, field)
    for sign, side in zip((1, -1), sides, strict=True):
        total.add_side(sign, side)
    factors = {ref: factor for ref, factor in total.factors.items() if factor}
    if not factors:
        raise MalformedInput("the fields cancel out")
    return _compared(number, clause, factors, total.constant)


def _kind(field: Field) -> object:
    """What must be equal for two fields to be compared."""
    return field.type, field.currency, field.minor_digits, field.values


def _compared(
    number: int, clause: Comparison, factors: dict[FieldRef, int], constant: int
) -> SumClause:
    match clause.operator:
        case "==" | "!=":
            relation = Relation.ZERO if clause.operator == "==" else Relation.NOT_ZERO
            return SumClause(number, clause.text, relation, factors, constant)
        case "<=" | "<":
            factors = {ref: -factor for ref, factor in factors.items()}
            constant = -constant
    constant -= clause.operator in ("<", ">")
    return SumClause(number, clause.text, Relation.NOT_NEGATIVE, factors, constant)


class _Sum:
    """Adds up the terms of a comparison whose fields are all like ``field``."""

    def __init__(self, scope: _Scope, field: Field) -> None:
        self._scope = scope
        self._field = field
        self.factors: dict[FieldRef, int] = {}
        self.constant = 0

    def add_side(self, sign: int, side: tuple[Term, ...]) -> None:
        """Adds ``sign`` times one side."""
        if self._field.type in _NUMERIC:
            for term in side:
                self._add(sign * term.factor, term.atom)
            return
        first, *rest = side
        if first.factor != 1:
            raise MalformedInput("a date, text or enum has no factor")
        if self._field.type is not FieldType.DATE:
            if rest:
                raise MalformedInput("texts and enums cannot be added")
            self._add(sign, first.atom)
        elif rest:
            self.constant += sign * self._shifted(first.atom, rest).toordinal()
        else:
            self._add(sign, first.atom)

    def _add(self, factor: int, atom: Name | Literal) -> None:
        if isinstance(atom, Name) and not self._scope.is_public(atom.path):
            ref = self._scope.field(atom)
            self.factors[ref] = self.factors.get(ref, 0) + factor
        else:
            self.constant += factor * self._public(atom)

    def _public(self, atom: Name | Literal) -> int:
        """The integer of a literal, a variable or today, in the type of the field."""
        kind = self._field.type
        if isinstance(atom, Name) and atom.path == TODAY:
            if kind is not FieldType.DATE:
                raise MalformedInput("today is a date")
            return self._scope.today.toordinal()
        text = self._text(atom)
        if kind is FieldType.INTEGER:
            if not _INTEGER.fullmatch(text):
                raise MalformedInput(f"{text!r} is not an integer")
            return int(text)
        if kind is FieldType.AMOUNT:
            return parse_number(text, self._field.minor_digits)
        return self._field.scalar(self._field.parse(text))

    def _text(self, atom: Name | Literal) -> str:
        kind = self._field.type
        if isinstance(atom, Literal):
            return _literal_text(atom, self._field)
        found = self._scope.policy.variables[atom.path]
        other = VariableType.DATE if kind is FieldType.DATE else VariableType.TEXT
        if found is not _NUMERIC.get(kind, other):
            raise MalformedInput(f"variable {atom.path!r} is of type {found.value}")
        return self._scope.variables[atom.path]

    def _shifted(self, atom: Name | Literal, durations: list[Term]) -> dt.date:
        if isinstance(atom, Name) and not self._scope.is_public(atom.path):
            raise MalformedInput("durations are added to today, a date or a variable only")
        day = dt.date.fromordinal(self._public(atom))
        for term in durations:
            duration = term.atom
            if not isinstance(duration, Literal) or duration.kind is not LiteralKind.DURATION:
                raise MalformedInput("to a date only durations like 18y, 6m or 30d are added")
            day = shift(day, term.factor * int(duration.text[:-1]), duration.text[-1])
        return day


def shift(day: dt.date, count: int, unit: str) -> dt.date:
    """``day`` moved by ``count`` days (``d``), months (``m``) or years (``y``).

    A day that the month lacks becomes its last: a year before 2008-02-29 is 2007-02-28.
    MalformedInput outside the years 1..9999.
    """
    try:
        if unit == "d":
            return day + dt.timedelta(days=count)
        months = day.year * 12 + day.month - 1 + (12 * count if unit == "y" else count)
        year, month = divmod(months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        return dt.date(year, month + 1, min(day.day, last))
    except (ValueError, OverflowError, IndexError):
        raise MalformedInput("a date of the clause is outside the years 1..9999") from None
