"""A request in plain words, for the holder to read before consenting."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from zkcredit.credentials.schema import Field, FieldType
from zkcredit.money import format_number
from zkcredit.policies.clauses import (
    FieldRef,
    GroundClause,
    ListClause,
    Relation,
    SetClause,
    SumClause,
)
from zkcredit.policies.language import Comparison, Literal, LiteralKind, Name, Term
from zkcredit.policies.lists import SMALL_LIST, CurrentList
from zkcredit.policies.resolve import Requirements

_BIRTH_DATE = "birth_date"
BOUND = {
    "purchase": "whoever makes this purchase is the holder of these credentials",
    "open": "whoever opens this line is the holder of these credentials",
    "credential": "whoever asks for this credential is the holder of these credentials",
}
"""What binding a presentation says."""


def learns(requirements: Requirements, issuers: Mapping[bytes, str]) -> list[str]:
    """What the verifier will see, one phrase each: ``your country``; ``issuers`` gives names."""
    found = [_title(requirements, ref) for ref in requirements.reveal]
    for slot in requirements.slots:
        if len(slot.issuers) > 1:
            trusted = " or ".join(_issuer(issuers, issuer) for issuer in slot.issuers)
            found.append(f"which of them your credential {slot.schema.title!r} is of: {trusted}")
    policy = requirements.policy
    if policy.pseudonym:
        source = "secret" if requirements.pseudonym_field is None else "one-person tag"
        found.append(
            f"a pseudonym for {policy.pseudonym!r}, made of your {source}: "
            "the same each time, and unlike your pseudonyms anywhere else"
        )
    return found


def convinced(
    requirements: Requirements,
    issuers: Mapping[bytes, str],
    lists: Mapping[int, CurrentList] = MappingProxyType({}),
) -> Iterator[str]:
    """What will be proved without being shown, one sentence each.

    ``issuers`` gives names, ``lists`` the lists at hand by the number of the clause.
    """
    for slot in requirements.slots:
        trusted = " or ".join(_issuer(issuers, issuer) for issuer in slot.issuers)
        still = "not expired and not revoked" if slot.schema.revocable else "not expired"
        yield f"you hold a credential {slot.schema.title!r} of {trusted}, {still}"
    for clause in requirements.clauses:
        yield phrase(requirements, clause, issuers, lists)


def phrase(
    requirements: Requirements,
    clause: GroundClause,
    issuers: Mapping[bytes, str],
    lists: Mapping[int, CurrentList] = MappingProxyType({}),
) -> str:
    """One clause: ``your date of birth is on or before 2007-11-22 (…)``.

    Texts that the verifier chose stand in quotes: they cannot pass for the wallet's words.
    """
    match clause:
        case SetClause():
            verb = "is none of" if clause.negated else "is one of"
            chosen = requirements.fields[clause.field].type is FieldType.TEXT
            items = ", ".join(map(repr, clause.shown) if chosen else clause.shown)
            return f"{_title(requirements, clause.field)} {verb} {items}"
        case ListClause():
            verb = "is not on" if clause.negated else "is on"
            owner, current = _issuer(issuers, clause.issuer_id), lists.get(clause.number)
            known = "" if current is None else f" ({_version(current)})"
            title = _title(requirements, clause.field)
            return f"{title} {verb} the list {clause.list_name!r} of {owner}{known}"
        case SumClause():
            kind = requirements.fields[clause.fields[0]].type
            if kind in (FieldType.TEXT, FieldType.ENUM):
                return _same_texts(requirements, clause)
            return _sum(requirements, clause) + _age(requirements, clause)


def small_lists(requirements: Requirements, lists: Mapping[int, CurrentList]) -> Iterator[str]:
    """What to be on a short list tells; not to be on it tells less."""
    for clause in requirements.clauses:
        if not isinstance(clause, ListClause) or clause.negated:
            continue
        count = len(lists[clause.number].signed.items)
        if count == 1:
            yield f"the list {clause.list_name!r} has one item: being on it says who you are"
        elif count < SMALL_LIST:
            yield (
                f"the list {clause.list_name!r} has {count} items only: being on it says nearly "
                "who you are"
            )


def asked_again(
    requirements: Requirements,
    ref: FieldRef,
    verifier: str,
    count: int,
    known: tuple[int, int] | None,
) -> str:
    """That a verifier asks for the ``count``-th time, and what the answers come to."""
    said = f"this is question {count} of {verifier!r} about {_title(requirements, ref)}"
    if known is None:
        return said
    field = requirements.fields[ref]
    low, high = (_constant(field, end, alone=True) for end in known)
    return f"{said}: with this answer it knows that it lies from {low} to {high}"


def older_key(title: str, issuer: str, number: int) -> str:
    """What a key says that its issuer has followed by a newer one."""
    return (
        f"that your credential {title!r} is from the time of the older key {number} of {issuer!r}, "
        "which fewer people may have"
    )


def _version(current: CurrentList) -> str:
    count, place = len(current.signed.items), current.signed.place
    items = "1 item" if count == 1 else f"{count:,} items"
    return f"{items}, version {place.version} of {current.published}"


def _issuer(issuers: Mapping[bytes, str], issuer_id: bytes) -> str:
    """The issuer's name in quotes: what a party calls itself cannot pass for the wallet's words."""
    return repr(issuers.get(issuer_id, issuer_id.hex()))


def _title(requirements: Requirements, ref: FieldRef) -> str:
    """``your country``, with the credential's name where two fields have one title."""
    title = requirements.fields[ref].title
    alike = [other for other, field in requirements.fields.items() if field.title == title]
    return f"your {title}" if len(alike) == 1 else f"your {title} ({ref.alias})"


def _written(requirements: Requirements, clause: GroundClause) -> Comparison:
    found = requirements.policy.clauses[clause.number - 1]
    assert isinstance(found, Comparison)
    return found


def _sum(requirements: Requirements, clause: SumClause) -> str:
    """Positive factors on the left, the rest on the right."""
    field = requirements.fields[clause.fields[0]]
    left = _side(requirements, clause, 1)
    right = _side(requirements, clause, -1)
    constant = -clause.constant
    verbs = {Relation.ZERO: "is", Relation.NOT_ZERO: "is not"}
    if field.type is FieldType.DATE:
        verb = verbs.get(clause.relation, "is on or after")
    else:
        verb = verbs.get(clause.relation, "is at least")
    if not left:  # only negative factors: turn the comparison round
        left, right, constant = right, [], -constant
        verb = verb.replace("on or after", "on or before").replace("at least", "at most")
    if constant < 0 and right:
        left.append(_constant(field, -constant, alone=False))
    elif constant or not right:
        right.append(_constant(field, constant, alone=not right))
    return f"{' + '.join(left)} {verb} {' + '.join(right)}"


def _side(requirements: Requirements, clause: SumClause, sign: int) -> list[str]:
    return [
        ("" if abs(factor) == 1 else f"{abs(factor)} × ") + _title(requirements, ref)
        for ref, factor in clause.factors.items()
        if factor * sign > 0
    ]


def _constant(field: Field, value: int, *, alone: bool) -> str:
    if field.type is FieldType.AMOUNT:
        return f"{format_number(value, field.minor_digits)} {field.currency}"
    if field.type is FieldType.DATE and alone:
        try:
            return dt.date.fromordinal(value).isoformat()
        except (ValueError, OverflowError):
            return f"day {value}"
    return f"{value} days" if field.type is FieldType.DATE else str(value)


def _age(requirements: Requirements, clause: SumClause) -> str:
    """The gloss on ``birth_date <= today - 18y``."""
    match _written(requirements, clause):
        case Comparison(
            left=(Term(1, Name(name)),),
            operator="<=",
            right=(Term(1, Name("today")), Term(-1, Literal(LiteralKind.DURATION, age))),
        ) if age.endswith("y") and name.rpartition(".")[2] == _BIRTH_DATE:
            return f" (you are at least {age[:-1]} years old)"
    return ""


def _same_texts(requirements: Requirements, clause: SumClause) -> str:
    written = _written(requirements, clause)
    sides = [_atom(requirements, side[0].atom) for side in (written.left, written.right)]
    verb = "is" if clause.relation is Relation.ZERO else "is not"
    return f"{sides[0]} {verb} {sides[1]}"


def _atom(requirements: Requirements, atom: Name | Literal) -> str:
    if isinstance(atom, Literal):
        return repr(atom.text)
    if atom.path in requirements.variables:
        return repr(requirements.variables[atom.path])
    names = {str(ref): ref for ref in requirements.fields} | {
        ref.name: ref for ref in requirements.fields
    }
    return _title(requirements, names[atom.path])
