"""A whole record or single fields of it, with proof that the log holds it.

A :class:`Record` is a document with its anchor, a :class:`Disclosure` some of its
fields. Both carry their author's signature, so they prove themselves to whoever has
the ledger. They do not prove who shows them: see ``docs/records.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from zkcredit import digests
from zkcredit.commitment import FIELDS_MAX, field_leaf, field_salt, record_commitment
from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.messages import (
    UNCOMMITTED,
    Hex32,
    Hex96,
    Invoice,
    Label,
    Message,
    check_signed,
    committed_fields,
    prepare_types,
    read_field,
    signing_digest,
    to_builtins,
)
from zkcredit.records.anchors import Anchor, check_group, check_purchase, receipt_anchor
from zkcredit.records.documents import (
    RECEIPT,
    AnyDocument,
    Kind,
    author_of,
    kind_of,
    kind_of_tag,
)
from zkcredit.tokens import claim_commitment

if TYPE_CHECKING:
    from zkcredit.entries import SpendStatement
    from zkcredit.ledger import LedgerView


class Record(Message, frozen=True, kw_only=True, tag="zkcredit/record/1"):
    """A signed document and its place on the log. Whoever has it reads everything."""

    document: AnyDocument
    anchor: Anchor


class ShownField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field that is shown: its salt and its value as the document's JSON has it."""

    name: Label
    salt: Hex32
    value: Any


class Disclosure(Message, frozen=True, kw_only=True, tag="zkcredit/record-disclosure/1"):
    """Some fields of a record; ``hidden`` are the leaves of the others, in order.

    ``kind`` is the document's type. Which fields are hidden is plain from the kind;
    of their values nothing can be learnt or guessed.
    """

    kind: Label
    shown: Annotated[list[ShownField], msgspec.Meta(min_length=1, max_length=FIELDS_MAX)]
    hidden: Annotated[list[Hex32], msgspec.Meta(max_length=FIELDS_MAX)]
    signature: Hex96
    anchor: Anchor


prepare_types(Record, Disclosure)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a record or disclosure was found to say.

    ``kind`` is one of ``receipt``, ``bill``, ``agreement`` and ``report``. ``fields`` are
    the shown fields with their values, ``author`` the signer's registered name,
    ``timestamp_ms`` the Unix time of the entry that anchors it: the document existed by then.
    """

    kind: str
    fields: Mapping[str, Any]
    author: str
    author_id: bytes
    entry_index: int
    timestamp_ms: int
    commitment: bytes


def receipt(ledger: LedgerView, invoice: Invoice) -> Record:
    """The record of an invoice that was paid; Refused ``not-on-log`` if it was not."""
    index = ledger.find_payee(invoice.payee)
    if index is None:
        raise Refused("not-on-log", "no purchase on this ledger pays this invoice")
    return Record(document=invoice.bare(), anchor=receipt_anchor(index))


def disclose(record: Record, names: Iterable[str]) -> Disclosure:
    """Shows the named fields and those that every disclosure of the kind must show.

    CallerError for a field that the kind does not have.
    """
    document = record.document
    kind = kind_of(document)
    fields = committed_fields(document)
    wanted = shown_fields(kind, names)
    plain = to_builtins(document)
    shown, hidden = [], []
    for name, value in fields:
        salt = field_salt(document.nonce, name)
        if name in wanted:
            shown.append(ShownField(name=name, salt=salt, value=plain[name]))
        else:
            hidden.append(field_leaf(salt, name, value))
    return Disclosure(
        kind=kind.tag,
        shown=shown,
        hidden=hidden,
        signature=document.signature,
        anchor=record.anchor,
    )


def field_names(kind: Kind) -> list[str]:
    """Names of all fields of a kind in the order of their leaves."""
    return [name for name in kind.document.__struct_fields__ if name not in UNCOMMITTED]


def shown_fields(kind: Kind, names: Iterable[str]) -> set[str]:
    """The named fields and all that go with them; CallerError for an unknown one."""
    wanted = set(names)
    unknown = wanted.difference(field_names(kind))
    if unknown:
        raise CallerError(f"a {kind.name} has no field {min(unknown)!r}")
    if wanted & kind.together:
        wanted |= kind.together
    return wanted | kind.always


def verify_record(ledger: LedgerView, record: Record) -> Verified:
    """Checks a whole record against the ledger; raises Refused.

    ``wrong-ledger``, ``unknown-issuer`` or ``unknown-merchant``, ``bad-signature``,
    ``not-on-log``; for a receipt ``not-paid`` if the claim is not what the invoice asks.
    MalformedInput for a receipt that brings more than its invoice's fields.
    """
    document = record.document
    if isinstance(document, Invoice) and document.presentation:
        raise MalformedInput("a receipt holds no presentation")
    fields = dict(committed_fields(document))
    commitment = signing_digest(document)
    claim = _Claim(kind_of(document), commitment, fields, document.signature, record.anchor)
    return _verify(ledger, claim)


def verify_disclosure(ledger: LedgerView, disclosure: Disclosure) -> Verified:
    """Checks shown fields against the ledger, as :func:`verify_record` does.

    Also Refused ``undisclosed`` if a field is missing that its kind must show, and
    MalformedInput if the fields are not those of the kind.
    """
    kind = kind_of_tag(disclosure.kind)
    names = field_names(kind)
    shown = {field.name: field for field in disclosure.shown}
    in_order = [name for name in names if name in shown]
    if in_order != [field.name for field in disclosure.shown]:
        raise MalformedInput("the shown fields are not fields of the kind in their order")
    if len(disclosure.shown) + len(disclosure.hidden) != len(names):
        raise MalformedInput(f"a {kind.name} has {len(names)} fields")
    missing = shown_fields(kind, in_order).difference(in_order)
    if missing:
        raise Refused("undisclosed", f"the disclosure must show {min(missing)!r} too")
    fields = {name: read_field(kind.document, name, field.value) for name, field in shown.items()}
    hidden = iter(disclosure.hidden)
    leaves = [
        field_leaf(shown[name].salt, name, fields[name]) if name in shown else next(hidden)
        for name in names
    ]
    commitment = record_commitment(kind.tag, leaves)
    claim = _Claim(kind, commitment, fields, disclosure.signature, disclosure.anchor)
    return _verify(ledger, claim)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is to be checked of a record: some fields, and the commitment they lead to."""

    kind: Kind
    commitment: bytes
    fields: Mapping[str, Any]
    signature: bytes
    anchor: Anchor


def _verify(ledger: LedgerView, claim: _Claim) -> Verified:
    kind, fields, anchor = claim.kind, claim.fields, claim.anchor
    if fields["ledger_id"] != ledger.ledger_id:
        raise Refused("wrong-ledger", "the record is of another ledger")
    author_id = bytes(fields[kind.author])
    author = author_of(ledger.registry, kind, author_id)
    check_signed(claim.commitment, claim.signature, author.bls_key, f"the {kind.name}", author.name)
    if kind is RECEIPT:
        _check_paid(ledger, check_purchase(ledger, anchor, claim.commitment), fields)
    else:
        check_group(ledger, anchor, claim.commitment, author_id)
    return Verified(
        kind=kind.name,
        fields=fields,
        author=author.name,
        author_id=author_id,
        entry_index=anchor.entry_index,
        timestamp_ms=ledger.entry(anchor.entry_index).timestamp_ms,
        commitment=claim.commitment,
    )


def _check_paid(ledger: LedgerView, spend: SpendStatement, fields: Mapping[str, Any]) -> None:
    """Refused ``not-paid`` unless the claim is the invoice's, as its merchant checks it.

    Anybody can put another's invoice hash into a purchase of their own: without these
    checks a purchase of one cent would pass for any invoice.
    """
    same = fields["payee"] == spend.payee
    if "amount_minor" in fields:
        issuer_id = ledger.registry.published(spend.terms_hash).issuer_id
        label = digests.value_label(issuer_id, fields["currency"])
        same = (
            same
            and spend.claim == claim_commitment(label, fields["amount_minor"], fields["rho"])
            and spend.not_after_ms == fields["not_after_ms"]
            and spend.terms_hash in fields["accepted"]
        )
    if not same:
        raise Refused("not-paid", "the purchase is not the one that the invoice asks for")
