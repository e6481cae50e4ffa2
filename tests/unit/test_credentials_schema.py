from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkcredit._native import derive_key
from zkcredit.credentials.builtin import BUILTIN, COUNTRIES, IDENTITY, income_schema
from zkcredit.credentials.schema import INTEGER_MAX, Field, FieldType, Schema, Value
from zkcredit.errors import CallerError, MalformedInput

TEXT = Field("name", "name", FieldType.TEXT)
INTEGER = Field("level", "level", FieldType.INTEGER, -5, 40)
DATE = Field("born", "date of birth", FieldType.DATE)
AMOUNT = Field("pay", "pay", FieldType.AMOUNT, 0, 10_000, currency="EUR", minor_digits=2)
ENUM = Field("land", "country", FieldType.ENUM, values=("AT", "BE", "CZ"))
SMALL = Schema("small", "Small thing", True, (TEXT, INTEGER, DATE, AMOUNT, ENUM))


def test_bytes_are_frozen() -> None:
    assert SMALL.encode().hex() == (
        "0105736d616c6c0b536d616c6c207468696e670105"
        "046e616d65046e616d6501"
        "056c6576656c056c6576656c02fffffffffffffffb0000000000000028"
        "04626f726e0d64617465206f6620626972746803"
        "03706179037061790400000000000000000000000000002710034555520204"
        "6c616e6407636f756e747279050003024154024245"
        "02435a"
    )


def test_hashes_of_the_ready_made_schemas_are_frozen() -> None:
    assert {name: schema.hash.hex()[:16] for name, schema in BUILTIN.items()} == {
        "identity": "509cb809fdc1490e",
        "income": "a78b703d5cd58ab7",
        "business": "29e06357cdc3589f",
        "credit-history": "cfb813a4213fc2d8",
    }
    assert IDENTITY.hash == derive_key("zkcredit v1 schema", IDENTITY.encode())


def test_decoding_undoes_encoding() -> None:
    for schema in (SMALL, *BUILTIN.values(), income_schema("TWD", 0)):
        assert Schema.decode(schema.encode()) == schema


def test_every_part_of_a_schema_is_in_its_hash() -> None:
    others = [
        replace(SMALL, name="smell"),
        replace(SMALL, title="Small thinG"),
        replace(SMALL, revocable=False),
        replace(SMALL, fields=SMALL.fields[1:]),
        replace(SMALL, fields=SMALL.fields[::-1]),
    ]
    changed: list[Field] = [
        replace(TEXT, name="nome"),
        replace(TEXT, title="nama"),
        replace(INTEGER, minimum=-4),
        replace(INTEGER, maximum=41),
        replace(AMOUNT, currency="EUQ"),
        replace(AMOUNT, minor_digits=3),
        replace(ENUM, values=("AT", "BE")),
        replace(ENUM, values=("BE", "AT", "CZ")),
    ]
    others += [replace(SMALL, fields=(field,)) for field in [TEXT, INTEGER, AMOUNT, ENUM, *changed]]
    assert len({other.hash for other in [SMALL, *others]}) == 1 + len(others)


@pytest.mark.parametrize("cut", range(len(SMALL.encode())))
def test_a_schema_cut_short_is_malformed(cut: int) -> None:
    with pytest.raises(MalformedInput):
        Schema.decode(SMALL.encode()[:cut])


@given(st.integers(0, len(SMALL.encode()) - 1), st.integers(1, 255))
def test_a_changed_byte_gives_another_schema_or_none(position: int, change: int) -> None:
    data = bytearray(SMALL.encode())
    data[position] ^= change
    try:
        other = Schema.decode(bytes(data))
    except MalformedInput:
        return
    assert other != SMALL
    assert other.encode() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SMALL.encode() + b"\0",
        b"\2" + SMALL.encode()[1:],
        SMALL.encode().replace(b"\x05\x00\x03\x02AT", b"\x05\x00\x03\x02BE"),
        bytes(32_769),
    ],
)
def test_other_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        Schema.decode(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "Name"},
        {"name": "1st"},
        {"name": "a" * 33},
        {"name": "today"},
        {"name": "in"},
        {"name": "not"},
        {"title": ""},
        {"title": "a\u202eb"},
        {"minimum": 1},
        {"maximum": 1},
        {"currency": "EUR"},
        {"minor_digits": 2},
        {"values": ("a",)},
    ],
)
def test_fields_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        replace(TEXT, **changes)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        (INTEGER, {"minimum": 41}),
        (INTEGER, {"minimum": -INTEGER_MAX - 1}),
        (INTEGER, {"maximum": INTEGER_MAX + 1}),
        (AMOUNT, {"minimum": -1}),
        (AMOUNT, {"currency": ""}),
        (AMOUNT, {"currency": "eur"}),
        (AMOUNT, {"minor_digits": 7}),
        (ENUM, {"values": ()}),
        (ENUM, {"values": ("AT", "AT")}),
        (ENUM, {"values": ("AT", "")}),
        (ENUM, {"values": tuple(map(str, range(1_025)))}),
    ],
)
def test_types_with_impossible_details(field: Field, changes: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        replace(field, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Small"},
        {"name": "small_thing"},
        {"title": ""},
        {"fields": ()},
        {"fields": (TEXT, replace(INTEGER, name="name"))},
        {"fields": tuple(replace(TEXT, name=f"a{i}") for i in range(65))},
        {"fields": (replace(ENUM, values=tuple(f"{i:040}" for i in range(1_024))),)},
    ],
)
def test_schemas_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        replace(SMALL, **changes)


@pytest.mark.parametrize(
    ("field", "value", "scalar", "text"),
    [
        (INTEGER, -5, -5, "-5"),
        (INTEGER, 0, 0, "0"),
        (INTEGER, 40, 40, "40"),
        (DATE, dt.date(1, 1, 1), 1, "0001-01-01"),
        (DATE, dt.date(9999, 12, 31), 3_652_059, "9999-12-31"),
        (DATE, dt.date(2001, 5, 31), 730_636, "2001-05-31"),
        (AMOUNT, 1_250, 1_250, "12.50"),
        (AMOUNT, 0, 0, "0.00"),
        (ENUM, "AT", 1, "AT"),
        (ENUM, "CZ", 3, "CZ"),
    ],
)
def test_values_scalars_and_texts(field: Field, value: Value, scalar: int, text: str) -> None:
    assert field.scalar(value) == scalar
    assert field.format(value) == text
    assert field.parse(text) == value
    low, high = field.bounds()
    assert low <= scalar <= high


def test_bounds_are_those_of_the_scalars() -> None:
    assert [item.bounds() for item in SMALL.fields] == [
        (0, 2**248 - 1),
        (-5, 40),
        (1, 3_652_059),
        (0, 10_000),
        (1, 3),
    ]


def test_a_text_becomes_the_head_of_its_hash() -> None:
    expected = derive_key("zkcredit v1 text field", "Zoë".encode())[:31]
    assert TEXT.scalar("Zoë") == int.from_bytes(expected, "big")
    assert TEXT.scalar("Zoë") != TEXT.scalar("Zoe")
    assert TEXT.parse("Zoë") == TEXT.format("Zoë") == "Zoë"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (TEXT, ""),
        (TEXT, "e\u0301"),
        (TEXT, "a\nb"),
        (TEXT, "\ud800"),
        (TEXT, "ä" * 128),
        (TEXT, 5),
        (INTEGER, 41),
        (INTEGER, -6),
        (INTEGER, True),
        (INTEGER, "5"),
        (INTEGER, 5.0),
        (AMOUNT, 10_001),
        (AMOUNT, -1),
        (DATE, "2001-05-31"),
        (DATE, dt.datetime(2001, 5, 31, tzinfo=dt.UTC)),
        (ENUM, "DE"),
        (ENUM, 1),
    ],
)
def test_values_that_do_not_fit(field: Field, value: Any) -> None:
    with pytest.raises(CallerError):
        field.scalar(value)
    with pytest.raises(CallerError):
        field.format(value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (TEXT, ""),
        (TEXT, "e\u0301"),
        (INTEGER, "05"),
        (INTEGER, "-0"),
        (INTEGER, "+5"),
        (INTEGER, " 5"),
        (INTEGER, "41"),
        (INTEGER, "٥"),
        (DATE, "2001-02-29"),
        (DATE, "20010531"),
        (DATE, "2001-5-31"),
        (DATE, "0000-01-01"),
        (AMOUNT, "12.5"),
        (AMOUNT, "12.50 EUR"),
        (AMOUNT, "-1.00"),
        (AMOUNT, "100.01"),
        (ENUM, "at"),
        (ENUM, "DE"),
    ],
)
def test_texts_that_are_no_values(field: Field, text: str) -> None:
    with pytest.raises(MalformedInput):
        field.parse(text)


@given(st.sampled_from(SMALL.fields), st.data())
def test_parsing_undoes_formatting_and_scalars_keep_order(
    field: Field, data: st.DataObject
) -> None:
    values: dict[FieldType, st.SearchStrategy[Any]] = {
        FieldType.TEXT: st.text("abcdefgß漢", min_size=1, max_size=20),
        FieldType.INTEGER: st.integers(-5, 40),
        FieldType.DATE: st.dates(),
        FieldType.AMOUNT: st.integers(0, 10_000),
        FieldType.ENUM: st.sampled_from(ENUM.values),
    }
    first, second = data.draw(values[field.type]), data.draw(values[field.type])
    assert field.parse(field.format(first)) == first
    assert (field.scalar(first) == field.scalar(second)) == (first == second)
    if field.type is not FieldType.TEXT:
        assert (field.scalar(first) < field.scalar(second)) == (first < second)


def test_fields_are_found_by_name() -> None:
    assert SMALL.field("born") is DATE
    assert SMALL.message_count == 9
    with pytest.raises(CallerError, match="no field 'age'"):
        SMALL.field("age")


def test_all_country_codes_are_there_in_order() -> None:
    assert len(set(COUNTRIES)) == 249
    assert sorted(COUNTRIES) == list(COUNTRIES)
    assert all(len(code) == 2 and code.isalpha() and code.isupper() for code in COUNTRIES)
