"""What is fuzzed: every decoder of bytes that strangers send or disks return.

A target takes any bytes. It may raise errors of the closed set only, and what decodes
encodes to what was decoded: the same bytes where a form is canonical, an equal value
where it is not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import msgspec

from zkcredit import messages, vault
from zkcredit.cosigner.witness import Request
from zkcredit.credentials.lists import SignedList
from zkcredit.credentials.revocation import RevocationList
from zkcredit.credentials.schema import Schema
from zkcredit.credentials.schema_text import parse_schema
from zkcredit.entries import Entry, Submission
from zkcredit.errors import MalformedInput, ZkCreditError
from zkcredit.ledger import quorum, static
from zkcredit.ledger.folder import OperatorKeys
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.note import Checkpoint, Note, VerifierKey
from zkcredit.ledger.tlogproof import TlogProof
from zkcredit.merchant import state as merchant_state
from zkcredit.policies import language
from zkcredit.policies.policy import Policy
from zkcredit.service import wire
from zkcredit.terms import Terms
from zkcredit.wallet import state as wallet_state


def text_of(data: bytes) -> str:
    """Text as files give it to decoders."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedInput("not text") from None


def same(data: object, again: object) -> None:
    assert again == data, "what was decoded is not what is encoded"


def canonical(kind: Any) -> Callable[[bytes], None]:
    """A decoder of the one form that its ``encode`` gives."""

    def target(data: bytes) -> None:
        same(data, kind.decode(data).encode())

    return target


def canonical_text(kind: Any) -> Callable[[bytes], None]:
    """The same for text."""

    def target(data: bytes) -> None:
        text = text_of(data)
        same(text, kind.decode(text).encode())

    return target


def checkpoint(data: bytes) -> None:
    found = Checkpoint.parse(text_of(data))
    same(found, Checkpoint.parse(found.text()))
    assert text_of(data).startswith(found.text())


def bundles(data: bytes) -> None:
    entries = None
    try:
        entries = static.decode_entries(data)
    finally:
        items = static.decode_bundle(data) if data[:2] == b"\x00\x00" else None
        if items is not None:
            same(data, static.encode_bundle(items))
    if entries is not None:
        same(data, b"".join(len(item).to_bytes(2, "big") + item for item in entries))


def quorum_policy(data: bytes) -> None:
    found = quorum.Policy.parse(text_of(data))
    same(found, quorum.Policy.parse(found.encode()))


def presentation_policy(data: bytes) -> None:
    Policy.parse(data)


def clause(data: bytes) -> None:
    language.parse_clause(text_of(data))


def schema_text(data: bytes) -> None:
    found = parse_schema(text_of(data))
    same(found, Schema.decode(found.encode()))


def vault_file(data: bytes) -> None:
    parsed = vault._parse(data)
    same(data, parsed.header + parsed.nonce + parsed.ciphertext)


def wallet(data: bytes) -> None:
    found = wallet_state.decode_state(data)
    same(found, wallet_state.decode_state(wallet_state.encode_state(found)))


def merchant(data: bytes) -> None:
    found = merchant_state.decode_state(data)
    same(found, merchant_state.decode_state(wallet_state.encode_state(found)))


def kinds(kind: type[messages.Message]) -> dict[str, type[messages.Message]]:
    """All message types below ``kind`` by their tags."""
    found = {str(kind.__struct_config__.tag): kind}
    for sub in kind.__subclasses__():
        found |= kinds(sub)
    return {tag: found[tag] for tag in sorted(found) if tag.startswith("zkcredit/")}


def message(data: bytes) -> None:
    """The type is that which the message names, so that seeds stay readable."""
    kind = MESSAGES.get(messages.message_type(data))
    if kind is None:
        raise MalformedInput("no such message")
    found = messages.decode_message(data, kind)
    same(found, messages.decode_message(messages.encode_message(found), kind))
    if isinstance(found, messages.Signed):
        messages.signing_digest(found)


def http_body(data: bytes) -> None:
    """The first byte chooses whose body the rest is."""
    choice, body = data[:1], data[1:]
    if choice == b"b":
        same(body, wire.encode_batch(wire.decode_batch(body)))
    elif choice == b"r":
        same(body, wire.encode_replies(wire.decode_replies(body)))
    elif choice == b"w":
        found = Request.decode(body)
        same(found, Request.decode(found.encode()))
    else:
        kind = wire.BODIES[choice[0] % len(wire.BODIES)] if choice else wire.Health
        value = wire.decode(body, kind)
        same(value, wire.decode(msgspec.json.encode(value), kind))


for _module in (
    "cli.submission", "credentials.messages", "policies.presentation", "policies.request",
    "purchases.messages", "records.disclosure", "records.documents", "records.grants",
    "records.recipients",
):  # fmt: skip
    importlib.import_module(f"zkcredit.{_module}")
MESSAGES = kinds(messages.Message)

TARGETS: dict[str, Callable[[bytes], None]] = {
    "entry": canonical(Entry),
    "submission": canonical(Submission),
    "genesis": canonical(Genesis),
    "operator-key": canonical(OperatorKeys),
    "terms": canonical(Terms),
    "schema": canonical(Schema),
    "schema-text": schema_text,
    "revocation-list": canonical(RevocationList),
    "signed-list": canonical(SignedList),
    "note": canonical_text(Note),
    "verifier-key": canonical_text(VerifierKey),
    "checkpoint": checkpoint,
    "bundle": bundles,
    "tlog-proof": canonical_text(TlogProof),
    "tlog-policy": quorum_policy,
    "policy": presentation_policy,
    "clause": clause,
    "vault": vault_file,
    "wallet": wallet,
    "merchant": merchant,
    "message": message,
    "http-body": http_body,
}


def run(name: str, data: bytes) -> bool:
    """Whether the target decodes ``data``; anything but the closed set of errors escapes."""
    try:
        TARGETS[name](data)
    except ZkCreditError:
        return False
    return True
