"""Statements signed by who registers or publishes something; no proof, no memo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.entries.base import FixedStatement, KeyAction, Kind, Layout, Statement, check_layout
from zkcredit.errors import CallerError, MalformedInput

TERMS_MAX_BYTES = 32_768
"""Longest encoded terms."""
SCHEMA_MAX_BYTES = 32_768
"""Longest encoded schema of credentials."""


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
    """Registers a lender or another signer of tokens and credentials by BLS key and name."""

    KIND = Kind.ISSUER
    bls_key: bytes
    name: str


@dataclass(frozen=True, slots=True)
class MerchantStatement(_Named):
    """Registers a merchant by BLS key and name."""

    KIND = Kind.MERCHANT
    bls_key: bytes
    name: str


class _Document(Statement):
    """An issuer's publication: ``issuer_id`` 32 bytes and one encoded document."""

    __slots__ = ()
    MAX_BYTES: ClassVar[int]
    issuer_id: bytes

    def _document(self) -> bytes:
        raise NotImplementedError

    def __post_init__(self) -> None:
        if len(self.issuer_id) != 32:
            raise CallerError("issuer_id must have 32 bytes")
        if not 1 <= len(self._document()) <= self.MAX_BYTES:
            what = self.KIND.name.lower()
            raise CallerError(f"the document of a {what} statement has 1..{self.MAX_BYTES} bytes")

    def _body(self) -> bytes:
        return Writer().fixed(self.issuer_id, 32).var16(self._document()).finish()

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader = Reader(body)
        values = reader.fixed(32), reader.var16()
        reader.finish()
        return cls(*values)  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class TermsStatement(_Document):
    """Publishes terms: ``issuer_id`` 32 bytes, ``terms`` the encoded terms."""

    KIND = Kind.TERMS
    MAX_BYTES: ClassVar[int] = TERMS_MAX_BYTES
    issuer_id: bytes
    terms: bytes

    def _document(self) -> bytes:
        return self.terms


@dataclass(frozen=True, slots=True)
class SchemaStatement(_Document):
    """Publishes a type of credentials: ``schema`` is the encoded schema."""

    KIND = Kind.SCHEMA
    MAX_BYTES: ClassVar[int] = SCHEMA_MAX_BYTES
    issuer_id: bytes
    schema: bytes

    def _document(self) -> bytes:
        return self.schema


class _Keyed(Statement):
    """Opens a numbered BBS key of 96 bytes, or closes it (``bbs_key`` empty)."""

    __slots__ = ()
    _HEAD: ClassVar[Layout]
    action: KeyAction
    bbs_key: bytes

    def __post_init__(self) -> None:
        check_layout(self, self._HEAD)
        if self.action not in (KeyAction.OPEN, KeyAction.CLOSE):
            raise CallerError("action must be 1 (open) or 2 (close)")
        if len(self.bbs_key) != (96 if self.action == KeyAction.OPEN else 0):
            raise CallerError("bbs_key has 96 bytes when a key opens and none when it closes")

    def _body(self) -> bytes:
        head = self._HEAD
        return head.struct.pack(*head.values(self)) + bytes((self.action,)) + self.bbs_key

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader, head = Reader(body), cls._HEAD.struct
        values, action = head.unpack(reader.fixed(head.size)), reader.u8()
        if action not in (KeyAction.OPEN, KeyAction.CLOSE):
            raise MalformedInput(f"{cls.KIND.name.lower()} statement has unknown action {action}")
        return cls(*values, KeyAction(action), reader.rest())  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class PeriodStatement(_Keyed):
    """Opens a period with its BBS key (96 bytes) or closes it (``bbs_key`` empty)."""

    KIND = Kind.PERIOD
    _HEAD: ClassVar[Layout] = Layout(terms_hash=32, period="I")
    terms_hash: bytes
    period: int
    action: KeyAction
    bbs_key: bytes = b""


@dataclass(frozen=True, slots=True)
class CredentialKeyStatement(_Keyed):
    """Opens key ``number`` (from 1) of an issuer for credentials of one schema, or closes it."""

    KIND = Kind.CREDENTIAL_KEY
    _HEAD: ClassVar[Layout] = Layout(issuer_id=32, schema_hash=32, number="I")
    issuer_id: bytes
    schema_hash: bytes
    number: int
    action: KeyAction
    bbs_key: bytes = b""


@dataclass(frozen=True, slots=True)
class RevocationStatement(FixedStatement):
    """Publishes the revocation list of an ``epoch`` (from 1) of a credential key.

    ``list_hash`` is the BLAKE3 hash of the list, which lies beside the log.
    """

    KIND = Kind.REVOCATIONS
    LAYOUT: ClassVar[Layout] = Layout(
        issuer_id=32, schema_hash=32, number="I", epoch="I", list_hash=32
    )
    issuer_id: bytes
    schema_hash: bytes
    number: int
    epoch: int
    list_hash: bytes


@dataclass(frozen=True, slots=True)
class RecordsStatement(FixedStatement):
    """Anchors records: ``root`` of a Merkle tree over their salted commitments."""

    KIND = Kind.RECORDS
    LAYOUT: ClassVar[Layout] = Layout(issuer_id=32, root=32)
    issuer_id: bytes
    root: bytes
