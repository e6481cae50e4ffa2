"""Statements, entries and submissions: the bytes that go onto a ledger.

A *statement* says what happens: a registration (issuer, terms, period,
merchant) or a step of a hidden line (open, spend, refresh, update, billing
statement, settlement). An *entry* of the log is a statement with the
operator's timestamp and the hash of its evidence. *Evidence* (signatures or a
proof) and *memo* (128 bytes only the holder reads) lie beside the log. A
*submission* is what a participant hands to the operator: all three together.

All integers are big-endian; every encoding starts with a version byte, has one
form only and is decoded strictly (:class:`~zkcredit.errors.MalformedInput`).
Objects that cannot be encoded raise :class:`~zkcredit.errors.CallerError` when
they are built. Points of curves are opaque bytes here.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar, Self

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.errors import CallerError, MalformedInput

VERSION = 1
"""Version byte of statements, entries and submissions."""
ENTRY_MAX_BYTES = 65_535
"""Longest encoded entry; an entry bundle has a two-byte length before each."""
TERMS_MAX_BYTES = 32_768
"""Longest encoded terms."""
CLAIMS_MAX = 1_024
"""Most claims that one settlement can hold."""
MEMO_BYTES = 128
"""Length of the memo of every statement of a line except a settlement."""
SIGNATURE_BYTES = 96
"""Length of a BLS signature or proof of possession."""
EVIDENCE_MAX_BYTES = 1 << 20
"""Longest evidence that is read at all."""


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

    @property
    def is_registration(self) -> bool:
        """Whether the evidence is signatures only (no proof, no memo)."""
        return self <= Kind.MERCHANT

    @property
    def memo_bytes(self) -> int:
        """Length of the memo: 128 for steps of a line, else 0."""
        return MEMO_BYTES if Kind.OPEN <= self <= Kind.STATEMENT else 0

    @property
    def has_reply(self) -> bool:
        """Whether the issuer answers the entry with a signature."""
        return Kind.OPEN <= self <= Kind.STATEMENT

    @property
    def reply_is_public(self) -> bool:
        """Whether the answer is a bare signature that everybody can check."""
        return self in (Kind.SPEND, Kind.REFRESH)


class PeriodAction(enum.IntEnum):
    """Whether a period statement opens the period or closes it."""

    OPEN = 1
    CLOSE = 2


class _Layout:
    """Names and widths of the fields of a statement of fixed length."""

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
        self.values = attrgetter(*fields)


class Statement:
    """Base of the ten statements; subclasses are frozen and compare by value."""

    __slots__ = ()
    KIND: ClassVar[Kind]

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


class _Fixed(Statement):
    """A statement whose fields are described by a :class:`_Layout` alone."""

    __slots__ = ()
    _LAYOUT: ClassVar[_Layout]

    def __post_init__(self) -> None:
        _check_layout(self, self._LAYOUT)

    def _body(self) -> bytes:
        layout = self._LAYOUT
        return layout.struct.pack(*layout.values(self))

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        layout = cls._LAYOUT
        if len(body) != layout.struct.size:
            raise MalformedInput(
                f"{cls.KIND.name.lower()} statement has {len(body)} bytes of fields, "
                f"not {layout.struct.size}"
            )
        return cls(*layout.struct.unpack(body))


def _check_layout(statement: Any, layout: _Layout) -> None:
    for name, size in layout.sizes:
        if len(getattr(statement, name)) != size:
            raise CallerError(f"{name} must have {size} bytes")
    for name, limit in layout.limits:
        value = getattr(statement, name)
        if not 0 <= value < limit:
            raise CallerError(f"{name} is out of range")
        if name == "period" and value == 0:
            raise CallerError("periods are numbered from 1")


class _Named(Statement):
    """A participant's registration: BLS key (48 bytes) and name (1..64 bytes)."""

    __slots__ = ()
    bls_key: bytes
    name: str

    def __post_init__(self) -> None:
        problem = text_problem(self.name)
        if problem is not None:
            raise CallerError(f"name: {problem}")
        if len(self.bls_key) != 48:
            raise CallerError("bls_key must have 48 bytes")

    def _body(self) -> bytes:
        return Writer().fixed(self.bls_key, 48).text8(self.name).finish()

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader = Reader(body)
        values = reader.fixed(48), reader.text8()
        reader.finish()
        return cls(*values)  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class IssuerStatement(_Named):
    """Registers a lender (or other signer of tokens) by BLS key and name."""

    KIND = Kind.ISSUER
    bls_key: bytes
    name: str


@dataclass(frozen=True, slots=True)
class MerchantStatement(_Named):
    """Registers a merchant by BLS key and name."""

    KIND = Kind.MERCHANT
    bls_key: bytes
    name: str


@dataclass(frozen=True, slots=True)
class TermsStatement(Statement):
    """Publishes terms: ``issuer_id`` 32 bytes, ``terms`` the encoded terms."""

    KIND = Kind.TERMS
    issuer_id: bytes
    terms: bytes

    def __post_init__(self) -> None:
        if len(self.issuer_id) != 32:
            raise CallerError("issuer_id must have 32 bytes")
        if not 1 <= len(self.terms) <= TERMS_MAX_BYTES:
            raise CallerError(f"terms must have 1..{TERMS_MAX_BYTES} bytes")

    def _body(self) -> bytes:
        return Writer().fixed(self.issuer_id, 32).var16(self.terms).finish()

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader = Reader(body)
        values = reader.fixed(32), reader.var16()
        reader.finish()
        return cls(*values)


@dataclass(frozen=True, slots=True)
class PeriodStatement(Statement):
    """Opens a period with its BBS key (96 bytes) or closes it (``bbs_key`` empty)."""

    KIND = Kind.PERIOD
    terms_hash: bytes
    period: int
    action: PeriodAction
    bbs_key: bytes = b""

    def __post_init__(self) -> None:
        if len(self.terms_hash) != 32:
            raise CallerError("terms_hash must have 32 bytes")
        if not 1 <= self.period < 1 << 32:
            raise CallerError("period must be 1..2^32-1")
        if self.action not in (PeriodAction.OPEN, PeriodAction.CLOSE):
            raise CallerError("action must be 1 (open) or 2 (close)")
        if len(self.bbs_key) != (96 if self.action == PeriodAction.OPEN else 0):
            raise CallerError("bbs_key has 96 bytes when a period opens and none when it closes")

    def _body(self) -> bytes:
        head = Writer().fixed(self.terms_hash, 32).u32(self.period).u8(self.action).finish()
        return head + self.bbs_key

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader = Reader(body)
        terms_hash, period, action = reader.fixed(32), reader.u32(), reader.u8()
        if action not in (PeriodAction.OPEN, PeriodAction.CLOSE):
            raise MalformedInput(f"period statement has unknown action {action}")
        return cls(terms_hash, period, PeriodAction(action), reader.rest())


@dataclass(frozen=True, slots=True)
class OpenStatement(_Fixed):
    """Opens a line: commitment C′ and owner tag Y (48 bytes each)."""

    KIND = Kind.OPEN
    _LAYOUT: ClassVar[_Layout] = _Layout(terms_hash=32, period="I", commitment=48, owner_tag=48)
    terms_hash: bytes
    period: int
    commitment: bytes
    owner_tag: bytes


@dataclass(frozen=True, slots=True)
class SpendStatement(_Fixed):
    """A purchase: nullifier N, next commitment C′, claim V, payee and invoice hash.

    ``not_after_ms`` is Unix time; a later entry timestamp makes it expired.
    """

    KIND = Kind.SPEND
    _LAYOUT: ClassVar[_Layout] = _Layout(
        terms_hash=32, period="I", nullifier=32, commitment=48, claim=48, payee=32,
        invoice_hash=32, not_after_ms="Q",
    )  # fmt: skip
    terms_hash: bytes
    period: int
    nullifier: bytes
    commitment: bytes
    claim: bytes
    payee: bytes
    invoice_hash: bytes
    not_after_ms: int


@dataclass(frozen=True, slots=True)
class RefreshStatement(_Fixed):
    """Replaces a token by an equal one: nullifier N and next commitment C′."""

    KIND = Kind.REFRESH
    _LAYOUT: ClassVar[_Layout] = _Layout(terms_hash=32, period="I", nullifier=32, commitment=48)
    terms_hash: bytes
    period: int
    nullifier: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class UpdateStatement(_Fixed):
    """Lets the lender adjust a line; ``bill_tag`` S shows the account to it alone."""

    KIND = Kind.UPDATE
    _LAYOUT: ClassVar[_Layout] = _Layout(
        terms_hash=32, period="I", nullifier=32, commitment=48, bill_tag=48
    )
    terms_hash: bytes
    period: int
    nullifier: bytes
    commitment: bytes
    bill_tag: bytes


@dataclass(frozen=True, slots=True)
class BillingStatement(_Fixed):
    """Bills the old token of ``period``: tag S and commitment D to the amount due."""

    KIND = Kind.STATEMENT
    _LAYOUT: ClassVar[_Layout] = _Layout(
        terms_hash=32, period="I", nullifier=32, commitment=48, bill_tag=48, due_commitment=48
    )
    terms_hash: bytes
    period: int
    nullifier: bytes
    commitment: bytes
    bill_tag: bytes
    due_commitment: bytes


@dataclass(frozen=True, slots=True)
class SettleStatement(Statement):
    """Settles claims of one issuer and asset.

    ``claims`` are (index of the spend entry, one-time payee key of 48 bytes),
    1..1,024 of them with strictly increasing index; ``payout_hash`` (32 bytes)
    binds the sum that only merchant and lender see.
    """

    KIND = Kind.SETTLE
    issuer_id: bytes
    asset: str
    payout_hash: bytes
    claims: tuple[tuple[int, bytes], ...]

    def __post_init__(self) -> None:
        if len(self.issuer_id) != 32 or len(self.payout_hash) != 32:
            raise CallerError("issuer_id and payout_hash must have 32 bytes")
        problem = text_problem(self.asset)
        if problem is not None:
            raise CallerError(f"asset: {problem}")
        if not 1 <= len(self.claims) <= CLAIMS_MAX:
            raise CallerError(f"a settlement holds 1..{CLAIMS_MAX} claims")
        previous = -1
        for index, payee_key in self.claims:
            if not previous < index < 1 << 64:
                raise CallerError("claim indexes must increase strictly and fit in 8 bytes")
            if len(payee_key) != 48:
                raise CallerError("payee keys must have 48 bytes")
            previous = index

    def _body(self) -> bytes:
        writer = Writer().fixed(self.issuer_id, 32).text8(self.asset)
        writer.fixed(self.payout_hash, 32).u16(len(self.claims))
        for index, payee_key in self.claims:
            writer.u64(index).fixed(payee_key, 48)
        return writer.finish()

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader = Reader(body)
        head = reader.fixed(32), reader.text8(), reader.fixed(32)
        count = reader.u16()
        if reader.remaining != count * 56:
            raise MalformedInput("settlement does not have the length that its count says")
        claims = tuple((reader.u64(), reader.fixed(48)) for _ in range(count))
        return cls(*head, claims)


NullifyingStatement = SpendStatement | RefreshStatement | UpdateStatement | BillingStatement
"""A statement that uses up a token."""
LineStatement = OpenStatement | NullifyingStatement
"""A statement about one hidden line."""

_CLASSES: dict[int, type[Statement]] = {
    cls.KIND: cls
    for cls in (
        IssuerStatement, TermsStatement, PeriodStatement, MerchantStatement, OpenStatement,
        SpendStatement, RefreshStatement, UpdateStatement, BillingStatement, SettleStatement,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf of the log: operator's timestamp, hash of the evidence, statement."""

    timestamp_ms: int
    evidence_hash: bytes
    statement: Statement

    def encode(self) -> bytes:
        """Version, timestamp (8 bytes), evidence hash (32) and statement."""
        return self.encode_with(self.statement.encode())

    def encode_with(self, statement: bytes) -> bytes:
        """The same where the encoded statement is at hand already."""
        writer = Writer().u8(VERSION).u64(self.timestamp_ms).fixed(self.evidence_hash, 32)
        data = writer.finish() + statement
        if len(data) > ENTRY_MAX_BYTES:
            raise CallerError(f"entry is longer than {ENTRY_MAX_BYTES} bytes")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """The entry that ``data`` encodes; raises MalformedInput."""
        if not 43 <= len(data) <= ENTRY_MAX_BYTES:
            raise MalformedInput(f"entry has {len(data)} bytes")
        if data[0] != VERSION:
            raise MalformedInput(f"entry has version {data[0]}; this program reads {VERSION}")
        timestamp_ms = int.from_bytes(data[1:9], "big")
        return cls(timestamp_ms, bytes(data[9:41]), Statement.decode(data[41:]))


@dataclass(frozen=True, slots=True)
class Submission:
    """What a participant hands to the operator: statement, evidence and memo."""

    statement: Statement
    evidence: bytes
    memo: bytes = b""

    def __post_init__(self) -> None:
        expected = self.statement.KIND.memo_bytes
        if len(self.memo) != expected:
            kind = self.statement.KIND.name.lower()
            raise CallerError(f"the memo of a {kind} has {expected} bytes, not {len(self.memo)}")
        if len(self.evidence) > EVIDENCE_MAX_BYTES:
            raise CallerError(f"evidence is longer than {EVIDENCE_MAX_BYTES} bytes")

    def encode(self) -> bytes:
        """Version, then statement and evidence (4-byte lengths) and memo (1-byte length)."""
        writer = Writer().u8(VERSION).var32(self.statement.encode())
        return writer.var32(self.evidence).var8(self.memo).finish()

    @classmethod
    def decode(cls, data: bytes) -> Submission:
        """The submission that ``data`` encodes; raises MalformedInput."""
        reader = Reader(data)
        reader.version(VERSION, "submission")
        statement = Statement.decode(reader.var32())
        evidence, memo = reader.var32(), reader.var8()
        reader.finish()
        try:
            return cls(statement, evidence, memo)
        except CallerError as error:
            raise MalformedInput(str(error)) from None
