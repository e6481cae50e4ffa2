"""Statements about hidden lines: openings, steps, bills and settlements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.entries.base import FixedStatement, Kind, Layout, Statement
from zkcredit.errors import CallerError, MalformedInput

CLAIMS_MAX = 1_024
"""Most claims that one settlement can hold."""


@dataclass(frozen=True, slots=True)
class OpenStatement(FixedStatement):
    """Opens a line: commitment C′ and owner tag Y (48 bytes each)."""

    KIND = Kind.OPEN
    LAYOUT: ClassVar[Layout] = Layout(terms_hash=32, period="I", commitment=48, owner_tag=48)
    terms_hash: bytes
    period: int
    commitment: bytes
    owner_tag: bytes


@dataclass(frozen=True, slots=True)
class SpendStatement(FixedStatement):
    """A purchase: nullifier N, next commitment C′, claim V, payee and invoice hash.

    ``not_after_ms`` is Unix time; a later entry timestamp makes it expired.
    """

    KIND = Kind.SPEND
    LAYOUT: ClassVar[Layout] = Layout(
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
class RefreshStatement(FixedStatement):
    """Replaces a token by an equal one: nullifier N and next commitment C′."""

    KIND = Kind.REFRESH
    LAYOUT: ClassVar[Layout] = Layout(terms_hash=32, period="I", nullifier=32, commitment=48)
    terms_hash: bytes
    period: int
    nullifier: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class UpdateStatement(FixedStatement):
    """Lets the lender adjust a line; ``bill_tag`` S shows the account to it alone."""

    KIND = Kind.UPDATE
    LAYOUT: ClassVar[Layout] = Layout(
        terms_hash=32, period="I", nullifier=32, commitment=48, bill_tag=48
    )
    terms_hash: bytes
    period: int
    nullifier: bytes
    commitment: bytes
    bill_tag: bytes


@dataclass(frozen=True, slots=True)
class BillingStatement(FixedStatement):
    """Bills the old token of ``period``: tag S and commitment D to the amount due."""

    KIND = Kind.STATEMENT
    LAYOUT: ClassVar[Layout] = Layout(
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
