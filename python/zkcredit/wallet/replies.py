"""What a wallet checks of a lender's reply before it uses the next token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from zkcredit import digests
from zkcredit.entries import Kind
from zkcredit.errors import CheckFailed, MalformedInput, ProofRefused, Refused
from zkcredit.ledger.replies import split_sealed
from zkcredit.messages import (
    BillingDocument,
    OpenReply,
    StatementReply,
    UpdateReply,
    check_signature,
    decode_message,
    encode_message,
)
from zkcredit.sealing import open_reply
from zkcredit.wallet.state import DISPUTED, READY, HistoryRow, Line, Opening, Pending, Token

if TYPE_CHECKING:
    from zkcredit.wallet.steps import Steps


@dataclass(slots=True)
class Outcome:
    """A reply that was read: the signed token and what it means for the line.

    ``problem`` is set when the signature is good but the billing document does not
    follow from the terms.
    """

    token: Token
    limit_minor: int
    added_minor: int = 0
    document: BillingDocument | None = None
    problem: str | None = None


def read_reply(steps: Steps, line: Line, pending: Pending, reply: bytes) -> Outcome:
    """Opens and verifies the reply to a pending step that the ledger holds.

    Raises CheckFailed, ProofRefused, MalformedInput or Refused if the lender's answer
    is no valid signature on the expected token: the line is then in dispute.
    """
    kind = Kind(pending.kind)
    if kind.reply_is_public:
        signed = msgspec.structs.replace(pending.next, signature=reply)
        outcome = Outcome(signed, line.limit_minor)
    else:
        plaintext = _open(steps, line, pending, reply)
        reader = {Kind.OPEN: _opened, Kind.UPDATE: _updated, Kind.STATEMENT: _billed}[kind]
        outcome = reader(steps, line, pending, plaintext)
    token = outcome.token
    if max(map(abs, (token.available_minor, *token.due_minor))) > steps.terms.signed_max_minor:
        raise CheckFailed("the lender's adjustment is out of range")
    if len(token.signature) != 80:
        raise MalformedInput("an issuer's signature has 80 bytes")
    steps.verify(token)
    return outcome


def _open(steps: Steps, line: Line, pending: Pending, reply: bytes) -> bytes:
    if Kind(pending.kind) is Kind.OPEN:
        origin = steps.open_commitment(line.ordinal)
    else:
        assert line.token is not None
        origin = line.token.serial
    key = steps.keys.reply_key(origin)
    sealed, _ = split_sealed(reply)  # what is sealed is checked below, whoever posted it
    return open_reply(key, line.ledger_id, digests.statement_hash(pending.statement), sealed)


def _opened(steps: Steps, line: Line, pending: Pending, plaintext: bytes) -> Outcome:
    del line
    reply = decode_message(plaintext, OpenReply)
    if len(reply.attributes) != steps.terms.attributes:
        raise CheckFailed("the lender set another number of attributes than the terms have")
    token = msgspec.structs.replace(
        pending.next,
        account=reply.account,
        available_minor=reply.limit_minor,
        attributes=list(reply.attributes),
        signature=bytes(reply.signature),
    )
    return Outcome(token, reply.limit_minor)


def _updated(steps: Steps, line: Line, pending: Pending, plaintext: bytes) -> Outcome:
    del steps
    reply = decode_message(plaintext, UpdateReply)
    if reply.limit_minor != line.limit_minor + reply.limit_change_minor:
        raise CheckFailed("the lender's new limit does not follow from the old one")
    added_minor = reply.payments_minor + reply.credits_minor
    token = msgspec.structs.replace(
        pending.next,
        available_minor=pending.next.available_minor + added_minor + reply.limit_change_minor,
        signature=bytes(reply.signature),
    )
    return Outcome(token, reply.limit_minor, added_minor)


def _billed(steps: Steps, line: Line, pending: Pending, plaintext: bytes) -> Outcome:
    reply = decode_message(plaintext, StatementReply)
    document = reply.document
    token = msgspec.structs.replace(
        pending.next,
        available_minor=pending.next.available_minor + document.adjustment_minor,
        signature=bytes(reply.signature),
    )
    problem = document_problem(steps, line, pending, document)
    return Outcome(token, document.limit_minor, 0, document, problem)


def document_problem(
    steps: Steps, line: Line, pending: Pending, document: BillingDocument
) -> str | None:
    """Why a billing document does not follow from the terms, None if it does."""
    assert line.token is not None
    period = line.token.period
    figures = steps.terms.billing(
        period,
        bill_minor=line.token.due_minor[0],
        previous_balance_minor=line.balance_minor,
        previous_minimum_minor=line.minimum_minor,
        payments_minor=document.payments_minor,
        credits_minor=document.credits_minor,
        waive=document.waived_minor > 0,
    )
    expected: dict[str, object] = {
        "ledger_id": line.ledger_id,
        "issuer_id": line.issuer_id,
        "terms_hash": line.terms_hash,
        "account": line.token.account,
        "period": period,
        "next_period": period + 1,
        "entry_index": pending.index,
        "bill_minor": figures.bill_minor,
        "previous_balance_minor": figures.previous_balance_minor,
        "added_before_minor": line.added_minor,
        "interest_minor": figures.interest_minor,
        "late_fee_minor": figures.late_fee_minor,
        "waived_minor": figures.waived_minor,
        "limit_minor": line.limit_minor + document.limit_change_minor,
        "balance_minor": figures.balance_minor,
        "minimum_minor": figures.minimum_minor,
        "arrears_minor": figures.arrears_minor,
    }
    for name, value in expected.items():
        found = getattr(document, name)
        if found != value:
            return f"the billing document's {name} is {found!r}, the terms give {value!r}"
    if document.added_before_minor > document.payments_minor + document.credits_minor:
        return "the billing document leaves out payments that are on the line already"
    return _signature_problem(steps, document)


def _signature_problem(steps: Steps, document: BillingDocument) -> str | None:
    key = steps.registry.issuer(steps.product.issuer_id).bls_key
    try:
        check_signature(document, key, "the lender")
    except Refused as error:
        return str(error)
    return None


def apply_outcome(line: Line, pending: Pending, outcome: Outcome, timestamp_ms: int) -> HistoryRow:
    """Moves the line on and gives the row for its history."""
    assert pending.index is not None
    line.token, line.pending = outcome.token, None
    line.status, line.problem = READY, None
    line.disputed = b""
    line.must_refresh = False
    line.limit_minor = outcome.limit_minor
    line.added_minor += outcome.added_minor
    document = outcome.document
    if document is not None:
        line.balance_minor = document.balance_minor
        line.minimum_minor = document.minimum_minor
        line.added_minor = 0
        line.statement_period = document.period
        line.statement_moment_ms = None
        line.documents.append(encode_message(document))
    if pending.kind == Kind.OPEN:
        line.open_period = outcome.token.period
    return HistoryRow(
        line=line.number,
        index=pending.index,
        kind=pending.kind_name,
        timestamp_ms=timestamp_ms,
        period=document.period if document is not None else outcome.token.period,
        amount_minor=outcome.added_minor if pending.kind == Kind.UPDATE else pending.amount_minor,
        label=pending.label,
        available_minor=outcome.token.available_minor,
        invoice_hash=pending.invoice_hash,
        merchant_id=pending.merchant_id,
        opening=_opening(pending),
    )


def _opening(pending: Pending) -> Opening | None:
    """What a proof about the entry will need, None for steps that nobody asks about."""
    if pending.kind not in (Kind.SPEND, Kind.STATEMENT):
        return None
    return Opening(next=pending.next, rho=pending.rho)


def mark_disputed(line: Line, reply: bytes, problem: str) -> None:
    """Keeps the reply as evidence and stops the line."""
    line.status, line.problem, line.disputed = DISPUTED, problem, reply


REPLY_ERRORS = (CheckFailed, ProofRefused, MalformedInput, Refused)
"""What a bad reply can raise in :func:`read_reply`."""
