"""What all statements have in common: kinds, limits and strict encoding."""

from __future__ import annotations

import enum
import functools
import struct
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Self

from zkcredit.errors import CallerError, MalformedInput

VERSION = 1
"""Version byte of statements, entries and submissions."""
MEMO_BYTES = 128
"""Length of the memo of every statement of a line except a settlement."""


class Kind(enum.IntEnum):
    """What a statement says; the number is its byte on the wire."""

    ISSUER = 1
    TERMS = 2
    PERIOD = 3
    MERCHANT = 4
    OPEN = 5
    SPEND = 6
    REFRESH = 7
    UPDATE = 8
    STATEMENT = 9
    SETTLE = 10
    SCHEMA = 11
    CREDENTIAL_KEY = 12
    REVOCATIONS = 13
    RECORDS = 14
    MEMBERS = 15

    @functools.cached_property
    def is_registration(self) -> bool:
        """Whether the evidence is signatures only (no proof, no memo)."""
        return self <= Kind.MERCHANT or self >= Kind.SCHEMA

    @functools.cached_property
    def memo_bytes(self) -> int:
        """Length of the memo: 128 for steps of a line, else 0."""
        return MEMO_BYTES if Kind.OPEN <= self <= Kind.STATEMENT else 0

    @functools.cached_property
    def signature_count(self) -> int:
        """Number of BLS signatures in the evidence as it is submitted, before any proof."""
        if self in (Kind.ISSUER, Kind.MERCHANT):
            return 2
        return int(self.is_registration or self is Kind.OPEN)

    @property
    def has_reply(self) -> bool:
        """Whether the issuer answers the entry with a signature."""
        return Kind.OPEN <= self <= Kind.STATEMENT

    @functools.cached_property
    def reply_is_public(self) -> bool:
        """Whether the answer is a bare signature that everybody can check."""
        return self in (Kind.SPEND, Kind.REFRESH)


class KeyAction(enum.IntEnum):
    """Whether a statement opens a period or credential key, or closes it."""

    OPEN = 1
    CLOSE = 2


_FROM_ONE = frozenset(("period", "number", "epoch"))


class Layout:
    """Names and widths of the fields of a statement of fixed length.

    A field of so many bytes, or an unsigned integer of a :mod:`struct` code.
    """

    def __init__(self, **fields: int | str) -> None:
        self.names = tuple(fields)
        self.sizes = tuple((name, s) for name, s in fields.items() if isinstance(s, int))
        self.limits = tuple(
            (name, 1 << 8 * struct.calcsize(">" + s))
            for name, s in fields.items()
            if isinstance(s, str)
        )
        codes = (s if isinstance(s, str) else f"{s}s" for s in fields.values())
        self.struct = struct.Struct(">" + "".join(codes))
        self.counted = tuple((i, n) for i, n in enumerate(fields) if n in _FROM_ONE)
        self.values = attrgetter(*fields)
        self.setters: tuple[Callable[[Any, Any], None], ...] = ()
        """What sets the fields of its class, whose statements are frozen otherwise."""


_CLASSES: dict[int, type[Statement]] = {}


class Statement:
    """Base of all statements; subclasses are frozen and compare by value."""

    __slots__ = ()
    KIND: ClassVar[Kind]

    def __init_subclass__(cls) -> None:
        if "KIND" in cls.__dict__:
            _CLASSES[cls.KIND] = cls

    def _body(self) -> bytes:
        raise NotImplementedError

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        raise NotImplementedError

    def encode(self) -> bytes:
        """Version, kind and fields."""
        return bytes((VERSION, self.KIND)) + self._body()

    @staticmethod
    def decode(data: bytes) -> Statement:
        """The statement that ``data`` encodes; raises MalformedInput."""
        if len(data) < 2:
            raise MalformedInput("statement is shorter than its version and kind")
        if data[0] != VERSION:
            raise MalformedInput(f"statement has version {data[0]}; this program reads {VERSION}")
        cls = _CLASSES.get(data[1])
        if cls is None:
            raise MalformedInput(f"statement has unknown kind {data[1]}")
        try:
            return cls._parse(bytes(data[2:]))
        except CallerError as error:
            raise MalformedInput(f"{cls.KIND.name.lower()} statement: {error}") from None


class FixedStatement(Statement):
    """A statement whose fields are described by a :class:`Layout` alone."""

    __slots__ = ()
    LAYOUT: ClassVar[Layout]

    def __post_init__(self) -> None:
        check_layout(self, self.LAYOUT)

    def _body(self) -> bytes:
        layout = self.LAYOUT
        return layout.struct.pack(*layout.values(self))

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        layout = cls.LAYOUT
        if len(body) != layout.struct.size:
            raise MalformedInput(
                f"{cls.KIND.name.lower()} statement has {len(body)} bytes of fields, "
                f"not {layout.struct.size}"
            )
        values = layout.struct.unpack(body)
        for position, name in layout.counted:
            if values[position] == 0:
                raise CallerError(f"{name} counts from 1")
        # Lengths and ranges are those of the layout: they need not be checked again.
        statement = object.__new__(cls)
        if not layout.setters:
            layout.setters = tuple(getattr(cls, name).__set__ for name in layout.names)
        for store, value in zip(layout.setters, values, strict=True):
            store(statement, value)
        return statement


def check_layout(statement: Any, layout: Layout) -> None:
    """Raises CallerError unless the statement's fields have the layout's widths and ranges."""
    for name, size in layout.sizes:
        if len(getattr(statement, name)) != size:
            raise CallerError(f"{name} must have {size} bytes")
    for name, limit in layout.limits:
        value = getattr(statement, name)
        if not 0 <= value < limit:
            raise CallerError(f"{name} is out of range")
        if name in _FROM_ONE and value == 0:
            raise CallerError(f"{name} counts from 1")
