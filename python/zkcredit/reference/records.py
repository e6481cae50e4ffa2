"""What the bytes of a ledger say: genesis, entries, statements, terms."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from zkcredit.errors import MalformedInput
from zkcredit.reference.bytesin import Bytes
from zkcredit.reference.hashing import derive_key

KINDS = {
    1: "issuer", 2: "terms", 3: "period", 4: "merchant", 5: "open", 6: "spend",
    7: "refresh", 8: "update", 9: "statement", 10: "settle", 11: "schema",
    12: "credential_key", 13: "revocations", 14: "records", 15: "members",
}  # fmt: skip
"""Names of the statements by the byte that says their kind."""
REGISTRATIONS = frozenset(
    ("issuer", "terms", "period", "merchant", "schema", "credential_key", "revocations", "records",
     "members")
)  # fmt: skip
ENTRY_MAX = 65_535
MEMO_BYTES = 128
_DOCUMENT_MAX = 32_768
_CLAIMS_MAX = 1024
_MEMBERS_MAX = 64
_CREDIT = 1
_OPEN, _CLOSE = 1, 2
# Points of a statement by the names that the circuits give them, in wire order.
_POINTS = {
    "open": ("next", "owner_tag"),
    "spend": ("next", "claim"),
    "refresh": ("next",),
    "update": ("next", "tag"),
    "statement": ("next", "tag", "due"),
}


def hashed(name: str, *parts: bytes) -> bytes:
    """``derive_key("zkcredit v1 <name>", parts)``: 32 bytes."""
    return derive_key("zkcredit v1 " + name, b"".join(parts))


@dataclass(frozen=True, slots=True)
class Genesis:
    """Name and keys of a ledger.

    The log's Ed25519 key (32 bytes) and ML-DSA-44 key (1,312), the operator's BLS key (48).
    """

    ledger_id: bytes
    origin: str
    log_key: bytes
    mldsa_key: bytes
    operator_key: bytes

    @classmethod
    def decode(cls, data: bytes) -> Genesis:
        """The genesis of these bytes; raises MalformedInput."""
        reader = Bytes(data, "genesis")
        reader.version(2)
        origin, log_key, mldsa_key = reader.text(), reader.take(32), reader.take(1312)
        operator_key = reader.take(48)
        reader.take(32)
        reader.end()
        if "+" in origin or any(char.isspace() for char in origin):
            raise MalformedInput("genesis: the origin holds a space or a plus sign")
        return cls(hashed("ledger", data[1:]), origin, log_key, mldsa_key, operator_key)


@dataclass(frozen=True, slots=True)
class Named:
    """Registration of an issuer or merchant by BLS key and name."""

    key: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Published:
    """Publication of terms or of a schema by an issuer."""

    issuer_id: bytes
    document: bytes


@dataclass(frozen=True, slots=True)
class PeriodChange:
    """A period opens with its BBS key (96 bytes), or closes."""

    terms_hash: bytes
    period: int
    key: bytes | None


KeyPlace = tuple[bytes, bytes, int]
"""Issuer, schema hash and number of a credential key."""


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """A credential key of an issuer and schema opens with its BBS key (96 bytes), or closes."""

    issuer_id: bytes
    schema_hash: bytes
    number: int
    key: bytes | None

    @property
    def place(self) -> KeyPlace:
        """Whose key it is, for what, and which one."""
        return self.issuer_id, self.schema_hash, self.number


@dataclass(frozen=True, slots=True)
class Revocations:
    """A revocation list of a credential key, by the BLAKE3 hash of its file."""

    issuer_id: bytes
    schema_hash: bytes
    number: int
    epoch: int
    list_hash: bytes

    @property
    def place(self) -> KeyPlace:
        """The credential key that the list is of."""
        return self.issuer_id, self.schema_hash, self.number


@dataclass(frozen=True, slots=True)
class Anchor:
    """Root of a tree over an issuer's records."""

    issuer_id: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Members:
    """Whose cosignatures count: (name, Ed25519 key of 32 bytes), and how many of them."""

    number: int
    threshold: int
    members: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a hidden line; ``points`` by the circuit's names, nullifier empty if opening."""

    terms_hash: bytes
    period: int
    nullifier: bytes
    points: Mapping[str, bytes] = field(default_factory=dict)
    payee: bytes = b""
    not_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """Claims of one issuer and asset: (index of the purchase, payee key of 48 bytes)."""

    issuer_id: bytes
    asset: str
    claims: tuple[tuple[int, bytes], ...]


Publication = Published | CredentialKey | Revocations | Anchor
"""What an issuer signs under its own name."""
Content = Named | Publication | PeriodChange | Members | Step | Settlement


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded entry; ``statement`` are the statement's bytes, ``kind`` its name."""

    timestamp_ms: int
    evidence_hash: bytes
    statement: bytes
    kind: str
    content: Content

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """The entry of these bytes; raises MalformedInput."""
        if len(data) > ENTRY_MAX:
            raise MalformedInput(f"entry has {len(data)} bytes")
        reader = Bytes(data, "entry")
        reader.version()
        timestamp_ms, evidence_hash = reader.number(8), reader.take(32)
        kind, content = decode_statement(data[41:])
        return cls(timestamp_ms, evidence_hash, data[41:], kind, content)


def decode_statement(data: bytes) -> tuple[str, Content]:
    """Kind and content of a statement's bytes; raises MalformedInput."""
    reader = Bytes(data, "statement")
    reader.version()
    kind = KINDS.get(reader.number(1))
    content: Content
    if kind in ("issuer", "merchant"):
        content = Named(reader.take(48), reader.text())
    elif kind == "period":
        content = _period(reader)
    elif kind == "members":
        content = _members(reader)
    elif kind in REGISTRATIONS:
        content = _publication(kind, reader)
    elif kind == "settle":
        content = _settlement(reader)
    elif kind is not None:
        content = _step(kind, reader)
    else:
        raise MalformedInput(f"statement has unknown kind {data[1]}")
    reader.end()
    return kind, content


def _publication(kind: str, reader: Bytes) -> Publication:
    issuer_id = reader.take(32)
    if kind == "records":
        return Anchor(issuer_id, reader.take(32))
    if kind == "credential_key":
        return CredentialKey(issuer_id, reader.take(32), _counted(reader), _opened_key(reader))
    if kind == "revocations":
        parts = reader.take(32), _counted(reader), _counted(reader), reader.take(32)
        return Revocations(issuer_id, *parts)
    size = reader.number(2)
    if not 1 <= size <= _DOCUMENT_MAX:
        raise MalformedInput(f"a document of a {kind} statement is empty or too long")
    return Published(issuer_id, reader.take(size))


def _members(reader: Bytes) -> Members:
    number, threshold, count = _counted(reader), reader.number(1), reader.number(1)
    members = tuple((reader.text(), reader.take(32)) for _ in range(count))
    names = {name for name, _ in members}
    if any(char.isspace() or char == "+" for name in names for char in name):
        raise MalformedInput("the name of a member holds a space or a plus sign")
    if len(names) != count or len({key for _, key in members}) != count:
        raise MalformedInput("two members have one name or one key")
    if not 1 <= threshold <= count <= _MEMBERS_MAX:
        raise MalformedInput("a consortium has 1..64 members, and a threshold among them")
    return Members(number, threshold, members)


def _counted(reader: Bytes) -> int:
    number = reader.number(4)
    if number == 0:
        raise MalformedInput("periods, keys and epochs count from 1")
    return number


def _opened_key(reader: Bytes) -> bytes | None:
    """The BBS key of 96 bytes after an action that opens it, None after one that closes it."""
    action = reader.number(1)
    if action not in (_OPEN, _CLOSE):
        raise MalformedInput(f"statement has unknown action {action}")
    return reader.take(96) if action == _OPEN else None


def _period(reader: Bytes) -> PeriodChange:
    return PeriodChange(reader.take(32), _counted(reader), _opened_key(reader))


def _step(kind: str, reader: Bytes) -> Step:
    terms_hash, period = reader.take(32), _counted(reader)
    nullifier = b"" if kind == "open" else reader.take(32)
    points = {name: reader.take(48) for name in _POINTS[kind]}
    if kind != "spend":
        return Step(terms_hash, period, nullifier, points)
    payee = reader.take(32)
    reader.take(32)  # the invoice's hash, which means nothing to anybody else
    return Step(terms_hash, period, nullifier, points, payee, reader.number(8))


def _settlement(reader: Bytes) -> Settlement:
    issuer_id, asset = reader.take(32), reader.text()
    reader.take(32)  # the payout's hash
    count = reader.number(2)
    if not 1 <= count <= _CLAIMS_MAX:
        raise MalformedInput(f"a settlement holds 1..{_CLAIMS_MAX} claims")
    claims = tuple((reader.number(8), reader.take(48)) for _ in range(count))
    indexes = [index for index, _ in claims]
    if any(left >= right for left, right in itertools.pairwise(indexes)):
        raise MalformedInput("claim indexes do not increase")
    return Settlement(issuer_id, asset, claims)


@dataclass(frozen=True, slots=True)
class Terms:
    """What of the terms a verifier needs: token kind, currency, K, M, bits of amounts."""

    kind: int
    currency: str
    due_buckets: int
    attributes: int
    amount_bits: int

    @classmethod
    def decode(cls, data: bytes) -> Terms:
        """The terms of these bytes, with every range checked; raises MalformedInput."""
        reader = Bytes(data, "terms")
        reader.version()
        kind, currency = reader.number(1), reader.text()
        values = {name: reader.number(size) for name, size, _, _ in _TERMS}
        reader.end()
        if kind != _CREDIT or values["amount_bits"] not in (32, 64):
            raise MalformedInput("terms have an unknown kind or width of amounts")
        if not _CURRENCY.fullmatch(currency):
            raise MalformedInput(f"terms: {currency!r} is no currency")
        for name, _, low, high in _TERMS:
            if not low <= values[name] <= high:
                raise MalformedInput(f"terms: {name} must be in {low}..{high}")
        sizes = (values[name] for name in ("due_buckets", "attributes", "amount_bits"))
        return cls(kind, currency, *sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """Parameters of the circuits."""
        return {"K": self.due_buckets, "M": self.attributes, "bits": self.amount_bits}

    @property
    def message_count(self) -> int:
        """Messages of a token."""
        return 5 + self.due_buckets + self.attributes


_CURRENCY = re.compile("[A-Z][A-Z0-9]{1,11}")
_MINOR_MAX = (1 << 63) - 1
# Name, bytes, least and largest value of the terms' numbers, in wire order.
_TERMS = (
    ("minor_digits", 1, 0, 6),
    ("due_buckets", 1, 1, 36),
    ("attributes", 1, 0, 16),
    ("amount_bits", 1, 32, 64),
    ("apr_bps", 4, 0, 100_000),
    ("minimum_floor_minor", 8, 0, _MINOR_MAX),
    ("minimum_pct_bps", 4, 0, 10_000),
    ("late_fee_minor", 8, 0, _MINOR_MAX),
    ("merchant_fee_bps", 4, 0, 10_000),
    ("calendar_start_year", 2, 1970, 9000),
    ("calendar_start_month", 1, 1, 12),
    ("grace_days", 2, 0, 366),
    ("sign_within_ms", 8, 1, 366 * 86_400_000),
    ("no_show", 1, 1, 1),
)
