"""A credential as its holder keeps it.

A credential is an issuer's BBS signature on the scalar messages ``blind, owner, handle,
expires`` and the fields of its schema. ``blind`` and ``owner`` are derived from the
wallet's seed and never stored, so that what is stored is of use to this wallet only.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from zkcredit import digests
from zkcredit.credentials.schema import Schema, Value

if TYPE_CHECKING:
    from zkcredit._native import Scalar, SecretScalar
    from zkcredit.keys import WalletKeys

BLIND, OWNER, HANDLE, EXPIRES, FIELDS = range(5)
"""Positions of the messages; the schema's fields follow from ``FIELDS`` on."""
HANDLE_MAX = (1 << 32) - 1
"""Largest handle; handles start at 1."""
CREDENTIAL_JSON = "application/vnd.zkcredit.credential+json"
CREDENTIAL_CBOR = "application/vnd.zkcredit.credential+cbor"
"""Media types of exported credentials."""

_decode = functools.lru_cache(64)(Schema.decode)


def as_message(scalar: int) -> Scalar:
    """A field's scalar (:meth:`Field.scalar`) as the engine takes it."""
    return scalar if scalar < 0 else scalar.to_bytes(32, "big")


def field_messages(schema: Schema, values: Mapping[str, Value]) -> list[Scalar]:
    """The messages of all fields in the schema's order; CallerError if a value does not fit."""
    return [as_message(item.scalar(values[item.name])) for item in schema.fields]


class Slot(NamedTuple):
    """What the blinding of a credential is derived from; ``ordinal`` counts from 0."""

    issuer_id: bytes
    schema_hash: bytes
    key_number: int
    ordinal: int

    def header(self, ledger_id: bytes) -> bytes:
        """Header under which the issuer signs (101 bytes)."""
        return digests.credential_header(ledger_id, *self[:3])


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """The issuer's signature (80 bytes) on "no handle between lo and hi is revoked".

    Both ends are excluded; ``epoch`` counts the lists of one key from 1.
    """

    epoch: int
    lo: int
    hi: int
    signature: bytes

    def __repr__(self) -> str:
        return f"<Gap of epoch {self.epoch}>"


class HeldCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential in a wallet.

    ``number`` names it in this wallet, ``ordinal`` in the derivation of its blinding.
    ``texts`` are the values as :meth:`Field.format` writes them, in the schema's order.
    ``gap`` is None before :meth:`CredentialBook.refresh_gaps` has found one.
    """

    number: int
    ledger_id: bytes
    issuer_id: bytes
    encoded_schema: bytes
    key_number: int
    ordinal: int
    handle: int
    expires: dt.date
    texts: list[str]
    signature: bytes
    gap: Gap | None = None
    revoked: bool = False

    def __repr__(self) -> str:
        return f"<HeldCredential {self.number}: {self.schema.name}>"

    @property
    def schema(self) -> Schema:
        """The schema, decoded."""
        return _decode(self.encoded_schema)

    @property
    def schema_hash(self) -> bytes:
        """Hash of the schema (32 bytes)."""
        return self.schema.hash

    @property
    def values(self) -> dict[str, Value]:
        """Values by name of the field."""
        pairs = zip(self.schema.fields, self.texts, strict=True)
        return {item.name: item.parse(text) for item, text in pairs}

    @property
    def slot(self) -> Slot:
        """Which of the wallet's requests this answers."""
        return Slot(self.issuer_id, self.schema_hash, self.key_number, self.ordinal)

    @property
    def header(self) -> bytes:
        """Header under which the issuer has signed (101 bytes)."""
        return self.slot.header(self.ledger_id)

    def blind(self, keys: WalletKeys) -> SecretScalar:
        """The secret scalar ``blind``."""
        return keys.credential_blind(*self.slot)

    def messages(self, keys: WalletKeys) -> list[Scalar]:
        """The signed messages in order."""
        head: list[Scalar] = [self.blind(keys), keys.owner, self.handle, self.expires.toordinal()]
        return [*head, *field_messages(self.schema, self.values)]
