"""What a clause's circuit accepts is what the clause says, evaluated by Python itself."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from credentialkit import Scene, secret
from hypothesis import assume, example, given
from hypothesis import strategies as st

from zkcredit._native import Prover
from zkcredit.codec import GROUP_ORDER
from zkcredit.credentials.lists import ListPlace, SignedList, list_schema
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.errors import Unsatisfied
from zkcredit.policies import witness
from zkcredit.policies.circuit import build
from zkcredit.policies.clauses import (
    FieldRef,
    ListClause,
    Relation,
    SumClause,
    to_scalar,
)
from zkcredit.policies.policy import Policy
from zkcredit.policies.resolve import Requirements, resolve

BIG = (1 << 63) - 1
ENUM = ("red", "green", "blue", "grey", "pink")
SCHEMA = Schema(
    "sample",
    "Sample",
    False,
    (
        Field("small", "small", FieldType.INTEGER, -5, 10),
        Field("wide", "wide", FieldType.INTEGER, -BIG, BIG),
        Field("day", "day", FieldType.DATE),
        Field("price", "price", FieldType.AMOUNT, 0, 1 << 40, "EUR", 2),
        Field("fee", "fee", FieldType.AMOUNT, 0, BIG, "EUR", 2),
        Field("colour", "colour", FieldType.ENUM, values=ENUM),
        Field("name", "name", FieldType.TEXT),
        Field("other", "other", FieldType.TEXT),
    ),
)
LISTS = {
    FieldType.TEXT: list_schema("texts", "Texts", FieldType.TEXT),
    FieldType.INTEGER: list_schema("integers", "Integers", FieldType.INTEGER),
    FieldType.DATE: list_schema("dates", "Dates", FieldType.DATE),
    FieldType.AMOUNT: list_schema(
        "amounts", "Amounts", FieldType.AMOUNT, currency="EUR", minor_digits=2
    ),
}
TODAY = dt.date(2026, 1, 1)
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}


def around(low: int, high: int) -> st.SearchStrategy[int]:
    """Integers of a range, its ends more often than by chance."""
    near = st.sampled_from([low, low + 1, (low + high) // 2, high - 1, high])
    return st.one_of(near, st.integers(low, high))


SMALL, WIDE = around(-5, 10), around(-BIG, BIG)
PRICE, FEE = around(0, 1 << 40), around(0, BIG)
DAYS = around(1, dt.date.max.toordinal()).map(dt.date.fromordinal)
NAMES = st.sampled_from(["a", "b", "Ada", "Ädä"])
VALUES = st.fixed_dictionaries(
    {
        "small": SMALL,
        "wide": WIDE,
        "day": DAYS,
        "price": PRICE,
        "fee": FEE,
        "colour": st.sampled_from(ENUM),
        "name": NAMES,
        "other": NAMES,
    }
)
EVERYTHING = st.sets(st.sampled_from([item.name for item in SCHEMA.fields]))


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    scene.bank.offer(SCHEMA)
    for schema in LISTS.values():
        scene.lister.publish(schema)
    yield scene
    scene.close()


def accepted(
    scene: Scene,
    clause: str,
    values: dict[str, Any],
    revealed: set[str],
    lists: dict[int, SignedList] | None = None,
    tables: str = "",
) -> bool:
    """Whether a holder of these values can build a witness and the verifier agrees."""
    requirements = required(scene, clause, tables)
    scalars = {
        FieldRef("sample", item.name): item.scalar(values[item.name]) for item in SCHEMA.fields
    }
    shown = {ref: value for ref, value in scalars.items() if ref.name in revealed}
    relations = build(requirements, shown, 0)
    if not all(x.holds(shown) for x in relations.outside):
        return False
    found: dict[str, Any] = {
        "owner": secret("owner"),
        "c0_blind": secret("blind"),
        "c0_handle": 1,
        "c0_expires": TODAY.toordinal(),
    }
    found |= {
        f"c0_f_{ref.name}": to_scalar(value) for ref, value in scalars.items() if ref not in shown
    }
    signatures, keys = [scene.history.signature], [(scene.bank.key(SCHEMA).public_key, b"")]
    for x in relations.inside:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(witness, "_inverse", inverse)
            own, signed = witness.clause_witness(x, scalars, lists or {})
        found |= own
        signatures += signed
        keys += keys[:1] * len(signed)
    try:
        Prover(
            relations.circuit,
            keys=keys,
            signatures=signatures,
            publics=relations.publics,
            witness=found,
        )
    except Unsatisfied as error:
        if not error.rule.startswith("clause.1"):
            raise
        return False
    return True


def inverse(value: int) -> bytes:
    """Of zero there is none: anything will do."""
    return to_scalar(pow(value, -1, GROUP_ORDER) if value % GROUP_ORDER else 7)


def required(scene: Scene, clause: str, tables: str) -> Requirements:
    policy = Policy.parse(
        f'title = "T"\nprove = ["{clause}"]\n[credentials.sample]\n'
        f'schema = "{SCHEMA.hash.hex()}"\nissuers = ["{scene.bank.id.hex()}"]\n{tables}'
    )
    return resolve(policy, scene.registry, TODAY, {})


@given(VALUES, st.sampled_from(list(OPERATORS)), SMALL, EVERYTHING)
@example(
    {
        **dict.fromkeys(("price", "fee"), 0),
        "small": -5,
        "wide": -BIG,
        "day": dt.date.min,
        "colour": "red",
        "name": "a",
        "other": "a",
    },
    "==",
    -5,
    set(),
)
def test_small_integer(
    scene: Scene, values: dict[str, Any], name: str, bound: int, revealed: set[str]
) -> None:
    expected = OPERATORS[name](values["small"], bound)
    assert accepted(scene, f"small {name} {bound}", values, revealed) == expected


@given(VALUES, st.sampled_from(list(OPERATORS)), st.integers(1, 10**9), WIDE, EVERYTHING)
def test_sum_of_integers(
    scene: Scene, values: dict[str, Any], name: str, factor: int, bound: int, revealed: set[str]
) -> None:
    total = factor * values["small"] - values["wide"]
    expected = OPERATORS[name](total, bound)
    clause = f"{factor} * small {name} wide + {bound}"
    assert accepted(scene, clause.replace("+ -", "- "), values, revealed) == expected


@given(VALUES, st.sampled_from(list(OPERATORS)), st.integers(-1, 1), EVERYTHING)
def test_integers_that_nearly_agree(
    scene: Scene, values: dict[str, Any], name: str, off: int, revealed: set[str]
) -> None:
    bound = values["wide"] + values["small"] + off
    assume(abs(bound) < 10**19)
    clause = f"wide + small {name} {bound}"
    expected = OPERATORS[name](0, off)
    assert accepted(scene, clause, values, revealed) == expected


@given(VALUES, st.sampled_from(list(OPERATORS)), st.integers(1, 1_000), EVERYTHING)
def test_amounts(
    scene: Scene, values: dict[str, Any], name: str, factor: int, revealed: set[str]
) -> None:
    expected = OPERATORS[name](values["fee"] + 1_250, factor * values["price"])
    clause = f"fee + 12.50 {name} {factor} * price"
    assert accepted(scene, clause, values, revealed) == expected


@given(VALUES, st.sampled_from(list(OPERATORS)), DAYS, EVERYTHING)
def test_dates(
    scene: Scene, values: dict[str, Any], name: str, bound: dt.date, revealed: set[str]
) -> None:
    for day in (bound, values["day"]):
        expected = OPERATORS[name](values["day"], day)
        assert accepted(scene, f"day {name} {day}", values, revealed) == expected
    expected = OPERATORS[name](TODAY - dt.timedelta(days=30), values["day"])
    assert accepted(scene, f"today - 30d {name} day", values, revealed) == expected


@given(VALUES, st.sampled_from(["==", "!="]), NAMES, EVERYTHING)
def test_texts_and_enums(
    scene: Scene, values: dict[str, Any], name: str, text: str, revealed: set[str]
) -> None:
    same = OPERATORS[name]
    for clause, expected in (
        (f"name {name} '{text}'", same(values["name"], text)),
        (f"'{text}' {name} name", same(values["name"], text)),
        (f"name {name} other", same(values["name"], values["other"])),
        (f"colour {name} 'green'", same(values["colour"], "green")),
    ):
        assert accepted(scene, clause, values, revealed) == expected


@given(VALUES, st.lists(st.sampled_from(ENUM), min_size=1, max_size=7), EVERYTHING)
def test_sets(scene: Scene, values: dict[str, Any], items: list[str], revealed: set[str]) -> None:
    inside = values["colour"] in items
    assert accepted(scene, f"colour in {items}", values, revealed) == inside
    assert accepted(scene, f"colour not in {items}", values, revealed) != inside


@given(VALUES, st.sets(SMALL, min_size=1), st.sets(WIDE, min_size=1, max_size=64), EVERYTHING)
def test_sets_of_integers(
    scene: Scene, values: dict[str, Any], few: set[int], many: set[int], revealed: set[str]
) -> None:
    many.add(values["wide"])
    text = sorted(many)[:64]
    assert accepted(scene, "wide in many", values, revealed, tables=f"[sets]\nmany = {text}") == (
        values["wide"] in text
    )
    inside = values["small"] in few
    assert accepted(scene, f"small in {[*few]}", values, revealed) == inside
    assert accepted(scene, f"small not in {[*few]}", values, revealed) != inside


@given(
    VALUES,
    st.sampled_from(["small", "wide", "day", "price", "name"]),
    st.sets(WIDE, max_size=4),
    st.booleans(),
    EVERYTHING,
)
def test_signed_lists(
    scene: Scene,
    values: dict[str, Any],
    name: str,
    others: set[int],
    listed: bool,
    revealed: set[str],
) -> None:
    field = SCHEMA.field(name)
    value = field.scalar(values[name])
    low, high = (0, 1 << 248) if field.type is FieldType.TEXT else (-BIG, BIG + 1)
    items = {x for x in {*others, value - 1, value + 1} if low <= x < high} - {value}
    if listed:
        items.add(value)
    schema = LISTS[field.type]
    for gaps in (False, True):
        signatures = (scene.history.signature,) * (len(items) + gaps)
        place = ListPlace(scene.ledger.ledger_id, scene.lister.id, schema.hash, 1, 1)
        signed = SignedList(place, field.type, gaps, tuple(sorted(items)), signatures)
        assert SignedList.decode(signed.encode()) == signed
        if listed == gaps:
            assert signed.messages_for(value) is None
            continue
        clause = f"{name} {'not ' * gaps}in {schema.name}"
        tables = scene.list_table(schema.name)
        assert accepted(scene, clause, values, revealed, {1: signed}, tables)


@given(SMALL, WIDE, st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), WIDE)
def test_ranges_do_not_wrap(x: int, y: int, a: int, b: int, constant: int) -> None:
    """A sum is in the range if it is not negative, else far above, whatever the values."""
    refs = (FieldRef("sample", "small"), FieldRef("sample", "wide"))
    clause = SumClause(1, "", Relation.NOT_NEGATIVE, dict(zip(refs, (a, b), strict=True)), constant)
    bits = clause.bits({refs[0]: (-5, 10), refs[1]: (-BIG, BIG)})
    total = a * x + b * y + constant
    assert clause.holds({refs[0]: x, refs[1]: y}) == (total >= 0)
    assert bits <= 128
    assert (total % GROUP_ORDER < 1 << bits) == (total >= 0)


def test_text_depends_on_the_structure_only(scene: Scene) -> None:
    """Dates, bounds and items are public scalars; the widths follow the schema's bounds."""
    texts = {
        build(required(scene, clause, ""), {}, 0).text
        for clause in ("day <= 2026-01-01", "day <= today", "day <= today - 18y")
    }
    assert len(texts) == 1


def test_list_clause_about_a_revealed_field_is_proved(scene: Scene) -> None:
    requirements = required(scene, "name in texts", scene.list_table("texts"))
    relations = build(requirements, {FieldRef("sample", "name"): 5}, 0)
    assert isinstance(relations.inside[0], ListClause)
    assert not relations.outside
