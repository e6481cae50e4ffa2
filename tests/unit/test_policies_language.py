from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import pytest
from credentialkit import Scene
from hypothesis import given
from hypothesis import strategies as st
from kit import refused

from zkcredit.credentials.lists import list_schema
from zkcredit.credentials.schema import FieldType
from zkcredit.errors import MalformedInput
from zkcredit.policies.circuit import check_policy
from zkcredit.policies.language import (
    Comparison,
    Literal,
    LiteralKind,
    Membership,
    Name,
    Term,
    parse_clause,
    parse_name,
)
from zkcredit.policies.policy import CLAUSES_MAX, POLICY_MAX_BYTES, Policy, VariableType
from zkcredit.policies.resolve import resolve, shift

ISSUER = "11" * 32
MINIMAL = f"""
title = "T"
[credentials.identity]
schema = "identity"
issuers = ["{ISSUER}"]
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


# -- clauses as text ---------------------------------------------------------------------------


def test_comparison() -> None:
    text = "2 * income - a.debt + 12.50 >= -instalment"
    assert parse_clause(text) == Comparison(
        text,
        (
            Term(2, Name("income")),
            Term(-1, Name("a.debt")),
            Term(1, Literal(LiteralKind.NUMBER, "12.50")),
        ),
        ">=",
        (Term(-1, Name("instalment")),),
    )


def test_dates_and_durations() -> None:
    found = parse_clause("birth_date<=today-18y+6m")
    assert isinstance(found, Comparison)
    assert found.right == (
        Term(1, Name("today")),
        Term(-1, Literal(LiteralKind.DURATION, "18y")),
        Term(1, Literal(LiteralKind.DURATION, "6m")),
    )
    date = parse_clause("since == 2001-05-31")
    assert isinstance(date, Comparison)
    assert date.right == (Term(1, Literal(LiteralKind.DATE, "2001-05-31")),)


def test_sets() -> None:
    found = parse_clause("country not in ['AT', \"DE\", -3, 2001-05-31]")
    assert found == Membership(
        found.text,
        Name("country"),
        True,
        (
            Literal(LiteralKind.TEXT, "AT"),
            Literal(LiteralKind.TEXT, "DE"),
            Literal(LiteralKind.NUMBER, "-3"),
            Literal(LiteralKind.DATE, "2001-05-31"),
        ),
    )
    assert parse_clause("a.b in EU") == Membership("a.b in EU", Name("a.b"), False, "EU")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a <",
        "a < b < c",
        "a = b",
        "a == b extra",
        "a in",
        "a in []",
        "a in ['x'",
        "a in ['x',]",
        "a in [18y]",
        "a in [-'x']",
        "a in [b]",
        "a + b in EU",
        "2 * a in EU",
        "'AT' in EU",
        "a not EU",
        "a * 2 < b",
        "0 * a < b",
        "1000000001 * a < b",
        "1.5 * a < b",
        "2 * 3 * a < b",
        "2 * 18y < a",
        "(a) < b",
        "a.b.c < 1",
        "a. < 1",
        "a < 'x",
        "a < 1y2",
        "a < 12.",
        "a < .5",
        "a < 2001-5-3x",
        "ä < 1",
        "a < 1;",
        "a <> 1",
        "a" * 513,
        " + ".join("a" * 9) + " < 1",
    ],
)
def test_what_is_no_clause(text: str) -> None:
    with pytest.raises(MalformedInput):
        parse_clause(text)


@given(st.text(max_size=600))
def test_any_text_is_a_clause_or_malformed(text: str) -> None:
    try:
        parse_clause(text)
    except MalformedInput:
        return


@pytest.mark.parametrize("text", ["", "1", "a b", "a.b.c", "'a'", "a,"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(MalformedInput):
        parse_name(text)


# -- policies as text --------------------------------------------------------------------------


def test_toml_and_json_say_the_same() -> None:
    table = {
        "title": "Wine",
        "reveal": ["country"],
        "prove": ["birth_date <= today - 18y", "country in EU", "x in denied"],
        "pseudonym": "shop.example",
        "pseudonym_from": "identity.person",
        "valid_minutes": 5,
        "credentials": {"identity": {"schema": "identity", "issuers": [ISSUER]}},
        "sets": {"EU": ["AT", 3]},
        "variables": {"x1": "amount"},
        "lists": {"denied": {"issuer": ISSUER, "name": "stolen-documents"}},
    }
    toml = f"""
        title = "Wine"
        reveal = ["country"]
        prove = ["birth_date <= today - 18y", "country in EU", "x in denied"]
        pseudonym = "shop.example"
        pseudonym_from = "identity.person"
        valid_minutes = 5
        credentials.identity = {{schema = "identity", issuers = ["{ISSUER}"]}}
        sets.EU = ["AT", 3]
        variables.x1 = "amount"
        lists.denied = {{issuer = "{ISSUER}", name = "stolen-documents"}}
    """
    one, two = Policy.parse(json.dumps(table)), Policy.parse(toml)
    assert one.clauses == two.clauses
    assert one.credentials == two.credentials
    assert one.sets == two.sets == {"EU": ("AT", "3")}
    assert one.variables == two.variables == {"x1": VariableType.AMOUNT}
    assert one.lists == two.lists
    assert one.lists["denied"].name == "stolen-documents"
    assert (one.title, one.reveal, one.valid_ms) == (two.title, two.reveal, two.valid_ms)
    assert one.valid_ms == 300_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "T"', ""),
        ('title = "T"', 'title = ""'),
        ('title = "T"', 'title = "a\\u200bb"'),
        ('title = "T"', 'title = "T"\nunknown = 1'),
        ('title = "T"', 'title = "T"\nreveal = "country"'),
        ('title = "T"', 'title = "T"\nreveal = ["a b"]'),
        ('title = "T"', 'title = "T"\nprove = ["a <"]'),
        ('title = "T"', 'title = "T"\nprove = ["a in nowhere"]'),
        ('title = "T"', f'title = "T"\nprove = {json.dumps(["a < 1"] * (CLAUSES_MAX + 1))}'),
        ('title = "T"', f'title = "T"\nprove = ["a in {[*range(65)]}"]'),
        ('title = "T"', f'title = "T"\nprove = {json.dumps([f"a in {[*range(64)]}"] * 5)}'),
        ('title = "T"', 'title = "T"\nvalid_minutes = 0'),
        ('title = "T"', 'title = "T"\nvalid_minutes = 1441'),
        ('title = "T"', 'title = "T"\nvalid_minutes = true'),
        ('title = "T"', 'title = "T"\npseudonym_from = "identity.person"'),
        ('title = "T"', 'title = "T"\nsets.EU = []'),
        ('title = "T"', f'title = "T"\nsets.EU = {[*range(65)]}'),
        ('title = "T"', 'title = "T"\nsets.EU = [1.5]'),
        ('title = "T"', 'title = "T"\nsets.today = ["AT"]'),
        ('title = "T"', 'title = "T"\nsets.identity = ["AT"]'),
        ('title = "T"', 'title = "T"\nsets.x = ["AT"]\nvariables.x = "integer"'),
        ('title = "T"', 'title = "T"\nvariables.x = "float"'),
        ('title = "T"', 'title = "T"\nlists.x = {name = "x"}'),
        ('title = "T"', f'title = "T"\nlists.x = {{issuer = "{ISSUER}", version = 1}}'),
        ('title = "T"', f'title = "T"\nlists.x = {{issuer = "{ISSUER}", name = "\u202e"}}'),
        ('title = "T"', 'title = "T"\nlists.x = {issuer = "12"}'),
        ("credentials.identity", "credentials.Identity"),
        ("[credentials.identity]", "[credentials]"),
        (f'"{ISSUER}"', ""),
        (ISSUER, ISSUER.upper().replace("1", "A")),
        (ISSUER, ISSUER[:-1]),
        ('schema = "identity"', ""),
        ('schema = "identity"', 'schema = "identity"\nextra = 1'),
        ('title = "T"', 'title = "T'),
        ('title = "T"', '{"title": "T"}'),
    ],
)
def test_malformed_policies(old: str, new: str) -> None:
    Policy.parse(MINIMAL)
    assert old in MINIMAL
    with pytest.raises(MalformedInput):
        Policy.parse(MINIMAL.replace(old, new))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{}",
        b"[]",
        b'{"title": "T", "title": "T"}',
        b'{"title": ' + b"[" * 1_990 + b"]" * 1_990 + b"}",
        b"title = " + b"[" * 1_990 + b"]" * 1_990,
        b"title = " + b"{a = " * 900 + b"1" + b"}" * 900,
        b".".join([b"a"] * 1_990) + b" = 1",
        b".".join([b"a"] * 30_000) + b" = 1",
        b"[" * 60_000,
        b"{" * 60_000,
        b'title = "' + b"x" * POLICY_MAX_BYTES + b'"',
        b'{"title": 1' + b"0" * 5_000 + b"}",
        b"title = 1" + b"0" * 5_000,
        b"\xed\xa0\x80",
        "title = '\ud800'",
    ],
)
def test_hostile_texts(data: bytes | str) -> None:
    with pytest.raises(MalformedInput):
        Policy.parse(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_policy_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        Policy.parse(data)


# -- policies on a ledger ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "rule"),
    [
        ("age >= 18", "unknown-field"),
        ("identity.age >= 18", "unknown-field"),
        ("income.birth_date <= today", "unknown-field"),
        ("nobody.country == 'AT'", "unknown-field"),
        ("age in ['x']", "unknown-field"),
        ("today <= 2001-05-31", "bad-policy"),
        ("birth_date - birth_date == 0", "bad-policy"),
        ("verification_level - verification_level == 0", "bad-policy"),
        ("birth_date == birth_date", "bad-policy"),
        ("birth_date <= 18", "bad-policy"),
        ("birth_date <= verification_level", "bad-policy"),
        ("birth_date + 1d <= today", "bad-policy"),
        ("2 * birth_date <= today", "bad-policy"),
        ("birth_date <= today + today", "bad-policy"),
        ("birth_date <= today - 5", "bad-policy"),
        ("birth_date <= today - 9999y", "bad-policy"),
        ("birth_date <= today + 99999y", "bad-policy"),
        ("birth_date <= 2001-02-29", "bad-policy"),
        ("birth_date in [2001-02-29]", "bad-policy"),
        ("birth_date in ['2001-02-28']", "bad-policy"),
        ("family_name < 'Z'", "bad-policy"),
        ("family_name == 5", "bad-policy"),
        ("family_name + given_names == 'Z'", "bad-policy"),
        ("-family_name == 'Z'", "bad-policy"),
        ("country == 'XX'", "bad-policy"),
        ("country in ['AT', 'XX']", "bad-policy"),
        ("country == family_name", "bad-policy"),
        ("country >= 'AT'", "bad-policy"),
        ("verification_level >= 2.5", "bad-policy"),
        ("verification_level >= 2001-05-31", "bad-policy"),
        ("verification_level >= today", "bad-policy"),
        ("verification_level >= 99999999999999999999", "bad-policy"),
        ("verification_level == many", "bad-policy"),
        ("verification_level in [5]", "bad-policy"),
    ],
)
def test_clauses_that_mean_nothing(scene: Scene, clause: str, rule: str) -> None:
    policy = scene.policy([clause], tables='[variables]\nmany = "amount"')
    with refused(rule):
        check_policy(policy, scene.registry)


def test_reveal_that_means_nothing(scene: Scene) -> None:
    for reveal, rule in ((["age"], "unknown-field"), (["country", "country"], "bad-policy")):
        with refused(rule):
            scene.request(scene.policy([], reveal))
    both = ("identity", "second")
    second = f'[credentials.second]\nschema = "identity"\nissuers = ["{scene.registrar.id.hex()}"]'
    ambiguous = scene.policy([], ["country"], credentials=both[:1], tables=second)
    with refused("unknown-field"):
        scene.request(ambiguous)
    scene.request(scene.policy([], ["second.country"], credentials=both[:1], tables=second))


def test_pseudonym_of_what_can_be_guessed(scene: Scene) -> None:
    for source in ("identity.family_name", "identity.birth_date", "identity.nothing"):
        extra = f'pseudonym = "x"\npseudonym_from = "{source}"'
        with pytest.raises(Exception, match=r"bad-policy|unknown-field"):
            scene.request(scene.policy([], extra=extra))
    extra = 'pseudonym = "x"\npseudonym_from = "identity.person"'
    scene.request(scene.policy([], extra=extra))
    with refused("bad-policy"):
        scene.request(scene.policy([], ["person"], extra=extra))


def test_more_than_a_circuit_holds(scene: Scene) -> None:
    scene.lister.publish(list_schema("texts", "Texts", FieldType.TEXT))
    tables = scene.list_table("texts")
    large = scene.policy(["document_hash not in texts"] * 15, tables=tables)
    many = scene.policy(["document_hash in texts"] * 15, tables=tables)
    for policy in (large, many):
        with refused("bad-policy"):
            check_policy(policy, scene.registry)
        with refused("bad-policy"):
            scene.request(policy)


def test_variables(scene: Scene) -> None:
    tables = '[variables]\nleast = "integer"\nday = "date"\nname = "text"\nprice = "amount"'
    prove = [
        "verification_level >= least",
        "birth_date <= day - 1y",
        "family_name == name",
        "income >= 3 * price",
    ]
    policy = scene.policy(prove, credentials=("identity", "income"), tables=tables)
    good = {"least": "2", "day": "2010-01-01", "name": "Muster", "price": "12.50"}
    today = dt.date(2026, 1, 1)
    found = resolve(policy, scene.registry, today, good)
    assert [c.constant for c in found.clauses[:2]] == [-2, dt.date(2009, 1, 1).toordinal()]  # type: ignore[union-attr]
    assert found.clauses[3].constant == -3_750  # type: ignore[union-attr]
    for wrong in (
        {"least": "two"},
        {"least": "1.5"},
        {"least": "²"},
        {"day": "1"},
        {"price": "12.5"},
        {"price": "-1"},
        {"name": ""},
    ):
        with refused("bad-policy"):
            resolve(policy, scene.registry, today, good | wrong)
    for count in ({}, {**good, "more": "1"}):
        with refused("bad-policy"):
            resolve(policy, scene.registry, today, count)
    shadow = scene.policy(["country == 'AT'", "birth_date <= today"])
    hidden = scene.policy(["country == 'AT'"], tables='[variables]\ncountry = "text"')
    check_policy(shadow, scene.registry)
    with refused("bad-policy"):
        check_policy(hidden, scene.registry)


def test_schemas_by_name_and_hash(scene: Scene) -> None:
    from zkcredit.credentials.builtin import IDENTITY
    from zkcredit.credentials.schema import Field, Schema

    issuer = scene.bank.id.hex()

    def policy(schema: str) -> Policy:
        tables = f'[credentials.it]\nschema = "{schema}"\nissuers = ["{issuer}"]'
        return scene.policy([], credentials=(), tables=tables)

    check_policy(policy(IDENTITY.hash.hex()), scene.registry)
    for unknown in ("nothing", "business", "00" * 32, "zz" * 32):
        with refused("unknown-schema"):
            check_policy(policy(unknown), scene.registry)
    one = Schema("pass", "Pass", False, (Field("day", "day", FieldType.DATE),))
    two = Schema("pass", "Pass 2", False, (Field("day", "day", FieldType.DATE),))
    scene.bank.publish(one)
    assert check_policy(policy("pass"), scene.registry).slots[0].schema == one
    scene.registrar.publish(two)  # somebody else's schema of this name is not meant
    assert check_policy(policy("pass"), scene.registry).slots[0].schema == one
    with refused("unknown-issuer"):
        check_policy(Policy.parse(MINIMAL), scene.registry)


@pytest.mark.parametrize(
    ("day", "count", "unit", "expected"),
    [
        ("2026-01-01", -18, "y", "2008-01-01"),
        ("2028-02-29", -18, "y", "2010-02-28"),
        ("2028-02-29", -4, "y", "2024-02-29"),
        ("2026-03-31", -1, "m", "2026-02-28"),
        ("2026-01-31", -2, "m", "2025-11-30"),
        ("2025-12-15", 1, "m", "2026-01-15"),
        ("2025-12-15", 25, "m", "2028-01-15"),
        ("2026-01-01", -1, "d", "2025-12-31"),
    ],
)
def test_calendar(day: str, count: int, unit: str, expected: str) -> None:
    assert shift(dt.date.fromisoformat(day), count, unit) == dt.date.fromisoformat(expected)


@pytest.mark.parametrize(("count", "unit"), [(-2026, "y"), (8_000, "y"), (10**7, "d")])
def test_outside_the_calendar(count: int, unit: str) -> None:
    with pytest.raises(MalformedInput):
        shift(dt.date(2026, 1, 1), count, unit)
