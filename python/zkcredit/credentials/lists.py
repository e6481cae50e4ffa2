"""Signed lists: membership in sets too large for a circuit.

A list is a schema with the one field ``item`` (:attr:`Schema.is_list`), published by its
owner. The owner's newest credential key for it signs every item, or every gap between two
items; a holder proves that its value is on the list, or is not, by possession of one such
signature, and shows neither value nor signature. Each version stands on the ledger like a
revocation list: an entry with the number of the version and the hash of the file, which is
an attachment. So all are asked about one list, and nobody about one of their own. The holder
takes the whole file: who asked for a single item would show it.

Layout, big-endian::

    version 1 | use u8 (4 items, 5 gaps) | ledger id 32 | issuer id 32 | schema hash 32 |
    key number u32 | version of the list u32 | type u8 | n u32 | n items of 32 bytes in two's
    complement, ascending | n signatures of 80 bytes, n + 1 for gaps
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from zkcredit import digests
from zkcredit.codec import GROUP_ORDER, Reader, Writer
from zkcredit.credentials.schema import (
    INTEGER_MAX,
    LIST_ITEM,
    TEXT_SCALAR_BITS,
    Field,
    FieldType,
    Schema,
)
from zkcredit.errors import CallerError, MalformedInput

if TYPE_CHECKING:
    from zkcredit._native import IssuerKey

LIST_MAX_BYTES = 64 << 20
"""Longest file of a signed list: what fits beside a ledger."""

_VERSION = 1
_VALUE_BYTES = 32
_SIGNATURE_BYTES = 80
_HEAD_BYTES = 111
LIST_MAX_ITEMS = (LIST_MAX_BYTES - _HEAD_BYTES - _SIGNATURE_BYTES) // (
    _VALUE_BYTES + _SIGNATURE_BYTES
)
"""Most items of a list."""
_TYPES = (FieldType.TEXT, FieldType.INTEGER, FieldType.DATE, FieldType.AMOUNT)


class ListPlace(NamedTuple):
    """Where a list stands: ledger, owner, schema, number of the key, and version from 1."""

    ledger_id: bytes
    issuer_id: bytes
    schema_hash: bytes
    key_number: int
    version: int


class ListBounds(NamedTuple):
    """Ends of the gaps of a list: every item lies strictly between ``lowest`` and ``highest``."""

    lowest: int
    highest: int
    bits: int
    """Differences of item and ends, less one, lie in [0, 2^bits)."""


def list_bounds(kind: FieldType) -> ListBounds:
    """The ends of lists of this type of field."""
    if kind is FieldType.TEXT:
        return ListBounds(-1, 1 << TEXT_SCALAR_BITS, TEXT_SCALAR_BITS)
    return ListBounds(-(1 << 63), 1 << 63, 64)


def list_schema(
    name: str, title: str, kind: FieldType, *, currency: str = "", minor_digits: int = 0
) -> Schema:
    """The schema of a list; CallerError for an enum.

    ``currency`` and ``minor_digits`` are those of amounts, and part of the schema's hash, so
    that amounts of one currency are never looked up among those of another.
    """
    lowest = -INTEGER_MAX if kind is FieldType.INTEGER else 0
    highest = INTEGER_MAX if kind in (FieldType.INTEGER, FieldType.AMOUNT) else 0
    item = Field(LIST_ITEM, "item", kind, lowest, highest, currency, minor_digits)
    return Schema(name, title, True, (item,))


@dataclass(frozen=True)
class SignedList:
    """One version of a list.

    ``signatures`` (80 bytes each) are those of the items in increasing order, or with
    ``gaps`` of the intervals before, between and behind them, one more than items.
    """

    place: ListPlace
    type: FieldType
    gaps: bool
    items: tuple[int, ...]
    signatures: tuple[bytes, ...] = field(repr=False)

    @staticmethod
    def sign(
        key: IssuerKey, place: ListPlace, kind: FieldType, items: Iterable[int], *, gaps: bool
    ) -> SignedList:
        """Signs a list of these integers (:meth:`Field.scalar` of the values).

        ``key`` is the owner's credential key that ``place`` names. The same bytes every time.
        CallerError beyond :data:`LIST_MAX_ITEMS`.
        """
        ordered = tuple(sorted(set(items)))
        if len(ordered) > LIST_MAX_ITEMS:
            raise CallerError(f"a list has at most {LIST_MAX_ITEMS:,} items")
        _check_items(ordered, kind)
        unsigned = SignedList(place, kind, gaps, ordered, ())
        wanted = [
            [(x % GROUP_ORDER).to_bytes(_VALUE_BYTES, "big") for x in unsigned.messages(position)]
            for position in range(len(ordered) + gaps)
        ]
        signatures = tuple(key.sign_messages(unsigned.header, wanted))
        return SignedList(place, kind, gaps, ordered, signatures)

    @property
    def header(self) -> bytes:
        """The header under which the items or gaps are signed (105 bytes)."""
        return digests.list_header(*self.place, gaps=self.gaps)

    def messages(self, position: int) -> list[int]:
        """What signature ``position`` is about: an item, or both ends of a gap."""
        if not self.gaps:
            return [self.items[position]]
        bounds = list_bounds(self.type)
        ends = [bounds.lowest, *self.items[max(0, position - 1) : position + 1], bounds.highest]
        return ends[1:3] if position else ends[:2]

    def messages_for(self, value: int) -> tuple[list[int], bytes] | None:
        """The messages and the signature that show ``value`` on the list, or off it with gaps.

        None if it is the other way round.
        """
        position = bisect.bisect_left(self.items, value)
        found = position < len(self.items) and self.items[position] == value
        if found == self.gaps:
            return None
        return self.messages(position), self.signatures[position]

    def encode(self) -> bytes:
        """Canonical bytes of the file: 111 + 112 for each item, + 80 with gaps."""
        place = self.place
        writer = Writer().u8(_VERSION).u8(5 if self.gaps else 4).fixed(place.ledger_id, 32)
        writer.fixed(place.issuer_id, 32).fixed(place.schema_hash, 32)
        writer.u32(place.key_number).u32(place.version).u8(self.type).u32(len(self.items))
        for item in self.items:
            writer.fixed(item.to_bytes(_VALUE_BYTES, "big", signed=True), _VALUE_BYTES)
        for signature in self.signatures:
            writer.fixed(signature, _SIGNATURE_BYTES)
        return writer.finish()

    @staticmethod
    def decode(data: bytes) -> SignedList:
        """The list of canonical bytes (at most 64 MiB); MalformedInput for all others."""
        if len(data) > LIST_MAX_BYTES:
            raise MalformedInput(f"a signed list has at most {LIST_MAX_BYTES} bytes")
        reader = Reader(data)
        reader.version(_VERSION, "signed list")
        use = reader.u8()
        place = ListPlace(
            reader.fixed(32), reader.fixed(32), reader.fixed(32), reader.u32(), reader.u32()
        )
        number, count = reader.u8(), reader.u32()
        if use not in (4, 5) or number not in _TYPES:
            raise MalformedInput("this is no signed list of texts, integers, dates or amounts")
        gaps, kind = use == 5, FieldType(number)
        if reader.remaining != count * (_VALUE_BYTES + _SIGNATURE_BYTES) + gaps * _SIGNATURE_BYTES:
            raise MalformedInput("a signed list has as many signatures as items or gaps")
        items = tuple(
            int.from_bytes(reader.fixed(_VALUE_BYTES), "big", signed=True) for _ in range(count)
        )
        signatures = tuple(reader.fixed(_SIGNATURE_BYTES) for _ in range(count + gaps))
        _check_items(items, kind)
        return SignedList(place, kind, gaps, items, signatures)


def _check_items(items: tuple[int, ...], kind: FieldType) -> None:
    bounds = list_bounds(kind)
    if any(a >= b for a, b in zip((bounds.lowest, *items), (*items, bounds.highest), strict=True)):
        raise MalformedInput("the items of a list increase and fit their type")
