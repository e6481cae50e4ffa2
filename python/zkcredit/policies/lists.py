"""Signed lists: membership in sets too large for a circuit.

The owner of a list is a registered issuer with a credential key for the schema
:data:`LIST_SCHEMA`. It signs every item, or every gap between two items; a holder
proves that its value is on the list, or is not, by possession of one such
signature, and shows neither value nor signature. The holder takes the whole file:
who asked for a single item would show it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.codec import Reader, Writer
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.errors import CallerError, MalformedInput
from zkcredit.policies.clauses import list_bounds, to_scalar
from zkcredit.policies.policy import ListRule

if TYPE_CHECKING:
    from zkcredit._native import IssuerKey

LIST_SCHEMA = Schema("signed-list", "Signed list", False, (Field("item", "item", FieldType.TEXT),))
"""The schema whose credential keys sign lists; nothing is issued under it."""
LIST_MAX_BYTES = 64 << 20
"""Longest file of a signed list."""

_VERSION = 1
_VALUE_BYTES = 32
_SIGNATURE_BYTES = 80


@dataclass(frozen=True)
class SignedList:
    """A list as its owner hands it out.

    ``signatures`` (80 bytes each) are those of the items in increasing order, or with
    ``gaps`` of the intervals before, between and behind them, one more than items.
    """

    ledger_id: bytes
    rule: ListRule
    type: FieldType
    key_number: int
    gaps: bool
    items: tuple[int, ...]
    signatures: tuple[bytes, ...] = field(repr=False)

    @property
    def header(self) -> bytes:
        """The header under which the items or gaps are signed."""
        return list_header(self.ledger_id, self.rule, self.type, gaps=self.gaps)

    def messages_for(self, value: int) -> tuple[list[int], bytes] | None:
        """The messages and the signature that show ``value`` on the list, or off it with gaps.

        None if it is the other way round.
        """
        place = bisect.bisect_left(self.items, value)
        found = place < len(self.items) and self.items[place] == value
        if found == self.gaps:
            return None
        return _messages(self, place), self.signatures[place]

    def encode(self) -> bytes:
        """Canonical bytes of the file."""
        writer = Writer().u8(_VERSION).fixed(self.ledger_id, 32).fixed(self.rule.issuer_id, 32)
        writer.text8(self.rule.name).u32(self.rule.version).u8(self.type).u32(self.key_number)
        writer.u8(self.gaps).u32(len(self.items))
        for item in self.items:
            writer.fixed(item.to_bytes(_VALUE_BYTES, "big", signed=True), _VALUE_BYTES)
        for signature in self.signatures:
            writer.fixed(signature, _SIGNATURE_BYTES)
        return writer.finish()

    @staticmethod
    def decode(data: bytes) -> SignedList:
        """The list of canonical bytes (at most 64 MiB); MalformedInput otherwise."""
        if len(data) > LIST_MAX_BYTES:
            raise MalformedInput(f"a signed list has at most {LIST_MAX_BYTES} bytes")
        reader = Reader(data)
        reader.version(_VERSION, "signed list")
        ledger_id, issuer_id = reader.fixed(32), reader.fixed(32)
        rule = ListRule(issuer_id, reader.text8(), reader.u32())
        number, key_number, gaps, count = reader.u8(), reader.u32(), reader.u8(), reader.u32()
        if number not in _TYPES or gaps > 1:
            raise MalformedInput("a signed list has items of type text, integer, date or amount")
        if reader.remaining != count * (_VALUE_BYTES + _SIGNATURE_BYTES) + gaps * _SIGNATURE_BYTES:
            raise MalformedInput("a signed list has as many signatures as items or gaps")
        items = tuple(
            int.from_bytes(reader.fixed(_VALUE_BYTES), "big", signed=True) for _ in range(count)
        )
        signatures = tuple(reader.fixed(_SIGNATURE_BYTES) for _ in range(count + gaps))
        _check_items(items, FieldType(number))
        kind = FieldType(number)
        return SignedList(ledger_id, rule, kind, key_number, bool(gaps), items, signatures)


_TYPES = (FieldType.TEXT, FieldType.INTEGER, FieldType.DATE, FieldType.AMOUNT)


def list_header(ledger_id: bytes, rule: ListRule, kind: FieldType, *, gaps: bool) -> bytes:
    """The header of one list's signatures."""
    return digests.list_header(ledger_id, rule.issuer_id, kind, rule.name, rule.version, gaps=gaps)


def sign_list(
    key: IssuerKey,
    ledger_id: bytes,
    rule: ListRule,
    kind: FieldType,
    items: Iterable[int],
    *,
    key_number: int,
    gaps: bool,
) -> SignedList:
    """A list of these integers (``Field.scalar`` of the values), item by item or gap by gap.

    ``key`` is the owner's credential key ``key_number`` for :data:`LIST_SCHEMA`.
    """
    if kind not in _TYPES:
        raise CallerError("a signed list has items of type text, integer, date or amount")
    ordered = tuple(sorted(set(items)))
    _check_items(ordered, kind)
    unsigned = SignedList(ledger_id, rule, kind, key_number, gaps, ordered, ())
    places = range(len(ordered) + gaps)
    wanted = [[to_scalar(x) for x in _messages(unsigned, place)] for place in places]
    signatures = tuple(key.sign_messages(unsigned.header, wanted))
    return SignedList(ledger_id, rule, kind, key_number, gaps, ordered, signatures)


def _messages(signed: SignedList, place: int) -> list[int]:
    if not signed.gaps:
        return [signed.items[place]]
    bounds = list_bounds(signed.type)
    ends = [bounds.lowest, *signed.items[max(0, place - 1) : place + 1], bounds.highest]
    return ends[1:3] if place else ends[:2]


def _check_items(items: tuple[int, ...], kind: FieldType) -> None:
    bounds = list_bounds(kind)
    if any(a >= b for a, b in zip((bounds.lowest, *items), (*items, bounds.highest), strict=True)):
        raise MalformedInput("the items of a list increase and fit their type")
