"""Messages between holder and issuer of a credential."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import msgspec

from zkcredit.credentials.held import HANDLE_MAX
from zkcredit.credentials.schema import MAX_FIELDS
from zkcredit.messages import Hex32, Hex80, HexBytes, Message, prepare_types

if TYPE_CHECKING:
    Hex48 = bytes
else:

    class Hex48(bytes):
        """48 bytes: a point."""

        size = 48


KeyNumber = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]


class CredentialRequest(Message, frozen=True, kw_only=True, tag="zkcredit/credential-request/1"):
    """Holder → issuer: asks for a credential under key ``key_number`` of a schema.

    ``commitment`` is C′ = blind·H_0 + owner·H_1 (48 bytes), ``proof`` that of the circuit
    ``request``. The issuer learns nothing about blind and owner.
    """

    ledger_id: Hex32
    issuer_id: Hex32
    schema_hash: Hex32
    key_number: KeyNumber
    commitment: Hex48
    proof: HexBytes


class CredentialReply(Message, frozen=True, kw_only=True, tag="zkcredit/credential-reply/1"):
    """Issuer → holder: signature and content of the credential for one request.

    ``values`` are the fields in the schema's order as :meth:`Field.format` writes them,
    ``expires`` is the last valid day. Of use only to the wallet that has asked.
    """

    ledger_id: Hex32
    issuer_id: Hex32
    schema_hash: Hex32
    key_number: KeyNumber
    commitment: Hex48
    handle: Annotated[int, msgspec.Meta(ge=1, le=HANDLE_MAX)]
    expires: dt.date
    values: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_FIELDS)]
    signature: Hex80


prepare_types(CredentialRequest, CredentialReply)
