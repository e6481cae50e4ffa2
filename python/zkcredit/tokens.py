"""Line tokens as holder and lender both compute them.

A token is an issuer's signature on the scalar messages ``blind, owner, serial,
account, available, due[0..K), attrs[0..M)``. Its header binds ledger, terms and
period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.entries import Kind

if TYPE_CHECKING:
    from zkcredit._native import Scalar
    from zkcredit.ledger.registry import Registry
    from zkcredit.terms import Terms

BLIND, OWNER, SERIAL, ACCOUNT, AVAILABLE, DUE = range(6)
"""Positions of the messages; attributes follow the K due buckets."""

OPEN_ORIGIN = b"open"
"""Stands for the nullifier in the serial tweak of an open entry."""


@dataclass(frozen=True, slots=True)
class Product:
    """One issuer's terms on one ledger, with what is derived from them."""

    ledger_id: bytes
    issuer_id: bytes
    terms_hash: bytes
    terms: Terms

    @staticmethod
    def find(registry: Registry, terms_hash: bytes) -> Product:
        """The product of published terms; Refused ``unknown-terms`` if they are not there."""
        published = registry.published(terms_hash)
        return Product(registry.ledger_id, published.issuer_id, terms_hash, published.terms)

    def header(self, period: int) -> bytes:
        """Header of this period's tokens (70 bytes)."""
        return digests.token_header(self.ledger_id, self.terms.kind, self.terms_hash, period)

    @property
    def value_label(self) -> bytes:
        """Label of the generator of amounts of this issuer and currency."""
        return digests.value_label(self.issuer_id, self.terms.currency)


def tweak(kind: Kind, nullifier: bytes, commitment: bytes) -> bytes:
    """What the signer adds to the serial in C′ (a scalar of 32 bytes)."""
    from zkcredit._native import serial_tweak

    origin = OPEN_ORIGIN if kind is Kind.OPEN else nullifier
    return serial_tweak(origin, commitment)


def signed_period(kind: Kind, period: int) -> int:
    """Period of the token that an entry of ``period`` leads to."""
    return period + 1 if kind is Kind.STATEMENT else period


def claim_commitment(value_label: bytes, amount_minor: int, rho: Scalar) -> bytes:
    """V (or D) = amount·G_value + rho·H_blind, 48 bytes."""
    from zkcredit._native import commit

    return commit([(value_label, amount_minor), ("blinding", rho)])
