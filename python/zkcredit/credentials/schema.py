"""Credential schemas: typed fields and the map from their values to scalars.

A schema is published on the ledger by its canonical bytes and named everywhere
by their hash, which depends on no ledger: the ready-made schemas of
:mod:`zkcredit.credentials.builtin` have one hash for all. The issuer signs one
scalar for each field, and predicates of a policy speak about those scalars.

======= ====================================================== =====================
type    scalar of a value                                      bounds of the scalar
======= ====================================================== =====================
TEXT    31 leading bytes of BLAKE3 of its UTF-8, big-endian    0, 2^248 - 1
INTEGER the integer (negative: r minus its absolute value)     as the schema says
DATE    days, 0001-01-01 being 1 (proleptic Gregorian)         1, 3,652,059
AMOUNT  minor units                                            as the schema says
ENUM    1 + position in the schema's list                      1, number of values
======= ====================================================== =====================

Every map is injective (TEXT: unless BLAKE3 collides in 248 bits), so equal
scalars mean equal values.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from dataclasses import dataclass, field
from functools import cached_property

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.errors import CallerError, MalformedInput, ZkCreditError
from zkcredit.money import MAX_DIGITS, check_currency, format_number, parse_number

Value = str | int | dt.date
"""Value of a field: text and enum ``str``, integer and amount (minor units) ``int``, date."""

MAX_FIELDS = 64
MAX_ENUM_VALUES = 1_024
SCHEMA_MAX_BYTES = 32_768
"""Longest encoded schema."""
VALUE_MAX_BYTES = 255
"""Longest value of a TEXT field, in bytes of UTF-8."""
INTEGER_MAX = (1 << 63) - 1
"""Largest absolute value of an INTEGER or AMOUNT."""
TEXT_SCALAR_BITS = 248
LIST_ITEM = "item"
"""Name of the one field of a schema that describes a signed list."""
RESERVED_NAMES = frozenset({"today", "in", "not"})
"""Words of the policy language, which no field may have as its name."""

_VERSION = 1
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SCHEMA_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class FieldType(enum.IntEnum):
    """Type of a field; the number is its byte in an encoded schema."""

    TEXT = 1
    INTEGER = 2
    DATE = 3
    AMOUNT = 4
    ENUM = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a schema; construction checks every range (CallerError).

    ``name`` is 1..32 of ``a-z0-9_`` starting with a letter; ``title`` are plain words
    after "your" (1..64 bytes of UTF-8). ``minimum`` and ``maximum`` are inclusive
    bounds of an INTEGER or AMOUNT, within ±(2^63 - 1); an AMOUNT is not negative and
    has a currency and 0..6 ``minor_digits``. ``values`` are the 1..1,024 different
    texts of an ENUM. What a type does not use stays at its default.
    """

    name: str
    title: str
    type: FieldType
    minimum: int = 0
    maximum: int = 0
    currency: str = ""
    minor_digits: int = 0
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            self._check()
        except ZkCreditError as error:
            raise CallerError(f"field {self.name!r}: {error}") from None

    def _check(self) -> None:
        if not _FIELD_NAME.fullmatch(self.name) or self.name in RESERVED_NAMES:
            raise CallerError("a name is 1..32 of a-z, 0-9 and _, a letter first, no reserved word")
        if (problem := text_problem(self.title)) is not None:
            raise CallerError(f"title: {problem}")
        if self.type not in (FieldType.INTEGER, FieldType.AMOUNT):
            if self.minimum or self.maximum:
                raise CallerError("only integers and amounts have bounds")
        elif not -INTEGER_MAX <= self.minimum <= self.maximum <= INTEGER_MAX:
            raise CallerError("bounds must be ordered and within ±(2^63 - 1)")
        if self.type is FieldType.AMOUNT:
            check_currency(self.currency)
            if self.minimum < 0 or not 0 <= self.minor_digits <= MAX_DIGITS:
                raise CallerError("an amount is not negative and has 0..6 minor digits")
        elif self.currency or self.minor_digits:
            raise CallerError("only amounts have a currency and minor digits")
        if self.type is FieldType.ENUM:
            self._check_values()
        elif self.values:
            raise CallerError("only enums list their values")

    def _check_values(self) -> None:
        if not 1 <= len(self.values) <= MAX_ENUM_VALUES:
            raise CallerError(f"an enum has 1..{MAX_ENUM_VALUES} values")
        for value in self.values:
            if (problem := text_problem(value)) is not None:
                raise CallerError(f"value {value!r}: {problem}")
        if len(set(self.values)) != len(self.values):
            raise CallerError("the values of an enum must differ")

    def scalar(self, value: Value) -> int:
        """The integer that is signed for ``value``; CallerError if it does not fit the field."""
        match self.type:
            case FieldType.TEXT:
                return _text_scalar(self._checked_text(value))
            case FieldType.DATE:
                if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
                    raise CallerError(f"{self.name} must be a date")
                return value.toordinal()
            case FieldType.ENUM:
                if value not in self.values:
                    raise CallerError(f"{self.name} must be one of its values, not {value!r}")
                return 1 + self.values.index(str(value))
            case FieldType.INTEGER | FieldType.AMOUNT:
                if not isinstance(value, int) or isinstance(value, bool):
                    raise CallerError(f"{self.name} must be an integer")
                if not self.minimum <= value <= self.maximum:
                    raise CallerError(f"{self.name} must be in {self.minimum}..{self.maximum}")
                return value

    def _checked_text(self, value: Value) -> str:
        if not isinstance(value, str):
            raise CallerError(f"{self.name} must be text")
        if (problem := text_problem(value, VALUE_MAX_BYTES)) is not None:
            raise CallerError(f"{self.name}: {problem}")
        return value

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest integer that :meth:`scalar` can give."""
        match self.type:
            case FieldType.TEXT:
                return 0, (1 << TEXT_SCALAR_BITS) - 1
            case FieldType.DATE:
                return dt.date.min.toordinal(), dt.date.max.toordinal()
            case FieldType.ENUM:
                return 1, len(self.values)
            case FieldType.INTEGER | FieldType.AMOUNT:
                return self.minimum, self.maximum

    def parse(self, text: str) -> Value:
        """The value written as :meth:`format` writes it; MalformedInput for any other text.

        An amount may leave out its decimals (``12`` for ``12.00``).
        """
        value = self._read(text)
        try:
            self.scalar(value)
        except CallerError as error:
            raise MalformedInput(str(error)) from None
        return value

    def _read(self, text: str) -> Value:
        match self.type:
            case FieldType.TEXT | FieldType.ENUM:
                return text
            case FieldType.AMOUNT:
                return parse_number(text, self.minor_digits)
            case FieldType.INTEGER:
                if not _INTEGER.fullmatch(text):
                    raise MalformedInput(f"{self.name} must be an integer, not {text!r}")
                return int(text)
            case FieldType.DATE:
                if not _DATE.fullmatch(text):
                    raise MalformedInput(f"{self.name} must be a date like 2001-05-31")
                try:
                    return dt.date.fromisoformat(text)
                except ValueError:
                    raise MalformedInput(f"{self.name}: there is no day {text}") from None

    def format(self, value: Value) -> str:
        """``value`` as text: ``2001-05-31``, ``12.50``, ``AT``; CallerError if it does not fit."""
        self.scalar(value)
        if self.type is FieldType.AMOUNT:
            assert isinstance(value, int)
            return format_number(value, self.minor_digits)
        return str(value)

    def write(self, writer: Writer) -> None:
        """Appends name, title, type and what the type needs."""
        writer.text8(self.name).text8(self.title).u8(self.type)
        if self.type in (FieldType.INTEGER, FieldType.AMOUNT):
            writer.i64(self.minimum).i64(self.maximum)
        if self.type is FieldType.AMOUNT:
            writer.text8(self.currency).u8(self.minor_digits)
        if self.type is FieldType.ENUM:
            writer.u16(len(self.values))
            for value in self.values:
                writer.text8(value)

    @staticmethod
    def read(reader: Reader) -> Field:
        """The field that :meth:`write` wrote."""
        name, title, number = reader.text8(), reader.text8(), reader.u8()
        if number not in FieldType.__members__.values():
            raise MalformedInput(f"field {name!r} has unknown type {number}")
        kind = FieldType(number)
        minimum = maximum = minor_digits = 0
        currency, values = "", tuple[str, ...]()
        if kind in (FieldType.INTEGER, FieldType.AMOUNT):
            minimum, maximum = reader.i64(), reader.i64()
        if kind is FieldType.AMOUNT:
            currency, minor_digits = reader.text8(), reader.u8()
        if kind is FieldType.ENUM:
            values = tuple(reader.text8() for _ in range(reader.u16()))
        return Field(name, title, kind, minimum, maximum, currency, minor_digits, values)


@dataclass(frozen=True)
class Schema:
    """A kind of credential; construction checks every range (CallerError).

    ``name`` is 1..32 of ``a-z0-9-`` starting with a letter, ``title`` plain words (1..64
    bytes of UTF-8). ``revocable`` says whether lists stand on the ledger beside its keys: of
    revoked credentials, one of which a presentation must prove not to be, or of items.
    """

    name: str
    title: str
    revocable: bool
    fields: tuple[Field, ...]
    _encoded: bytes = field(init=False, repr=False, compare=False, default=b"")

    def __post_init__(self) -> None:
        if not _SCHEMA_NAME.fullmatch(self.name):
            raise CallerError("a schema's name is 1..32 of a-z, 0-9 and -, a letter first")
        if not 1 <= len(self.fields) <= MAX_FIELDS:
            raise CallerError(f"a schema has 1..{MAX_FIELDS} fields")
        if len({item.name for item in self.fields}) != len(self.fields):
            raise CallerError("the fields of a schema must have different names")
        writer = Writer().u8(_VERSION).text8(self.name).text8(self.title)
        writer.u8(bool(self.revocable)).u8(len(self.fields))
        for item in self.fields:
            item.write(writer)
        encoded = writer.finish()
        if len(encoded) > SCHEMA_MAX_BYTES:
            raise CallerError(f"a schema has at most {SCHEMA_MAX_BYTES} bytes, not {len(encoded)}")
        object.__setattr__(self, "_encoded", encoded)

    def encode(self) -> bytes:
        """Canonical bytes, version 1, at most 32 KiB."""
        return self._encoded

    @staticmethod
    def decode(data: bytes) -> Schema:
        """The schema of canonical bytes; MalformedInput for every other byte string."""
        if len(data) > SCHEMA_MAX_BYTES:
            raise MalformedInput(f"a schema has at most {SCHEMA_MAX_BYTES} bytes")
        reader = Reader(data)
        reader.version(_VERSION, "schema")
        name, title, revocable = reader.text8(), reader.text8(), reader.u8()
        if revocable > 1:
            raise MalformedInput("a schema is revocable (1) or not (0)")
        try:
            fields = tuple(Field.read(reader) for _ in range(reader.u8()))
            reader.finish()
            return Schema(name, title, bool(revocable), fields)
        except CallerError as error:
            raise MalformedInput(f"schema {name!r}: {error}") from None

    @cached_property
    def hash(self) -> bytes:
        """The schema's name everywhere: BLAKE3 of its canonical bytes (32 bytes)."""
        from zkcredit.digests import schema_hash

        return schema_hash(self._encoded)

    @property
    def is_list(self) -> bool:
        """Whether its keys sign the items of a list (:mod:`zkcredit.credentials.lists`)."""
        return (
            self.revocable
            and [item.name for item in self.fields] == [LIST_ITEM]
            and self.fields[0].type is not FieldType.ENUM
        )

    @property
    def message_count(self) -> int:
        """Number of messages of a credential: blind, owner, handle, expires, fields."""
        return 4 + len(self.fields)

    def field(self, name: str) -> Field:
        """The field of this name; CallerError if there is none."""
        for item in self.fields:
            if item.name == name:
                return item
        raise CallerError(f"the schema {self.name!r} has no field {name!r}")


def _text_scalar(text: str) -> int:
    from zkcredit._native import derive_key

    size = TEXT_SCALAR_BITS // 8
    return int.from_bytes(derive_key("zkcredit v1 text field", text.encode())[:size], "big")
