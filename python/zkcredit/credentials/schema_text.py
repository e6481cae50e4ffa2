"""Schemas as people write them: TOML with one table for each field.

::

    name = "membership"
    title = "Membership"
    revocable = true

    [[field]]
    name = "level"
    title = "level of membership"
    type = "integer"
    minimum = 1
    maximum = 5

``type`` is ``text``, ``integer``, ``date``, ``amount`` (with ``currency`` and
``minor_digits``) or ``enum`` (with ``values``).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from zkcredit.credentials.schema import INTEGER_MAX, SCHEMA_MAX_BYTES, Field, FieldType, Schema
from zkcredit.errors import CallerError, MalformedInput
from zkcredit.messages import prepare_types

TEXT_MAX_BYTES = 2 * SCHEMA_MAX_BYTES
"""Longest text that is read."""
_MAX_BRACKETS = 2_000

Integer = Annotated[int, msgspec.Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)]


class _FieldText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    title: str
    type: Literal["text", "integer", "date", "amount", "enum"]
    minimum: Integer = 0
    maximum: Integer = 0
    currency: str = ""
    minor_digits: Integer = 0
    values: tuple[str, ...] = ()


class _SchemaText(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"fields": "field"},
):
    name: str
    title: str
    revocable: bool
    fields: tuple[_FieldText, ...]


prepare_types(_SchemaText)


def parse_schema(text: str) -> Schema:
    """The schema that TOML describes; MalformedInput says what is wrong."""
    import tomllib

    if len(text.encode(errors="replace")) > TEXT_MAX_BYTES:
        raise MalformedInput(f"a schema's text has at most {TEXT_MAX_BYTES} bytes")
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise MalformedInput(f"a schema's text has at most {_MAX_BRACKETS} brackets")
    try:
        read = msgspec.convert(tomllib.loads(text), _SchemaText)
        fields = tuple(_field(item) for item in read.fields)
        return Schema(read.name, read.title, read.revocable, fields)
    except (ValueError, RecursionError, CallerError) as error:
        raise MalformedInput(f"not a schema: {error}") from None


def _field(item: _FieldText) -> Field:
    return Field(
        item.name,
        item.title,
        FieldType[item.type.upper()],
        minimum=item.minimum,
        maximum=item.maximum,
        currency=item.currency,
        minor_digits=item.minor_digits,
        values=item.values,
    )
