"""Sharing with one recipient, for one purpose, until a date.

The body of a record or disclosure lies encrypted in a store that both sides can
reach; a grant holds the key to it, sealed for its recipient. Purpose, expiry and
parties are authenticated with the key: whoever changes one of them opens nothing.
They are rules for honest software, not locks: whoever has opened a body can keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from zkcredit.commitment import canonical_value
from zkcredit.errors import CheckFailed, MalformedInput, Refused
from zkcredit.messages import (
    Counter,
    Hex32,
    HexBytes,
    Label,
    Message,
    decode_message,
    message_type,
    prepare_types,
)
from zkcredit.records.bodies import open_body
from zkcredit.records.disclosure import (
    Disclosure,
    Record,
    Verified,
    verify_disclosure,
    verify_record,
)
from zkcredit.records.recipients import RecipientKey, fingerprint, seal_for

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.records.bodies import BodyStore
    from zkcredit.records.recipients import Recipient

_KEY_BYTES = 32


class Grant(Message, frozen=True, kw_only=True, tag="zkcredit/record-grant/1"):
    """Holder → recipient: the key to one body, sealed.

    ``recipient`` is the fingerprint of the key it is sealed for, ``body`` the BLAKE3
    hash of the ciphertext to fetch. Nothing in it names the record or its entry.
    """

    ledger_id: Hex32
    grant_id: Hex32
    recipient: Hex32
    recipient_name: Label
    purpose: Label
    issued_ms: Counter
    expires_ms: Counter
    body: Hex32
    sealed_key: HexBytes


prepare_types(Grant)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a recipient has opened, and what it says once checked against the ledger."""

    content: Record | Disclosure
    verified: Verified


def _info(grant: Grant) -> bytes:
    """Everything in a grant but the sealed key, which is bound to it."""
    names = [name for name in grant.__struct_fields__ if name != "sealed_key"]
    head = canonical_value(str(grant.__struct_config__.tag))
    return head + b"".join(canonical_value(getattr(grant, name)) for name in names)


def seal_grant(
    recipient: Recipient,
    data_key: bytes,
    body: bytes,
    *,
    grant_id: bytes,
    purpose: str,
    issued_ms: int,
    expires_ms: int,
) -> Grant:
    """A grant of the body with this hash, whose key is ``data_key`` (32 bytes)."""
    draft = Grant(
        ledger_id=recipient.ledger_id,
        grant_id=grant_id,
        recipient=fingerprint(recipient.public_key),
        recipient_name=recipient.name,
        purpose=purpose,
        issued_ms=issued_ms,
        expires_ms=expires_ms,
        body=body,
        sealed_key=b"",
    )
    return rewrap(draft, recipient, data_key, body)


def rewrap(grant: Grant, recipient: Recipient, data_key: bytes, body: bytes) -> Grant:
    """The same grant for another body and key, after a re-key."""
    moved = msgspec.structs.replace(grant, body=body, sealed_key=b"")
    sealed = seal_for(recipient.public_key, data_key, _info(moved))
    return msgspec.structs.replace(moved, sealed_key=sealed)


def open_grant(
    ledger: LedgerView,
    grant: Grant,
    key: RecipientKey,
    bodies: BodyStore,
    *,
    purpose: str,
    now_ms: int,
) -> Shared:
    """Opens what was shared and checks it against the ledger.

    ``purpose`` is what the recipient wants it for, ``now_ms`` Unix time. Refused
    ``wrong-ledger``, ``wrong-recipient``, ``wrong-purpose``, ``grant-expired``,
    ``body-missing`` (revoked, erased, or not handed over), and as in
    :func:`~zkcredit.records.disclosure.verify_record`. CheckFailed if the grant was
    changed or the body is another's.
    """
    _check_grant(ledger, grant, key, purpose, now_ms)
    data_key = key.open(grant.sealed_key, _info(grant))
    if len(data_key) != _KEY_BYTES:
        raise CheckFailed("the grant does not hold a key")
    body = bodies.get(grant.body)
    if body is None:
        raise Refused(
            "body-missing",
            "the body is not in this store: the grant was revoked, the record erased, "
            "or the file was not handed over",
        )
    message = open_body(data_key, body)
    found = message_type(message)
    if found == Record.__struct_config__.tag:
        record = decode_message(message, Record)
        return Shared(record, verify_record(ledger, record))
    if found == Disclosure.__struct_config__.tag:
        disclosure = decode_message(message, Disclosure)
        return Shared(disclosure, verify_disclosure(ledger, disclosure))
    raise MalformedInput(f"a body cannot hold a message of type {found!r}")


def _check_grant(
    ledger: LedgerView, grant: Grant, key: RecipientKey, purpose: str, now_ms: int
) -> None:
    if grant.ledger_id != ledger.ledger_id:
        raise Refused("wrong-ledger", "the grant is for another ledger")
    if grant.recipient != fingerprint(key.public_key):
        raise Refused("wrong-recipient", f"the grant is for {grant.recipient_name}'s key")
    if grant.purpose != purpose:
        raise Refused("wrong-purpose", f"the grant is for {grant.purpose!r}, and for nothing else")
    if now_ms > grant.expires_ms:
        raise Refused("grant-expired", "the grant has expired: ask for a new one")
