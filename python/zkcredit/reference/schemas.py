"""Schemas of credentials: their bytes, checked to the last (``docs/protocol.md`` §3)."""

from __future__ import annotations

import re

from zkcredit.errors import MalformedInput
from zkcredit.reference.bytesin import Bytes

_SCHEMA_NAME = re.compile("[a-z][a-z0-9-]{0,31}")
_FIELD_NAME = re.compile("[a-z][a-z0-9_]{0,31}")
_CURRENCY = re.compile("[A-Z][A-Z0-9]{1,11}")
_WORDS = ("today", "in", "not")
_SCHEMA_MAX = 32_768
_TEXT, _INTEGER, _DATE, _AMOUNT, _ENUM = range(1, 6)
_BOUND = (1 << 63) - 1


def is_revocable(data: bytes) -> bool:
    """Whether credentials of this schema can be revoked; MalformedInput if it is no schema."""
    if len(data) > _SCHEMA_MAX:
        raise MalformedInput("schema is too long")
    reader = Bytes(data, "schema")
    reader.version()
    if not _SCHEMA_NAME.fullmatch(reader.text()):
        raise MalformedInput("schema: this is no name of a schema")
    reader.text()
    revocable, count = reader.number(1), reader.number(1)
    if revocable > 1 or not 1 <= count <= 64:
        raise MalformedInput("schema: unknown flag, or not 1..64 fields")
    names = [_field(reader) for _ in range(count)]
    reader.end()
    if len(set(names)) != count:
        raise MalformedInput("schema: two fields have one name")
    return revocable == 1


def _field(reader: Bytes) -> str:
    """Checks one field and gives its name."""
    name = reader.text()
    reader.text()
    kind = reader.number(1)
    if not _FIELD_NAME.fullmatch(name) or name in _WORDS or not _TEXT <= kind <= _ENUM:
        raise MalformedInput("schema: a field has no name or no type")
    if kind in (_INTEGER, _AMOUNT):
        low, high = _signed(reader), _signed(reader)
        if not -_BOUND <= low <= high <= _BOUND:
            raise MalformedInput("schema: bounds are not in order")
        if kind == _AMOUNT:
            _amount(reader, low)
    if kind == _ENUM:
        values = [reader.text() for _ in range(reader.number(2))]
        if not 1 <= len(values) <= 1024 or len(set(values)) != len(values):
            raise MalformedInput("schema: an enum has 1..1024 different values")
    return name


def _amount(reader: Bytes, low: int) -> None:
    if low < 0 or not _CURRENCY.fullmatch(reader.text()) or reader.number(1) > 6:
        raise MalformedInput("schema: an amount has a sign, no currency or too many decimals")


def _signed(reader: Bytes) -> int:
    """A number of 8 bytes in two's complement."""
    return int.from_bytes(reader.take(8), "big", signed=True)
